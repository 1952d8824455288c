"""`FairQueue`: which of the waiting requests runs next.

It is fair by person: places go round between those who wait, however many requests each of them has, and among a
person's requests to the one that came first. Where there is one person, as over stdio, that is the order of arrival.
"""

from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import count
from typing import Final

import anyio

from .request_status import RequestStatus

LOOK_S: Final = 1.0
"""Seconds after which a request that waits for the pace looks at it again: what is learned meanwhile may shorten it."""


@dataclass(slots=True, eq=False)
class Waiter:
    """A request in the queue."""

    status: RequestStatus
    rank: tuple[bool, int]
    """Its order among those of the same person: those of batches last, if that is wanted, then by arrival."""
    turn: anyio.Event = field(default_factory=anyio.Event)
    """Set when it may run, or may ask the gate."""
    has_place: bool = False


class FairQueue:
    """A few places for requests."""

    def __init__(self, places: int, gate: Callable[[RequestStatus], Awaitable[float]] | None = None) -> None:
        """Let `places` requests run at once.

        With a `gate`, the request whose turn it is asks that too: it gives 0, or the seconds to wait. Those of batches
        come after the other ones of their person then; without a gate they have waited before.
        """
        self._free = places
        self._gate = gate
        self._waiting: list[Waiter] = []
        self._asking: Waiter | None = None
        self._round = 0
        """In which round the last place was given."""
        self._next_rounds: dict[str, int] = {}
        """The first round in which a person gets another place, if it is later than that."""
        self._numbers = count()

    @property
    def length(self) -> int:
        """How many requests wait."""
        return len(self._waiting)

    async def enter(self, status: RequestStatus) -> None:
        """Wait for a place, until it is given to the next request by `release`."""
        waiter = Waiter(status, (status.is_paced and self._gate is not None, next(self._numbers)))
        status.waiting += 1
        self._waiting.append(waiter)
        self._pass_on()
        try:
            await self._wait_for_turn(waiter)
        except BaseException:
            self._leave(waiter)
            raise

    def release(self) -> None:
        """Give a place to the next request."""
        self._free += 1
        self._pass_on()

    async def _wait_for_turn(self, waiter: Waiter) -> None:
        while True:
            if not waiter.turn.is_set():
                await waiter.turn.wait()
            if self._gate is None:
                return
            wait = await self._gate(waiter.status)
            if wait <= 0:
                self._give_place(waiter)
                # Whoever came while this one asked.
                self._pass_on()
                return
            waiter.status.held_until = anyio.current_time() + wait
            await anyio.sleep(min(wait, LOOK_S))
            # Another one may have come first meanwhile.
            waiter.turn, self._asking = anyio.Event(), None
            self._pass_on()

    def _pass_on(self) -> None:
        order = self._order()
        while self._free and order and self._asking is None:
            first = order[0]
            if self._gate is None:
                self._give_place(first)
                order = self._order()
            else:
                self._asking = first
            first.turn.set()
        # Backwards, so that a job with several requests in the queue keeps the position of its first one.
        for position, waiter in reversed(list(enumerate(order))):
            waiter.status.ahead = position

    def _give_place(self, waiter: Waiter) -> None:
        self._free -= 1
        person = waiter.status.person
        self._round = self._next_round(person)
        self._next_rounds = {name: number for name, number in self._next_rounds.items() if number > self._round}
        self._next_rounds[person] = self._round + 1
        waiter.has_place = True
        self._remove(waiter)

    def _leave(self, waiter: Waiter) -> None:
        if waiter.has_place:
            self.release()
        else:
            self._remove(waiter)
            self._pass_on()

    def _remove(self, waiter: Waiter) -> None:
        waiter.status.waiting -= 1
        self._waiting.remove(waiter)
        if self._asking is waiter:
            self._asking = None

    def _next_round(self, person: str) -> int:
        return max(self._round, self._next_rounds.get(person, 0))

    def _order(self) -> list[Waiter]:
        """The waiting requests in the order in which they would run."""
        before = Counter[str]()
        turns: list[tuple[int, int, Waiter]] = []
        for waiter in sorted(self._waiting, key=lambda waiter: waiter.rank):
            person = waiter.status.person
            turns.append((self._next_round(person) + before[person], waiter.rank[1], waiter))
            before[person] += 1
        return [waiter for _, _, waiter in sorted(turns, key=lambda turn: turn[:2])]
