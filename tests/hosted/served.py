"""`gpt-image-2-mcp serve` as a process of its own, with the sandbox for OpenAI, and clients of it."""

import hashlib
import os
import re
import ssl
import subprocess
import sys
import threading
from collections.abc import AsyncGenerator, Generator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Literal

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from patience import PATIENCE_S
from stdio_bench import Box

from gpt_image_2_mcp.database.url import PostgresUrl

SECRET = "0123456789abcdef" * 2
Era = Literal["auto", "legacy"]
ERAS: tuple[Era, Era] = ("auto", "legacy")


@cache
def trusted() -> ssl.SSLContext:
    """The certificates of the system, read once: it takes longer than the request of a test that looks again."""
    return ssl.create_default_context()


@dataclass
class Served:
    """A running server."""

    address: str
    process: "subprocess.Popen[str]"
    folder: Path
    said: list[str] = field(default_factory=list[str])
    """What it wrote on stderr."""

    @property
    def url(self) -> str:
        return f"{self.address}/mcp"

    def post(
        self, token: str | None = None, *, body: bytes = b"{}", headers: Mapping[str, str] | None = None
    ) -> httpx2.Response:
        """Send a request that is no call."""
        own = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if token is not None:
            own["authorization"] = f"Bearer {token}"
        every = {**own, **(headers or {})}
        return httpx2.post(self.url, content=body, headers=every, timeout=PATIENCE_S, verify=trusted())

    @asynccontextmanager
    async def client(
        self,
        token: str | None = None,
        *,
        era: Era = "auto",
        headers: Mapping[str, str] | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        **options: Any,
    ) -> AsyncGenerator[Client]:
        """A client of the official SDK; `transport` is its way to the server."""
        own = {**({"authorization": f"Bearer {token}"} if token else {}), **(headers or {})}
        async with httpx2.AsyncClient(headers=own, timeout=PATIENCE_S, transport=transport) as http:
            streams = streamable_http_client(self.url, http_client=http)
            async with Client(streams, mode=era, **options) as client:
                yield client


@contextmanager
def served(folder: Path, *arguments: str, env: Mapping[str, str]) -> Generator[Served]:
    """Run the server until the block ends."""
    with started(folder, *arguments, env=env) as process:
        assert process.stderr is not None
        said: list[str] = []
        for line in process.stderr:
            said.append(line)
            if found := re.search(r"serving (http://\S+)/mcp", line):
                break
        else:
            raise AssertionError(f"the server does not start: {''.join(said)}")
        server = Served(found[1], process, folder, said)
        reader = threading.Thread(target=lambda: said.extend(process.stderr or ()))
        reader.start()
        try:
            yield server
        finally:
            process.terminate()
            try:
                process.wait(PATIENCE_S)
            finally:
                process.kill()
                reader.join(PATIENCE_S)


@contextmanager
def started(folder: Path, *arguments: str, env: Mapping[str, str]) -> "Generator[subprocess.Popen[str]]":
    """Run the command in an environment of its own."""
    own = {name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ}
    command = [sys.executable, "-m", "gpt_image_2_mcp", "serve", "--port", "0", *arguments]
    with subprocess.Popen(
        command,
        env={**own, "HOME": str(folder), "XDG_DATA_HOME": str(folder / "data"), **env},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()


def refused(folder: Path, *arguments: str, env: Mapping[str, str]) -> str:
    """What the command says when it does not start."""
    with started(folder, *arguments, env=env) as process:
        _, said = process.communicate(timeout=PATIENCE_S)
        assert process.returncode == 1, said
        return said


def write_tokens(folder: Path, tokens: Mapping[str, str], *, name: str = "tokens") -> Path:
    """Write a file of static tokens, given by their names."""
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / name
    lines = [f"{person} {hashlib.sha256(token.encode()).hexdigest()}" for person, token in tokens.items()]
    file.write_text("\n".join(["# the team", "", *lines]) + "\n", encoding="utf-8")
    file.chmod(0o600)
    return file


def asking(folder: Path, database: PostgresUrl, box: Box, tokens: Mapping[str, str], **more: str) -> dict[str, str]:
    """The environment of a replica that asks before each picture, for people with these tokens."""
    return {
        **box.environ,
        "GPT_IMAGE_2_DATABASE_URL": database.text,
        "GPT_IMAGE_2_SECRET": SECRET,
        "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(folder, tokens)),
        "GPT_IMAGE_2_CONFIRM_OVER_USD": "0.0001",
        **more,
    }


async def drawn(client: Client, prompt: str = "a fox") -> CallToolResult:
    """Have a small picture made."""
    return await client.call_tool("generate_image", {"prompt": prompt, "size": "1024x1024", "quality": "low"})
