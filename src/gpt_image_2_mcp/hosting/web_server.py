"""uvicorn, as `serve` runs it: signals are the program's own, and a client that sends or reads slowly is given up."""

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from http import HTTPStatus
from typing import Any, Final, cast

import h11
import uvicorn
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.protocols.http.h11_impl import H11Protocol, RequestResponseCycle

from ..errors import NotConfigured

HEADERS_WITHIN_S: Final = 20.0
"""How long a connection may take to send the headers of a request, or the rest of one that is answered already."""
READ_WITHIN_S: Final = 300.0
"""How long a client may take to read what was written to it: 12 MiB of a picture at half a megabit a second."""
KEEP_ALIVE_S: Final = 75
"""How long a connection without a request is kept: longer than proxies keep theirs, which are then never cut."""
MAX_CONNECTIONS: Final = 1000


class _PatientProtocol(H11Protocol):
    """Closes a connection that does not send a request, or does not read the answer, in time; uvicorn waits for ever.

    The body of a request that is not answered yet is the endpoint's to wait for.
    """

    _deadline: asyncio.TimerHandle | None = None
    _reading: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        self._end_reading()
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        super().pause_writing()
        self._reading = self.loop.call_later(READ_WITHIN_S, self.transport.abort)

    def resume_writing(self) -> None:
        super().resume_writing()
        self._end_reading()

    def _end_reading(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            self._reading = None

    @property
    def _sends_what_is_answered(self) -> bool:
        """Whether a request is answered of which the rest still comes, as where it was refused by its headers.

        uvicorn gives such a connection `KEEP_ALIVE_S` until the next byte comes, and for ever from then on.
        """
        cycle = cast("RequestResponseCycle | None", self.cycle)
        return cycle is not None and cycle.response_complete and self.conn.their_state is h11.SEND_BODY

    def _watch(self) -> None:
        """Run one deadline while nothing but the client is waited for, however often a piece comes from it."""
        if self.conn.their_state is not h11.IDLE and not self._sends_what_is_answered:
            self._end_watch()
        elif self._deadline is None:
            self._deadline = self.loop.call_later(HEADERS_WITHIN_S, self._give_up)

    def _end_watch(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


class WebServer(uvicorn.Server):
    """Ends when `should_exit` is set, and leaves the signals to the program."""

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        """Leave the signals as they are: what ends has more to do than to answer."""
        yield


class _OneLength:
    """Refuses a request that says its length twice, in two ways.

    A proxy may have gone by the other one, and take what follows for another request: of another person, for example.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        names = [name for name, _ in scope["headers"]]
        if b"content-length" in names and b"transfer-encoding" in names:
            text = "A request has either Content-Length or Transfer-Encoding."
            await PlainTextResponse(text, HTTPStatus.BAD_REQUEST, {"Connection": "close"})(scope, receive, send)
            return
        await self._app(scope, receive, send)


def web_server(app: ASGIApp, *, grace_s: float) -> WebServer:
    """A server of this app, which on its end waits at most `grace_s` for requests to be answered."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return WebServer(
        uvicorn.Config(
            _OneLength(app),
            http=_PatientProtocol,
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            proxy_headers=False,
            server_header=False,
            limit_concurrency=MAX_CONNECTIONS,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=max(1, round(grace_s)),
        )
    )


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens there; with port 0 the system chooses one. Raises NotConfigured."""
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        # With its protocol named, asyncio sends at once what is written (TCP_NODELAY). Otherwise an answer's body would
        # wait for the client to acknowledge the headers, which takes it 40 ms.
        sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            sock.bind(address)
            sock.listen(2048)
        except OSError:
            sock.close()
            raise
    except OSError as error:
        raise NotConfigured(
            f"{host}:{port} cannot be listened on ({error.strerror}). Choose another --port, or --port 0 for any."
        ) from None
    return sock
