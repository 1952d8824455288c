"""A paid backend and a broken network, for the tests of billing and of connection errors.

The sandbox marks its answers with a header, and marked answers are not charged. `paying` opens a server whose backend
sends no mark. `FaultProxy` is a TCP proxy in front of a sandbox that removes the mark, and breaks connections in the
ways that `Flaw` lists. It handles one request per connection, runs in a thread of its own, and uses the loopback only.
"""

import asyncio
import socket
import struct
import threading
from collections import deque
from collections.abc import AsyncGenerator, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any, Literal, Self

import httpx2
from mcp import Client
from mcp.client.session import ElicitationFnT
from patience import LONG_WAIT, LOOK_S, PATIENCE_S
from workbench import KEY, Bench

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

MARK = "x-gpt-image-2-sandbox"
"""The header that marks the sandbox's answers."""

DATABASE = "gpt-image-2.db"

Flaw = Literal[
    "hung up at once",
    "reset at once",
    "never read",
    "reset before the headers",
    "cut before the headers",
    "cut in the headers",
    "cut after the headers",
    "cut in the body",
    "reset in the body",
    "stalled before the headers",
    "stalled after the headers",
    "stalled in the body",
    "dripped",
    "dripped without end",
    "garbled",
]
"""What the proxy does to one request; the backend has billed the request before a flaw in `BILLED` happens."""

BILLED: frozenset[Flaw] = frozenset(
    (
        "reset before the headers",
        "cut before the headers",
        "cut in the headers",
        "cut after the headers",
        "cut in the body",
        "reset in the body",
        "stalled before the headers",
        "stalled after the headers",
        "stalled in the body",
        "dripped",
        "dripped without end",
        "garbled",
    )
)


class Unmarked(httpx2.AsyncBaseTransport):
    """The sandbox as a backend that costs money: its answers lack the mark."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        response = await self._inner.handle_async_request(request)
        del response.headers[MARK]
        return response

    async def aclose(self) -> None:
        await self._inner.aclose()


@asynccontextmanager
async def paying(
    root: Path,
    variables: Mapping[str, str] | None = None,
    /,
    *,
    knobs: Knobs | None = None,
    legacy: bool = False,
    ask: ElicitationFnT | None = None,
    marked: bool = False,
    **environ: str,
) -> AsyncGenerator[Bench]:
    """Open a server whose pictures cost money, with its client; its ledger is in `root/data`.

    `ask` answers the questions to the user (elicitation); without it the client cannot ask. `marked` keeps the
    sandbox's mark.
    """
    folder, working_dir, home = (root / name for name in ("pictures", "work", "home"))
    for directory in (working_dir, home):
        directory.mkdir(exist_ok=True)
    knobs = knobs or Knobs()
    sandbox = SandboxTransport(build_sandbox(knobs=knobs))
    settings = Settings.read(
        {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(folder), **LONG_WAIT, **(variables or {}), **environ}
    )
    service = open_service(
        settings,
        transport=sandbox if marked else Unmarked(sandbox),
        working_dir=working_dir,
        home=home,
        data_dir=root / "data",
    )
    server = build_server(lambda: service)
    async with Client(server, mode="legacy" if legacy else "auto", elicitation_callback=ask) as client:
        try:
            yield Bench(client, knobs, folder, working_dir, home, server)
        finally:
            knobs.release()


class FaultProxy:
    """A TCP proxy on loopback that removes the backend's mark; each request takes the next of `flaws`.

    `asked` counts the requests that came in; the semaphore `answered` is released after each answer.
    """

    def __init__(self, upstream: str) -> None:
        """Forward requests to `upstream`, which is `http://host:port/…`."""
        url = httpx2.URL(upstream)
        self._upstream = (url.host, url.port or 80)
        self.flaws = deque[Flaw]()
        self.asked = 0
        self.answered = threading.Semaphore(0)
        self._socket = socket.socket()
        self._socket.bind(("127.0.0.1", 0))
        self._port: int = self._socket.getsockname()[1]
        self._loop = asyncio.new_event_loop()
        self._tasks = set[asyncio.Task[None]]()
        self._server: asyncio.Server | None = None
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault proxy", daemon=True)

    @property
    def url(self) -> str:
        """The OPENAI_BASE_URL that leads through the proxy."""
        return f"http://127.0.0.1:{self._port}/v1"

    @property
    def idle(self) -> bool:
        """Whether no request is under way."""
        return not self._tasks

    def __enter__(self) -> Self:
        """Start the thread; connections are refused until `listen`."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections, and end the thread."""
        self._run(self._end())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(PATIENCE_S)
        self._loop.close()
        self._socket.close()

    def listen(self) -> Self:
        """Accept connections from now on."""
        self._run(self._listen())
        return self

    def _run(self, work: Any) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(PATIENCE_S)

    async def _listen(self) -> None:
        self._server = await asyncio.start_server(self._connected, sock=self._socket, limit=1 << 24)

    async def _end(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            await self._serve(reader, writer)
        except (OSError, asyncio.IncompleteReadError):
            pass  # The other side left.
        finally:
            self._tasks.discard(task)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.asked += 1
        flaw = self.flaws.popleft() if self.flaws else None
        match flaw:
            case "hung up at once":
                # Unread data would make the system send a reset instead of an ordinary end of the connection.
                await reader.read(1 << 20)
                return
            case "reset at once":
                # A reset before the client has sent anything looks like a refused connection.
                await reader.read(1)
                _reset(writer)
                return
            case "never read":
                await self._gone(reader, read=False)
                return
            case _:
                head, body = await self._exchange(await _request(reader))
        await self._answer(head, body, flaw, reader, writer)

    async def _answer(  # noqa: C901, PLR0912 - one arm a flaw
        self, head: bytes, body: bytes, flaw: Flaw | None, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        half = len(body) // 2
        match flaw:
            case "reset before the headers":
                _reset(writer)
            case "cut before the headers":
                pass
            case "cut in the headers":
                writer.write(head[: len(head) // 2])
            case "cut after the headers":
                writer.write(head)
            case "cut in the body":
                writer.write(head + body[:half])
            case "reset in the body":
                writer.write(head + body[:half])
                await writer.drain()
                _reset(writer)
            case "stalled before the headers":
                await self._gone(reader)
            case "stalled after the headers":
                writer.write(head)
                await self._gone(reader)
            case "stalled in the body":
                writer.write(head + body[:half])
                await self._gone(reader)
            case "garbled":
                writer.write(b"\x16\x03\x01" + head[::-1] + b"\r\n\r\n")
            case "dripped":
                writer.write(head)
                for place in range(0, len(body), 997):
                    writer.write(body[place : place + 997])
                    await writer.drain()
                    await asyncio.sleep(0)
            case "dripped without end":
                lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(b"content-length:")]
                writer.write(b"\r\n".join(lines))
                while not writer.is_closing():
                    writer.write(b" ")
                    await writer.drain()
                    await asyncio.sleep(0.01)
            case _:
                writer.write(head + body)
        if not writer.is_closing():
            await writer.drain()
        self.answered.release()

    async def _exchange(self, request: bytes) -> tuple[bytes, bytes]:
        """Forward a request; return the head of the answer, without the mark, and its body."""
        reader, writer = await asyncio.open_connection(*self._upstream, limit=1 << 24)
        try:
            writer.write(request)
            await writer.drain()
            answer = await reader.read()
        finally:
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()
        head, _, body = answer.partition(b"\r\n\r\n")
        lines = [line for line in head.split(b"\r\n") if not line.lower().startswith(MARK.encode())]
        return b"\r\n".join(lines) + b"\r\n\r\n", body

    @staticmethod
    async def _gone(reader: asyncio.StreamReader, *, read: bool = True) -> None:
        """Wait until the client closes the connection."""
        while read and await reader.read(1 << 16):
            pass
        if not read:
            # An end of the connection would be noticed only by reading, so this waits until the proxy is closed.
            await asyncio.Event().wait()


async def _request(reader: asyncio.StreamReader) -> bytes:
    """Read one request; add the header that closes the connection after it."""
    head = await reader.readuntil(b"\r\n\r\n")
    lines = [line for line in head.split(b"\r\n") if line and not line.lower().startswith(b"connection:")]
    length = next((int(line.split(b":")[1]) for line in lines if line.lower().startswith(b"content-length:")), 0)
    body = await reader.readexactly(length)
    return b"\r\n".join([*lines, b"connection: close"]) + b"\r\n\r\n" + body


def _reset(writer: asyncio.StreamWriter) -> None:
    """Close the connection with a reset (RST), so that the other side's next read fails."""
    sock: socket.socket = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport = writer.transport
    transport.abort()


def control(upstream: str, path: str, **turn: Any) -> dict[str, Any]:
    """Use the control routes of a sandbox in another process: `state`, `knobs` with the new values, or `release`."""
    url = f"{upstream.removesuffix('/v1')}/_sandbox/{path}"
    answer = httpx2.get(url) if path == "state" else httpx2.post(url, json=turn)
    return answer.raise_for_status().json()


def until(done: Callable[[], bool], *, alive: Callable[[], bool] = lambda: True) -> None:
    """Repeat `done` until it is true.

    It fails after `PATIENCE_S`, or if `alive` is false: then the process that was to do it has ended.
    """
    deadline = threading.Event()
    timer = threading.Timer(PATIENCE_S, deadline.set)
    timer.daemon = True
    timer.start()
    try:
        while not done():
            assert not deadline.wait(LOOK_S), "it never came to be"
            assert alive(), "the process that was to do it has ended"
    finally:
        timer.cancel()
