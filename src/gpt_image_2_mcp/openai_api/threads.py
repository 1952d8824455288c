"""Threads that cannot be cancelled, for API requests, and the calls between them and the event loop.

Each API request has a thread of its own, from its first byte until its pictures are saved. There are three reasons:

- Python can cancel a coroutine but not a thread. So a cancelled call, a timeout or a shutdown can end the waiting for a
  request, and can never come between an answer that is paid for and the disk.
- Blocking reads cost a third of the processor time that an event loop needs for the same bytes.
- The event loop is free meanwhile, for progress and for other calls.

The threads are daemons, so that a backend that does not answer cannot keep the process from ending. At its end, the
process waits for `InFlightWrites` instead: for files that are being written, and not for answers.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Condition, Thread
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class InFlightWrites:
    """Counts the file writes of all threads, so that the process can wait for them at its end.

    A thread enters the object around each write; `wait` returns when none is under way.
    """

    def __init__(self) -> None:
        """Start with no write under way."""
        self._change = Condition()
        self._count = 0

    def __enter__(self) -> None:
        with self._change:
            self._count += 1

    def __exit__(self, *_: object) -> None:
        with self._change:
            self._count -= 1
            self._change.notify_all()

    def wait(self) -> None:
        """Wait until no write is under way. Blocks: call it in a thread."""
        with self._change:
            self._change.wait_for(lambda: self._count == 0)


async def run_in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Run `work` in a new daemon thread and return its result; raises what it raises.

    If the caller is cancelled, it stops waiting at once. The thread goes on to the end of `work`, and its result or
    error is dropped.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[ResultT] = loop.create_future()

    def finish(set_outcome: Callable[[], None]) -> None:
        # `outcome` is done already if the caller was cancelled, and the loop is closed if the process is ending.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if outcome.done() else set_outcome())

    def run() -> None:
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised again where the result is awaited
            # Not kept in a variable of this thread: its traceback holds the frames of `work`, with a picture's bytes.
            finish(partial(outcome.set_exception, error))
        else:
            finish(partial(outcome.set_result, result))

    Thread(target=run, name="request", daemon=True).start()
    return await outcome


def run_on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Run a coroutine on the event loop from another thread, and block until it ends; raises what it raises.

    If the loop ends meanwhile, that is `CancelledError` or `RuntimeError`.
    """
    return asyncio.run_coroutine_threadsafe(work, loop).result()
