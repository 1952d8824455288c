"""The values that go into the ledger and come out of it, and the two errors with which a budget refuses a request.

Amounts are `Decimal` dollars. A request is refused before anything is sent; the error says the amounts and what would
fit.
"""

from dataclasses import dataclass
from datetime import date, datetime
from decimal import ROUND_CEILING, Decimal
from typing import Final, Literal

from ..errors import NoPrice, OverBudget, shown
from .prices import Offer, dollars
from .tokens import Usage

PER_CALL: Final = "GPT_IMAGE_2_BUDGET_PER_CALL_USD"
PER_DAY: Final = "GPT_IMAGE_2_BUDGET_PER_DAY_USD"

NANO_USD: Final = Decimal("1E-9")
"""The unit of the ledger, in dollars; `database.schema` says why."""


def round_up_to_nano(usd: Decimal) -> Decimal:
    """Round up to whole nano-dollars: rounding down could let a request pass a budget."""
    return usd.quantize(NANO_USD, ROUND_CEILING)


def local_now() -> datetime:
    """The current local time, with its time zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class ChargeEntry:
    """What a charge is for; `size` and `quality` are as requested, so that they may be `auto`."""

    model: str
    size: str
    quality: str
    pictures: int = 1
    job: str | None = None


@dataclass(frozen=True, slots=True)
class AuditNote:
    """What the audit says of a charge beside the charge itself."""

    tool: str
    client: str | None = None
    request_id: str | None = None
    prompt: str | None = None
    """Only where the audit is to have prompts."""


@dataclass(frozen=True, slots=True)
class ChargeEnd:
    """How a charge ended, with all that its row needs if it could not be written before."""

    entry: ChargeEntry
    estimate: Decimal | None
    """Dollars."""
    reserved: datetime
    """When the job began, with the local time zone: its date is the day of the charge."""
    state: Literal["settled", "unknown", "released"]
    usage: Usage | None = None
    usd: Decimal | None = None
    request_id: str | None = None
    audit: AuditNote | None = None
    """On a server for a team: the line of the audit is written together with the end."""


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """What was spent on one model in a range of days, in dollars.

    `unpriced` of the `requests` have no known price and are not in `usd`. The outcome of `unknown` of them is not
    known; they are in `usd` at their estimate.
    """

    model: str
    requests: int
    pictures: int
    usd: Decimal
    unpriced: int
    unknown: int


@dataclass(frozen=True, slots=True)
class SpendingSummary:
    """What was spent on `day` (`today`) and from `since` to `day` (`period`), by model, the most expensive first.

    `reserved` are the dollars of unfinished charges of `day`; they count against its budget.
    """

    day: date
    since: date
    spent: Decimal
    reserved: Decimal
    today: tuple[ModelSpending, ...]
    period: tuple[ModelSpending, ...]

    def left(self, per_day: Decimal) -> Decimal:
        """The dollars that may still be spent on `day` with a budget of `per_day`; never negative."""
        return max(Decimal(0), per_day - self.spent - self.reserved)


def no_price_error(entry: ChargeEntry, variables: tuple[str, ...]) -> NoPrice:
    """The error for a model without a published price while the budget settings `variables` are set."""
    return NoPrice(
        f"No price is published for the model {shown(entry.model)} at quality {entry.quality!r}, and a budget is set:"
        f" use a model with a known price such as 'gpt-image-2', or unset {' and '.join(variables)}.",
        variables,
    )


def over_budget_error(
    *, estimate: Decimal, limit: Decimal, variable: str, spent: Decimal, reserved: Decimal, fits: Offer | None
) -> OverBudget:
    """The error for a request that does not fit the budget `variable`.

    Amounts are dollars; `spent` and `reserved` are today's sums over all processes. `fits` is a cheaper request that
    the budget allows, None if there is none.
    """
    left = limit if variable == PER_CALL else max(Decimal(0), limit - spent - reserved)
    if variable == PER_CALL:
        reason = f"more than the {dollars(limit)} that {variable} allows one call"
    else:
        reason = (
            f"and {dollars(left)} is left of today's {dollars(limit)} ({variable}): {dollars(spent)} is spent "
            f"and {dollars(reserved)} under way"
        )
    if fits is None:
        or_wait = "" if variable == PER_CALL else ", or wait until tomorrow"
        advice = f"Ask for less, raise {variable}{or_wait}."
    else:
        size = fits.size if fits.size == "auto" else f"{fits.size[0]}x{fits.size[1]}"
        advice = f"Quality {fits.quality!r} at size {size!r} would fit, at about {dollars(fits.usd)}."
    return OverBudget(
        f"This would cost about {dollars(estimate)}, {reason}. Nothing was sent. {advice}",
        estimate=estimate,
        limit=limit,
        left=left,
        variable=variable,
        spent=spent,
        reserved=reserved,
    )
