"""Translates between a job and its row in the `jobs` table.

The keys of the stored JSON are older than some names in the code and stay as they are: rows live for 30 days, and
processes of different versions share one database. A row holds no secret: texts are redacted, and what may contain a
key (the query of a URL, the data of a data URL) is left out.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from ..errors import JobFailedElsewhere, JobLost, JobStopped
from ..inputs.url_policy import WEB_PORTS, display_url
from ..parameters.models import ContinueSessionRequest, EditRequest, GenerateRequest, PaidRequest, StartSessionRequest
from .job import Delivery, Job
from .report import Report

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow

REQUESTS: Mapping[str, type[PaidRequest]] = {
    "generate_image": GenerateRequest,
    "edit_image": EditRequest,
    "start_edit_session": StartSessionRequest,
    "continue_edit_session": ContinueSessionRequest,
}
"""The request type of each tool that costs money."""

TOOLS: Mapping[type[PaidRequest], str] = {request: tool for tool, request in REQUESTS.items()}
"""The tool of each request type, under which its jobs are stored."""

STOPPED: Mapping[str, Any] = {"stopped": True}
"""What the stored outcome of a job has that was stopped by another replica than its own."""

_REFERENCES = frozenset({"images", "mask"})
"""Arguments that name input images."""


def job_of(row: "JobRow") -> Job:
    """A foreign job as its row describes it.

    A lost job has a `JobLost` without a message as its outcome: `JobStore.describe_loss` makes the message.
    """
    request = request_of(row)
    job = Job(row.tool, request, request.model or "", 0.0, id=row.id, created=row.created, key=row.key, is_foreign=True)
    job.started_at -= (datetime.now(UTC) - row.created).total_seconds()
    job.delivery = delivery_of(row)
    job.status.sent = int(row.state == "sent")
    job.outcome = JobLost("") if row.state == "lost" else outcome_of(row)
    job.prepared.set()
    return job


def delivery_of(row: "JobRow") -> Delivery:
    """The delivery, which a row stores in two columns. A direct answer counts as fetched there once it was given."""
    if not row.given_up:
        return Delivery.DIRECT
    return Delivery.FETCHED if row.fetched else Delivery.HANDED_OUT


def request_of(row: "JobRow") -> PaidRequest:
    """The request of a job; raises KeyError or ValueError if a later version has written the row."""
    arguments: dict[str, Any] = dict(row.request)
    return REQUESTS[row.tool].model_validate(arguments)


def outcome_of(row: "JobRow") -> Report | JobFailedElsewhere | JobStopped | None:
    """A job's result or failure; None while it has none, and if it was lost.

    Raises ValueError if a later version has written the row.
    """
    if row.outcome is None:
        return None
    if "report" in row.outcome:
        return _report_adapter().validate_python(row.outcome["report"])
    if STOPPED.items() <= row.outcome.items():
        return JobStopped()
    return JobFailedElsewhere(str(row.outcome.get("error", "It is not known why.")))


def is_readable(row: "JobRow") -> bool:
    """Whether this version understands the row; a later version may have written others."""
    try:
        request_of(row)
        outcome_of(row)
    except (KeyError, ValueError):
        return False
    return True


def stored_request(request: PaidRequest, redact: Callable[[str], str]) -> dict[str, Any]:
    """The arguments that differ from their defaults, as JSON without secrets; never the `user` identifier."""
    arguments = request.model_dump(mode="json", exclude_defaults=True, exclude={"user"})
    return {name: _stored_argument(name, value, redact) for name, value in arguments.items()}


def stored_report(report: Report) -> dict[str, Any]:
    """A job's result as JSON, without previews: these are made again from the files."""
    return {
        "report": _report_adapter().dump_python(replace(report, previews={}, links=None), mode="json", by_alias=True)
    }


def _stored_argument(name: str, value: Any, redact: Callable[[str], str]) -> Any:
    if isinstance(value, list):
        return [_stored_argument(name, item, redact) for item in cast("list[Any]", value)]
    if isinstance(value, str):
        return redact(_without_data(value.strip()) if name in _REFERENCES else value)
    return value


def _without_data(reference: str) -> str:
    """An input image's name without data and query, which may hold a key. It is only shown, and never read again."""
    scheme = reference.partition(":")[0].lower()
    if scheme == "data":
        return "data:…"
    return display_url(reference)[1:-1] if scheme in WEB_PORTS else reference


@cache
def _report_adapter() -> TypeAdapter[Report]:
    # Made at the first use: building it takes time that the start does not have.
    return TypeAdapter(Report)
