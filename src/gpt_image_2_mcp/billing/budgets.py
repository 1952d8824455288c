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
PER_PERSON: Final = "GPT_IMAGE_2_BUDGET_PER_PERSON_DAY_USD"

NANO_USD: Final = Decimal("1E-9")
"""The unit of the ledger, in dollars; `database.schema` says why."""


def round_up_to_nano(usd: Decimal) -> Decimal:
    """Round up to whole nano-dollars: rounding down could let a request pass a budget."""
    return usd.quantize(NANO_USD, ROUND_CEILING)


def local_now() -> datetime:
    """The current local time, with its time zone."""
    return datetime.now().astimezone()


@dataclass(frozen=True, slots=True)
class Budgets:
    """Dollars that may be spent; None is no limit."""

    per_call: Decimal | None = None
    per_day: Decimal | None = None
    """By all who share the ledger: the user's processes, or the people of a server for several."""
    per_person: Decimal | None = None
    """By one person a day, on a server for several."""

    @property
    def any(self) -> bool:
        """Whether a budget is set."""
        return bool(self.limits)

    @property
    def limits(self) -> dict[str, Decimal]:
        """The budgets that are set, by their variables."""
        named = {PER_CALL: self.per_call, PER_PERSON: self.per_person, PER_DAY: self.per_day}
        return {variable: limit for variable, limit in named.items() if limit is not None}


NO_BUDGETS: Final = Budgets()


@dataclass(frozen=True, slots=True)
class DayTotal:
    """Dollars of one day: `spent`, and `reserved` for what is under way."""

    spent: Decimal = Decimal(0)
    reserved: Decimal = Decimal(0)

    def left(self, limit: Decimal) -> Decimal:
        """The dollars that may still be spent with a budget of `limit`; never negative."""
        return max(Decimal(0), limit - self.spent - self.reserved)


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
    """What a person spent on `day` (`today`) and from `since` to `day` (`period`), by model, the most expensive first.

    `reserved` are the dollars of unfinished charges of `day`; they count against its budget.
    """

    day: date
    since: date
    spent: Decimal
    reserved: Decimal
    today: tuple[ModelSpending, ...]
    period: tuple[ModelSpending, ...]
    team: DayTotal | None = None
    """The sums of all people on `day`; None where there is one person, or nothing depends on them."""

    def left(self, budgets: Budgets) -> dict[str, Decimal]:
        """The dollars that may still be spent on `day`, by the variables of its budgets."""
        own = DayTotal(self.spent, self.reserved)
        used = {PER_PERSON: own, PER_DAY: self.team or own}
        return {name: used[name].left(limit) for name, limit in budgets.limits.items() if name in used}


def no_price_error(entry: ChargeEntry, variables: tuple[str, ...]) -> NoPrice:
    """The error for a model without a published price while the budget settings `variables` are set."""
    return NoPrice(
        f"No price is published for the model {shown(entry.model)} at quality {entry.quality!r}, and a budget is set:"
        f" use a model with a known price such as 'gpt-image-2', or unset {' and '.join(variables)}.",
        variables,
    )


def over_budget_error(
    *, estimate: Decimal, limit: Decimal, variable: str, used: DayTotal, fits: Offer | None, is_team: bool = False
) -> OverBudget:
    """The error for a request that does not fit the budget `variable`.

    Amounts are dollars; `used` are today's sums that count against the budget. `fits` is a cheaper request that the
    budget allows, None if there is none. With `is_team`, several people share the ledger, and the budget per day.
    """
    left = limit if variable == PER_CALL else used.left(limit)
    # Who asks on a server for several people does not know its settings.
    by = "" if is_team else f" ({variable})"
    if variable == PER_CALL:
        allowed = "one call may cost" if is_team else f"{variable} allows one call"
        reason = f"more than the {dollars(limit)} that {allowed}"
    elif variable == PER_DAY and is_team:
        # Not what is spent of it, which would tell what the others do.
        reason = f"and {dollars(left)} is left of the {dollars(limit)} that all people together have today"
    else:
        whose = f"your {dollars(limit)} for today" if variable == PER_PERSON else f"today's {dollars(limit)}"
        reason = (
            f"and {dollars(left)} is left of {whose}{by}: {dollars(used.spent)} is spent "
            f"and {dollars(used.reserved)} under way"
        )
    if fits is None:
        or_wait = "" if variable == PER_CALL else ", or wait until tomorrow"
        raised = "have whoever runs this server raise the budget" if is_team else f"raise {variable}"
        advice = f"Ask for less, {raised}{or_wait}."
    else:
        size = fits.size if fits.size == "auto" else f"{fits.size[0]}x{fits.size[1]}"
        advice = f"Quality {fits.quality!r} at size {size!r} would fit, at about {dollars(fits.usd)}."
    return OverBudget(
        f"This would cost about {dollars(estimate)}, {reason}. Nothing was sent. {advice}",
        estimate=estimate,
        limit=limit,
        left=left,
        variable=variable,
        spent=used.spent,
        reserved=used.reserved,
    )
