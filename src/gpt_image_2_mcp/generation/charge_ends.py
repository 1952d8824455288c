"""How the charge of a job ends: what it comes to, what the audit says of it, and what is counted."""

import logging
from dataclasses import replace
from decimal import Decimal
from typing import Literal

from ..billing.budgets import AuditNote, ChargeEnd
from ..billing.prices import cost
from ..billing.tokens import Usage
from ..errors import GptImageError
from ..jobs.job import Job
from ..jobs.report import Report
from ..telemetry import count_dollars
from .charges import Charge

logger = logging.getLogger(__name__)

Audit = Literal["off", "on", "with prompts"]
"""Whether charges are noted in the audit, as on a server for a team, and whether with their prompts."""


def charge_end(report: Report, charge: Charge, lost: int) -> ChargeEnd | None:
    """The charge is settled, or released if a sandbox answered."""
    if report.sandbox:
        return charge.failed(may_be_billed=False)
    return charge.settled(
        usage=report.usage,
        usd=report.cost,
        request_id=report.request_id,
        lost=lost,
        n=report.requested["n"] * report.passes,
    )


def noted(end: ChargeEnd | None, job: Job, audit: Audit, request_id: str | None = None) -> ChargeEnd | None:
    """The end of a charge with what the audit says of its job."""
    if end is None or audit == "off":
        return end
    prompt = job.prompt if audit == "with prompts" else None
    return replace(end, audit=AuditNote(job.tool, job.client, request_id, prompt))


def count(end: ChargeEnd | None, job: Job) -> None:
    """Count what the charge of a job comes to."""
    if end is None or end.state == "released":
        return
    usd = end.estimate if end.usd is None else end.usd
    if usd is not None:
        count_dollars(usd, tool=job.tool, model=job.model, quality=job.request.quality, outcome=end.state)


def named_cost(error: BaseException, model: str) -> Decimal | None:
    """The cost in dollars of an answer without a usable picture; None if it named no usage, or has no known price."""
    usage = error.usage if isinstance(error, GptImageError) else None
    try:
        return cost(model, usage) if isinstance(usage, Usage) else None
    except Exception:
        # The charge then counts at its estimate, which is better than not at all.
        logger.exception("the cost of an answer could not be computed")
        return None
