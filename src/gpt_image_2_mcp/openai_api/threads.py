"""To and fro between the event loop and threads that nobody can cancel.

Each request to the API has a thread of its own, from its first byte until its pictures are saved: blocking reads cost a
third of what an event loop needs for the same bytes, what happens to whoever waits cannot come between an answer and
its saving, and the loop is free meanwhile. The threads are daemons: one that a backend keeps waiting does not keep the
process from ending.
"""

import asyncio
from collections.abc import Callable, Coroutine
from contextlib import suppress
from functools import partial
from threading import Condition, Thread
from typing import Any, TypeVar

ResultT = TypeVar("ResultT")


class InFlightWrites:
    """Work that the end of the process waits for, in whatever thread it is done."""

    def __init__(self) -> None:
        """There is none."""
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
        """Wait until none is under way. Blocks: call it in a thread."""
        with self._change:
            self._change.wait_for(lambda: self._count == 0)


async def run_in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Do something in a thread of its own; raises what it raises.

    Where this is cancelled the work goes on, and nobody hears of its end.
    """
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[ResultT] = loop.create_future()

    def tell(set_it: Callable[[], None]) -> None:
        # Nobody waits any more, or the loop is gone.
        with suppress(RuntimeError):
            loop.call_soon_threadsafe(lambda: None if outcome.done() else set_it())

    def run() -> None:
        try:
            found = work()
        except BaseException as error:  # noqa: BLE001 - raised where it is waited for
            # Held by nothing here: it holds all that was at hand where it was raised, a picture's bytes perhaps.
            tell(partial(outcome.set_exception, error))
        else:
            tell(partial(outcome.set_result, found))

    Thread(target=run, name="request", daemon=True).start()
    return await outcome


def run_on_loop(loop: asyncio.AbstractEventLoop, work: Coroutine[Any, Any, ResultT]) -> ResultT:
    """Do something on the event loop, from another thread, and wait for it; raises what it raises.

    A loop that ends meanwhile shows as `CancelledError` or `RuntimeError`.
    """
    return asyncio.run_coroutine_threadsafe(work, loop).result()
