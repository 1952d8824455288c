"""What is written down of jobs, so that another process or a later run can fetch, join or miss them.

A row is written before a job's first byte is sent, or when somebody was told of the job while it was queued.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from pydantic import TypeAdapter

from ..billing.pricing import dollars
from ..errors import USAGE_PAGE, GptImageError, JobFailedElsewhere, JobLost
from ..inputs.url_policy import WEB_PORTS, display_url
from ..parameters.models import ContinueSessionRequest, EditRequest, GenerateRequest, PaidRequest, StartSessionRequest
from ..persistence.unit_of_work import Repositories, UnitOfWork, WriterThread
from .report import Report

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow, JobState
    from .job import Job

REQUESTS: Mapping[str, type[PaidRequest]] = {
    "generate_image": GenerateRequest,
    "edit_image": EditRequest,
    "start_edit_session": StartSessionRequest,
    "continue_edit_session": ContinueSessionRequest,
}

TOOLS: Mapping[type[PaidRequest], str] = {request: tool for tool, request in REQUESTS.items()}
"""The tool of each request type: a job is called by it."""

_REFERENCES = frozenset({"images", "mask"})
"""Arguments that name pictures."""


class JobStore:
    """The jobs of all processes of a person."""

    def __init__(self, writer: WriterThread, redact: Callable[[str], str]) -> None:
        """Have the clerk write; `redact` takes what is secret out of a text."""
        self._writer = writer
        self._redact = redact

    def mark_handed_out(self, job: "Job") -> None:
        """Somebody has the job's id, or waits for it no longer."""

        def tell(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                kept = unit.jobs.get(job.id)
                if kept is not None:
                    unit.jobs.give_up(job.id, fetched=job.fetched)
                elif not job.finished.is_set():
                    self._put(repositories, unit, job, "queued")

        self._writer.submit(tell)

    def mark_fetched(self, job_id: str) -> None:
        """Somebody has the job's answer."""

        def fetch(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                unit.jobs.fetch(job_id)

        self._writer.submit(fetch)

    def mark_failed(self, job: "Job", error: Exception) -> None:
        """Nothing came of a job that somebody was told of."""

        def fail(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                self.write_failure(unit, job, error)

        self._writer.submit(fail)

    def forget(self, job_id: str) -> None:
        """Nothing of the job was sent, and nothing will be."""

        def forget(repositories: Repositories) -> None:
            with repositories.unit_of_work() as unit:
                unit.jobs.forget(job_id)

        self._writer.submit(forget)

    async def get(self, job_id: str) -> "JobRow | None":
        """The job of this id, lost where its process is gone."""

        def get(repositories: Repositories) -> "JobRow | None":
            with repositories.unit_of_work() as unit:
                row = unit.jobs.get(job_id)
                return next(iter(_judged(repositories, [row] if row else [])), None)

        return await self._writer.run(get)

    async def find_repeated(self, key: str, *, within_s: float) -> "JobRow | None":
        """The job of another process that a repeated call gets; see `Jobs`."""

        def repeated(repositories: Repositories) -> "JobRow | None":
            if not repositories.keeps_history:
                return None
            after = datetime.now(UTC) - timedelta(seconds=within_s)
            with repositories.unit_of_work() as unit:
                rows = _judged(repositories, unit.jobs.unfetched(key, ended_after=after))
            return next((row for row in rows if row.given_up and row.owner != repositories.catalogue_store.owner), None)

        return await self._writer.run(repeated)

    async def recent(self, limit: int) -> "Sequence[JobRow]":
        """The newest jobs of all processes."""

        def recent(repositories: Repositories) -> "Sequence[JobRow]":
            with repositories.unit_of_work() as unit:
                return _judged(repositories, unit.jobs.recent(limit))

        return await self._writer.run(recent)

    async def describe_loss(self, row: "JobRow") -> JobLost:
        """What to say of a job that was lost."""
        return JobLost(await self._writer.run(lambda repositories: describe_loss(repositories, row)))

    # For whoever writes more than that at once, in the clerk's thread.

    def write_sent(self, repositories: Repositories, job: "Job") -> None:
        """Write a job down that may be billed from now on."""
        with repositories.unit_of_work() as unit:
            self._put(repositories, unit, job, "sent")

    def write_result(self, unit: UnitOfWork, job: "Job", report: Report) -> None:
        """Write down a job's answer."""
        report = replace(report, previews={})
        outcome = {"report": _reports().dump_python(report, mode="json", by_alias=True)}
        unit.jobs.end(job.id, "done", outcome, fetched=not job.given_up)

    def write_failure(self, unit: UnitOfWork, job: "Job", error: BaseException) -> None:
        """Write down that nothing came of a job; one that was cut off by the end of its process is found lost."""
        if isinstance(error, Exception):
            known = isinstance(error, GptImageError)
            text = self._redact(str(error)) if known else f"an error in this program ({type(error).__name__})"
            unit.jobs.end(job.id, "failed", {"error": text}, fetched=not job.given_up)

    def _put(self, repositories: Repositories, unit: UnitOfWork, job: "Job", state: "JobState") -> None:
        from ..catalogue.job_table import JobRow

        if job.key is None:
            return
        request = job.request.model_dump(mode="json", exclude_defaults=True, exclude={"user"})
        unit.jobs.put(
            JobRow(
                id=job.id,
                key=job.key,
                tool=job.tool,
                request={name: self._kept(name, value) for name, value in request.items()},
                folder=job.folder,
                stem=job.stem,
                owner=repositories.catalogue_store.owner,
                state=state,
                created=job.created,
                given_up=job.given_up,
                fetched=job.fetched,
            ),
            is_new=not job.has_row,
        )
        job.has_row = True

    def _kept(self, name: str, value: Any) -> Any:
        """What is kept of an argument: nothing secret, of a data URL that it is one, and of others no query."""
        if isinstance(value, list):
            return [self._kept(name, item) for item in cast("list[Any]", value)]
        if isinstance(value, str):
            return self._redact(_harmless(value.strip()) if name in _REFERENCES else value)
        return value


def _harmless(reference: str) -> str:
    """A picture's name, without what may hold a key: it is shown, and never read from again."""
    scheme = reference.partition(":")[0].lower()
    if scheme == "data":
        return "data:…"
    return display_url(reference)[1:-1] if scheme in WEB_PORTS else reference


def outcome_of(row: "JobRow") -> Report | JobFailedElsewhere | None:
    """A job's answer, or what it failed with; None while there is none, or where it was lost."""
    if row.outcome is None:
        return None
    if "report" in row.outcome:
        return _reports().validate_python(row.outcome["report"])
    return JobFailedElsewhere(str(row.outcome.get("error", "It is not known why.")))


def describe_loss(repositories: Repositories, row: "JobRow") -> str:
    """What became of a lost job: what it may have cost, and which of its pictures are there."""
    try:
        usd = repositories.ledger.of_job(row.id)
    except GptImageError:
        usd = None
    price = f"about {dollars(usd)}, " if usd else ""
    found = _listed(row.folder.glob(f"{row.stem}*"))
    there = f"Saved before that: {found}." if found else f"Nothing of it is in {row.folder}."
    # A picture that was saved and had no name yet has got one that tells no more than when it was made.
    rescued = _listed(row.folder.glob("*-rescued.*"), since=row.created)
    there += f" Rescued there, and perhaps of this job: {rescued}." if rescued else ""
    return (
        f"{row.id} was under way when the server's process was ended, so its answer is lost. It may have been billed,"
        f" {price}and was not sent again. {there} Look at {USAGE_PAGE}, then decide whether to ask for it once more."
    )


def _listed(paths: Iterable[Path], since: datetime | None = None) -> str:
    made = [path for path in paths if path.is_file() and (since is None or path.stat().st_mtime >= since.timestamp())]
    return ", ".join(sorted(map(str, made)))


def _judged(repositories: Repositories, rows: "Sequence[JobRow]") -> "list[JobRow]":
    """The rows as they stand now that some processes are gone: what these had sent is lost, and the rest never was.

    Nothing of it is written: that is for the next start, which also says what it found. What a later version of this
    program has written is passed over.
    """
    dead = repositories.catalogue_store.dead({row.owner for row in rows if row.ended is None})
    judged: list[JobRow] = []
    for row in filter(_is_readable, rows):
        if row.ended is not None or row.owner not in dead:
            judged.append(row)
        elif row.state == "sent":
            judged.append(replace(row, state="lost", given_up=True))
    return judged


def _is_readable(row: "JobRow") -> bool:
    try:
        request_of(row)
        outcome_of(row)
    except (KeyError, ValueError):
        return False
    return True


@cache
def _reports() -> TypeAdapter[Report]:
    return TypeAdapter(Report)


def request_of(row: "JobRow") -> PaidRequest:
    """What a job was asked for."""
    kept: dict[str, Any] = dict(row.request)
    return REQUESTS[row.tool].model_validate(kept)
