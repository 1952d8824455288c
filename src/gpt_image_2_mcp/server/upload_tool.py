"""The tool `upload_link`, which only a server over HTTP has: it takes a file from the person's computer."""

from pathlib import PurePath
from shlex import quote
from typing import Any

from mcp.server.mcpserver import Context
from mcp.server.mcpserver.tools import Tool
from mcp_types import CallToolResult, TextContent, ToolAnnotations

from ..errors import NotConfigured
from ..parameters.models import UploadRequest
from ..service.images import ImageService
from .tool import RequestTool

UPLOAD_KEY = "gpt-image-2/upload"
"""The key of an upload's id, link and headers in `_meta`."""


async def upload_link(request: UploadRequest, call: Context[ImageService, Any]) -> CallToolResult:
    """Get a link to send one picture file of the person to this server, to be edited.

    Answers with a command that sends it (PUT), and a name for `images` or `mask` in other tools, valid for a day. For
    a picture on the web or made here no upload is needed. Free.
    """
    links = call.request_context.lifespan_context.links
    if links is None:
        raise NotConfigured("This server takes no uploads: give a path, an address or a picture's id.")
    upload_id, link = links.upload(size=request.size, media_type=request.type)
    name = f"upload:{upload_id}"
    headers = {"Content-Type": request.type, **link.headers}
    sent = " ".join(f'-H "{header}: {value}"' for header, value in headers.items())
    command = f'curl -T {quote(PurePath(request.name).name)} {sent} "{link.url}"'
    text = (
        f"Send the file with:\n{command}\n"
        f'The link takes it until {link.until}. Then name it in other tools as "{name}", for a day.'
    )
    return CallToolResult(
        content=[TextContent(text=text)], _meta={UPLOAD_KEY: {"image": name, **link.as_dict(), "headers": headers}}
    )


def upload_tool() -> Tool:
    """The tool."""
    hints = ToolAnnotations(read_only_hint=False, destructive_hint=False, open_world_hint=False)
    return RequestTool.of(upload_link, UploadRequest, title="Send a picture", annotations=hints)
