"""Begins the work of a first call for a picture before the server that will answer it is loaded.

The API takes seconds for a picture, and loading the MCP SDK takes a third of one: so the request is sent first, and the
SDK is loaded while the API is at work. The server then reads the call as any other, and its tool finds the job that was
begun for it (`ImageService.start_ahead`).

Only a call is begun that the server would accept as it stands. Whatever is unusual or wrong about it, and a call that
the user may have to be asked about first, is left to the server.
"""

# The values of JSON have the type `Any`, and what is in them is checked piece by piece.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from pydantic_core import from_json

from ...errors import GptImageError
from ...jobs.job import Job, client_name
from ...jobs.serialization import REQUESTS
from ...parameters.models import ContinueSessionRequest, PaidRequest, parse
from ...service.images import ImageService
from ...settings import Settings
from .handshake import (
    CAPABILITIES,
    CLIENT,
    VERSION,
    HandshakeReplay,
    are_known_capabilities,
    is_known_client,
    is_known_meta,
    modern_version,
)

FEW_INPUTS = 4
"""Input pictures with which one picture costs less than `UNASKED_USD` for sure."""


@dataclass(frozen=True, slots=True)
class FirstCall:
    """A call for a picture, as the client sent it."""

    tool: str
    arguments: dict[str, Any]
    client: str | None
    """The client's name and version."""

    async def start(self, service: ImageService, *, before: Callable[[], Awaitable[None]] | None) -> Job | None:
        """Start its job; None if the call is left to the server, which may have a question or an error for it.

        `before` is awaited before anything can be sent.
        """
        try:
            request = parse(REQUESTS[self.tool], self.arguments)
            if _may_be_asked_about(request, service.settings):
                return None
            service.check(request)
            if getattr(request, "like", None) is not None:
                # The server reads `like` again, and `last` may be the picture of this job by then.
                return None
            if isinstance(request, ContinueSessionRequest) and (
                request.is_set_back or await service.complete(request) != request
            ):
                return None
            if before:
                await before()
            return service.start_ahead(request, client=self.client)
        except GptImageError:
            return None


def read_first_call(replay: HandshakeReplay) -> FirstCall | None:
    """Give the call that the server is loaded for; None if it is none for a picture, or of an unusual form."""
    try:
        # Read as the server reads it, which refuses half a surrogate pair: the two must not understand it differently.
        message, *opening = (from_json(line) for line in (replay.line, *replay.opening))
        params = message["params"]
        meta = params.get("_meta", {})
        is_usual = (
            message.keys() == {"jsonrpc", "id", "method", "params"}
            and (message["jsonrpc"], message["method"]) == ("2.0", "tools/call")
            and type(message["id"]) in (int, str)
            and params.keys() <= {"name", "arguments", "_meta"}
            and params["name"] in REQUESTS
            and is_known_meta(meta)
        )
        client = _client(opening, meta)
    except (ValueError, KeyError, AttributeError, TypeError, RecursionError):
        return None
    arguments = params.get("arguments")
    if not is_usual or client is None or not isinstance(arguments, dict):
        return None
    return FirstCall(params["name"], arguments, client or None)


def _client(opening: list[Any], meta: dict[str, Any]) -> str | None:
    """The name of the client; "" if it gave none, None if the connection was not opened in a form that is known."""
    hello = opening[0]["params"] if opening else {}
    if VERSION in meta:
        # Since 2026-07-28, each request says for itself what `initialize` said before, and may be the first one.
        is_open = meta[VERSION] == (hello.get("_meta", {}).get(VERSION) if opening else modern_version())
        capabilities, client = meta.get(CAPABILITIES), meta.get(CLIENT, {"name": "", "version": ""})
    else:
        methods = [message["method"] for message in opening]
        is_open = methods == ["initialize", "notifications/initialized"] and type(hello["protocolVersion"]) is str
        capabilities, client = hello["capabilities"], hello["clientInfo"]
    if not (is_open and are_known_capabilities(capabilities) and is_known_client(client)):
        return None
    return client_name(client["name"], client["version"])


def _may_be_asked_about(request: PaidRequest, settings: Settings) -> bool:
    """Whether the person may have to be asked before a call, which the server then decides."""
    if settings.must_confirm:
        return not settings.sandbox
    if settings.confirm_limit is None:
        return False
    # One picture of another quality costs less than `UNASKED_USD` at every size, unless it is made from many.
    return request.count > 1 or request.quality in ("xhigh", "max") or len(request.assumed_inputs()) > FEW_INPUTS
