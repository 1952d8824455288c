"""A child process: what a program without a server does: call the `openai` SDK, decode the base64, write the file.

It speaks as much of MCP's lines as it takes to be measured by the same client as a server: a `tools/call` is one call
of the SDK, and its answer says only that the files are there.

With `BENCH_DURABLE` set, it also does what the server promises of the disk, in the fewest steps that can hold it: a row
before the request is sent, a synced file in a synced folder, and the row again. With `BENCH_MCP` set, it is a tool of
the official MCP SDK, over that SDK's own stdio: what any server in Python has to pay.
"""

import base64
import itertools
import json
import os
import sqlite3
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

import anyio.to_thread
from openai import OpenAI

AT_ONCE = 64

client = OpenAI()
folder = Path(os.environ["BENCH_OUTPUT"])
numbers = itertools.count()
writing = Lock()
rows: sqlite3.Connection | None = None
if "BENCH_DURABLE" in os.environ:
    rows = sqlite3.connect(folder / "rows.db", isolation_level=None, check_same_thread=False)
    rows.executescript(
        "PRAGMA journal_mode = PERSIST; PRAGMA synchronous = FULL;"
        "CREATE TABLE IF NOT EXISTS calls (number INTEGER PRIMARY KEY, end);"
    )


def call(arguments: Mapping[str, Any]) -> None:
    """Make pictures and write their files."""
    row = _note("INSERT INTO calls (end) VALUES (NULL)")
    answer = client.images.generate(
        model="gpt-image-2", prompt=arguments["prompt"], size=arguments["size"], n=arguments.get("n", 1)
    )
    for image in answer.data or []:
        with folder.joinpath(f"{next(numbers)}.png").open("wb") as file:
            file.write(base64.b64decode(image.b64_json or ""))
            file.flush()
            _sync(file.fileno())
    if rows:
        place = os.open(folder, os.O_RDONLY)
        _sync(place)
        os.close(place)
    _note("UPDATE calls SET end = ? WHERE number = ?", "saved", row)


def _note(statement: str, *values: object) -> int | None:
    """Write a row; gives its number."""
    if rows is None:
        return None
    with writing:
        return rows.execute(statement, values).lastrowid


def _sync(descriptor: int) -> None:
    if rows:
        os.fsync(descriptor)


def answer(message: Mapping[str, Any]) -> None:
    """Do what one line asks for, and say so."""
    reply: dict[str, Any] = {"jsonrpc": "2.0", "id": message["id"], "result": {}}
    try:
        if message["method"] == "tools/call":
            call(message["params"]["arguments"])
    except Exception as error:  # noqa: BLE001 - reported to the benchmark
        reply = {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -1, "message": str(error)}}
    with writing:
        sys.stdout.write(json.dumps(reply) + "\n")
        sys.stdout.flush()


def serve() -> None:
    """Answer through the official MCP SDK."""
    from mcp.server.mcpserver import MCPServer

    server = MCPServer("bench")

    @server.tool()
    async def generate_image(prompt: str, size: str, n: int = 1) -> str:  # pyright: ignore[reportUnusedFunction]
        await anyio.to_thread.run_sync(call, {"prompt": prompt, "size": size, "n": n})
        return "saved"

    server.run()


def main() -> None:
    """Answer line by line, side by side where several are asked for, until stdin ends."""
    if "BENCH_MCP" in os.environ:
        serve()
        return
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message:
                pool.submit(answer, message)


if __name__ == "__main__":
    main()
