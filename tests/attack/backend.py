"""A backend of raw sockets that answers each request with the bytes that its prompt names, and counts what was taken.

A prompt holds `attack-NAME`, and the backend sends the answer of that name.
"""

import contextlib
import re
import socket
import threading
from collections.abc import Callable, Iterable
from typing import Self

from patience import PATIENCE_S

NAME = re.compile(rb"attack-([a-z0-9-]+)")


class HostileBackend:
    """The backend, in threads of its own; `answers` gives the bytes of the answer of a name, as pieces."""

    def __init__(self, answers: Callable[[str], Iterable[bytes]]) -> None:
        self._answers = answers
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=64)
        self.url = f"http://127.0.0.1:{self._socket.getsockname()[1]}/v1"
        self.requests: list[bytes] = []
        """The requests as they came, with their bodies."""
        self.sent: dict[str, int] = {}
        """Bytes that the client took of the last answer of each name."""
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> Self:
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _start(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True, name="hostile backend")
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            request = _read(connection)
            self.requests.append(request)
            found = NAME.search(request)
            name = found[1].decode() if found else ""
            self.sent[name] = 0
            for piece in self._answers(name):
                connection.sendall(piece)
                self.sent[name] += len(piece)


def _read(connection: socket.socket) -> bytes:
    """Read a request to the end of its body."""
    data = b""
    while b"\r\n\r\n" not in data:
        if not (piece := connection.recv(1 << 16)):
            return data
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"content-length: *(\d+)", head.lower())
    while length and len(body) < int(length[1]) and (piece := connection.recv(1 << 16)):
        body += piece
    return head + b"\r\n\r\n" + body
