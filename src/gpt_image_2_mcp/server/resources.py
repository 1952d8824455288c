"""Saved pictures as MCP resources: the original bytes, by the id that every answer names."""

from collections.abc import Iterable
from typing import Any

import anyio.to_thread
from mcp.server.lowlevel.helper_types import ReadResourceContents
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp_types import InputRequiredResult, Resource, ResourceTemplate
from pydantic import AnyUrl

from ..errors import SessionError
from ..library import read_back
from ..studio import Studio
from .results import PICTURE_URI, picture_link

LISTED = 50
"""Pictures in `resources/list`; any other is read by its id."""


class PictureServer(MCPServer[Studio]):
    """An MCP server whose resources are what its studio made."""

    studio: Studio | None = None
    """Set while a client is served."""

    async def list_resources(self) -> list[Resource]:
        """The newest pictures."""
        pictures = await self.studio.newest(LISTED) if self.studio else []
        return [Resource(**picture_link(picture).model_dump(exclude={"type"})) for picture in pictures]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """The one form that a picture's address has."""
        return [
            ResourceTemplate(
                name="picture",
                title="A saved picture",
                uri_template=PICTURE_URI,
                description="The original file of a picture that this server made, by its id: its file's name without"
                " the extension. resources/list names the recent ones.",
            )
        ]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[Studio, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """A picture's bytes, as the API sent them.

        Raises:
            ResourceNotFoundError: there is no such picture, or its file is gone.

        """
        del context  # The studio is this server's own.
        prefix = PICTURE_URI.removesuffix("{id}")
        picture_id = str(uri).removeprefix(prefix)
        image = await self.studio.picture(picture_id) if self.studio and str(uri).startswith(prefix) else None
        if image is None:
            raise ResourceNotFoundError(f"There is no picture {uri}; resources/list names the recent ones.")
        try:
            data = await anyio.to_thread.run_sync(read_back, image.path, image.record.sha256)
        except SessionError as error:
            raise ResourceNotFoundError(f"{uri} cannot be read: {error}") from None
        return [ReadResourceContents(content=data, mime_type=image.mime_type)]
