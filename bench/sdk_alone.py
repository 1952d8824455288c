"""A child process: what a program without a server does: call the `openai` SDK, decode the base64, write the file.

It speaks as much of MCP's lines as it takes to be measured by the same client as a server: a `tools/call` is one call
of the SDK, and its answer says only that the files are there.
"""

import base64
import itertools
import json
import os
import sys
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Lock
from typing import Any

from openai import OpenAI

AT_ONCE = 64

client = OpenAI()
folder = Path(os.environ["BENCH_OUTPUT"])
numbers = itertools.count()
writing = Lock()


def call(arguments: Mapping[str, Any]) -> None:
    """Make pictures and write their files."""
    answer = client.images.generate(
        model="gpt-image-2", prompt=arguments["prompt"], size=arguments["size"], n=arguments.get("n", 1)
    )
    for image in answer.data or []:
        folder.joinpath(f"{next(numbers)}.png").write_bytes(base64.b64decode(image.b64_json or ""))


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


def main() -> None:
    """Answer line by line, side by side where several are asked for, until stdin ends."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for line in sys.stdin:
            message = json.loads(line)
            if "id" in message:
                pool.submit(answer, message)


if __name__ == "__main__":
    main()
