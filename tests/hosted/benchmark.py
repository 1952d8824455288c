"""What a served team costs: `make bench-hosting`. Ratios of processor time, which other load changes little.

Three servers are measured in turn, round by round, each warmed up: one over stdio with SQLite; one replica, and two
replicas, over HTTP on PostgreSQL with a shared folder as the picture store, each behind haproxy. All have their
pictures from one sandbox.

What counts as a server's processor time is that of all its processes and of the child processes that they have waited
for. PostgreSQL's is told apart from it; that of haproxy, the sandbox and the client is in no figure. What a server does
without being asked is measured too, and is not taken off the rest. It needs the tests' parts.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Coroutine, Generator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from patience import PATIENCE_S
from postgres_server import Server, running_server

from .parts.haproxy import running_haproxy
from .served import SECRET, drawn, served, write_tokens

ROUNDS: Final = 5
PICTURES: Final = 12
LISTS: Final = 50
IDLE_S: Final = 5.0
AT_ONCE: Final = 8
"""Clients that ask at the same time, where pictures a minute are counted."""
PICTURES_EACH: Final = 8
CORES: Final = 4
"""Processors without which two replicas cannot make more pictures than one: the other programs need some too."""
FASTER: Final = 1.8
PEOPLE: Final = [f"person{number}" for number in range(AT_ONCE)]
MARK: Final = "BENCH_OF_HOSTING"
TICKS: Final = os.sysconf("SC_CLK_TCK")

BALANCER: Final = """\
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 90s
frontend public
  bind :443
  default_backend images
backend images
  balance roundrobin
  server images-1 images-1:8000
  server images-2 images-2:8000
"""


# Processes.


def marked(mark: str) -> list[int]:
    """The processes with the mark in their environment: also an engine, which is no child of the server."""
    wanted = f"{MARK}={mark}".encode()
    found = [int(one.name) for one in Path("/proc").glob("[0-9]*")]
    return [pid for pid in found if wanted in _read(pid, "environ").split(b"\0")]


def below(pid: int) -> list[int]:
    """A process and all processes below it."""
    children = [int(child) for file in Path(f"/proc/{pid}/task").glob("*/children") for child in _words(file)]
    return [pid, *(one for child in children for one in below(child))]


def cpu_ms(pids: list[int]) -> float:
    """Processor time of processes, and of their ended children."""
    return sum(sum(map(int, _stat(pid)[11:15])) for pid in pids) * 1000 / TICKS


def memory_mib(pids: list[int]) -> float:
    """What processes have in memory (RSS)."""
    return sum(int(_stat(pid)[21]) for pid in pids) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _stat(pid: int) -> list[str]:
    return _read(pid, "stat").rpartition(b")")[2].decode().split() or ["0"] * 40


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""


def _words(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="ascii").split()
    except OSError:
        return []


# What is measured.


@dataclass
class Side:
    """One of the servers."""

    name: str
    mark: str
    database: Server | None
    clients: list[Client]
    """The first is the one whose calls are measured one by one."""
    idle_mib: float
    samples: dict[str, list[float]] = field(default_factory=dict[str, list[float]])

    def note(self, name: str, value: float) -> None:
        self.samples.setdefault(name, []).append(value)

    async def measure(self, what: str, count: int, call: Callable[[], Awaitable[object]]) -> None:
        """Do something that holds `count` calls, and note what one of them took."""
        server, database, began = self._cpu_ms, self._database_ms, time.perf_counter()
        await call()
        passed = (time.perf_counter() - began) * 1000
        server, database = (self._cpu_ms - server) / count, (self._database_ms - database) / count
        self.note(f"{what}: server CPU ms", server)
        self.note(f"{what}: database CPU ms", database)
        self.note(f"{what}: CPU ms of both", server + database)
        self.note(f"{what}: ms", passed / count)

    async def round(self) -> None:
        """One round: pictures one after another, and lists."""
        await self.measure("picture", PICTURES, lambda: repeat(PICTURES, self.picture))
        await self.measure("list", LISTS, lambda: repeat(LISTS, self.list))

    async def load(self) -> None:
        """One round of pictures for several people at once."""

        async def ask(client: Client, prompt: str) -> None:
            await repeat(PICTURES_EACH, lambda: _made(client, prompt))

        count = len(self.clients) * PICTURES_EACH
        await self.measure("at once", count, lambda: together(ask, self.clients))
        self.note("at once: pictures a minute", 60_000 / self.samples["at once: ms"][-1])

    async def picture(self) -> None:
        await _made(self.clients[0])

    async def list(self) -> None:
        assert not (await self.clients[0].call_tool("list_images", {})).is_error

    @property
    def _cpu_ms(self) -> float:
        return cpu_ms(marked(self.mark))

    @property
    def _database_ms(self) -> float:
        return cpu_ms(below(self.database.guard.pid)) if self.database else 0.0


async def _made(client: Client, prompt: str = "a fox") -> None:
    result = await drawn(client, prompt)
    assert not result.is_error, result.content


async def repeat(count: int, call: Callable[[], Awaitable[object]]) -> None:
    for _ in range(count):
        await call()


async def together(call: Callable[[Client, str], Coroutine[None, None, None]], clients: list[Client]) -> None:
    """Call with all clients at once, each with words of its own."""
    async with asyncio.TaskGroup() as tasks:
        for number, client in enumerate(clients):
            tasks.create_task(call(client, f"fox {number}"))


# The servers.


def common_env(folder: Path, openai: str, mark: str) -> dict[str, str]:
    """What the environment of every server has."""
    return {
        MARK: mark,
        "HOME": str(folder),
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": openai,
        "GPT_IMAGE_2_PICTURES_PER_MINUTE": "100000",
        "GPT_IMAGE_2_MAX_CONCURRENCY": str(AT_ONCE),
    }


@asynccontextmanager
async def over_stdio(folder: Path, openai: str) -> AsyncGenerator[Side]:
    """The server as a client starts it."""
    env = {"PATH": os.environ["PATH"], **common_env(folder, openai, "stdio")}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "gpt_image_2_mcp"], env=env)
    async with Client(stdio_client(parameters)) as client:
        yield Side("stdio", "stdio", None, [client], memory_mib(marked("stdio")))


@asynccontextmanager
async def over_http(folder: Path, openai: str, database: Server, *, replicas: int) -> AsyncGenerator[Side]:
    """So many replicas behind haproxy, with a client for each person."""
    mark = f"http{replicas}"
    env = {
        **common_env(folder, openai, mark),
        "GPT_IMAGE_2_DATABASE_URL": database.team_database().text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_STORE_URL": f"file://{folder}/store",
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {person: f"of {person}" for person in PEOPLE})),
    }
    async with AsyncExitStack() as stack:
        ports = list[int]()
        for number in range(replicas):
            server = stack.enter_context(served(_new(folder / str(number)), env=env))
            ports.append(int(server.address.rpartition(":")[2]))
        await asyncio.sleep(IDLE_S)
        idle = memory_mib(marked(mark)) / replicas
        url = f"http://127.0.0.1:{stack.enter_context(running_haproxy(BALANCER, ports))}/mcp"
        clients = [await stack.enter_async_context(client_of(url, f"of {person}")) for person in PEOPLE]
        yield Side(f"{replicas} over HTTP", mark, database, clients, idle)


@asynccontextmanager
async def client_of(url: str, token: str) -> AsyncGenerator[Client]:
    """A client of one person."""
    headers = {"authorization": f"Bearer {token}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S) as http,
        Client(streamable_http_client(url, http_client=http)) as client,
    ):
        yield client


def _new(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


@contextmanager
def sandbox() -> Generator[str]:
    """OpenAI; gives its address."""
    command = [sys.executable, "-m", "gpt_image_2_mcp", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"OPENAI_BASE_URL=(\S+/v1)", process.stderr.readline())
        assert found
        try:
            yield found[1]
        finally:
            process.terminate()


# The table.


def ratio(name: str, side: Side, to: Side) -> float | None:
    """The median of the rounds' ratios; None where there is nothing to compare with."""
    pairs = list(zip(side.samples.get(name, ()), to.samples.get(name, ()), strict=False))
    return median(one / other for one, other in pairs) if pairs and all(other for _, other in pairs) else None


def print_table(stdio: Side, one: Side, two: Side) -> None:
    sides = [stdio, one, two]
    write = sys.stdout.write
    write(f"Medians of {ROUNDS} rounds, [lowest..highest]\n\n")
    write("| | " + " | ".join(side.name for side in sides) + " | 1 : stdio | 2 : 1 |\n|---|---|---|---|---|---|\n")
    write(f"| MiB of a server before its first call | {' | '.join(f'{side.idle_mib:.1f}' for side in sides)} | | |\n")
    for name in dict.fromkeys(name for side in sides for name in side.samples):
        cells = [_cell(side.samples.get(name)) for side in sides]
        ratios = [ratio(name, one, stdio), ratio(name, two, one)]
        cells += ["" if each is None else f"{each:.2f}" for each in ratios]
        write(f"| {name} | {' | '.join(cells)} |\n")


def print_bounds(stdio: Side, one: Side, two: Side) -> None:
    """Say which of the bounds hold."""
    picture = "picture: server CPU ms"
    bounds = [
        ("A picture, times the processor time of stdio", ratio(picture, one, stdio), 1.5),
        ("A picture of two replicas, times the processor time of one", ratio(picture, two, one), 1.1),
        ("A list, ms where cores are free", median(one.samples["list: ms"]), 20),
        ("A replica before its first call, MiB", one.idle_mib, 110),
    ]
    for name, value, most in bounds:
        assert value is not None
        sys.stdout.write(f"\n{name}: {value:.2f}, at most {most}: {'met' if value <= most else 'MISSED'}")
    faster, cores = ratio("at once: pictures a minute", two, one), len(os.sched_getaffinity(0))
    assert faster is not None
    verdict = "met" if faster >= FASTER else "MISSED"
    verdict = verdict if cores >= CORES else f"{CORES} cores needed, and there are {cores}"
    sys.stdout.write(f"\nTwo replicas, times the pictures a minute: {faster:.2f}, at least {FASTER}: {verdict}\n")


def _cell(samples: list[float] | None) -> str:
    return f"{median(samples):.1f} [{min(samples):.1f}..{max(samples):.1f}]" if samples else ""


async def run(folder: Path, openai: str, database: Server) -> None:
    """Measure the three, and print what came of it."""
    async with (
        over_stdio(_new(folder / "stdio"), openai) as stdio,
        over_http(folder / "one", openai, database, replicas=1) as one,
        over_http(folder / "two", openai, database, replicas=2) as two,
    ):
        for side in (stdio, one, two):
            await repeat(4, side.picture)
            await repeat(4, side.list)
        for number in range(ROUNDS):
            # In turn, each first as often as last.
            for side in (stdio, one, two)[:: 1 if number % 2 else -1]:
                await side.round()
        for side in (one, two):
            await together(_made, side.clients)
        for number in range(ROUNDS):
            for side in (one, two)[:: 1 if number % 2 else -1]:
                await side.load()
        for side in (stdio, one, two):
            await side.measure("a second without calls", int(IDLE_S), lambda: asyncio.sleep(IDLE_S))
            side.samples.pop("a second without calls: ms")
        print_table(stdio, one, two)
        print_bounds(stdio, one, two)


def main() -> None:
    """Start what is needed, and measure."""
    with tempfile.TemporaryDirectory(prefix="hosting") as name, running_server() as database, sandbox() as openai:
        asyncio.run(run(Path(name), openai, database))


if __name__ == "__main__":
    main()
