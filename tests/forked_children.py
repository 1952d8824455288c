"""The loop of a process that has loaded everything, and forks a child for each process that a test kills."""

import json
import os
import sys
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

import anyio


def fork_for_each_line(work: Callable[[Mapping[str, Any]], Awaitable[None]]) -> None:
    """For each line of JSON on stdin, fork a child that does `work` with it; say its id, and how it ended."""
    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            code = 1
            try:
                anyio.run(work, json.loads(line))
                code = 0
            finally:
                os._exit(code)
        sys.stdout.write(f"{child}\n")
        sys.stdout.flush()
        sys.stdout.write(f"{os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])}\n")
        sys.stdout.flush()
