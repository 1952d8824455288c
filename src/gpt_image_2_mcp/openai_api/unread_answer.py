"""`UnreadAnswer`: the bytes of an answer that is no valid HTTP, so that the picture in them is not lost.

A proxy may write a header that HTTP does not allow. The HTTP client then gives up at the head of the answer and closes
the connection, while the picture, which is paid for, stands behind it.
"""

from collections.abc import Mapping
from contextlib import suppress
from time import monotonic
from typing import Any, Final

import httpcore2

from .bounded_body import MAX_PICTURE_BYTES

READ_ON_S: Final = 5.0
"""Seconds without a byte after which no more is expected of an answer that cannot be read."""
MAX_READ_ON_S: Final = 60.0
MAX_HEAD_S: Final = 900.0
"""Seconds for the head, as long as a whole answer may take: the caller has given it up by then."""
MAX_HEAD_BYTES: Final = 256 * 1024
"""Bytes of a head with the interim answers (1xx) before it, whose number HTTP does not limit."""
_PIECE: Final = 64 * 1024
_CONNECTED: Final = (".connect_tcp.complete", ".connect_unix_socket.complete", ".start_tls.complete")


class UnreadAnswer:
    """What a connection brings until the head of the answer is read, and all of it if that cannot be read."""

    def __init__(self) -> None:
        """Begin without a connection."""
        self.content = bytearray()
        """What came; empty once the head is read."""
        self._stream: Any = None
        self._is_listening = False
        self._most = MAX_HEAD_BYTES
        self._until = 0.0

    def note(self, event: str, info: Mapping[str, Any]) -> None:
        """Take an event of httpx2's `trace` extension."""
        if event.endswith(_CONNECTED):
            self._listen(info["return_value"])
        elif event == "http11.receive_response_headers.started":
            self.content.clear()
            self._is_listening = True
            self._until = monotonic() + MAX_HEAD_S
        elif event == "http11.receive_response_headers.complete":
            self.content.clear()
            self._is_listening = False
        elif event == "http11.receive_response_headers.failed":
            # The client closes the connection after this.
            if isinstance(info["exception"], httpcore2.RemoteProtocolError) and self.content:
                self._read_on()
            self._is_listening = False

    def _listen(self, stream: Any) -> None:
        """Keep what is read from a connection of the HTTP client."""
        read = stream.read

        def read_and_keep(max_bytes: int, timeout: float | None = None) -> bytes:
            data: bytes = read(max_bytes, timeout)
            if self._is_listening:
                self.content += data
                if monotonic() > self._until:
                    raise httpcore2.ReadTimeout("the head of the answer takes too long")
                if len(self.content) > self._most:
                    raise httpcore2.RemoteProtocolError("the head of the answer does not end")
            return data

        self._stream = stream
        stream.read = read_and_keep

    def _read_on(self) -> None:
        until = monotonic() + MAX_READ_ON_S
        self._most = MAX_PICTURE_BYTES
        with suppress(httpcore2.NetworkError, httpcore2.TimeoutException, httpcore2.RemoteProtocolError):
            while monotonic() < until and self._stream.read(_PIECE, READ_ON_S):
                pass

    @property
    def body(self) -> bytes:
        """What stands behind the head, or all of it if there is none; b"" if the body is written in chunks."""
        head, _, body = bytes(self.content).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/"):
            return bytes(self.content)
        return b"" if b"chunked" in head.lower() else body
