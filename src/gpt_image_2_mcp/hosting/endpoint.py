"""`/mcp`: finds out who asks, and hands the request to that person's own MCP server."""

from collections.abc import Callable, Collection, Mapping
from contextlib import AsyncExitStack
from http import HTTPStatus
from typing import Final

import anyio
from mcp_types import INTERNAL_ERROR
from starlette.datastructures import Headers
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ..server.asker import SEES_TEAM, WHEN_SENT
from ..telemetry import count_refusal
from .authentication import Authentication, Refusal
from .people import MAX_BODY, People, TooManyPeople, TooManyRequests
from .request_room import BODY_WITHIN_S, ClientGone, NoRoom, RequestRoom, arriving

STREAMS: Final = {"subscriptions/listen"}
"""The methods whose answer goes on until the client leaves."""


class Endpoint:
    """The ASGI endpoint of the protocol."""

    def __init__(
        self,
        authentication: Authentication,
        people: People,
        *,
        admins: Collection[str] = (),
        room: RequestRoom | None = None,
    ) -> None:
        """Ask `authentication` who it is, and `people` for the server; members of `admins` see what the team spends.

        `room` bounds large requests.
        """
        self._authentication = authentication
        self._people = people
        self._admins = frozenset(admins)
        self._room = room or RequestRoom()
        self._ending = anyio.Event()

    def end_streams(self) -> None:
        """End the streams that would keep a connection until the client leaves."""
        self._ending.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        headers = Headers(scope=scope)
        try:
            person = await self._authentication.person(headers)
        except Refusal as refusal:
            count_refusal(refusal.error)
            await refusal.response()(scope, receive, send)
            return
        if scope["method"] != "POST":
            # No stream outlives a request: there are no sessions.
            await Response(status_code=HTTPStatus.METHOD_NOT_ALLOWED, headers={"Allow": "POST"})(scope, receive, send)
            return
        SEES_TEAM.set(not self._admins.isdisjoint(person.groups))
        async with AsyncExitStack() as stack:
            try:
                app = await stack.enter_async_context(self._people.serving(person))
            except (TooManyPeople, TooManyRequests) as error:
                await _unavailable(str(error))(scope, receive, send)
                return
            except Exception:  # noqa: BLE001 - whatever it was, it is in the log
                await _unavailable("The service cannot be opened at the moment; nothing was sent or paid.")(
                    scope, receive, send
                )
                return
            read = arriving(receive, headers, self._room, person.key, most=MAX_BODY)
            try:
                received = await stack.enter_async_context(read)
                WHEN_SENT.set(when_sent := [])
                await self._answer(app, headers, scope, received, _calling(when_sent, send))
            except TimeoutError:
                text = f"The request did not arrive within {BODY_WITHIN_S:g} s."
                await PlainTextResponse(text, HTTPStatus.REQUEST_TIMEOUT, {"Connection": "close"})(scope, receive, send)
            except ClientGone:
                return
            except NoRoom:
                text = "Too many large requests are under way; nothing was done for this one, sent or paid."
                await _unavailable(text, {"Connection": "close"})(scope, receive, send)

    async def _answer(self, app: ASGIApp, headers: Headers, scope: Scope, receive: Receive, send: Send) -> None:
        if headers.get("mcp-method") not in STREAMS:
            await app(scope, receive, send)
            return
        is_open = False

        async def note(message: Message) -> None:
            nonlocal is_open
            is_open = message["type"] == "http.response.start" or message.get("more_body", False)
            await send(message)

        async def end() -> None:
            await self._ending.wait()
            tasks.cancel_scope.cancel()

        failure: Exception | None = None
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(end)
            try:
                await app(scope, receive, note)
            except (TimeoutError, NoRoom, ClientGone) as error:
                # The group would wrap it.
                failure = error
            tasks.cancel_scope.cancel()
        if failure is not None:
            raise failure
        if is_open:
            await send({"type": "http.response.body", "body": b"", "more_body": False})


def _calling(when_sent: list[Callable[[], None]], send: Send) -> Send:
    """Call what is to be called when the answer has left, which its last part says."""

    async def send_on(message: Message) -> None:
        await send(message)
        if message["type"] == "http.response.body" and not message.get("more_body", False):
            for call in when_sent:
                call()

    return send_on


def _unavailable(text: str, headers: Mapping[str, str] | None = None) -> Response:
    """The answer that this request cannot be served now, as an error of the protocol."""
    body = {"jsonrpc": "2.0", "id": None, "error": {"code": INTERNAL_ERROR, "message": text}}
    return JSONResponse(body, HTTPStatus.SERVICE_UNAVAILABLE, {"Retry-After": "10", **(headers or {})})
