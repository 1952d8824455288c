"""What the studio does about money: estimates before, sets aside, settles after.

Every paid request goes through a `Charge`, with a budget or without one, so that `image_costs` can tell what was spent.
The sandbox's calls cost nothing and never get here. A ledger that cannot be written stops work only while a budget is
set: without one it must not keep a person from a picture.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

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
        self._opening = anyio.Lock()
        self._opened: Ledger | None = None

    async def estimate(self, asked: Asked) -> Estimate | None:
        """What it should cost, None where the model's price is unknown."""
        dearest = await self._dearest(asked) if self._opened else None
        return await anyio.to_thread.run_sync(_estimated, asked, dearest)

    async def reserve(self, job: str, asked: Asked) -> "Charge":
        """Set aside what an operation should cost.

        Raises:
            OverBudget: it does not fit a budget.
            NoPrice: nobody knows what it costs, and there is a budget.
            DatabaseUnusable: the ledger cannot be written, and there is a budget.

        """
        if self._free:
            return Charge(None, 0, None, strict=False)
        try:
            ledger = await self._ledger()
            expected = await self.estimate(asked)
            entry = Entry(asked.model, asked.look.size, asked.look.quality, asked.n, job)
            cheaper = partial(_cheaper, asked)
            work = partial(
                ledger.reserve,
                entry,
                estimate=expected.usd if expected else None,
                per_call=self.budgets.per_call,
                per_day=self.budgets.per_day,
                cheaper=cheaper,
            )
            return Charge(ledger, await anyio.to_thread.run_sync(work), expected, strict=self.budgets.any)
        except GptImageError as error:
            if self.budgets.any:
                raise
            logger.warning("spending is not recorded: %s", error)
            return Charge(None, 0, None, strict=False)

    async def summary(self) -> Summary:
        """What was spent today and in the last 30 days; raises DatabaseUnusable."""
        ledger = await self._ledger()
        return await anyio.to_thread.run_sync(ledger.summary)

    async def mend(self) -> list[str]:
        """Finish what killed processes left in the ledger, and say what that was; nothing is opened for nothing."""
        if self._database is None or not await anyio.to_thread.run_sync(_left_behind, self._database):
            return []
        try:
            ledger = await self._ledger()
            return await anyio.to_thread.run_sync(ledger.mend)
        except GptImageError as error:
            return [str(error)]

    async def close(self) -> None:
        """Let go of the ledger."""
        if self._opened is not None:
            await anyio.to_thread.run_sync(self._opened.close)

    async def _dearest(self, asked: Asked) -> int | None:
        ledger = await self._ledger()
        work = partial(ledger.dearest, model=asked.model, size=asked.look.size, quality=asked.look.quality)
        return await anyio.to_thread.run_sync(work)

    async def _ledger(self) -> "Ledger":
        async with self._opening:
            if self._opened is None:
                self._opened = await anyio.to_thread.run_sync(_open, self._database)
            return self._opened


class Charge:
    """What is set aside for one operation; each way in which it can end is called once."""

    def __init__(self, ledger: "Ledger | None", charge: int, expected: Estimate | None, *, strict: bool) -> None:
        """Stand for a row of the ledger, or for none; `strict` lets its failures stop what was not sent yet."""
        self._ledger = ledger
        self._charge = charge
        self._expected = expected
        self._strict = strict
        self._sent = False

    async def sent(self) -> None:
        """From now on an unknown outcome counts as spent; raises DatabaseUnusable where a budget needs to know."""
        if self._ledger is None or self._sent:
            return
        try:
            await anyio.to_thread.run_sync(self._ledger.sent, self._charge)
        except GptImageError:
            if self._strict:
                raise
        self._sent = True

    async def settle(
        self, *, usage: Usage | None, usd: Decimal | None, request_id: str | None, lost: int, n: int
    ) -> None:
        """Write down what came; `lost` of the `n` pictures may be billed without having come."""
        if usd is not None and lost and self._expected is not None:
            usd += self._expected.usd * lost / n
        if self._ledger is not None:
            work = partial(self._ledger.settle, self._charge, usage=usage, usd=usd, request_id=request_id)
            await self._write(work)

    async def fail(self, *, may_be_billed: bool) -> None:
        """Nothing came: it counts as spent where that may be, and is free again where not."""
        if self._ledger is not None:
            await self._write(partial(self._ledger.unknown if may_be_billed else self._ledger.release, self._charge))

    async def _write(self, work: "partial[None]") -> None:
        """The picture is there, or gone, whatever the ledger says: what it cannot take is said on stderr."""
        with anyio.CancelScope(shield=True):
            try:
                await anyio.to_thread.run_sync(work)
            except GptImageError as error:
                logger.warning("spending could not be recorded: %s", error)


def _estimated(asked: Asked, dearest: int | None) -> Estimate | None:
    return _price(asked, dearest=dearest, size=edges(asked.look.size) or "auto", quality=asked.look.quality)


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


def _open(database: Path | None) -> "Ledger":
    from .ledger import open_ledger

    return open_ledger(database)


def _left_behind(database: Path) -> bool:
    """Whether a process left the ledger without saying goodbye."""
    from ..storage.liveness import any_dead

    return any_dead(database.with_name(f"{database.name}-alive"))
