"""What a served team costs: `make bench-hosting`. Ratios of processor time, which other load changes little.

Three servers are measured in turn, round by round, each warmed up: one over stdio with SQLite; one replica, and two
replicas, over HTTP on PostgreSQL with a shared folder as the picture store, each behind haproxy. All have their
pictures from one sandbox.

Two replicas need processors of their own to make more pictures than one, and the database, the sandbox, haproxy and the
clients some more. On a machine with fewer than `CORES`, each replica is held to a `SHARE` of one while pictures are
counted, so that what is left is free for the others: that shows whether one replica waits for the other, at the rate at
which they make pictures then.

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
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Final

import httpx2
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp.client.streamable_http import streamable_http_client
from patience import PATIENCE_S
from ports import free_port
from postgres_server import Server, running_server

from .parts.haproxy import running_haproxy
from .parts.s3 import running_s3
from .processes import MARK, below, cpu_ms, held, marked, memory_mib
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
SHARE: Final = 0.2
"""Of one processor, what each replica gets for pictures at once where there are fewer: the rest is for the others."""
FASTER: Final = 1.8
PEOPLE: Final = [f"person{number}" for number in range(AT_ONCE)]

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

    async def load(self, share: float | None) -> None:
        """One round of pictures for several people at once, with each replica held to a share of a processor."""

        async def ask(client: Client, prompt: str) -> None:
            await repeat(PICTURES_EACH, lambda: _made(client, prompt))

        count = len(self.clients) * PICTURES_EACH
        with held(marked(self.mark), share) if share else nullcontext():
            await self.measure("at once", count, lambda: together(ask, self.clients))
        passed = self.samples["at once: ms"][-1]
        self.note("at once: pictures a minute", 60_000 / passed)
        self.note("at once: % of a processor, all replicas", 100 * self.samples["at once: server CPU ms"][-1] / passed)

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
        # What is reserved under a budget, the replicas of a server reserve one after another.
        "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "100000",
    }


@asynccontextmanager
async def over_stdio(folder: Path, openai: str) -> AsyncGenerator[Side]:
    """The server as a client starts it."""
    env = {"PATH": os.environ["PATH"], **common_env(folder, openai, "stdio")}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "gpt_image_2_mcp"], env=env)
    async with Client(stdio_client(parameters)) as client:
        yield Side("stdio", "stdio", None, [client], memory_mib(marked("stdio")))


def of_replicas(folder: Path, openai: str, database: Server, mark: str) -> dict[str, str]:
    """What the environment of the replicas of one server has."""
    return {
        **common_env(folder, openai, mark),
        "GPT_IMAGE_2_BUDGET_PER_PERSON_DAY_USD": "10000",
        "GPT_IMAGE_2_DATABASE_URL": database.team_database().text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_STORE_URL": f"file://{folder}/store",
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {person: f"of {person}" for person in PEOPLE})),
    }


def idle_with_all(folder: Path, openai: str, database: Server) -> float:
    """The MiB of a replica with an object store and metrics, before its first call."""
    mark = "http with all"
    with running_s3() as s3:
        env = {**of_replicas(folder, openai, database, mark), **s3.environ, "GPT_IMAGE_2_STORE_URL": s3.url("bench")}
        with served(_new(folder / "0"), env={**env, "GPT_IMAGE_2_METRICS_PORT": str(free_port())}):
            time.sleep(IDLE_S)
            return memory_mib(marked(mark))


@asynccontextmanager
async def over_http(folder: Path, openai: str, database: Server, *, replicas: int) -> AsyncGenerator[Side]:
    """So many replicas behind haproxy, with a client for each person."""
    mark = f"http{replicas}"
    env = of_replicas(folder, openai, database, mark)
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


def print_bounds(stdio: Side, one: Side, two: Side, share: float | None, idle_mib: float) -> None:
    """Say which of the bounds hold."""
    picture = "picture: server CPU ms"
    bounds = [
        ("A picture, times the processor time of stdio", ratio(picture, one, stdio), 1.5),
        ("A picture of two replicas, times the processor time of one", ratio(picture, two, one), 1.1),
        # Where all cores are taken, it takes as long as it waits for one.
        ("A list, ms of processor time, the database's too", median(one.samples["list: CPU ms of both"]), 20),
        ("A replica before its first call, MiB (RSS)", one.idle_mib, 110),
        ("The same with an object store and metrics", idle_mib, 110),
    ]
    for name, value, most in bounds:
        assert value is not None
        sys.stdout.write(f"\n{name}: {value:.2f}, at most {most}: {'met' if value <= most else 'MISSED'}")
    faster = ratio("at once: pictures a minute", two, one)
    assert faster is not None
    sys.stdout.write(f"\nTwo replicas, times the pictures a minute: {faster:.2f}, at least {FASTER}: ")
    sys.stdout.write("met" if faster >= FASTER else "MISSED")
    if share:
        used = median(two.samples["at once: % of a processor, all replicas"]) / 2
        sys.stdout.write(
            f" (fewer than {CORES} cores: each replica was held to {share:.0%} of one, and used {used:.0f}%"
        )
        sys.stdout.write("; it waited for the machine or the other one)" if used < share * 90 else ")")
    sys.stdout.write("\n")


def _cell(samples: list[float] | None) -> str:
    return f"{median(samples):.1f} [{min(samples):.1f}..{max(samples):.1f}]" if samples else ""


async def run(folder: Path, openai: str, database: Server) -> None:
    """Measure the three, and print what came of it."""
    idle_mib = await asyncio.to_thread(idle_with_all, folder / "all", openai, database)
    share = None if len(os.sched_getaffinity(0)) >= CORES else SHARE
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
                await side.load(share)
        for side in (stdio, one, two):
            await side.measure("a second without calls", int(IDLE_S), lambda: asyncio.sleep(IDLE_S))
            side.samples.pop("a second without calls: ms")
        print_table(stdio, one, two)
        print_bounds(stdio, one, two, share, idle_mib)


def main() -> None:
    """Start what is needed, and measure."""
    with tempfile.TemporaryDirectory(prefix="hosting") as name, running_server() as database, sandbox() as openai:
        asyncio.run(run(Path(name), openai, database))


if __name__ == "__main__":
    main()
