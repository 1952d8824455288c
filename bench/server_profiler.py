"""A child process: the server with the steps of its event loop timed or its threads sampled, into a file.

`server_profiler.py steps FILE` notes each step of the loop that takes longer than `NOTED_MS`, by the clock and by the
processor. `server_profiler.py samples FILE` notes every `PAUSE_S` what each thread does. Both add a little to what
they measure, so nothing else is timed on this process. Times are of the monotonic clock, which all processes share.
"""

import asyncio
import json
import os
import sys
import threading
import time
from collections.abc import Callable
from types import FrameType
from typing import Any, cast

PACKAGE = "gpt_image_2_mcp"
NOTED_MS = 2.0
PAUSE_S = 0.002
IDLE = frozenset({"select", "_worker", "run", "wait", "get", "readline", "_watch", "_bootstrap_inner"})
"""Functions in which a thread waits for work."""
READER = "server.stdio.pipes.read_line"
"""Our function that waits for the client."""


def watch_steps(out: int) -> None:
    """Time every callback of the event loop."""
    handle: Any = asyncio.Handle
    step: Callable[[Any], None] = handle._run  # noqa: SLF001

    def timed(self: Any) -> None:
        began, worked = time.perf_counter(), time.thread_time()
        step(self)
        wall = (time.perf_counter() - began) * 1000
        if wall > NOTED_MS:
            row = {"at": began, "wall": wall, "cpu": (time.thread_time() - worked) * 1000, "what": _coroutine(self)}
            os.write(out, json.dumps(row).encode() + b"\n")

    handle._run = timed  # noqa: SLF001


def watch_samples(out: int) -> None:
    """Sample all threads, each sample weighing the time since the one before."""

    def _watch() -> None:
        own, last = threading.get_ident(), time.perf_counter()
        while True:
            time.sleep(PAUSE_S)
            now = time.perf_counter()
            frames = sys._current_frames()  # noqa: SLF001  # pyright: ignore[reportPrivateUsage]
            found = [_where(frame) for thread, frame in frames.items() if thread != own]
            row = {"at": now, "ms": (now - last) * 1000, "where": [where for where in found if where]}
            os.write(out, json.dumps(row).encode() + b"\n")
            last = now

    threading.Thread(target=_watch, daemon=True).start()


def _coroutine(handle: Any) -> str:
    """Of which task a step was, and where that waits now."""
    callback = handle._callback  # noqa: SLF001
    task = getattr(callback, "__self__", None)
    if not isinstance(task, asyncio.Task):
        return getattr(callback, "__qualname__", None) or repr(callback)[:60]
    current = cast("Any", task.get_coro())
    name = current.__qualname__
    while (inner := getattr(current, "cr_await", None)) is not None and hasattr(inner, "cr_code"):
        current = inner
    return f"{name} to {current.__qualname__}"


def _where(frame: FrameType) -> str | None:
    """The innermost function of ours, and the innermost of all."""
    if frame.f_code.co_name in IDLE:
        return None
    leaf, current = _name(frame), frame
    while not current.f_globals.get("__name__", "").startswith(PACKAGE) and current.f_back is not None:
        current = current.f_back
    if current.f_back is None:
        return leaf
    ours = _name(current).removeprefix(f"{PACKAGE}.")
    if ours == READER:
        return None
    return ours if current is frame else f"{ours}: {leaf}"


def _name(frame: FrameType) -> str:
    return f"{frame.f_globals.get('__name__', '?')}.{frame.f_code.co_name}"


def main() -> None:
    """Start the profiler, then run the server."""
    what, path = sys.argv[1:3]
    del sys.argv[1:]
    out = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    (watch_steps if what == "steps" else watch_samples)(out)
    from gpt_image_2_mcp.cli.main import main as serve

    serve()


if __name__ == "__main__":
    main()
