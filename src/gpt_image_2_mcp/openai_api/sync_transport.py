"""The way from a client that works in threads to a transport that works on the event loop: the sandbox's."""

import asyncio
from collections.abc import Iterator

import httpx2

from .threads import run_on_loop


class SyncTransport(httpx2.BaseTransport):
    """Hands requests to a transport of the event loop, and their answers back."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        """Have `transport` do its work on `loop`; whoever made it closes it."""
        self._transport = transport
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send it on."""
        response = run_on_loop(self._loop, self._transport.handle_async_request(request))
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _Stream(response.stream, self._loop)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(httpx2.SyncByteStream):
    """What comes back, piece by piece."""

    def __init__(self, stream: httpx2.AsyncByteStream, loop: asyncio.AbstractEventLoop) -> None:
        self._stream = stream
        self._loop = loop

    def __iter__(self) -> Iterator[bytes]:
        pieces = aiter(self._stream)

        async def piece() -> bytes | None:
            return await anext(pieces, None)

        while (found := run_on_loop(self._loop, piece())) is not None:
            yield found

    def close(self) -> None:
        run_on_loop(self._loop, self._stream.aclose())
