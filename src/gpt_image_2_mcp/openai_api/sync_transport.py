"""Connects the blocking HTTP client to a transport of the event loop, which is how the built-in sandbox is reached."""

import asyncio
from collections.abc import Iterator

import httpx2

from .threads import run_on_loop


class SyncTransport(httpx2.BaseTransport):
    """A blocking transport that runs each request on an asynchronous one, on the event loop, and waits for it."""

    def __init__(self, transport: httpx2.AsyncBaseTransport, loop: asyncio.AbstractEventLoop) -> None:
        """Run `transport` on `loop`; it is closed by `LazyBackend`, not here."""
        self._transport = transport
        self._loop = loop

    def handle_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send a request through the asynchronous transport."""
        response = run_on_loop(self._loop, self._transport.handle_async_request(request))
        assert isinstance(response.stream, httpx2.AsyncByteStream)
        stream = _Stream(response.stream, self._loop)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=stream, extensions=response.extensions
        )


class _Stream(httpx2.SyncByteStream):
    """The body of an answer; each piece is awaited on the event loop."""

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
