"""An ASGI app as the network: requests run in the process, and their answers stream.

`httpx2.ASGITransport` collects an answer before it hands it on and never says that the caller left. Here a chunk is
handed on as it is sent, `send` waits until it was taken, and closing the response makes `receive()` yield
`http.disconnect` and then ends the app's task.

Plain asyncio tasks and queues are used, not anyio's scopes: a response may be opened in one task and closed in another.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import httpx2

Message = MutableMapping[str, Any]
App = Callable[[Message, Callable[[], Awaitable[Message]], Callable[[Message], Awaitable[None]]], Awaitable[None]]
"""An ASGI application."""

_LOOP_PASSES_TO_END = 20
"""Turns of the event loop that an app gets to end by itself once its caller has left."""


class SandboxTransport(httpx2.AsyncBaseTransport):
    """Runs an ASGI app for `httpx2.AsyncClient(transport=...)`; asyncio only.

    An exception of the app is raised from the request, or from reading the answer where that had begun. An app that
    ends without completing its answer looks like a lost connection: `httpx2.RemoteProtocolError`.
    """

    def __init__(self, app: App) -> None:
        """Run that app."""
        self._app = app
        self._exchanges: set[_Exchange] = set()

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Start the app on a request and return as soon as it has sent its headers."""
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
        """End what is still under way."""
        for exchange in list(self._exchanges):
            await exchange.aclose()


class _Exchange(httpx2.AsyncByteStream):
    """One request and its answer: the app's task on one side, a queue between, the caller on the other."""

    def __init__(self, request: httpx2.Request) -> None:
        self._request = request
        # None says that the app has ended.
        self._messages: asyncio.Queue[Message | None] = asyncio.Queue()
        self._disconnected = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    def start(self, app: App, *, done: Callable[["_Exchange"], object]) -> None:
        """Run the app in a task of its own; `done` is told when it has ended."""
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
                task.exception()  # asked for, or asyncio logs it as forgotten where the caller had gone

        self._task = asyncio.create_task(run(), name=f"sandbox {self._request.method} {self._request.url.path}")
        self._task.add_done_callback(ended)

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        """Status and headers of the answer, once the app has sent them."""
        message = await self._next("Server disconnected without sending a response.")
        return message["status"], list(message.get("headers", []))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """The body, chunk by chunk as it is sent."""
        more = True
        while more:
            message = await self._next("peer closed connection without sending complete message body")
            more = message.get("more_body", False)
            if chunk := message.get("body", b""):
                yield chunk
        self._disconnected.set()
        await self._end()

    async def aclose(self) -> None:
        """The caller leaves: tell the app, give it a moment to end by itself, then cancel it."""
        assert self._task is not None
        self._disconnected.set()
        try:
            for _ in range(_LOOP_PASSES_TO_END):
                # An app that waits for its last chunk to be taken must not wait for a reader that is gone.
                while not self._messages.empty():
                    self._take(self._messages.get_nowait())
                if self._task.done():
                    return
                await asyncio.sleep(0)
        finally:
            self._task.cancel()
        await asyncio.wait([self._task])

    async def _next(self, lost: str) -> Message:
        """The app's next message; where it has ended instead, what it raised, or a lost connection."""
        message = self._take(await self._messages.get())
        if message is None:
            await self._end()
            raise httpx2.RemoteProtocolError(lost, request=self._request)
        return message

    def _take(self, message: Message | None) -> Message | None:
        self._messages.task_done()
        return message

    async def _end(self) -> None:
        """Wait for the app to end, and raise what it raised."""
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
