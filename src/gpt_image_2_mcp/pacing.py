"""How many requests are under way at once, in which order, and when none may start because the API said wait."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass

import anyio
import anyio.lowlevel


async def _nothing() -> None:
    """Nobody wants to know."""


@dataclass(slots=True, eq=False)
class Standing:
    """Where the requests of one piece of work stand; the work's owner reads it, requests write it."""

    before_sending: Callable[[], Awaitable[None]] = _nothing
    """Is told before a request's first byte; what it raises keeps the request from being sent."""

    waiting: int = 0
    """Requests in the queue."""
    ahead: int = 0
    """How many requests of others are before the first of them."""
    sent: int = 0
    """Requests that were sent and whose outcome is not known to be free of charge."""
    since: float | None = None
    """When the first of them was sent, by `anyio.current_time`."""

    async def send(self) -> None:
        """Count a request as sent, from before its first byte."""
        self.sent += 1
        # From here on nobody's cancelling may come between what is noted and what is sent.
        with anyio.CancelScope(shield=True):
            try:
                await self.before_sending()
            except BaseException:
                self.unsend()
                raise
        if self.since is None:
            self.since = anyio.current_time()

    def unsend(self) -> None:
        """Take that back: it was refused free of charge."""
        self.sent -= 1


class Pace:
    """A queue in order of arrival, in front of a few places."""

    def __init__(self, at_once: int) -> None:
        """Let `at_once` requests be under way."""
        self._places = anyio.Semaphore(at_once, fast_acquire=True)
        self._queue: list[Standing] = []
        self._held_until = 0.0

    @asynccontextmanager
    async def turn(self, standing: Standing) -> AsyncGenerator[None]:
        """Wait for a place in the order of arrival, and keep it while the body runs."""
        standing.waiting += 1
        self._queue.append(standing)
        self._tell()
        try:
            await self._places.acquire()
        finally:
            standing.waiting -= 1
            self._queue.remove(standing)
            self._tell()
        try:
            yield
        finally:
            self._places.release()

    async def ready(self) -> None:
        """Wait until the API lets anybody start; after it, nothing may be awaited before the request itself."""
        # Whoever sleeps through one wait may find that a longer one was named meanwhile.
        while self._held_until > anyio.current_time():  # noqa: ASYNC110 - the API says when, no event does
            await anyio.sleep_until(self._held_until)
        # Whoever was cancelled in the queue is stopped here: a moment later the request counts as sent.
        await anyio.lowlevel.checkpoint_if_cancelled()

    def hold(self, seconds: float) -> None:
        """Let nobody start for so long."""
        self._held_until = max(self._held_until, anyio.current_time() + seconds)

    def _tell(self) -> None:
        for place, standing in reversed(list(enumerate(self._queue))):
            standing.ahead = place
