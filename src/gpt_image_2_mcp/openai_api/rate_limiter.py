"""The rate limiter: how many API requests run at once, in which order, and when none may start.

    async with limiter.slot(status) as slot:             # wait in the queue for a slot
        async with limiter.wait_to_start(slot, status):  # wait until the API lets requests start
            with limiter.bound_silence(slot, status):    # give the slot up if there is no answer
                ...                                      # send, read, save

`RequestSender` is its one user.
"""

import asyncio
import logging
import math
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field

import anyio
import anyio.lowlevel

from ..errors import Unavailable
from .picture_pace import PicturePace

logger = logging.getLogger(__name__)

PACE_LOOK_S = 1.0
"""Seconds after which a request that waits for the pace looks at it again."""


async def do_nothing() -> None:
    """The `before_sending` of requests that cost nothing."""


@dataclass(slots=True, eq=False)
class Slot:
    """The permission for one request to run: what it holds of the rate limiter, until its end or `give_up`."""

    given_up: bool = False
    """The request runs on, and counts no more. It is not sent again."""
    _held: list[anyio.Semaphore] = field(default_factory=list[anyio.Semaphore])

    async def acquire(self, semaphore: anyio.Semaphore) -> None:
        """Wait for a semaphore, and hold it."""
        await semaphore.acquire()
        self._held.append(semaphore)

    def release(self, semaphore: anyio.Semaphore) -> None:
        """Release a semaphore, if it is still held."""
        if semaphore in self._held:
            self._held.remove(semaphore)
            semaphore.release()

    def give_up(self) -> None:
        """Let the next request run in place of this one."""
        self.given_up = True
        while self._held:
            self._held.pop().release()


@dataclass(slots=True, eq=False)
class RequestStatus:
    """Counters of one job's API requests. Written by the sender and the rate limiter, read by the job."""

    before_sending: Callable[[], Awaitable[None]] = do_nothing
    """Awaited before each request's first byte. If it raises, the request is not sent."""

    pictures: int = 1
    """Pictures that each of the requests asks for."""
    is_paced: bool = False
    """Whether the requests wait until the pace allows their pictures: those of batches do."""

    waiting: int = 0
    """Requests that wait for a slot."""
    ahead: int = 0
    """Requests in the queue before the first of these."""
    sent: int = 0
    """Requests that were sent and may be billed: those under way, and those whose outcome is not known to be free."""
    sent_since: float | None = None
    """When the first request was sent, by `anyio.current_time`."""
    begun: anyio.Event = field(default_factory=anyio.Event)
    """Set when the first request is sent, or when the job has ended without one."""

    held_until: float = 0.0
    """When the next request may start, by `anyio.current_time`; in the past if nothing holds it back."""

    max_silence_s: float = math.inf
    """Seconds after which a request without an answer gives its slot up."""
    slots: list[Slot] = field(default_factory=list[Slot])
    """The slots of the requests that have one."""
    abandoned: bool = False
    """The user wants no further request to be sent, and waits for none."""

    def abandon(self) -> None:
        """Send no further request, and give up the slots of those under way."""
        self.abandoned = True
        for slot in self.slots:
            slot.give_up()

    async def mark_sent(self) -> None:
        """Count a request as sent and await `before_sending`, which records that; called before its first byte.

        Raises:
            Unavailable: the job was abandoned.
            GptImageError: what `before_sending` raises.

        """
        if self.abandoned:
            raise Unavailable("The job was abandoned before this request was sent; nothing was billed for it.")
        # Counted first, so that the job cannot be stopped any more while this waits for the database. Shielded, so that
        # a cancellation cannot leave the record written and the request unsent.
        self.sent += 1
        with anyio.CancelScope(shield=True):
            try:
                await self.before_sending()
            except BaseException:
                self.unmark_sent()
                raise
        if self.sent_since is None:
            self.sent_since = anyio.current_time()
            self.begun.set()

    def unmark_sent(self) -> None:
        """Take `mark_sent` back: the request was not sent, or refused without being billed."""
        self.sent -= 1


class RateLimiter:
    """A few slots for requests, with a queue in order of arrival.

    When the API answers with a rate limit (429), `hold` lets no request start for a time. After that, requests start
    one at a time until there were some successes: all at once they would meet the limit again.
    """

    def __init__(self, max_concurrency: int, pictures_per_minute: int | None = None) -> None:
        """Let `max_concurrency` requests run at once, and batches ask for so many pictures a minute."""
        self._max_concurrency = max_concurrency
        self.pace = PicturePace(pictures_per_minute)
        self._paced = anyio.Lock()
        self._slots = anyio.Semaphore(max_concurrency, fast_acquire=True)
        # No `Lock`, which only its owner could release: `Slot.give_up` is called by others.
        self._one_at_a_time = anyio.Semaphore(1)
        self._cautious_starts = 0
        self._queue: list[RequestStatus] = []
        self._running: list[Slot] = []
        self._held_until = 0.0

    @property
    def queue_length(self) -> int:
        """How many requests wait for a slot."""
        return len(self._queue)

    @asynccontextmanager
    async def slot(self, status: RequestStatus) -> AsyncGenerator[Slot]:
        """Wait for a slot in order of arrival, and keep it while the `with` block runs, unless it is given up."""
        slot = Slot()
        # Before the queue, so that one who waits for a single picture is not behind a batch.
        await self._wait_for_pace(status)
        status.waiting += 1
        self._queue.append(status)
        self._update_positions()
        try:
            await slot.acquire(self._slots)
        finally:
            status.waiting -= 1
            self._queue.remove(status)
            self._update_positions()
        status.slots.append(slot)
        self._running.append(slot)
        try:
            yield slot
        finally:
            status.slots.remove(slot)
            self._running.remove(slot)
            slot.release(self._slots)

    @asynccontextmanager
    async def wait_to_start(self, slot: Slot, status: RequestStatus) -> AsyncGenerator[bool]:
        """Wait until requests may start. Gives whether only this one may, while the `with` block runs."""
        alone = self._cautious_starts > 0
        if alone:
            await slot.acquire(self._one_at_a_time)
        try:
            await self.sit_out_hold(status)
            yield alone
        finally:
            slot.release(self._one_at_a_time)

    @contextmanager
    def bound_silence(self, slot: Slot, status: RequestStatus) -> Generator[None]:
        """Give the slot up if the `with` block takes longer than `RequestStatus.max_silence_s`; the block goes on.

        As many slots may be given up at a time as there are: a backend that never answers is not sent ever more.
        """

        def give_up() -> None:
            if sum(other.given_up for other in self._running) < self._max_concurrency:
                logger.warning("a request has had no answer for %.0f s: the next one may start", status.max_silence_s)
                slot.give_up()

        if status.max_silence_s == math.inf:
            yield
            return
        timer = asyncio.get_running_loop().call_later(status.max_silence_s, give_up)
        try:
            yield
        finally:
            timer.cancel()

    async def sit_out_hold(self, status: RequestStatus) -> None:
        """Wait until the time of `hold` has passed.

        After it, nothing may be awaited before the request itself: another request could be held back meanwhile.
        """
        # A loop, since a longer time may be named while this one passes.
        while self._held_until > anyio.current_time():
            status.held_until = self._held_until
            await anyio.sleep_until(self._held_until)
        # A job that was stopped in the queue ends here: a moment later its request would count as sent.
        await anyio.lowlevel.checkpoint_if_cancelled()

    async def _wait_for_pace(self, status: RequestStatus) -> None:
        """Wait until the pace allows the pictures of a batch's request, and take them; others only take them."""
        if not status.is_paced:
            self.pace.take(status.pictures, has_waited=False)
            return
        status.held_until = anyio.current_time() + self.pace.wait_s(status.pictures)
        # In order of arrival, so that no later batch overtakes an earlier one.
        async with self._paced:
            while (wait := self.pace.wait_s(status.pictures)) > 0:
                status.held_until = anyio.current_time() + wait
                # What is learned meanwhile may shorten it.
                await anyio.sleep(min(wait, PACE_LOOK_S))
            self.pace.take(status.pictures)

    def hold(self, seconds: float) -> None:
        """Let no request start for `seconds`, because the API answered with a rate limit."""
        self._held_until = max(self._held_until, anyio.current_time() + seconds)
        self._cautious_starts = 2 * self._max_concurrency

    def note_success(self) -> None:
        """Count a success: after `2 * max_concurrency` of them requests start side by side again."""
        self._cautious_starts = max(self._cautious_starts - 1, 0)

    def _update_positions(self) -> None:
        # Backwards, so that a job with several requests in the queue keeps the position of its first one.
        for position, status in reversed(list(enumerate(self._queue))):
            status.ahead = position
