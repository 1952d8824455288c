"""What the studio does about money: estimates before, sets aside, settles after.

Every paid request goes through a `Charge`, with a budget or without one, so that `image_costs` can tell what was spent.
The sandbox's calls cost nothing and never get here. A ledger that cannot be written stops work only while a budget is
set: without one it must not keep a person from a picture.

The ledger has a thread of its own, the clerk, that does what it is told in that order. Before a request's first byte
its row is on the disk: money is set aside first where there is a budget, and without one the row is written only now.
What it cost is written beside the answer, which does not wait for it; `close` does. A process that is killed between
the two leaves the row as sent, which counts at its estimate.
"""

import asyncio
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import anyio
import anyio.to_thread

from ..errors import GptImageError
from ..params import Look
from ..sizes import edges
from .budgets import Entry, Summary
from .pricing import Estimate, Offer, estimate, offer
from .tokens import Pixels, Quality, Size, Usage

if TYPE_CHECKING:
    from .ledger import Ledger

logger = logging.getLogger(__name__)

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class Budgets:
    """Dollars that may be spent; None where there is no limit."""

    per_call: Decimal | None = None
    per_day: Decimal | None = None

    @property
    def any(self) -> bool:
        """Whether there is one."""
        return self.per_call is not None or self.per_day is not None


@dataclass(frozen=True, slots=True)
class Asked:
    """What a paid operation asks for, as far as it makes the price."""

    model: str
    look: Look
    prompt: str
    n: int = 1
    inputs: Sequence[Pixels] = ()
    mask: Pixels | None = None
    partial_images: int = 0


class Spending:
    """The budgets of one studio, and its way to the ledger."""

    def __init__(self, budgets: Budgets, *, database: Path | None, free: bool = False) -> None:
        """Keep the ledger in the file `database`, or in memory where that is None; `free` work never enters it."""
        self.budgets = budgets
        self._free = free
        self._database = database
        self._clerk = ThreadPoolExecutor(1, "ledger")
        self._opened: Ledger | None = None

    async def estimate(self, asked: Asked) -> Estimate | None:
        """What it should cost, None where the model's price is unknown."""
        return await self.done(lambda: self._estimated(asked))

    async def reserve(self, job: str, asked: Asked) -> "Charge":
        """Set aside what an operation should cost, if there is a budget.

        Raises:
            OverBudget: it does not fit a budget.
            NoPrice: nobody knows what it costs, and there is a budget.
            DatabaseUnusable: the ledger cannot be written, and there is a budget.

        """
        charge = Charge(None if self._free else self, job, asked)
        if self.budgets.any and not self._free:
            await self.done(charge.enter)
        return charge

    async def summary(self) -> Summary:
        """What was spent today and in the last 30 days; raises DatabaseUnusable."""
        return await self.done(lambda: self.ledger().summary())

    async def mend(self) -> list[str]:
        """Finish what killed processes left in the ledger, and say what that was; nothing is opened for nothing."""
        if self._database is None or not await anyio.to_thread.run_sync(_left_behind, self._database):
            return []
        try:
            return await self.done(lambda: self.ledger().mend())
        except GptImageError as error:
            return [str(error)]

    async def close(self) -> None:
        """Let go of the ledger, once all is written that it was told."""
        await self.done(lambda: self._opened and self._opened.close())

    async def done(self, work: Callable[[], ResultT]) -> ResultT:
        """Have the clerk do something, and wait for it, cancelled or not: it is done in any case."""
        doing = self._clerk.submit(work)
        with anyio.CancelScope(shield=True):
            await asyncio.wrap_future(doing)
        return doing.result()

    def ledger(self) -> "Ledger":
        """The ledger, opened when the first row needs it. For the clerk's thread."""
        if self._opened is None:
            from .ledger import open_ledger

            self._opened = open_ledger(self._database)
        return self._opened

    def enter(self, asked: Asked, job: str, *, is_sent: bool) -> tuple[int, Estimate | None]:
        """Write a row for an operation, and give its id and what it should cost. For the clerk's thread."""
        ledger = self.ledger()
        expected = self._estimated(asked)
        charge = ledger.reserve(
            Entry(asked.model, asked.look.size, asked.look.quality, asked.n, job),
            estimate=expected.usd if expected else None,
            per_call=self.budgets.per_call,
            per_day=self.budgets.per_day,
            cheaper=partial(_cheaper, asked),
            is_sent=is_sent,
        )
        return charge, expected

    def _estimated(self, asked: Asked) -> Estimate | None:
        look, dearest = asked.look, None
        if self._opened is not None:
            dearest = self._opened.dearest(model=asked.model, size=look.size, quality=look.quality)
        return _price(asked, dearest=dearest, size=edges(look.size) or "auto", quality=look.quality)


class Charge:
    """What one operation costs; each way in which it can end is called once."""

    def __init__(self, spending: Spending | None, job: str, asked: Asked) -> None:
        """Stand for a row of the ledger that is not written yet, or for none."""
        self._spending = spending
        self._job = job
        self._asked = asked
        self._expected: Estimate | None = None
        self._row: int | None = None
        self._sent = False

    def enter(self, *, is_sent: bool = False) -> None:
        """Write the row; raises as `Spending.reserve` does. For the clerk's thread."""
        if self._spending is not None:
            self._row, self._expected = self._spending.enter(self._asked, self._job, is_sent=is_sent)

    async def sent(self) -> None:
        """From now on an unknown outcome counts as spent; raises DatabaseUnusable where a budget needs to know."""
        if self._spending is not None:
            await self._spending.done(self._note_sent)

    async def settle(
        self, *, usage: Usage | None, usd: Decimal | None, request_id: str | None, lost: int, n: int
    ) -> None:
        """Have written down what came; `lost` of the `n` pictures may be billed without having come."""

        def settle(ledger: "Ledger", row: int) -> None:
            paid = usd
            if paid is not None and lost and self._expected is not None:
                paid += self._expected.usd * lost / n
            ledger.settle(row, usage=usage, usd=paid, request_id=request_id)

        if self._spending is not None:
            await self._spending.done(lambda: self._write(settle))

    async def fail(self, *, may_be_billed: bool) -> None:
        """Nothing came: it counts as spent where that may be, and is free again where not."""

        def fail(ledger: "Ledger", row: int) -> None:
            (ledger.unknown if may_be_billed else ledger.release)(row)

        if self._spending is not None:
            await self._spending.done(lambda: self._write(fail))

    def _note_sent(self) -> None:
        """Write it down once, however many requests the operation sends, side by side or again."""
        if self._spending is None or self._sent:
            return
        if self._row is not None:
            self._spending.ledger().sent(self._row)
        else:
            try:
                self.enter(is_sent=True)
            except GptImageError as error:
                logger.warning("spending is not recorded: %s", error)
        self._sent = True

    def _write(self, work: "Callable[[Ledger, int], None]") -> None:
        """The picture is there, or gone, whatever the ledger says: what it cannot take is said on stderr."""
        if self._spending is None or self._row is None:
            return
        try:
            work(self._spending.ledger(), self._row)
        except GptImageError as error:
            logger.warning("spending could not be recorded: %s", error)


def _price(asked: Asked, *, size: Size, quality: Quality, dearest: int | None = None) -> Estimate | None:
    return estimate(
        asked.model,
        prompt=asked.prompt,
        size=size,
        quality=quality,
        generation=not asked.inputs,
        n=asked.n,
        inputs=asked.inputs,
        mask=asked.mask,
        partial_images=asked.partial_images,
        dearest_seen=dearest,
    )


def _cheaper(asked: Asked, limit: Decimal) -> Offer | None:
    size: Size = edges(asked.look.size) or "auto"
    return offer(limit, partial(_price, asked), size=size, quality=asked.look.quality)


def _left_behind(database: Path) -> bool:
    """Whether a process left the ledger without saying goodbye."""
    from ..storage.liveness import any_dead

    return any_dead(database.with_name(f"{database.name}-alive"))
