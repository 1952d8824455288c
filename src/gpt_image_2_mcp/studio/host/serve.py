"""Serves the host on a loopback address until the command is told to end."""

import socket
from collections.abc import Callable, Generator
from contextlib import contextmanager

import uvicorn

from ...service.images import ImageService
from .app import build_host
from .keys import Keys


def listen(port: int) -> socket.socket:
    """A socket that listens at a port of 127.0.0.1, 0 for any free one; raises OSError if the port is in use."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # So that a port can be used again at once. On Windows it would let another program take it as well.
        if not hasattr(socket, "SO_EXCLUSIVEADDRUSE"):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind(("127.0.0.1", port))
        sock.listen()
    except OSError:
        sock.close()
        raise
    return sock


async def serve_studio(service: ImageService, sock: socket.socket, keys: Keys, is_over: Callable[[], bool]) -> None:
    """Answer at a socket until `is_over`, which is asked every tenth of a second."""
    app = build_host(service, keys, sock.getsockname()[1])
    config = uvicorn.Config(
        app, log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1, server_header=False
    )
    await _Server(config, is_over).serve(sockets=[sock])


class _Server(uvicorn.Server):
    """A server that leaves signals to the command, which has pictures to save before it ends."""

    def __init__(self, config: uvicorn.Config, is_over: Callable[[], bool]) -> None:
        super().__init__(config)
        self._is_over = is_over

    @contextmanager
    def capture_signals(self) -> Generator[None]:
        yield

    async def on_tick(self, counter: int) -> bool:
        return await super().on_tick(counter) or self._is_over()
