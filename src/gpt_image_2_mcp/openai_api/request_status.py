"""`RequestStatus` and `Slot`: what a job and the rate limiter tell each other about the job's API requests."""

import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Protocol

import anyio

from ..database.people import LOCAL
from ..errors import Unavailable


class Releasable(Protocol):
    """What a slot holds: a place in the queue, a semaphore."""

    def release(self) -> None:
        """Give it to the next request."""
        ...


async def do_nothing() -> None:
    """The `before_sending` of requests that cost nothing."""


@dataclass(slots=True, eq=False)
class Slot:
    """The permission for one request to run: what it holds of the rate limiter, until its end or `give_up`."""

    given_up: bool = False
    """The request runs on, and counts no more. It is not sent again."""
    is_due: bool = False
    """The pace allows its next try."""
    _held: list[Releasable] = field(default_factory=list[Releasable])

    def hold(self, held: Releasable) -> None:
        """Note what is held until `release` or `give_up`."""
        self._held.append(held)

    def release(self, held: Releasable) -> None:
        """Release something, if it is still held."""
        if held in self._held:
            self._held.remove(held)
            held.release()

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

    person: str = LOCAL
    """For whom the requests are sent; see `database.people`."""
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
