"""Clients that start the real program, ask, wait, give up, ask again, close it or kill it.

A chat has one server after the other. What got no answer from one server is asked again of the next one, in the words
of the first time.
"""

import json
import os
import secrets
import signal
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import anyio.lowlevel
from patience import PATIENCE_S
from stdio_bench import PROGRAM, processes_with
from workbench import JOB, KEY, META

from .wishes import Ending, Round, Wish

MARK = "FAULTS_HOME"
"""The environment variable by which the processes of a run are known."""
END_S = 60.0
"""Within so many seconds a server has to go when stdin is closed, or after a signal, as all answers come at once."""


class _Ended(Exception):
    """The server has ended, and there is no answer."""


@dataclass
class Fate:
    """What a client knows about one wish."""

    wish: Wish
    ending: Ending = "idle"
    """How the first server ends that was asked for it."""
    answers: list[str] = field(default_factory=list[str])
    """The texts of the answers that it has read."""
    images: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """The pictures that those answers name."""
    is_refused: bool = False
    """An answer said that the call failed."""
    was_killed: bool = False
    """A server was killed before it had answered, or its engine: what had reached it may be lost."""

    @property
    def is_answered(self) -> bool:
        """Whether an answer was read."""
        return bool(self.answers)


@dataclass
class Home:
    """The folders that all chats share."""

    root: Path
    address: str

    @property
    def output(self) -> Path:
        """The output folder that the user has set."""
        return self.root / "pictures"

    @property
    def elsewhere(self) -> Path:
        """The folder that some calls name."""
        return self.root / "elsewhere"

    @property
    def photo(self) -> Path:
        """The picture that is edited."""
        return self.root / "work" / "photo.png"

    @property
    def environ(self) -> dict[str, str]:
        """The environment of every program."""
        return {
            **os.environ,
            MARK: str(self.root),
            "HOME": str(self.root / "home"),
            "XDG_DATA_HOME": str(self.root / "data"),
            "TMPDIR": str(self.root / "tmp"),
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": f"{self.address}/v1",
            "GPT_IMAGE_2_OUTPUT_DIR": str(self.output),
            # Every request is sent at once, so that one that is never answered holds up no other.
            "GPT_IMAGE_2_MAX_CONCURRENCY": "40",
            "GPT_IMAGE_2_MAX_WAIT_S": str(PATIENCE_S),
            "GPT_IMAGE_2_SESSION_MAX": "0",
        }

    def make(self, photo: bytes) -> None:
        """Make the folders and the photo."""
        for name in ("pictures", "elsewhere", "work", "home", "data", "tmp"):
            (self.root / name).mkdir()
        self.photo.write_bytes(photo)


class Server:
    """The program on pipes, and a client that gives every answer to the call that waits for it."""

    def __init__(self, process: anyio.abc.Process, mark: str) -> None:
        """`mark` is in the environment of the process and of its engines, and of no other."""
        self.process = process
        self._mark = mark
        self.stderr = b""
        self.answered = 0
        self._news = anyio.Event()
        self._results: dict[int, dict[str, Any]] = {}
        self._number = 0
        self._has_ended = False

    async def read(self) -> None:
        """Read stdout to its end."""
        assert self.process.stdout is not None
        rest = b""
        async for chunk in self.process.stdout:
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                message = json.loads(line)
                if "id" in message and "method" not in message:
                    self._results[message["id"]] = message
            self._tell()
        self._has_ended = True
        self._tell()

    async def read_log(self) -> None:
        """Read stderr to its end."""
        assert self.process.stderr is not None
        async for chunk in self.process.stderr:
            self.stderr += chunk

    def _tell(self) -> None:
        news, self._news = self._news, anyio.Event()
        news.set()

    async def greet(self) -> None:
        """Make the handshake."""
        client = {"name": "faults", "version": "1"}
        await self.result(
            await self.ask("initialize", protocolVersion="2025-06-18", capabilities={}, clientInfo=client)
        )
        await self.notify("notifications/initialized")

    async def ask(self, method: str, **params: Any) -> int:
        """Send a request; its number."""
        self._number += 1
        number = self._number
        await self._write({"id": number, "method": method, "params": params})
        return number

    async def notify(self, method: str, **params: Any) -> None:
        """Send a notification."""
        await self._write({"method": method, "params": params})

    async def _write(self, message: Mapping[str, Any]) -> None:
        assert self.process.stdin is not None
        try:
            await self.process.stdin.send(json.dumps({"jsonrpc": "2.0", **message}).encode() + b"\n")
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            raise _Ended from None

    async def result(self, number: int) -> dict[str, Any]:
        """Wait for the result of a request; raises _Ended."""
        with anyio.fail_after(PATIENCE_S * 2):
            while number not in self._results:
                if self._has_ended:
                    raise _Ended
                await self._news.wait()
        message = self._results.pop(number)
        if "result" not in message:
            raise _Ended(message["error"])
        return message["result"]

    async def has_answered(self, count: int) -> None:
        """Wait until so many calls were answered."""
        with anyio.fail_after(PATIENCE_S * 2):
            while self.answered < count and not self._has_ended:
                await self._news.wait()

    def note_answer(self) -> None:
        """Count an answer that a call has read."""
        self.answered += 1
        self._tell()

    async def kill_engine(self) -> str:
        """Kill the engine, and call once more; what was wrong with the front then, or ""."""
        engines = list[int]()
        # Right after the handshake it may not be forked yet.
        with anyio.move_on_after(PATIENCE_S):
            while not engines:
                engines = [number for number in processes_with(self._mark) if number != self.process.pid]
                await anyio.lowlevel.checkpoint()
        for number in engines:
            os.kill(number, signal.SIGKILL)
        result = await self.result(await self.ask("tools/call", name="list_images", arguments={}))
        # The call may have reached the engine that was killed, also while that was still being loaded.
        text = result["content"][0]["text"]
        is_right = not result.get("isError") or "may have been billed" in text or "nothing was sent" in text
        return "" if engines and is_right else f"{engines}: {text}"

    async def end(self, ending: Ending) -> str:
        """End the server; what was wrong with that, or ""."""
        assert self.process.stdin is not None
        if ending in ("idle", "stdin closed"):
            await self.process.stdin.aclose()
        else:
            self.process.send_signal(signal.Signals[ending])
        with anyio.move_on_after(END_S * max(1, PATIENCE_S / 90)):
            code = await self.process.wait()
            expected = -signal.SIGKILL if ending == "SIGKILL" else 0
            return "" if code == expected else f"exit code {code}"
        self.process.kill()
        await self.process.wait()
        return f"still there after {END_S:.0f} s"


@asynccontextmanager
async def started(home: Home, variables: Mapping[str, str]) -> AsyncGenerator[Server]:
    mark = f"{MARK}_SERVER={secrets.token_hex(8)}"
    environ = home.environ | dict(variables) | dict([mark.split("=")])
    async with (
        await anyio.open_process(PROGRAM, env=environ, cwd=home.root / "work") as process,
        anyio.create_task_group() as tasks,
    ):
        server = Server(process, mark)
        tasks.start_soon(server.read)
        tasks.start_soon(server.read_log)
        try:
            yield server
        finally:
            if process.returncode is None:
                process.kill()
                tasks.cancel_scope.cancel()


@dataclass
class Chat:
    """One client after another at one server after another."""

    home: Home
    session: Wish
    fates: dict[str, Fate] = field(default_factory=dict[str, Fate])
    endings: list[tuple[Round, str]] = field(default_factory=list[tuple[Round, str]])
    """How each server ended: what was wrong with that, or ""."""
    logs: list[str] = field(default_factory=list[str])
    _session_id: str = ""

    async def live(self, rounds: Sequence[Round]) -> None:
        """Go through all rounds, and then ask for what is still unanswered."""
        for one in rounds:
            await self._round(one, self._unanswered())
        while unanswered := self._unanswered():
            last = Round(-1, "plain", "idle", 0, has_engine=True, wishes=[])
            await self._round(last, unanswered)
            assert len(self._unanswered()) < len(unanswered), "calls that are never answered"

    def _unanswered(self) -> list[Fate]:
        return [fate for fate in self.fates.values() if not fate.is_answered]

    async def _round(self, one: Round, again: Sequence[Fate]) -> None:
        new = [Fate(wish, one.ending) for wish in one.wishes]
        self.fates |= {fate.wish.id: fate for fate in new}
        async with started(self.home, one.variables) as server:
            await server.greet()
            if not self._session_id:
                self._session_id = await self._start_session(server)
            async with anyio.create_task_group() as calls:
                for fate in again:
                    calls.start_soon(self._ask_again, server, fate)
                for fate in new:
                    calls.start_soon(self._act, server, fate)
                if one.ending != "idle":
                    await server.has_answered(one.after)
                if one.ending == "engine killed":
                    self.endings.append((one, await server.kill_engine()))
                elif one.ending != "idle":
                    self.endings.append((one, await server.end(one.ending)))
            if one.ending in ("idle", "engine killed"):
                self.endings.append((one, await server.end("idle")))
            if one.kills_work:
                for fate in (*again, *new):
                    fate.was_killed |= not fate.is_answered or fate.is_refused
        self.logs.append(server.stderr.decode("utf-8", "replace"))

    async def _start_session(self, server: Server) -> str:
        """Begin the edit session that the chat's turns belong to."""
        fate = self.fates[self.session.id] = Fate(self.session)
        number = await self._call(server, self.session)
        report = await self._read(server, fate, number)
        session_id: str = report["session_id"]
        return session_id

    async def _act(self, server: Server, fate: Fate) -> None:
        """Ask, and do with the call what the wish says."""
        wish = fate.wish
        with suppress(_Ended):
            number = await self._call(server, wish)
            if wish.action in ("wait", "cancel the job"):
                await self._read(server, fate, number)
                return
            if wish.action == "cancel as the answer comes":
                await server.result(number)
            else:
                await anyio.sleep(wish.delay_s)
            await server.notify("notifications/cancelled", requestId=number, reason="timeout")
            if wish.action != "cancel":
                end = " " if wish.action == "repeat with a blank" else ""
                await self._read(server, fate, await self._call(server, wish, end))

    async def _ask_again(self, server: Server, fate: Fate) -> None:
        with suppress(_Ended):
            await self._read(server, fate, await self._call(server, fate.wish))

    async def _call(self, server: Server, wish: Wish, end: str = "") -> int:
        arguments: dict[str, Any] = {"prompt": wish.prompt + end, "quality": "low"}
        if wish.output_format != "png":
            arguments["output_format"] = wish.output_format
        if wish.n > 1:
            arguments["n"] = wish.n
        if wish.is_elsewhere:
            arguments["output_dir"] = str(self.home.elsewhere)
        match wish.tool:
            case "edit_image" | "start_edit_session":
                arguments["images"] = [str(self.home.photo)]
            case "continue_edit_session":
                arguments["session_id"] = self._session_id
            case "generate_image":
                pass
        return await server.ask("tools/call", name=wish.tool, arguments=arguments)

    async def _read(self, server: Server, fate: Fate, number: int) -> dict[str, Any]:
        """Read the answer, and fetch it where it is a job's id; its report."""
        result = await server.result(number)
        tools = iter(["cancel_image_job"] if fate.wish.action == "cancel the job" else [])
        while job := result.get("_meta", {}).get(JOB):
            arguments = {"job_id": job["job_id"]}
            name = next(tools, "get_image_job")
            result = await server.result(await server.ask("tools/call", name=name, arguments=arguments))
        fate.answers.append("\n".join(block["text"] for block in result["content"] if block["type"] == "text"))
        fate.is_refused |= bool(result.get("isError"))
        report: dict[str, Any] = result.get("_meta", {}).get(META, {})
        fate.images += report.get("images", [])
        server.note_answer()
        return report


async def left_running(home: Home) -> int:
    """Wait for the processes that outlive their clients, and kill those that do not end; how many that are."""
    with anyio.move_on_after(END_S):
        while processes_with(f"{MARK}={home.root}"):  # noqa: ASYNC110 - nothing tells when another process ends
            await anyio.sleep(0.1)
        return 0
    left = processes_with(f"{MARK}={home.root}")
    for number in left:
        os.kill(number, signal.SIGKILL)
    return len(left)


async def checked(home: Home) -> dict[str, Any]:
    """What `library check` finds."""
    command = [*PROGRAM, "library", "check", "--json", str(home.output), str(home.elsewhere)]
    ran = await anyio.run_process(command, env=home.environ, cwd=home.root / "work", check=False)
    return json.loads(ran.stdout)
