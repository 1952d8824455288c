"""Helpers for the tests of waiting, jobs and shutdown.

`calls` runs several calls of one in-memory client at the same time, `Hands` is a backend whose answers the test gives
one by one, `running` starts the real program on real pipes (`Program`), and `Box` controls a sandbox in a process of
its own.
"""

import json
import os
import secrets
import signal
import sys
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.abc
import httpx2
from mcp_types import CallToolResult
from patience import LONG_WAIT, PATIENCE_S, look_again
from workbench import JOB, KEY, META, Bench, said

from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox

PROGRAM = [sys.executable, "-m", "gpt_image_2_mcp"]
HURRIED = [sys.executable, str(Path(__file__).with_name("hurried.py"))]
"""For `running`: becomes the program, for which an answer counts as read sooner."""

PROTOCOLS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28")
"""From the oldest to the newest; the last one has no handshake."""


# Several calls of one client.


@dataclass
class Pending:
    """A call that is under way: its progress messages, and its answer once that is there."""

    notes: list[tuple[float, float | None, str]] = field(default_factory=list[tuple[float, float | None, str]])
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    outcome: CallToolResult | None = None
    done: anyio.Event = field(default_factory=anyio.Event)
    heard: anyio.Event = field(default_factory=anyio.Event)

    @property
    def messages(self) -> list[str]:
        return [message for _, _, message in self.notes]

    async def answer(self) -> CallToolResult:
        with anyio.fail_after(PATIENCE_S):
            await self.done.wait()
        assert self.outcome is not None
        return self.outcome

    async def told(self, is_it: Callable[[str], bool]) -> str:
        """Wait for the first progress message for which `is_it` is true, and return it."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                heard = self.heard
                for message in self.messages:
                    if is_it(message):
                        return message
                await heard.wait()

    async def give_up(self) -> None:
        """Cancel the call as a client does: the server gets a notification, and the call ends without an answer."""
        self.scope.cancel()
        await self.done.wait()


class Calls:
    """Starts calls, which run while the test goes on."""

    def __init__(self, bench: Bench, tasks: anyio.abc.TaskGroup) -> None:
        self._bench = bench
        self._tasks = tasks

    def start(self, tool: str, **arguments: Any) -> Pending:
        pending = Pending()

        async def note(progress: float, total: float | None, message: str | None) -> None:
            pending.notes.append((progress, total, message or ""))
            heard, pending.heard = pending.heard, anyio.Event()
            heard.set()

        async def run() -> None:
            try:
                with pending.scope:
                    call = self._bench.client.call_tool
                    pending.outcome = await call(tool, arguments, progress_callback=note)
            finally:
                pending.done.set()

        self._tasks.start_soon(run)
        return pending


@asynccontextmanager
async def calls(bench: Bench) -> AsyncGenerator[Calls]:
    async with anyio.create_task_group() as tasks:
        yield Calls(bench, tasks)
        tasks.cancel_scope.cancel()


def job_of(result: CallToolResult) -> str:
    """Return the job id of an answer that says that the job is still running; the text must contain it too."""
    assert not result.is_error, said(result)
    job_id: str = (result.meta or {})[JOB]["job_id"]
    assert job_id.startswith("job-")
    assert job_id in said(result)
    return job_id


async def handed(bench: Bench, tool: str, **arguments: Any) -> str:
    """Make a call that needs longer than it may wait, and return the job id of its answer."""
    return job_of(await bench.call(tool, **arguments))


async def joined(bench: Bench, tool: str, **arguments: Any) -> str:
    """Make a call that needs longer than it may wait, and return the id of the job that it joined, or of its own.

    Which it is is known once its inputs are read, and that may be later than its first answer.
    """
    result = await bench.call(tool, **arguments)
    with anyio.fail_after(PATIENCE_S):
        while (result.meta or {})[JOB]["state"] == "preparing":
            result = await bench.call("get_image_job", job_id=job_of(result))
    return job_of(result)


async def fetched(bench: Bench, job_id: str) -> CallToolResult:
    """Ask for a job until it is finished, and return its answer."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            result = await bench.call("get_image_job", job_id=job_id)
            if JOB not in (result.meta or {}):
                return result


async def stands(bench: Bench, job_id: str, words: str, *, unless: Callable[[], bool] = lambda: False) -> str:
    """Ask for a job until the text contains `words`, and return it; needs a small GPT_IMAGE_2_MAX_WAIT_S.

    `unless` says that it is too late for them, since the test was slower than the server.
    """
    with anyio.fail_after(PATIENCE_S):
        while True:
            text = said(await bench.call("get_image_job", job_id=job_id))
            if words in text or unless():
                return text


async def reached(bench: Bench, count: int, *, what: Literal["started", "left", "paid", "running"] = "started") -> None:
    """Wait until the counter `what` of the sandbox is at least `count`."""
    with anyio.fail_after(PATIENCE_S):
        await bench.knobs.wait_for(count, what=what)


async def listed(bench: Bench, words: str) -> str:
    """Ask for the list of recent jobs until it contains `words`, and return it; no job counts as fetched by that."""
    with anyio.fail_after(PATIENCE_S):
        while words not in (text := said(await bench.call("get_image_job"))):
            pass
    return text


def report_of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, said(result)
    return (result.meta or {})[META]


def pictures_in(bench: Bench) -> list[str]:
    """Return the finished pictures below the output folder: all files that are not hidden."""
    return [name for name in bench.files() if not any(part.startswith(".") for part in name.split("/"))]


# A backend whose answers the test gives one by one.


class Reply:
    """A request that came in, which waits for `give`: the test answers it whenever it likes."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        self.request = request
        self.body: dict[str, Any] = json.loads(body) if body.startswith(b"{") else {}
        self.at = anyio.current_time()
        self._answer: httpx2.Response | None = None
        self._given = anyio.Event()

    def give(self, response: httpx2.Response) -> None:
        self._answer = response
        self._given.set()

    def rate_limited(self, *, s: float) -> None:
        error = {"message": "Rate limit reached.", "type": "input-images", "code": "rate_limit_exceeded"}
        self.give(httpx2.Response(429, json={"error": error}, headers={"retry-after-ms": str(round(s * 1000))}))

    def refuse(self) -> None:
        if not self._given.is_set():
            self.give(httpx2.Response(400, json={"error": {"message": "The test is over.", "code": "over"}}))

    async def wait(self) -> httpx2.Response:
        await self._given.wait()
        assert self._answer is not None
        return self._answer


class Hands(httpx2.AsyncBaseTransport):
    """A backend whose answers the test gives itself; `arrived(n)` waits for the n-th request."""

    def __init__(self) -> None:
        self.replies: list[Reply] = []
        self._news = anyio.Event()
        self._over = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        reply = Reply(request, await request.aread())
        self.replies.append(reply)
        if self._over:
            reply.refuse()
        news, self._news = self._news, anyio.Event()
        news.set()
        return await reply.wait()

    def let_go(self) -> None:
        """Refuse all waiting and all further requests, so that none is under way when the server ends."""
        self._over = True
        for reply in self.replies:
            reply.refuse()

    async def arrived(self, count: int) -> Reply:
        with anyio.fail_after(PATIENCE_S):
            while len(self.replies) < count:
                await self._news.wait()
        return self.replies[count - 1]

    def wrap(self, _: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        return self


# The real program.


class Program:
    """The real program in a process of its own; the test exchanges JSON-RPC lines with it, as an MCP client does."""

    def __init__(self, process: anyio.abc.Process, version: str, mark: str) -> None:
        self.process = process
        self.mark = mark
        """In the environment of the program and of its engines, and of no other process."""
        self.version = version
        self.lines: list[bytes] = []
        """The lines that came on stdout, without their line ends."""
        self.stderr = b""
        self._rest = b""
        self._id = 0
        self._news = anyio.Event()
        self._out_ended = anyio.Event()
        self._err_ended = anyio.Event()

    @property
    def messages(self) -> list[dict[str, Any]]:
        """The JSON-RPC messages that came on stdout; anything else there fails here."""
        assert not self._rest, "an unfinished line"
        messages = [json.loads(line) for line in self.lines]
        assert all(message["jsonrpc"] == "2.0" for message in messages)
        return messages

    @property
    def progress(self) -> list[dict[str, Any]]:
        return [m["params"] for m in self.messages if m.get("method") == "notifications/progress"]

    async def greet(self) -> None:
        """Make the handshake, in protocol versions that have one."""
        if self.version != PROTOCOLS[-1]:
            client = {"name": "test", "version": "1"}
            await self.answer(
                await self.ask("initialize", protocolVersion=self.version, capabilities={}, clientInfo=client)
            )
            await self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def greet_unheard(self) -> None:
        """Make the handshake without reading its answer."""
        client = {"name": "test", "version": "1"}
        await self.ask("initialize", protocolVersion=self.version, capabilities={}, clientInfo=client)
        await self.write({"jsonrpc": "2.0", "method": "notifications/initialized"})

    async def ask(self, method: str, *, token: str | None = None, **params: Any) -> int:
        self._id += 1
        meta: dict[str, Any] = {"progressToken": token} if token else {}
        if self.version == PROTOCOLS[-1]:
            meta |= {
                "io.modelcontextprotocol/protocolVersion": self.version,
                "io.modelcontextprotocol/clientInfo": {"name": "test", "version": "1"},
                "io.modelcontextprotocol/clientCapabilities": {},
            }
        if meta:
            params["_meta"] = meta
        await self.write({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return self._id

    async def call(self, tool: str, *, token: str | None = None, **arguments: Any) -> int:
        return await self.ask("tools/call", token=token, name=tool, arguments=arguments)

    async def answer(self, number: int) -> dict[str, Any]:
        line = json.loads(await self.line(number))
        assert "result" in line, line
        return line["result"]

    async def line(self, number: int) -> bytes:
        """Wait for the answer to the request with the id `number`, and return its line as it came."""
        with anyio.fail_after(PATIENCE_S):
            while True:
                news = self._news
                for line in self.lines:
                    if json.loads(line).get("id") == number:
                        return line
                await news.wait()

    async def write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.send(json.dumps(message).encode() + b"\n")

    async def close_stdin(self) -> None:
        assert self.process.stdin is not None
        await self.process.stdin.aclose()

    def signal(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def engines(self) -> list[int]:
        """The ids of the engines that this program has started and that still run."""
        return [number for number in processes_with(self.mark) if number != self.process.pid]

    def descriptors(self) -> int:
        """How many files, pipes and sockets the process that was started has open; Linux only."""
        return len(list(Path(f"/proc/{self.process.pid}/fd").iterdir()))

    async def said_on_stderr(self, words: str) -> None:
        with anyio.fail_after(PATIENCE_S):
            while words.encode() not in self.stderr:
                await self._news.wait()

    async def ended(self) -> int:
        """Wait until the program has ended and everything that it wrote was read; return its exit code."""
        with anyio.fail_after(PATIENCE_S):
            await self._out_ended.wait()
            await self._err_ended.wait()
            return await self.process.wait()

    async def read_stdout(self) -> None:
        assert self.process.stdout is not None
        async for chunk in self.process.stdout:
            *lines, self._rest = (self._rest + chunk).split(b"\n")
            self.lines += lines
            self._tell()
        self._out_ended.set()

    async def read_stderr(self) -> None:
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.stderr += chunk
            self._tell()
        self._err_ended.set()

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()


MARK = "GPT_IMAGE_2_TEST_PROGRAM"


def processes_with(mark: str) -> list[int]:
    """The ids of the living processes with this variable in their environment; Linux only."""
    found: list[int] = []
    for folder in Path("/proc").glob("[0-9]*"):
        # A process may end meanwhile, and a zombie has no environment.
        with suppress(OSError):
            if mark.encode() in (folder / "environ").read_bytes().split(b"\0"):
                found.append(int(folder.name))
    return found


@asynccontextmanager
async def running(
    environ: Mapping[str, str],
    *arguments: str,
    version: str = "2025-06-18",
    read: bool = True,
    through: Sequence[str] = (),
) -> AsyncGenerator[Program]:
    """Run the program and kill it at the end; `read=False` leaves its stdout unread.

    `through` is a command that becomes the program, which is its last arguments.
    """
    mark = f"{MARK}={secrets.token_hex(8)}"
    command, env = [*through, *PROGRAM, *arguments], {**os.environ, **LONG_WAIT, **dict([mark.split("=")]), **environ}
    async with await anyio.open_process(command, env=env) as process, anyio.create_task_group() as tasks:
        program = Program(process, version, mark)
        if read:
            tasks.start_soon(program.read_stdout)
        tasks.start_soon(program.read_stderr)
        try:
            yield program
        finally:
            if process.returncode is None:
                process.kill()
            for engine in program.engines():
                os.kill(engine, signal.SIGKILL)
            tasks.cancel_scope.cancel()


class Box:
    """Controls a sandbox in a process of its own; its counters start at 0 for each test."""

    def __init__(self, url: str, http: httpx2.AsyncClient) -> None:
        self.url = url
        self._control = f"{url.removesuffix('/v1')}/_sandbox"
        self._http = http
        self._before: dict[str, int] = {}

    @property
    def environ(self) -> dict[str, str]:
        """The environment variables with which a program uses this sandbox."""
        return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": self.url}

    async def reset(self) -> None:
        self._before = (await self._http.post(f"{self._control}/release")).json()
        await self.turn(hold=False, delay_s=0, faults=[])

    async def turn(self, **knobs: Any) -> None:
        (await self._http.post(f"{self._control}/knobs", json=knobs)).raise_for_status()

    async def release(self) -> None:
        (await self._http.post(f"{self._control}/release")).raise_for_status()

    async def count(self, what: Literal["started", "paid", "left"]) -> int:
        state = (await self._http.get(f"{self._control}/state")).json()
        return state[what] - self._before[what]

    async def reached(self, count: int, *, what: Literal["started", "paid", "left"] = "started") -> None:
        """Ask until the counter is at least `count`."""
        with anyio.fail_after(PATIENCE_S):
            while await self.count(what) < count:
                await look_again()


@asynccontextmanager
async def boxed(url: str) -> AsyncGenerator[Box]:
    async with httpx2.AsyncClient() as http:
        box = Box(url, http)
        await box.reset()
        try:
            yield box
        finally:
            await box.reset()


def sandbox() -> SandboxTransport:
    """Make another sandbox, to compare a picture's bytes with."""
    return SandboxTransport(build_sandbox())
