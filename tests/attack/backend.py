"""A backend of raw sockets that answers each request with the bytes that its prompt names, and counts what was taken.

A prompt holds `attack-NAME`, and the backend sends the answer of that name.
"""

import re
import socket
from collections.abc import Callable, Iterable

from listener import Listener

NAME = re.compile(rb"attack-([a-z0-9-]+)")


class HostileBackend(Listener):
    """The backend, in threads of its own; `answers` gives the bytes of the answer of a name, as pieces."""

    def __init__(self, answers: Callable[[str], Iterable[bytes]]) -> None:
        super().__init__()
        self._answers = answers
        self.url = f"{self.address}/v1"
        self.requests: list[bytes] = []
        """The requests as they came, with their bodies."""
        self.sent: dict[str, int] = {}
        """Bytes that the client took of the last answer of each name."""

    def serve(self, connection: socket.socket) -> None:
        """Answer one request."""
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
