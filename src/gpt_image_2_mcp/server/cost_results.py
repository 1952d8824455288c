"""Builds the answer of `image_costs`: an estimate, what was spent, what is left of the budgets."""

from collections.abc import Callable, Sequence
from typing import Any

from mcp_types import CallToolResult, TextContent

from ..billing.budgets import PER_CALL, PER_DAY, PER_PERSON, Budgets, ModelSpending, SpendingSummary
from ..billing.prices import Estimate, dollars
from ..parameters.fields import MAX_PICTURES
from ..parameters.models import CostsRequest
from ..parameters.sizes import made_size

META_KEY = "gpt-image-2/costs"


def costs_result(
    request: CostsRequest,
    model: str,
    expected: Estimate | None,
    spent: SpendingSummary,
    budgets: Budgets,
    *,
    sees_team: bool = False,
    names_settings: bool = True,
) -> CallToolResult:
    """Build the answer from the estimate and the ledger's sums: text, and the same in dollars in `_meta`.

    With `sees_team`, it tells what all people together have spent today, and with `names_settings` what sets a budget.
    """

    def by(variable: str) -> str:
        return f" ({variable})" if names_settings else ""

    lines = [_estimate_line(request, model, expected)]
    lines += _refusals(request, expected, spent, budgets, by)
    under_way = f", and {dollars(spent.reserved)} under way" if spent.reserved else ""
    lines.append(f"Spent today: {dollars(spent.spent)}{under_way}{_models_text(spent.today)}.")
    total = sum((row.usd for row in spent.period), start=spent.spent * 0)
    lines.append(f"Spent since {spent.since:%Y-%m-%d}: {dollars(total)}{_models_text(spent.period)}.")
    if sees_team and spent.team is not None:
        team = f", and {dollars(spent.team.reserved)} under way" if spent.team.reserved else ""
        lines.append(f"All people together spent today: {dollars(spent.team.spent)}{team}.")
    left = spent.left(budgets)
    lines += [
        f"Left of {_whose(name, spent)}: {dollars(usd)} of {dollars(budgets.limits[name])}{by(name)}."
        for name, usd in left.items()
    ]
    if budgets.per_call is not None:
        lines.append(f"A call may cost {dollars(budgets.per_call)}{by(PER_CALL)}.")
    if not budgets.any:
        lines.append(f"No budget is set{f'; {PER_DAY} and {PER_CALL} set one' if names_settings else ''}.")
    report: dict[str, Any] = {
        "model": model,
        "estimate_usd": float(expected.usd) if expected else None,
        "spent_today_usd": float(spent.spent),
        "under_way_usd": float(spent.reserved),
        "spent_30_days_usd": float(total),
        "left_today_usd": float(min(left.values())) if left else None,
        "by_model": [_model_row(row) for row in spent.period],
    }
    return CallToolResult(content=[TextContent(text="\n".join(lines))], _meta={META_KEY: report})


def _estimate_line(request: CostsRequest, model: str, expected: Estimate | None) -> str:
    pictures = f"{request.n} pictures" if request.n > 1 else "1 picture"
    made = made_size(request.size)
    size = request.size if made == request.size else f"{request.size} (made at {made})"
    what = f"{pictures} with {model}, size {size}, quality {request.quality}"
    if request.n > MAX_PICTURES:
        what += f", in {-(-request.n // MAX_PICTURES)} calls"
    if request.inputs:
        what += f", from {request.inputs} input picture{'s' if request.inputs > 1 else ''}"
    if request.passes > 1:
        what += ", each transparent from 2 pictures"
    if expected is None:
        return f"{what}: the price is not known."
    guess = f" ({_assumption(request)})" if expected.assumed else ""
    return f"{what}: about {dollars(expected.usd)}{guess}."


def _refusals(
    request: CostsRequest,
    expected: Estimate | None,
    spent: SpendingSummary,
    budgets: Budgets,
    by: Callable[[str], str],
) -> list[str]:
    """A sentence for each budget that would refuse these pictures, of which one call makes `MAX_PICTURES` at most."""
    if expected is None:
        return ["It would be refused: a budget is set, and counts known prices only."] if budgets.any else []
    lines: list[str] = []
    dearest_call = expected.usd * min(request.n, MAX_PICTURES) / request.n
    if budgets.per_call is not None and dearest_call > budgets.per_call:
        lines.append(f"It would be refused: a call may cost {dollars(budgets.per_call)}{by(PER_CALL)}.")
    lines += [
        f"It would be refused today: {dollars(usd)} are left of {_whose(name, spent)}{by(name)}."
        for name, usd in spent.left(budgets).items()
        if expected.usd > usd
    ]
    return lines


def _whose(variable: str, spent: SpendingSummary) -> str:
    """Whose budget a variable sets, in words."""
    if variable == PER_PERSON:
        return "your budget for today"
    return "today's budget" if spent.team is None else "today's budget of all people together"


def _assumption(request: CostsRequest) -> str:
    """What an estimate takes for `auto`, in words."""
    autos = [name for name in ("size", "quality") if getattr(request, name) == "auto"]
    taken = [{"size": "1024x1024", "quality": "high"}[name] for name in autos]
    subject = " and ".join(autos)
    return (
        f"{subject} auto {'are' if len(autos) > 1 else 'is'} estimated as {' at '.join(taken)}, or what was dearer here"
    )


def _models_text(rows: Sequence[ModelSpending]) -> str:
    parts = [
        f"{row.model} {dollars(row.usd)} in {row.requests} call{'s' if row.requests > 1 else ''}"
        + (f" ({row.unknown} of unknown outcome, counted in full)" if row.unknown else "")
        + (f" ({row.unpriced} without a known price)" if row.unpriced else "")
        for row in rows[:20]
    ]
    return f": {', '.join(parts)}" if parts else ""


def _model_row(row: ModelSpending) -> dict[str, Any]:
    return {"model": row.model, "calls": row.requests, "pictures": row.pictures, "usd": float(row.usd)}
