"""Serves pictures and edit sessions as MCP resources: a picture's original file, and a session as JSON."""

import json
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any
from urllib.parse import unquote

from mcp import MCPError
from mcp.server import ServerRequestContext
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ResourceNotFoundError
from mcp_types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    InputRequiredResult,
    Resource,
    ResourceTemplate,
    SubscribeRequestParams,
    UnsubscribeRequestParams,
)
from pydantic import AnyUrl

from ..catalogue.picture_record import Picture
from ..catalogue.search_query import SearchQuery
from ..catalogue.session import Session, tree
from ..errors import GptImageError, shorten_line
from ..service.images import ImageService
from ..studio.page import is_page_uri
from .answer_room import AnswerRoom, room_for_pictures
from .given_up_calls import GivenUpCalls
from .notifications import ChangeNotifier
from .results import PICTURE_URI, SESSION_URI, picture_uri, session_uri
from .sdk import ReadResourceContents, add_request_handler
from .studio_tool import page_contents

MAX_LISTED = 50
"""Pictures, and as many sessions, in `resources/list`; any other can be read by its id."""


@contextmanager
def expected_errors(service: ImageService | None) -> Generator[None]:
    """Turn a `GptImageError` into an `MCPError` with its message; the SDK would log it as a crash of the server."""
    try:
        yield
    except GptImageError as error:
        raise MCPError(INTERNAL_ERROR, _told_error(error, service)) from None


def _told_error(error: GptImageError, service: ImageService | None) -> str:
    return service.links.told_error(str(error)) if service and service.links else str(error)


class PictureServer(MCPServer[ImageService]):
    """An MCP server whose resources are the pictures and sessions of its service."""

    service: ImageService | None = None
    """Set by the server's lifespan, that is while a client is connected."""
    changes: ChangeNotifier
    calls: GivenUpCalls
    room: AnswerRoom

    def serve_subscriptions(self, changes: ChangeNotifier) -> None:
        """Let older clients subscribe to single resources."""
        self.changes = changes

        async def subscribe(ctx: ServerRequestContext[Any, Any], params: SubscribeRequestParams) -> EmptyResult:
            with expected_errors(self.service):
                if await self._find(str(params.uri)) is None:
                    raise MCPError(INVALID_PARAMS, _unknown_text(str(params.uri)))
            return await changes.subscribe(ctx, params)

        add_request_handler(self, "resources/subscribe", SubscribeRequestParams, subscribe)
        add_request_handler(self, "resources/unsubscribe", UnsubscribeRequestParams, changes.unsubscribe)

    async def list_resources(self) -> list[Resource]:
        """List the newest pictures and the active sessions."""
        if self.service is None:
            return []
        with expected_errors(self.service):
            found = await self.service.library.find(SearchQuery(page_size=MAX_LISTED))
            sessions, _ = await self.service.sessions.active(MAX_LISTED)
        return [*map(_picture_resource, found.pictures), *map(_session_resource, sessions)]

    async def list_resource_templates(self) -> list[ResourceTemplate]:
        """List the URI templates of pictures and sessions."""
        return [
            ResourceTemplate(
                name="picture",
                title="A saved picture",
                uri_template=PICTURE_URI,
                description="The original file of a picture that was made here, by its id: its file's name without"
                " the extension. resources/list names the recent ones, and list_images finds any.",
            ),
            ResourceTemplate(
                name="session",
                title="An edit session",
                uri_template=SESSION_URI,
                description="An edit session with all its turns and branches, by its session_id.",
                mime_type="application/json",
            ),
        ]

    async def read_resource(
        self, uri: AnyUrl | str, context: Context[ImageService, Any] | None = None
    ) -> Iterable[ReadResourceContents] | InputRequiredResult:
        """Read the bytes of a picture, a session as JSON, or the studio's page.

        Raises:
            ResourceNotFoundError: there is no such picture or session, or the picture's file cannot be read.
            MCPError: the catalogue cannot be used.

        """
        del context  # The service is this server's own.
        if is_page_uri(str(uri)):
            return [page_contents()]
        with expected_errors(self.service):
            return await self._read(str(uri))

    async def _find(self, uri: str) -> Picture | Session | None:
        """The picture or session of a URI, if there is one."""
        if self.service is None:
            return None
        if session_id := _id_from_uri(uri, SESSION_URI):
            return await self.service.library.session(session_id)
        if picture_id := _id_from_uri(uri, PICTURE_URI):
            return await self.service.library.picture(picture_id)
        return None

    async def _read(self, uri: str) -> list[ReadResourceContents]:
        found = await self._find(uri)
        if isinstance(found, Session):
            text = json.dumps(_session_as_dict(found), ensure_ascii=False, indent=1)
            if self.service and self.service.links:
                text = self.service.links.told(text)
            return [ReadResourceContents(content=text, mime_type="application/json")]
        if found is None or self.service is None:
            raise ResourceNotFoundError(_unknown_text(uri))
        try:
            async with room_for_pictures(whole_file=True):
                data = await self.service.library.read_bytes(found)
        except GptImageError as error:
            why = _told_error(error, self.service)
            raise ResourceNotFoundError(f"{uri} cannot be read: {why}") from None
        return [ReadResourceContents(content=data, mime_type=found.mime_type)]


def _unknown_text(uri: str) -> str:
    return f"There is no picture or session {uri[:200]}; resources/list names the recent ones."


def _id_from_uri(address: str, template: str) -> str:
    prefix = template.removesuffix("{id}")
    return unquote(address.removeprefix(prefix)) if address.startswith(prefix) else ""


def _picture_resource(picture: Picture) -> Resource:
    return Resource(
        name=picture.path.name,
        uri=picture_uri(picture.id),
        mime_type=picture.mime_type,
        size=picture.record.size_bytes,
    )


def _session_resource(session: Session) -> Resource:
    return Resource(
        name=session.id,
        uri=session_uri(session.id),
        title=shorten_line(session.turns[0].prompt),
        mime_type="application/json",
    )


def _session_as_dict(session: Session) -> dict[str, Any]:
    return {
        "session_id": session.id,
        "active": session.active,
        "created": session.created.isoformat(),
        "updated": session.updated.isoformat(),
        "folder": str(session.folder),
        "originals": [origin.model_dump(mode="json", exclude_none=True) for origin in session.originals],
        "head": session.next_parent,
        "turns": [
            {
                "turn": turn.number,
                "parent_turn": turn.parent,
                "branch": turn.position.is_branch,
                "prompt": turn.prompt,
                "picture": picture_uri(turn.given.id),
                "file_path": str(turn.given.path),
            }
            for turn in session.turns
        ],
        "tree": tree(session),
    }
