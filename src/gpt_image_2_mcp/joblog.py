"""What is written down of jobs, so that another process or a later run can fetch, join or miss them.

A row is written before a job's first byte is sent, or when somebody was told of the job while it was queued.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from .books import Books, Clerk, Page
from .errors import USAGE_PAGE, GptImageError
from .money.pricing import dollars
from .params import ContinueSessionRequest, EditRequest, GenerateRequest, PaidRequest, StartSessionRequest
from .report import Report

if TYPE_CHECKING:
    from .catalogue.jobs import JobRow, State
    from .jobs import Job

REQUESTS: Mapping[str, type[PaidRequest]] = {
    "generate_image": GenerateRequest,
    "edit_image": EditRequest,
    "start_edit_session": StartSessionRequest,
    "continue_edit_session": ContinueSessionRequest,
}


class JobLost(GptImageError):
    """A job was under way when the process that ran it ended."""


class KeptFailure(GptImageError):
    """What a job of another process failed with, in its words."""


class JobLog:
    """The jobs of all processes of a person."""

    def __init__(self, clerk: Clerk) -> None:
        """Have the clerk write."""
        self._clerk = clerk

    def told(self, job: "Job") -> None:
        """Somebody has the job's id, or waits for it no longer."""

        def tell(books: Books) -> None:
            with books.page() as page:
                kept = page.jobs.get(job.id)
                if kept is not None:
                    page.jobs.give_up(job.id)
                elif not job.finished.is_set():
                    _put(books, page, job, "queued")

        self._clerk.later(tell)

    def fetched(self, job_id: str) -> None:
        """Somebody has the job's answer."""

        def fetch(books: Books) -> None:
            with books.page() as page:
                page.jobs.fetch(job_id)

        self._clerk.later(fetch)

    def stopped(self, job_id: str) -> None:
        """Nothing of the job was sent, and nothing will be."""

        def forget(books: Books) -> None:
            with books.page() as page:
                page.jobs.forget(job_id)

        self._clerk.later(forget)

    async def get(self, job_id: str) -> "JobRow | None":
        """The job of this id, lost where its process is gone."""

        def get(books: Books) -> "JobRow | None":
            with books.page() as page:
                row = page.jobs.get(job_id)
                return next(iter(_judged(books, page, [row] if row else [])), None)

        return await self._clerk.done(get)

    async def repeated(self, key: str, *, within_s: float) -> "JobRow | None":
        """The job of another process that a repeated call gets; see `Jobs`."""

        def repeated(books: Books) -> "JobRow | None":
            if not books.keeps_history:
                return None
            after = datetime.now(UTC) - timedelta(seconds=within_s)
            with books.page() as page:
                rows = _judged(books, page, page.jobs.unfetched(key, ended_after=after))
            return next((row for row in rows if row.given_up and row.owner != books.history.owner), None)

        return await self._clerk.done(repeated)

    async def recent(self, limit: int) -> "Sequence[JobRow]":
        """The newest jobs of all processes."""

        def recent(books: Books) -> "Sequence[JobRow]":
            with books.page() as page:
                return _judged(books, page, page.jobs.recent(limit))

        return await self._clerk.done(recent)

    async def loss(self, row: "JobRow") -> JobLost:
        """What to say of a job that was lost."""
        return JobLost(await self._clerk.done(lambda books: loss_of(books, row)))


def note_sent(books: Books, job: "Job") -> None:
    """Write a job down that may be billed from now on; for the clerk's thread."""
    with books.page() as page:
        _put(books, page, job, "sent")


def note_end(page: Page, job: "Job", report: Report) -> None:
    """Write down a job's answer."""
    outcome = {"report": _reports().dump_python(replace(report, previews={}), mode="json")}
    page.jobs.end(job.id, "done", outcome, fetched=not job.given_up)


def note_failure(page: Page, job: "Job", error: BaseException) -> None:
    """Write down that nothing came of a job; one that was cut off by the end of its process is found lost."""
    if isinstance(error, Exception):
        text = str(error) if isinstance(error, GptImageError) else f"an error in this program ({type(error).__name__})"
        page.jobs.end(job.id, "failed", {"error": text}, fetched=not job.given_up)


def outcome_of(row: "JobRow") -> Report | KeptFailure | None:
    """A job's answer, or what it failed with; None while there is none, or where it was lost."""
    if row.outcome is None:
        return None
    if "report" in row.outcome:
        return _reports().validate_python(row.outcome["report"])
    return KeptFailure(str(row.outcome.get("error", "It is not known why.")))


def loss_of(books: Books, row: "JobRow") -> str:
    """What became of a lost job: what it may have cost, and which of its pictures are there."""
    try:
        usd = books.ledger.of_job(row.id)
    except GptImageError:
        usd = None
    price = f"about {dollars(usd)}, " if usd else ""
    found = sorted(str(path) for path in row.folder.glob(f"{row.stem}*") if path.is_file())
    there = f" Saved before that: {', '.join(found)}." if found else f" Nothing of it is in {row.folder}."
    return (
        f"{row.id} was under way when the server's process was ended, so its answer is lost. It may have been billed,"
        f" {price}and was not sent again:{there} Look at {USAGE_PAGE}, then decide whether to ask for it once more."
    )


def _put(books: Books, page: Page, job: "Job", state: "State") -> None:
    from .catalogue.jobs import JobRow

    if job.key is None:
        return
    page.jobs.put(
        JobRow(
            id=job.id,
            key=job.key,
            tool=job.tool,
            request=job.request.model_dump(mode="json", exclude_defaults=True, exclude={"user"}),
            folder=job.folder,
            stem=job.stem,
            owner=books.history.owner,
            state=state,
            created=job.created,
            given_up=job.given_up,
        )
    )


def _judged(books: Books, page: Page, rows: "Sequence[JobRow]") -> "list[JobRow]":
    """The rows, those lost whose process is gone."""
    under_way = [row for row in rows if row.ended is None]
    dead = books.history.dead({row.owner for row in under_way})
    for row in under_way:
        if row.owner in dead and row.state == "sent":
            page.jobs.lose(row.id)
        elif row.owner in dead:
            page.jobs.forget(row.id)
    lost = {row.id for row in under_way if row.owner in dead and row.state == "sent"}
    forgotten = {row.id for row in under_way if row.owner in dead} - lost
    return [
        replace(row, state="lost", given_up=True) if row.id in lost else row for row in rows if row.id not in forgotten
    ]


@cache
def _reports() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def request_of(row: "JobRow") -> PaidRequest:
    """What a job was asked for."""
    kept: dict[str, Any] = dict(row.request)
    return REQUESTS[row.tool].model_validate(kept)
