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
from collections.abc import AsyncGenerator, Generator
from contextlib import asynccontextmanager, contextmanager

import anyio
import anyio.lowlevel

from .fair_queue import LOOK_S, FairQueue
from .picture_pace import Pace
from .request_status import RequestStatus, Slot

logger = logging.getLogger(__name__)


class RateLimiter:
    """A few slots for requests, with a queue that is fair by person.

    When the API answers with a rate limit (429), `note_refusal` lets no request start for a time. After that, requests
    start one at a time until there were some successes: all at once they would meet the limit again.
    """

    def __init__(self, max_concurrency: int, pace: Pace) -> None:
        """Let `max_concurrency` requests run at once, and batches ask for as many pictures a minute as `pace` allows.

        If that is shared with other processes, all requests keep to it.
        """
        self._max_concurrency = max_concurrency
        self.pace = pace
        self._paced = anyio.Lock()
        self._queue = FairQueue(max_concurrency, self._ask_pace if pace.is_shared else None)
        # No `Lock`, which only its owner could release: `Slot.give_up` is called by others.
        self._one_at_a_time = anyio.Semaphore(1)
        self._cautious_starts = 0
        self._running: list[Slot] = []
        self._held_until = 0.0

    @property
    def waiting(self) -> int:
        """How many requests wait for a slot."""
        return self._queue.length

    @asynccontextmanager
    async def slot(self, status: RequestStatus) -> AsyncGenerator[Slot]:
        """Wait for a slot, and keep it while the `with` block runs, unless it is given up."""
        slot = Slot()
        if not self.pace.is_shared:
            # Before the queue, so that one who waits for a single picture is not behind a batch.
            await self._wait_for_pace(status)
        await self._queue.enter(status)
        slot.hold(self._queue)
        slot.is_due = True
        status.slots.append(slot)
        self._running.append(slot)
        try:
            yield slot
        finally:
            status.slots.remove(slot)
            self._running.remove(slot)
            slot.release(self._queue)

    @asynccontextmanager
    async def wait_to_start(self, slot: Slot, status: RequestStatus) -> AsyncGenerator[bool]:
        """Wait until requests may start. Gives whether only this one may, while the `with` block runs."""
        alone = self._cautious_starts > 0
        if alone:
            await self._one_at_a_time.acquire()
            slot.hold(self._one_at_a_time)
        try:
            await self.sit_out_hold(slot, status)
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

    async def sit_out_hold(self, slot: Slot, status: RequestStatus) -> None:
        """Wait until the time of `hold` has passed, and a shared pace allows another try.

        After it, nothing may be awaited before the request itself: another request could be held back meanwhile.
        """
        # A loop, since a longer time may be named while this one passes.
        while (until := self._held_until) > anyio.current_time() or not slot.is_due:
            if until > anyio.current_time():
                status.held_until = until
                await anyio.sleep_until(until)
            elif wait := await self._ask_pace(status):
                status.held_until = anyio.current_time() + wait
                await anyio.sleep(min(wait, LOOK_S))
            else:
                slot.is_due = True
        slot.is_due = not self.pace.is_shared
        # A job that was stopped in the queue ends here: a moment later its request would count as sent.
        await anyio.lowlevel.checkpoint_if_cancelled()

    async def _ask_pace(self, status: RequestStatus) -> float:
        return await self.pace.ask(status.pictures, is_paced=status.is_paced)

    async def _wait_for_pace(self, status: RequestStatus) -> None:
        """Wait until the pace allows the pictures of a batch's request, and take them; others only take them."""
        if not status.is_paced:
            await self._ask_pace(status)
            return
        status.held_until = anyio.current_time() + 60 * self.pace.minutes_for(status.pictures)
        # In order of arrival, so that no later batch overtakes an earlier one.
        async with self._paced:
            while (wait := await self._ask_pace(status)) > 0:
                status.held_until = anyio.current_time() + wait
                # What is learned meanwhile may shorten it.
                await anyio.sleep(min(wait, LOOK_S))

    async def note_refusal(self, message: str, *, hold_s: float | None) -> None:
        """Learn from a rate limit of the API; let no request of any process start for `hold_s` seconds, if not None."""
        if hold_s is not None:
            self._held_until = max(self._held_until, anyio.current_time() + hold_s)
            self._cautious_starts = 2 * self._max_concurrency
        await self.pace.note_refusal(message, hold_s=hold_s or 0.0)

    def note_success(self) -> None:
        """Count a success: after `2 * max_concurrency` of them requests start side by side again."""
        self._cautious_starts = max(self._cautious_starts - 1, 0)
