"""Money: estimates a job before it is sent, reserves that in the ledger, and settles it when the result is there.

Every paid job has one `Charge`, which stands for one row of the `charges` table, whether or not a budget is set: so
`image_costs` can say what was spent. The state of the row, and what moves it there:

    (no row) --reserve--> reserved --mark_sent--> sent --settle--> settled   the cost is known
    (no row) --mark_sent, without a budget------> sent --fail----> unknown   may be billed: counts at its estimate
                          reserved or sent ---------------fail---> released  not billed: does not count

With a budget, the estimate is reserved before anything else, so that processes side by side cannot pass the budget
together. Without one, the row is written only when the request is sent, which saves a write. In both cases it is `sent`
on the disk before the request's first byte leaves: if the process is killed after that, the row stays `sent`, which
counts at its estimate until the next start marks it as unknown.

A ledger that cannot be written stops a job only if a budget is set. The sandbox costs nothing and has no charges.
"""

from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar

from ..billing.budgets import Budgets, ChargeEnd, ChargeEntry, SpendingSummary, local_now
from ..billing.prices import Estimate, Offer, estimate, offer
from ..billing.tokens import AUTO_SIZE, Pixels, Quality, Size, Usage
from ..database.retry import retry_undone
from ..errors import GptImageError
from ..parameters.options import PricedOptions
from ..parameters.sizes import parse_edges
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class PricedRequest:
    """What the price of a request depends on."""

    model: str
    options: PricedOptions
    text_tokens: int
    """Of the prompt."""
    n: int = 1
    inputs: Sequence[Pixels] = ()
    mask: Pixels | None = None
    passes: int = 1
    """Pictures that are made for each of the `n`: a second one is an edit of the first."""
    partial_images: int = 0
    """Unfinished pictures that are streamed before the finished one; OpenAI bills their tokens as well."""
    share: Decimal = Decimal(1)
    """What is paid of the usual price."""


class Spending:
    """The budgets of this process, applied to requests, and the ledger that they are compared with."""

    def __init__(self, budgets: Budgets, writer: WriterThread, *, free: bool = False) -> None:
        """Use the ledger through `writer`. `free` is set for the built-in sandbox: no row is written then."""
        self.budgets = budgets
        self._writer = writer
        self._free = free

    async def estimate(self, request: PricedRequest) -> Estimate | None:
        """The estimate for a request; None if the model's price is not known."""
        return await self._writer.run(
            lambda repositories: _estimate_of(request, _max_tokens_seen(request, repositories))
        )

    async def estimate_all(self, requests: Sequence[PricedRequest]) -> Decimal | None:
        """The dollars of all requests together; None if the price of one is not known."""

        def add(repositories: Repositories) -> Decimal | None:
            total, estimate_line = Decimal(0), _estimates(repositories)
            for request in requests:
                found = estimate_line(request)
                if found is None:
                    return None
                total += found.usd
            return total

        return await self._writer.run(add)

    async def reserve(self, job: str, request: PricedRequest) -> "Charge":
        """The charge for a job, with its estimate reserved in the ledger if a budget is set.

        Raises:
            OverBudget: the estimate does not fit a budget.
            NoPrice: a budget is set, and the model's price is not known.
            DatabaseUnusable: a budget is set, and the ledger cannot be written.

        """
        charge = Charge(self.budgets, job, request, free=self._free)
        if self.budgets.any and not self._free:
            await self._writer.run(partial(_after_replay, retry_undone(charge.reserve)))
        return charge

    def free_charge(self, job: str, request: PricedRequest) -> "Charge":
        """The charge for a job that sends nothing: it has no row."""
        return Charge(self.budgets, job, request, free=True)

    def reserve_lines(self, repositories: Repositories, lines: Sequence[tuple[str, PricedRequest]]) -> list[int | None]:
        """Reserve the estimates of a batch's lines, named by their jobs, in the ledger; gives the charges' ids.

        For the writer thread. Raises as `reserve` does: all are reserved, or none.
        """
        if self._free:
            return [None for _ in lines]
        budgets = self.budgets
        estimate_line = _estimates(repositories)
        entries = [
            (Charge(budgets, job, request).entry, found.usd if (found := estimate_line(request)) else None)
            for job, request in lines
        ]
        return [*repositories.ledger.reserve_all(entries, budgets=budgets)]

    async def check_lines(self, lines: Sequence[tuple[str, PricedRequest]]) -> None:
        """Check that all lines of a batch together fit the budgets; raises as `reserve` does."""
        if self._free or not self.budgets.any:
            return

        def dry_run(repositories: Repositories) -> None:
            with repositories.ledger_store.database.transaction():
                for charge in self.reserve_lines(repositories, lines):
                    assert charge is not None
                    repositories.ledger.delete(charge)

        await self._writer.run(partial(_after_replay, retry_undone(dry_run)))

    def line_charge(self, job: str, request: PricedRequest, row: int | None) -> "Charge":
        """The charge of a batch's line, whose row `reserve_lines` has written."""
        return Charge(self.budgets, job, request, free=self._free, row=row)

    async def check_budgets(self, request: PricedRequest) -> Estimate | None:
        """Check that a request fits the budgets, and return its estimate; raises as `reserve` does."""
        if self._free:
            return await self.estimate(request)
        charge = Charge(self.budgets, "", request)
        return await self._writer.run(partial(_after_replay, retry_undone(charge.dry_run)))

    async def summary(self, *, with_team: bool) -> SpendingSummary:
        """The sums of today and of the last 30 days; raises DatabaseUnusable.

        Those of all people together are among them if they are asked for, or there is a budget for them.
        """
        with_team = with_team or self.budgets.per_day is not None
        return await self._writer.run(
            retry_undone(lambda repositories: repositories.ledger.summary(with_team=with_team))
        )


class Charge:
    """The row of the ledger for one job; see the module's docstring for its states.

    The methods that take `Repositories` run in the writer thread. How the charge ended, `settled` or `failed`
    gives as a value, which `Ledger.end` writes.
    """

    def __init__(
        self, budgets: Budgets, job: str, request: PricedRequest, *, free: bool = False, row: int | None = None
    ) -> None:
        """Prepare a charge. `job` is the job's id; if the job is `free`, it never gets a row. `row` is one it has."""
        self._budgets = budgets
        self._job = job
        self._request = request
        self._free = free
        self._estimate: Estimate | None = None
        self._row = row
        """The id of the row, once it is written."""
        self._was_tried = False
        """`reserve` was called: if its transaction was undone, the row may be there all the same."""
        self._is_sent = False
        self._made = local_now()
        self._was_reserved = False
        """The row was written as `reserved`, before `mark_sent`."""

    def reserve(self, repositories: Repositories, *, is_sent: bool = False) -> None:
        """Insert the row with the estimate, as `reserved` or at once as `sent`; raises as `Spending.reserve` does."""
        request = self._request
        self._estimate = _estimate_of(request, _max_tokens_seen(request, repositories))
        again, self._was_tried = self._was_tried, True
        self._row = repositories.ledger.reserve(
            self.entry,
            estimate=self._estimate.usd if self._estimate else None,
            budgets=self._budgets,
            cheaper=partial(_cheaper, request),
            is_sent=is_sent,
            again=again,
        )
        self._was_reserved = not is_sent

    def dry_run(self, repositories: Repositories) -> Estimate | None:
        """Reserve as if the request were to be sent, delete the row again, and return the estimate.

        This asks the ledger the same question as the request itself will. Raises as `Spending.reserve` does.
        """
        if not self._budgets.any:
            return _estimate_of(self._request, _max_tokens_seen(self._request, repositories))
        with repositories.ledger_store.database.transaction():
            self.reserve(repositories)
            assert self._row is not None
            repositories.ledger.delete(self._row)
        return self._estimate

    def mark_sent(self, repositories: Repositories, *, once: bool = False) -> None:
        """Change the row to `sent`, or insert it as `sent` if nothing was reserved.

        Called before each request of the job; only the first call does something. Raises JobLost if that is to be
        `once` in all processes, and another charge of the job was sent.
        """
        if self._free or self._is_sent:
            return
        with repositories.ledger.sent_once(self._job, self._row) if once else nullcontext():
            if self._row is not None:
                repositories.ledger.mark_sent(self._row)
            else:
                self.reserve(repositories, is_sent=True)
        self._is_sent = True

    def unmark_sent(self) -> None:
        """Forget `mark_sent` after its transaction was rolled back: nothing was sent.

        A row that was reserved earlier is still there, as `reserved`. A row that `mark_sent` inserted is not, and its
        id may be given to the row of another process.
        """
        self._is_sent = False
        if not self._was_reserved:
            self._row = None

    @property
    def row(self) -> int | None:
        """The id of the row; None if it could not be written yet."""
        return self._row

    def settled(
        self, *, usage: Usage | None, usd: Decimal | None, request_id: str | None, lost: int, n: int
    ) -> ChargeEnd | None:
        """The end of a charge whose cost is known: `usage` tokens and `usd` dollars; None counts at the estimate.

        `lost` of the `n` pictures may be billed without having arrived: their share of the estimate is added. Gives
        None for a free job.
        """
        end = self._end("settled")
        if end is None:
            return None
        if usd is not None and lost and end.estimate is not None:
            usd += end.estimate * lost / n
        return replace(end, usage=usage, usd=usd, request_id=request_id)

    def failed(self, *, may_be_billed: bool, usd: Decimal | None = None) -> ChargeEnd | None:
        """The end without a picture: `unknown` if one may be billed that did not arrive, and `released` if not.

        `usd` is what the answer said that it cost; None counts at the estimate.
        """
        end = self._end("unknown" if may_be_billed else "released")
        return None if end is None else replace(end, usd=usd if may_be_billed else None)

    def _end(self, state: Literal["settled", "unknown", "released"]) -> ChargeEnd | None:
        if self._free:
            return None
        found = self._estimate or _estimate_of(self._request, None)
        return ChargeEnd(self.entry, None if found is None else found.usd, self._made, state)

    @property
    def entry(self) -> ChargeEntry:
        """What the row says the charge is for."""
        request = self._request
        return ChargeEntry(
            request.model, request.options.size, request.options.quality, request.n * request.passes, self._job
        )


def _after_replay(work: Callable[[Repositories], ResultT], repositories: Repositories) -> ResultT:
    """Do what depends on the sum of all charges, after those that wait in the spool are written."""
    repositories.replay()
    return work(repositories)


def _estimates(repositories: Repositories) -> Callable[[PricedRequest], Estimate | None]:
    """Estimates the lines of a batch, most of which are alike: each kind is computed once."""
    known: dict[tuple[Any, ...], Estimate | None] = {}

    def estimate_line(request: PricedRequest) -> Estimate | None:
        options = request.options
        kind = (request.model, options.size, options.quality, request.text_tokens, request.n, request.passes)
        kind = (*kind, tuple(request.inputs), request.mask, request.partial_images, request.share)
        if kind not in known:
            known[kind] = _estimate_of(request, _max_tokens_seen(request, repositories))
        return known[kind]

    return estimate_line


def _estimate_of(request: PricedRequest, max_tokens: int | None) -> Estimate | None:
    options = request.options
    found = _price(request, max_tokens=max_tokens, size=parse_edges(options.size) or "auto", quality=options.quality)
    return None if found is None else replace(found, usd=found.usd * request.share)


def _max_tokens_seen(request: PricedRequest, repositories: Repositories) -> int | None:
    """The most output tokens that a picture with these options has taken, for a more careful estimate.

    None before there is one, and if the ledger cannot be read: an estimate must not fail for that.
    """
    # An estimate alone does not create the database.
    if isinstance(repositories.database, Path) and not repositories.database.exists():
        return None
    try:
        return repositories.ledger.max_output_tokens(
            model=request.model, size=request.options.size, quality=request.options.quality
        )
    except GptImageError:
        return None


def _price(request: PricedRequest, *, size: Size, quality: Quality, max_tokens: int | None = None) -> Estimate | None:
    made = partial(
        estimate,
        request.model,
        text_tokens=request.text_tokens,
        size=size,
        quality=quality,
        n=request.n,
        partial_images=request.partial_images,
        max_tokens_seen=max_tokens,
    )
    found = made(inputs=request.inputs, mask=request.mask)
    if found is None or request.passes == 1:
        return found
    second = made(inputs=[AUTO_SIZE if size == "auto" else size])
    if second is None:
        return None
    return Estimate(found.usage + second.usage, found.usd + second.usd, found.assumed)


def _cheaper(request: PricedRequest, limit: Decimal) -> Offer | None:
    size: Size = parse_edges(request.options.size) or "auto"
    return offer(limit, partial(_price, request), size=size, quality=request.options.quality)
