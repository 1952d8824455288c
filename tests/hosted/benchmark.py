"""What a served team costs: `make bench-hosting`. Ratios of processor time, which other load changes little.

It compares one replica over HTTP, on PostgreSQL, with the server over stdio; both have their pictures from a sandbox in
a process of its own. It needs the tests' parts.
"""

import asyncio
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from postgres_server import running_server

from gpt_image_2_mcp.database.url import PostgresUrl

from .served import SECRET, served, write_tokens

PICTURES: Final = 12
LISTS: Final = 50
TOKEN: Final = "of the benchmark"
MARK: Final = "BENCH_OF_HOSTING"
TICKS: Final = os.sysconf("SC_CLK_TCK")


def cpu_s(mark: str) -> float:
    """Seconds of processor time of all processes with the mark in their environment, and of their ended children."""
    return sum(sum(map(int, stat[11:15])) for stat in map(_stat, _marked(mark))) / TICKS


def memory_mib(mark: str) -> float:
    """What these processes have in memory."""
    return sum(int(_stat(folder)[21]) for folder in _marked(mark)) * os.sysconf("SC_PAGE_SIZE") / 2**20


def _marked(mark: str) -> list[Path]:
    wanted = f"{MARK}={mark}".encode()
    return [one for one in Path("/proc").glob("[0-9]*") if wanted in _read(one / "environ").split(b"\0")]


def _stat(folder: Path) -> list[str]:
    return _read(folder / "stat").rpartition(b")")[2].decode().split() or ["0"] * 40


def _read(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError:
        return b""


async def measure(client: Client, mark: str) -> dict[str, float]:
    """Processor time of a picture and of a list, in ms, and of a list the time that passes."""

    async def draw() -> None:
        asked = {"prompt": "a fox", "size": "1024x1024", "quality": "low"}
        assert not (await client.call_tool("generate_image", asked)).is_error

    async def times(count: int, call: Any) -> tuple[float, float]:
        cpu, began = cpu_s(mark), time.perf_counter()
        for _ in range(count):
            await call()
        return (cpu_s(mark) - cpu) * 1000 / count, (time.perf_counter() - began) * 1000 / count

    idle = memory_mib(mark)
    for _ in range(3):
        await draw()
    picture, _ = await times(PICTURES, draw)
    listed, passed = await times(LISTS, lambda: client.call_tool("list_images", {}))
    return {"idle MiB": idle, "picture CPU ms": picture, "list CPU ms": listed, "list ms": passed}


@asynccontextmanager
async def over_stdio(folder: Path, openai: str) -> AsyncGenerator[Client]:
    """The server as a client starts it."""
    env = {**os.environ, MARK: "stdio", "OPENAI_BASE_URL": openai, "OPENAI_API_KEY": "sk-bench", "HOME": str(folder)}
    parameters = StdioServerParameters(command=sys.executable, args=["-m", "gpt_image_2_mcp"], env=env)
    async with Client(stdio_client(parameters)) as client:
        yield client


def team_env(folder: Path, url: PostgresUrl, openai: str) -> dict[str, str]:
    """The environment of a replica."""
    return {
        MARK: "http",
        "OPENAI_API_KEY": "sk-bench",
        "OPENAI_BASE_URL": openai,
        "GPT_IMAGE_2_DATABASE_URL": url.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, {"alice": TOKEN})),
    }


async def run(folder: Path, url: PostgresUrl, openai: str) -> None:
    """Measure both, and print what came of it."""
    async with over_stdio(folder / "stdio", openai) as client:
        stdio = await measure(client, "stdio")
    with served(folder / "http", env=team_env(folder, url, openai)) as server:
        async with server.client(TOKEN) as client:
            http = await measure(client, "http")
    sys.stdout.write("| | stdio, SQLite | HTTP, PostgreSQL | ratio |\n|---|---|---|---|\n")
    for name, value in stdio.items():
        sys.stdout.write(f"| {name} | {value:.1f} | {http[name]:.1f} | {http[name] / value:.2f} |\n")


def main() -> None:
    """Start what is needed, and measure."""
    with tempfile.TemporaryDirectory(prefix="hosting") as name, running_server() as database:
        folder = Path(name)
        (folder / "stdio").mkdir()
        (folder / "http").mkdir()
        command = [sys.executable, "-m", "gpt_image_2_mcp", "sandbox", "--port", "0"]
        with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as sandbox:
            assert sandbox.stderr is not None
            found = re.search(r"OPENAI_BASE_URL=(\S+/v1)", sandbox.stderr.readline())
            assert found
            try:
                asyncio.run(run(folder, database.team_database(), found[1]))
            finally:
                sandbox.terminate()


if __name__ == "__main__":
    main()
