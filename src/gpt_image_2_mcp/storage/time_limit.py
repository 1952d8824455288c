"""Work on files with a time limit: a network folder whose server is gone blocks every system call on it.

Nothing can end a thread that the system holds in such a call. So the work is done in a thread of its own, and the
caller stops waiting for it at the limit. As long as such a thread has not come back, its folder counts as dead, and
further work on it fails at once: a dead folder costs its callers the limit once, and the process one thread.
"""

import asyncio
import errno
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from pathlib import Path
from threading import Thread
from typing import TypeVar

LIMIT_S = 30.0
"""Seconds that a folder may take to answer: a sleeping disk needs ten, and a client waits for a minute."""

ResultT = TypeVar("ResultT")

_dead: set[Path] = set()
"""The folders in which a thread hangs. Adding to a set and removing from it are atomic."""


def run_in_time(
    folder: Path, work: Callable[[], ResultT], *, meanwhile: Callable[[], object] = lambda: None
) -> ResultT:
    """Run `work`, which reads or writes in `folder`, and give its result; raises what it raises. Blocks.

    If that takes longer than `LIMIT_S` seconds, `work` goes on without the caller, and its outcome is dropped. The
    caller's thread runs `meanwhile` in that time; what this raises is dropped.

    Raises:
        TimeoutError: the folder does not answer in time; an `OSError`, as other failures of a disk.

    """
    future = _start(folder, work)
    with suppress(Exception):
        meanwhile()
    try:
        return future.result(LIMIT_S)
    except TimeoutError:
        if future.done():
            raise
        raise _give_up(folder, future) from None


async def run_in_time_async(folder: Path, work: Callable[[], ResultT]) -> ResultT:
    """Do as `run_in_time`, and wait on the event loop. If the caller is cancelled, it stops waiting at once."""
    future = _start(folder, work)
    waiting = asyncio.wrap_future(future)
    await asyncio.wait([waiting], timeout=LIMIT_S)
    if not waiting.done():
        raise _give_up(folder, future)
    return waiting.result()


def is_dead(folder: Path) -> bool:
    """Whether a thread hangs in this folder, so that it is better not touched."""
    return folder in _dead


def _start(folder: Path, work: Callable[[], ResultT]) -> "Future[ResultT]":
    if folder in _dead:
        raise _dead_error()
    future: Future[ResultT] = Future()
    # Running from the start, so that nothing can cancel it.
    future.set_running_or_notify_cancel()

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            future.set_exception(error)
        else:
            future.set_result(result)

    # A daemon, so that a dead folder does not keep the process from ending.
    try:
        Thread(target=run, name="files", daemon=True).start()
    except RuntimeError:
        # The system gives no thread now. A paid picture must not be lost for that: better without a limit.
        run()
    return future


def _give_up(folder: Path, future: "Future[ResultT]") -> OSError:
    _dead.add(folder)
    future.add_done_callback(lambda _: _dead.discard(folder))
    return _dead_error()


def _dead_error() -> OSError:
    return TimeoutError(
        errno.ETIMEDOUT, f"it does not answer within {LIMIT_S:g} seconds, like a network drive that is gone"
    )
