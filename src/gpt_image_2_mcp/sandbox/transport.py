"""`SandboxTransport`: an httpx2 transport that runs an ASGI app in the process and streams its answers.

`httpx2.ASGITransport` collects the whole answer before it returns it, and never tells the app that the caller left.
Here each chunk is returned as soon as the app sends it, `send` waits until the chunk was taken (backpressure), and
closing the response makes `receive()` return `http.disconnect`, after which the app's task is ended.

It uses plain asyncio tasks and queues instead of anyio's cancel scopes, since a scope has to be left in the task that
entered it, and a response may be opened in one task and closed in another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx2

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""An ASGI application."""

_LOOP_PASSES_TO_END = 20
"""Passes of the event loop that an app gets to end by itself after its caller has left; then it is cancelled."""


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Runs an ASGI app for `httpx2.AsyncClient(transport=...)`; for asyncio only.

    An exception of the app is raised by the request, or by reading the answer if that has begun. If the app ends
    without completing its answer, the client gets what it gets for a lost connection: `httpx2.RemoteProtocolError`.
    """

    def __init__(self, app: App) -> None:
        """Send all requests to `app`."""
        self._app = app
        self._exchanges: set[_Exchange] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Start the app in a task of its own, and return once it has sent its status and headers."""
        exchange = _Exchange(request)
        self._exchanges.add(exchange)
        exchange.start(self._app, done=self._exchanges.discard)
        try:
            status, headers = await exchange.head()
        except BaseException:
            await exchange.aclose()
            raise
        return httpx2.Response(status, headers=headers, stream=exchange, request=request)

    async def aclose(self) -> None:
        """End the exchanges that are still under way."""
        for exchange in list(self._exchanges):
            await exchange.aclose()


class _Exchange(httpx2.AsyncByteStream):
    """One request and its answer: the app's task puts ASGI messages into a queue, and the caller takes them out."""

    def __init__(self, request: httpx2.Request) -> None:
        self._request = request
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        """What the app sent; None after the app has ended."""
        self._disconnected = asyncio.Event()
        """Set when the caller has read the whole answer or has left: `receive` then returns `http.disconnect`."""
        self._task: asyncio.Task[None] | None = None

    def start(self, app: App, *, done: Callable[["_Exchange"], object]) -> None:
        """Run the app in a task of its own; `done` is called with this exchange when the task has ended."""
        stream = self._request.stream
        assert isinstance(stream, httpx2.AsyncByteStream)
        body = aiter(stream)
        more = True

        async def receive() -> Message:
            nonlocal more
            if more and not self._disconnected.is_set():
                chunk = await anext(body, None)
                more = chunk is not None
                return {"type": "http.request", "body": chunk or b"", "more_body": more}
            await self._disconnected.wait()
            return {"type": "http.disconnect"}

        async def send(message: Message) -> None:
            if not self._disconnected.is_set():
                self._messages.put_nowait(message)
                await self._messages.join()

        async def run() -> None:
            try:
                await app(self._scope(), receive, send)
            finally:
                self._messages.put_nowait(None)

        def ended(task: asyncio.Task[None]) -> None:
            done(self)
            if not task.cancelled():
                # Otherwise asyncio logs "exception was never retrieved" if the caller left before `_end` raised it.
                task.exception()

        self._task = asyncio.create_task(run(), name=f"sandbox {self._request.method} {self._request.url.path}")
        self._task.add_done_callback(ended)

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Wait until the app has sent the status and headers of its answer, and return them."""
        message = await self._next("Server disconnected without sending a response.")
        return message["status"], list(message.get("headers", []))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """Yield the chunks of the body as the app sends them."""
        more = True
        while more:
            message = await self._next("peer closed connection without sending complete message body")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self._disconnected.set()
        await self._end()

    async def aclose(self) -> None:
        """End the exchange because the caller leaves: the app gets `http.disconnect`, and soon after is cancelled."""
        assert self._task is not None
        self._disconnected.set()
        try:
            for _ in range(_LOOP_PASSES_TO_END):
                # The app may be waiting in `send` until its last chunk is taken, and the caller takes none any more.
                while not self._messages.empty():
                    self._take(self._messages.get_nowait())
                if self._task.done():
                    return
                await asyncio.sleep(0)
        finally:
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _next(self, lost: str) -> Message:
        """Return the app's next message.

        If the app has ended instead, raise its exception, or else a RemoteProtocolError with the message `lost`.
        """
        message = self._take(await self._messages.get())
        if message is None:
            await self._end()
            raise httpx2.RemoteProtocolError(lost, request=self._request)
        return message

    def _take(self, message: Message | None) -> Message | None:
        self._messages.task_done()
        return message

    async def _end(self) -> None:
        """Wait until the app has ended; raise its exception if there was one."""
        assert self._task is not None
        await asyncio.wait([self._task])
        if not self._task.cancelled() and (exc := self._task.exception()):
            raise exc

    def _scope(self) -> Message:
        url = self._request.url
        return {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": "2.3"},
            "http_version": "1.1",
            "method": self._request.method,
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            "scheme": url.scheme,
            "path": url.path,
            "raw_path": url.raw_path.split(b"?")[0],
            "query_string": url.query,
            "root_path": "",
            "server": (url.host, url.port),
            "client": ("127.0.0.1", 0),
        }
