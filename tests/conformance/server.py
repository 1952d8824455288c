"""The server of `make conformance`: ours, with the tools, prompts and resources that the official suite asks for.

`server.py` serves streamable HTTP on a free port of loopback, prints its address, and ends when its stdin does. The
suite tests the protocol, which is the SDK's and what `build_server` puts around it: the middleware, the completions,
the prompts and resources. The fixtures have the names and texts that each scenario of the suite prescribes.
"""

import base64
import json
import socket
import sys
import threading
from collections.abc import Sequence
from contextlib import nullcontext
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import anyio
import uvicorn
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp_types import (
    AudioContent,
    BlobResourceContents,
    EmbeddedResource,
    ImageContent,
    ReadResourceRequestParams,
    ReadResourceResult,
    TextContent,
    TextResourceContents,
)
from pydantic import BaseModel, Field

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.server.resources import PictureServer
from gpt_image_2_mcp.server.sdk import add_request_handler
from gpt_image_2_mcp.settings import Settings

DOT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAIAAACQd1PeAAAADElEQVR4nGP4z8AAAAMBAQDJ/pLvAAAAAElFTkSuQmCC"
"""A red pixel as a PNG, in base64."""
SILENCE = base64.b64encode(
    b"RIFF\x24\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x80\x3e\0\0\x02\0\x10\0data\0\0\0\0"
).decode()
"""A WAV file without a sample, in base64."""
PAUSE_S = 0.05
"""Between two messages of a tool, as the suite prescribes."""


class User(BaseModel):
    """What `test_elicitation` asks for."""

    username: str = Field(description="User's response")
    email: str = Field(description="User's email address")


def text(words: str) -> TextContent:
    return TextContent(type="text", text=words)


def image() -> ImageContent:
    return ImageContent(type="image", data=DOT, mime_type="image/png")


def resource(uri: str, words: str, mime_type: str = "text/plain") -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=mime_type, text=words))


def add_contents(server: PictureServer) -> None:
    """The tools that give each type of content."""

    @server.tool(structured_output=False)
    def test_simple_text() -> list[TextContent]:
        """Give a simple text."""
        return [text("This is a simple text response for testing.")]

    @server.tool(structured_output=False)
    def test_image_content() -> list[ImageContent]:
        """Give a picture."""
        return [image()]

    @server.tool(structured_output=False)
    def test_audio_content() -> list[AudioContent]:
        """Give a sound."""
        return [AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")]

    @server.tool(structured_output=False)
    def test_embedded_resource() -> list[EmbeddedResource]:
        """Give a resource."""
        return [resource("test://embedded-resource", "This is an embedded resource content.")]

    @server.tool(structured_output=False)
    def test_multiple_content_types() -> list[TextContent | ImageContent | EmbeddedResource]:
        """Give a text, a picture and a resource."""
        data = json.dumps({"test": "data", "value": 123})
        mixed = resource("test://mixed-content-resource", data, "application/json")
        return [text("Multiple content types test:"), image(), mixed]


def add_behaviours(server: PictureServer) -> None:
    """The tools that fail, or do something before they answer."""

    @server.tool(structured_output=False)
    def test_error_handling() -> str:
        """Fail."""
        raise ValueError("This tool intentionally returns an error for testing")

    @server.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context[Any, Any]) -> str:
        """Report progress three times."""
        for progress in (0, 50, 100):
            await ctx.report_progress(progress, 100)
            await anyio.sleep(PAUSE_S)
        return "done"

    @server.tool(structured_output=False)
    async def test_reconnection(ctx: Context[Any, Any]) -> str:
        """Close the stream of the call before the answer."""
        await ctx.close_sse_stream()
        await anyio.sleep(PAUSE_S)
        return "Reconnection test completed"


def add_questions(server: PictureServer) -> None:
    """The tools that ask the client for something."""

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, ctx: Context[Any, Any]) -> str:
        """Ask the person."""
        answer = await ctx.elicit(message, User)
        return f"User response: {answer}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context[Any, Any]) -> str:
        """Ask with a default for each primitive type."""
        return await asked(
            ctx,
            name={"type": "string", "default": "John Doe"},
            age={"type": "integer", "default": 30},
            score={"type": "number", "default": 95.5},
            status={"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            verified={"type": "boolean", "default": True},
        )

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context[Any, Any]) -> str:
        """Ask with each kind of choice."""
        options = ["option1", "option2", "option3"]

        def titled(*titles: str) -> list[dict[str, str]]:
            return [{"const": f"value{number}", "title": title} for number, title in enumerate(titles, 1)]

        return await asked(
            ctx,
            untitledSingle={"type": "string", "enum": options},
            titledSingle={"type": "string", "oneOf": titled("First Option", "Second Option", "Third Option")},
            legacyEnum={
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            untitledMulti={"type": "array", "items": {"type": "string", "enum": options}},
            titledMulti={"type": "array", "items": {"anyOf": titled("First Choice", "Second Choice", "Third Choice")}},
        )


async def asked(ctx: Context[Any, Any], **properties: dict[str, Any]) -> str:
    """Ask the client with a schema of these properties; what it answered."""
    schema: dict[str, Any] = {"type": "object", "properties": properties}
    answer = await ctx.session.elicit_form("Please answer", schema, related_request_id=ctx.request_id)
    return f"Elicitation completed: action={answer.action}, content={answer.content}"


def add_prompts(server: PictureServer) -> None:
    """The prompts that the scenarios `prompts-get-…` ask for."""

    @server.prompt()
    def test_simple_prompt() -> str:
        """Give a simple prompt."""
        return "This is a simple prompt for testing."

    @server.prompt()
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        """Give a prompt with its arguments."""
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt()
    def test_prompt_with_embedded_resource(resourceUri: str) -> Sequence[UserMessage]:  # noqa: N803 - the suite's name
        """Give a prompt with a resource."""
        found = resource(resourceUri, "Embedded resource content for testing.")
        return [UserMessage(found), UserMessage("Please process the embedded resource above.")]

    @server.prompt()
    def test_prompt_with_image() -> Sequence[UserMessage]:
        """Give a prompt with a picture."""
        return [UserMessage(image()), UserMessage("Please analyze the image above.")]


def add_resources(server: PictureServer) -> None:
    """The resources that the scenarios `resources-read-…` read."""

    async def read(_: ServerRequestContext[Any, Any], params: ReadResourceRequestParams) -> ReadResourceResult:
        uri = str(params.uri)
        if uri == "test://static-binary":
            return ReadResourceResult(contents=[BlobResourceContents(uri=uri, mime_type="image/png", blob=DOT)])
        mime_type, words = "text/plain", "This is the content of the static text resource."
        if uri.startswith("test://template/"):
            name = uri.split("/")[3]
            mime_type = "application/json"
            words = json.dumps({"id": name, "templateTest": True, "data": f"Data for ID: {name}"})
        return ReadResourceResult(contents=[TextResourceContents(uri=uri, mime_type=mime_type, text=words)])

    add_request_handler(server, "resources/read", ReadResourceRequestParams, read)


async def serve(home: Path) -> None:
    settings = Settings.read({"GPT_IMAGE_2_OUTPUT_DIR": str(home / "pictures")})
    async with open_service(settings, working_dir=home, home=home, data_dir=home / "data") as service:
        server = build_server(lambda: nullcontext(service))
        for add in (add_contents, add_behaviours, add_questions, add_prompts, add_resources):
            add(server)
        listener = socket.create_server(("127.0.0.1", 0))
        web = uvicorn.Server(uvicorn.Config(server.streamable_http_app(), log_level="error"))
        threading.Thread(target=end_with_stdin, args=(web,), daemon=True).start()
        sys.stdout.write(f"http://localhost:{listener.getsockname()[1]}/mcp\n")
        sys.stdout.flush()
        await web.serve([listener])


def end_with_stdin(web: uvicorn.Server) -> None:
    sys.stdin.read()
    web.should_exit = True


if __name__ == "__main__":
    with TemporaryDirectory() as folder:
        anyio.run(serve, Path(folder))
