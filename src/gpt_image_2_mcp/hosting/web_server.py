"""uvicorn, as `serve` runs it: signals are the program's own, and a client that sends slowly is given up."""

import asyncio
import logging
import socket
from collections.abc import Generator
from contextlib import contextmanager
from typing import Any, Final

import h11
import uvicorn
from starlette.types import ASGIApp
from uvicorn.protocols.http.h11_impl import H11Protocol

from ..errors import NotConfigured

HEADERS_WITHIN_S: Final = 20.0
"""How long a connection may take to send the headers of a request."""
KEEP_ALIVE_S: Final = 75
"""How long a connection without a request is kept: longer than proxies keep theirs, which are then never cut."""
MAX_CONNECTIONS: Final = 1000


class _PatientProtocol(H11Protocol):
    """Closes a connection that does not send the headers of a request in time; uvicorn waits for ever."""

    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: Any) -> None:
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_watch()
        super().connection_lost(exc)

    def _watch(self) -> None:
        """Run one deadline while headers are awaited, however often a piece of them comes."""
        if self.conn.their_state is not h11.IDLE:
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


def web_server(app: ASGIApp, *, grace_s: float) -> WebServer:
    """A server of this app, which on its end waits at most `grace_s` for requests to be answered."""
    logging.getLogger("uvicorn.error").setLevel(logging.WARNING)
    return WebServer(
        uvicorn.Config(
            app,
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
