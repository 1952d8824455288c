"""How many requests are under way at once, in which order, and when none may start because the API said wait."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass

import anyio
import anyio.lowlevel


async def _do_nothing() -> None:
    """Nobody wants to know."""


@dataclass(slots=True, eq=False)
class RequestStatus:
    """Where the requests of one piece of work stand; the work's owner reads it, requests write it."""

    before_sending: Callable[[], Awaitable[None]] = _do_nothing
    """Is told before a request's first byte; what it raises keeps the request from being sent."""

    waiting: int = 0
    """Requests in the queue."""
    ahead: int = 0
    """How many requests of others are before the first of them."""
    sent: int = 0
    """Requests that were sent and whose outcome is not known to be free of charge."""
    sent_since: float | None = None
    """When the first of them was sent, by `anyio.current_time`."""

    held_until: float = 0.0
    """When the API lets the next one start, by `anyio.current_time`."""

    async def mark_sent(self) -> None:
        """Count a request as sent, from before its first byte."""
        self.sent += 1
        # From here on nobody's cancelling may come between what is noted and what is sent.
        with anyio.CancelScope(shield=True):
            try:
                await self.before_sending()
            except BaseException:
                self.unmark_sent()
                raise
        if self.sent_since is None:
            self.sent_since = anyio.current_time()

    def unmark_sent(self) -> None:
        """Take that back: it was refused free of charge."""
        self.sent -= 1


class RateLimiter:
    """A queue in order of arrival, in front of a few places."""

    def __init__(self, max_concurrency: int) -> None:
        """Let `at_once` requests be under way."""
        self._max_concurrency = max_concurrency
        self._slots = anyio.Semaphore(max_concurrency, fast_acquire=True)
        self._one_at_a_time = anyio.Lock()
        self._cautious_starts = 0
        self._queue: list[RequestStatus] = []
        self._held_until = 0.0

    @asynccontextmanager
    async def slot(self, status: RequestStatus) -> AsyncGenerator[None]:
        """Wait for a place in the order of arrival, and keep it while the body runs."""
        status.waiting += 1
        self._queue.append(status)
        self._update_positions()
        try:
            await self._slots.acquire()
        finally:
            status.waiting -= 1
            self._queue.remove(status)
            self._update_positions()
        try:
            yield
        finally:
            self._slots.release()

    @asynccontextmanager
    async def wait_to_start(self, status: RequestStatus) -> AsyncGenerator[bool]:
        """Wait until the API lets anybody start; whether it is this request alone that may, while the body runs.

        After a rate limit requests go one after another for a while: all at once they would meet it again.
        """
        alone = self._cautious_starts > 0
        async with self._one_at_a_time if alone else nullcontext():
            await self.sit_out_hold(status)
            yield alone

    async def sit_out_hold(self, status: RequestStatus) -> None:
        """Sit out what the API asked to wait; after it, nothing may be awaited before the request itself."""
        # Whoever sleeps through one wait may find that a longer one was named meanwhile.
        while self._held_until > anyio.current_time():
            status.held_until = self._held_until
            await anyio.sleep_until(self._held_until)
        # Whoever was cancelled in the queue is stopped here: a moment later the request counts as sent.
        await anyio.lowlevel.checkpoint_if_cancelled()

    def hold(self, seconds: float) -> None:
        """Let nobody start for so long: the API said that there were too many."""
        self._held_until = max(self._held_until, anyio.current_time() + seconds)
        self._cautious_starts = 2 * self._max_concurrency

    def note_success(self) -> None:
        """Trust the API a little more."""
        self._cautious_starts = max(self._cautious_starts - 1, 0)

    def _update_positions(self) -> None:
        for place, status in reversed(list(enumerate(self._queue))):
            status.ahead = place
