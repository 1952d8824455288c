"""What the studio does about money: estimates before, sets aside, settles after.

Every paid request goes through a `Charge`, with a budget or without one, so that `image_costs` can tell what was spent.
The sandbox's calls cost nothing and never get here. A ledger that cannot be written stops work only while a budget is
set: without one it must not keep a person from a picture.

Before a request's first byte its row is on the disk: money is set aside first where there is a budget, and without one
the row is written only now. What it cost is written beside the answer, which does not wait for it. A process that is
killed between the two leaves the row as sent, which counts at its estimate.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from pathlib import Path

from ..billing.budgets import Entry, SpendingSummary
from ..billing.pricing import Estimate, Offer, estimate, offer
from ..billing.tokens import Pixels, Quality, Size, Usage
from ..errors import GptImageError
from ..parameters.models import PricedOptions
from ..parameters.sizes import edges
from ..persistence.unit_of_work import Repositories, WriterThread


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
class PricedRequest:
    """What a paid operation asks for, as far as it makes the price."""

    model: str
    options: PricedOptions
    prompt: str
    n: int = 1
    inputs: Sequence[Pixels] = ()
    mask: Pixels | None = None
    partial_images: int = 0


class Spending:
    """The budgets of one studio, and its way to the ledger."""

    def __init__(self, budgets: Budgets, writer: WriterThread, *, free: bool = False) -> None:
        """Have the clerk write into the ledger; `free` work never enters it."""
        self.budgets = budgets
        self._writer = writer
        self._free = free

    async def estimate(self, request: PricedRequest) -> Estimate | None:
        """What it should cost, None where the model's price is unknown."""
        return await self._writer.run(lambda repositories: _estimate_of(request, _dearest_seen(request, repositories)))

    async def reserve(self, job: str, request: PricedRequest) -> "Charge":
        """Set aside what an operation should cost, if there is a budget.

        Raises:
            OverBudget: it does not fit a budget.
            NoPrice: nobody knows what it costs, and there is a budget.
            DatabaseUnusable: the ledger cannot be written, and there is a budget.

        """
        charge = Charge(self.budgets, job, request, free=self._free)
        if self.budgets.any and not self._free:
            await self._writer.run(charge.reserve)
        return charge

    async def check_budgets(self, request: PricedRequest) -> Estimate | None:
        """See that an operation fits the budgets, and give what it should cost; raises as `reserve` does."""
        if self._free:
            return await self.estimate(request)
        charge = Charge(self.budgets, "", request)
        return await self._writer.run(charge.dry_run)

    async def summary(self) -> SpendingSummary:
        """What was spent today and in the last 30 days; raises DatabaseUnusable."""
        return await self._writer.run(lambda repositories: repositories.ledger.summary())


class Charge:
    """What one operation costs; every method is for the clerk's thread, and each way to end is called once."""

    def __init__(self, budgets: Budgets, job: str, request: PricedRequest, *, free: bool = False) -> None:
        """Stand for a row of the ledger that is not written yet, or for none where it is `free`."""
        self._budgets = budgets
        self._job = job
        self._request = request
        self._free = free
        self._estimate: Estimate | None = None
        self._row: int | None = None
        self._is_sent = False
        self._was_reserved = False
        """The row was written before the request was about to be sent."""

    def reserve(self, repositories: Repositories, *, is_sent: bool = False) -> None:
        """Write the row; raises as `Spending.reserve` does."""
        request = self._request
        self._estimate = _estimate_of(request, _dearest_seen(request, repositories))
        self._row = repositories.ledger.reserve(
            Entry(request.model, request.options.size, request.options.quality, request.n, self._job),
            estimate=self._estimate.usd if self._estimate else None,
            per_call=self._budgets.per_call,
            per_day=self._budgets.per_day,
            cheaper=partial(_cheaper, request),
            is_sent=is_sent,
        )

    def dry_run(self, repositories: Repositories) -> Estimate | None:
        """Do as if; give what it should cost. Raises as `Spending.reserve` does."""
        if not self._budgets.any:
            return _estimate_of(self._request, _dearest_seen(self._request, repositories))
        self.reserve(repositories)
        assert self._row is not None
        repositories.ledger.delete(self._row)
        return self._estimate

    def mark_sent(self, repositories: Repositories) -> None:
        """From now on an unknown outcome counts as spent; once, however many requests the operation sends."""
        if self._free or self._is_sent:
            return
        self._was_reserved = self._row is not None
        if self._row is not None:
            repositories.ledger.mark_sent(self._row)
        else:
            self.reserve(repositories, is_sent=True)
        self._is_sent = True

    def unmark_sent(self) -> None:
        """What `note_sent` wrote was not kept: a row that is not there may be somebody else's by now."""
        self._is_sent = False
        if not self._was_reserved:
            self._row = None

    def settle(
        self,
        repositories: Repositories,
        *,
        usage: Usage | None,
        usd: Decimal | None,
        request_id: str | None,
        lost: int,
        n: int,
    ) -> None:
        """Write down what came; `lost` of the `n` pictures may be billed without having come."""
        if self._row is not None:
            if usd is not None and lost and self._estimate is not None:
                usd += self._estimate.usd * lost / n
            repositories.ledger.settle(self._row, usage=usage, usd=usd, request_id=request_id)

    def fail(self, repositories: Repositories, *, may_be_billed: bool) -> None:
        """Nothing came: it counts as spent where that may be, and is free again where not."""
        if self._row is not None:
            (repositories.ledger.mark_unknown if may_be_billed else repositories.ledger.release)(self._row)


def _estimate_of(request: PricedRequest, dearest: int | None) -> Estimate | None:
    options = request.options
    return _price(request, dearest=dearest, size=edges(options.size) or "auto", quality=options.quality)


def _dearest_seen(request: PricedRequest, repositories: Repositories) -> int | None:
    """The most tokens that such a picture took here; an estimate is given without a ledger as well."""
    if isinstance(repositories.database, Path) and not repositories.database.exists():
        return None
    try:
        return repositories.ledger.max_output_tokens(
            model=request.model, size=request.options.size, quality=request.options.quality
        )
    except GptImageError:
        return None


def _price(request: PricedRequest, *, size: Size, quality: Quality, dearest: int | None = None) -> Estimate | None:
    return estimate(
        request.model,
        prompt=request.prompt,
        size=size,
        quality=quality,
        generation=not request.inputs,
        n=request.n,
        inputs=request.inputs,
        mask=request.mask,
        partial_images=request.partial_images,
        max_tokens_seen=dearest,
    )


def _cheaper(request: PricedRequest, limit: Decimal) -> Offer | None:
    size: Size = edges(request.options.size) or "auto"
    return offer(limit, partial(_price, request), size=size, quality=request.options.quality)
