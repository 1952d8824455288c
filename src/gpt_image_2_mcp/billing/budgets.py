"""What the ledger is told and says: requests, sums of money, and the two ways in which a budget says no.

Amounts are `Decimal` dollars. A refusal comes before anything is sent, with the amounts and with what would fit.
"""

from dataclasses import dataclass
from datetime import date
from decimal import ROUND_CEILING, Decimal
from typing import Final

from ..errors import NoPrice, OverBudget, shown
from .pricing import Offer, dollars

PER_CALL: Final = "GPT_IMAGE_2_BUDGET_PER_CALL_USD"
PER_DAY: Final = "GPT_IMAGE_2_BUDGET_PER_DAY_USD"

NANO_USD: Final = Decimal("1E-9")
"""What the ledger counts in, in dollars; `schema` says why."""


def round_up_to_nano(usd: Decimal) -> Decimal:
    """The next whole number of nano-dollars, so that no budget is passed by what rounding hides."""
    return usd.quantize(NANO_USD, ROUND_CEILING)


@dataclass(frozen=True, slots=True)
class Entry:
    """What a request asks for, as far as the ledger remembers it; `size` and `quality` as asked, `auto` included."""

    model: str
    size: str
    quality: str
    pictures: int = 1
    job: str | None = None


@dataclass(frozen=True, slots=True)
class ModelSpending:
    """What one model has used up in some days.

    `unpriced` of the `requests` have no known price and are not in `usd`; `unknown` of them had no known outcome and
    are in it at their estimate.
    """

    model: str
    requests: int
    pictures: int
    usd: Decimal
    unpriced: int
    unknown: int


@dataclass(frozen=True, slots=True)
class SpendingSummary:
    """What was spent: on `day`, and from `since` to `day`, by model, the dearest first.

    `reserved` is under way and counts against the day's budget.
    """

    day: date
    since: date
    spent: Decimal
    reserved: Decimal
    today: tuple[ModelSpending, ...]
    period: tuple[ModelSpending, ...]

    def left(self, per_day: Decimal) -> Decimal:
        """What may still be spent on `day` with a budget of `per_day`, 0 at the least."""
        return max(Decimal(0), per_day - self.spent - self.reserved)


def no_price_error(entry: Entry, variables: tuple[str, ...]) -> NoPrice:
    """The error for a model without a known price where the budget settings `variables` are set."""
    return NoPrice(
        f"No price is published for the model {shown(entry.model)} at quality {entry.quality!r}, and a budget is set:"
        f" use a model with a known price such as 'gpt-image-2', or unset {' and '.join(variables)}.",
        variables,
    )


def over_budget_error(
    *, estimate: Decimal, limit: Decimal, variable: str, spent: Decimal, reserved: Decimal, fits: Offer | None
) -> OverBudget:
    """The error for a request that does not fit the budget `variable`.

    Amounts are dollars; `spent` and `reserved` are today's, of all processes; `fits` is a cheaper request that would
    be let through.
    """
    left = limit if variable == PER_CALL else max(Decimal(0), limit - spent - reserved)
    if variable == PER_CALL:
        why = f"more than the {dollars(limit)} that {variable} allows one call"
    else:
        why = (
            f"and {dollars(left)} is left of today's {dollars(limit)} ({variable}): {dollars(spent)} is spent "
            f"and {dollars(reserved)} under way"
        )
    if fits is None:
        later = "" if variable == PER_CALL else ", or wait until tomorrow"
        instead = f"Ask for less, raise {variable}{later}."
    else:
        size = fits.size if fits.size == "auto" else f"{fits.size[0]}x{fits.size[1]}"
        instead = f"Quality {fits.quality!r} at size {size!r} would fit, at about {dollars(fits.usd)}."
    return OverBudget(
        f"This would cost about {dollars(estimate)}, {why}. Nothing was sent. {instead}",
        estimate=estimate,
        limit=limit,
        left=left,
        variable=variable,
        spent=spent,
        reserved=reserved,
    )
