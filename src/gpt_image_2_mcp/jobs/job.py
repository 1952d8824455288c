"""A job: one paid operation, from its arguments to its saved pictures.

A call starts a job and waits for it, but the job does not belong to the call: it goes on when the call is cancelled or
has waited long enough, since a request that was sent is billed in any case. `Delivery` says who gets the outcome then.

A call that repeats an earlier one does not pay again. Its own `Job` then does no work: `joined` is the earlier job, and
the outcome is copied from there.
"""

import math
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import Enum, auto
from pathlib import Path
from typing import Any, Literal

import anyio

from ..errors import GptImageError, JobAbandoned, JobLost, JobStopped, TooMuchAtOnce
from ..openai_api.request_status import RequestStatus
from ..parameters.models import PaidRequest
from ..telemetry import count_job
from .report import Report

JobState = Literal["preparing", "queued", "rendering", "abandoned", "done", "failed", "stopped", "lost"]
UNDER_WAY: frozenset[JobState] = frozenset({"preparing", "queued", "rendering"})
"""The states of a job whose answer is waited for."""
"""What a client is told about a job.

It is preparing while its inputs are read, queued while it waits for a slot of the rate limiter, and rendering once a
request may have been sent. If the user abandons it then, it goes on, and no call waits for it. It ends done (there are
pictures), failed (there are none), stopped (nothing was sent), or lost (its process ended while the request was under
way).
"""

MAX_UNFINISHED = 100
"""Jobs that are under way at once: each holds its inputs in memory, and a few are sent at a time."""


BATCH_PREFIX = "batch-"
"""How the ids of batches begin, and those of their lines, which are the batch's with the line's number."""

ANSWER = "answer:"
"""How `Job.wish` begins where the person was asked."""

MAX_CLIENT = 300
"""Characters of a client's name and version that a record keeps."""


def client_name(name: str, version: str) -> str:
    """What `Job.client` and the records keep of an MCP client."""
    return f"{name} {version}".strip()[:MAX_CLIENT]


class Delivery(Enum):
    """How a job's outcome reaches the client.

    It changes from top to bottom of this list. Only a client that cancels a call which was answered already takes it
    back to `HANDED_OUT`: it did not read that answer.
    """

    DIRECT = auto()
    """The call that started the job waits for it, or has returned the outcome itself."""
    HANDED_OUT = auto()
    """That call was cancelled, returned the job's id, or was repeated while it waited. The outcome waits to be fetched,
    by `get_image_job` or by the same call again, which then joins this job."""
    FETCHED = auto()
    """The outcome was fetched after that. The same call again is a new job, and is paid for."""


@dataclass(slots=True)
class JobFiles:
    """Where the files of a job's pictures are; what they are named is known before any of them is written."""

    folder: Path = Path()
    stem: str = ""
    """The beginning of all file names; empty until `Pipeline.run` begins."""
    partials: list[Path] = field(default_factory=list[Path])
    """The unfinished pictures that the API has streamed so far."""


@dataclass(slots=True, eq=False)
class Job:
    """One paid operation of this process, or one of another process as its row in the `jobs` table describes it."""

    tool: str
    """The tool that was called; the command line uses the tools' names as well."""
    request: PaidRequest
    model: str
    """The image model that makes the pictures."""
    expected_s: float
    """Seconds that such a request usually takes; 0 where it is not known."""
    client: str | None = None
    """The name and version of the MCP client."""

    id: str = field(default_factory=lambda: f"job-{secrets.token_hex(6)}")
    is_click: bool = False
    """A click in the studio asked for it, which its id is made from: it is found by its id, and joins no other job but
    that of the same click in another process."""
    wish: str | None = None
    """The same for the same request to a server, which a balancer may send to two replicas, or, beginning with
    `ANSWER`, for calls with the same answer of the person to a question; None where each call is a request of its own.
    """
    key: str | None = None
    """`Order.key`, the same for identical calls; None until the inputs are read, and for a call that joined a job."""
    joined: "Job | None" = None
    """The earlier job whose outcome this call shares; None for a job that does its own work."""
    delivery: Delivery = Delivery.DIRECT
    newest_before: tuple[str | None, tuple[str, ...]] = (None, ())
    """What `References.newest` was before this job's report was returned."""
    outcome: Report | Exception | None = None
    """The result, or the error that the job failed with; None while it is under way."""
    status: RequestStatus = field(default_factory=RequestStatus)
    """Counters of the job's API requests, kept by the sender."""
    files: JobFiles = field(default_factory=JobFiles)

    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_at: float = field(default_factory=anyio.current_time)
    ended_at: float = math.inf
    """Both by `anyio.current_time`, for durations; `created` is for people and for the database."""
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    """Everything that the job does runs in it. Only `JobRunner.stop` and a shutdown cancel it."""
    prepared: anyio.Event = field(default_factory=anyio.Event)
    """Set when `key` or `joined` is known, or when the job ended before that; a click has its row by then."""
    answerable: anyio.Event = field(default_factory=anyio.Event)
    """Set when no call has to wait any longer: the job has ended, or the user has abandoned it."""
    finished: anyio.Event = field(default_factory=anyio.Event)
    """Set when `outcome` is final."""

    handover: Mapping[str, Any] | None = None
    """What another replica of this server needs to make the job in place of this one, while it is not sent."""
    is_taken_over: bool = False
    """This process makes it in place of another one, as its row says."""
    is_shared_line: bool = False
    """A line of a batch that another replica goes on with if this one ends; see `jobs.shared_lines`."""
    passes_on: bool = False
    """Another replica is to make it, since this one ends."""
    is_passed_on: bool = False
    """It may be made elsewhere by now, and ends here without an outcome."""

    is_read: bool = False
    """The answer with the outcome counts as read by the client; see `JobRunner.confirm`."""
    has_row: bool = False
    """This process has written a row for the job."""
    is_foreign: bool = False
    """Another process works on the job, or an earlier run of the server did; this one only reads its row."""

    @property
    def is_line(self) -> bool:
        """Whether it is a line of a batch, which is asked about and listed with its batch, and repeats no call."""
        return self.id.startswith(BATCH_PREFIX)

    @property
    def is_answer(self) -> bool:
        """Whether the person was asked about it: what they answered counts for one job, also after that has ended."""
        return self.wish is not None and self.wish.startswith(ANSWER)

    @property
    def may_be_elsewhere(self) -> bool:
        """Whether another process may have the same job, so that a row decides which one sends it."""
        return self.is_click or self.handover is not None or self.is_shared_line

    def shared(self, *, is_sent: bool) -> dict[str, Any]:
        """The values of its row in the columns that the replicas of a server share; see `job_table.SHARED`.

        One that is sent is no other replica's to make. The request that it is of stays noted.
        """
        return {"handover": None if is_sent else self.handover} | ({"wish": self.wish} if self.wish else {})

    @property
    def is_listed(self) -> bool:
        """Whether a list of the jobs of this process names it."""
        return (
            self.joined is None and not self.is_line and (self.key is not None or self.delivery is not Delivery.DIRECT)
        )

    @property
    def prompt(self) -> str:
        """The prompt of the request."""
        return self.request.prompt

    @property
    def working_job(self) -> "Job":
        """The job that does the work: the joined one, or this one."""
        return self.joined or self

    @property
    def state(self) -> JobState:
        """The present state; a call that joined a job has the state of that job."""
        if self.joined is not None and self.outcome is None:
            return self.joined.state
        if isinstance(self.outcome, Report):
            return "done"
        if isinstance(self.outcome, JobStopped):
            return "stopped"
        if isinstance(self.outcome, JobLost):
            return "lost"
        if self.outcome is not None:
            return "failed"
        if self.status.sent:
            return "abandoned" if self.status.abandoned else "rendering"
        return "queued" if self.key else "preparing"

    def end(self) -> None:
        """Note that `outcome` is final, and wake the calls that wait."""
        self.ended_at = anyio.current_time()
        self.status.begun.set()
        self.finished.set()
        self.answerable.set()
        if self.joined is None and not self.is_foreign:
            made = len(self.outcome.images) if isinstance(self.outcome, Report) else 0
            quality = self.request.quality
            count_job(tool=self.tool, model=self.model, quality=quality, outcome=self.state, pictures=made)

    async def answered(self) -> Report | Exception:
        """Wait until no call has to wait any longer, and give the outcome; that the user abandoned the job is one."""
        await self.answerable.wait()
        return self.outcome or JobAbandoned(self.id)

    @property
    def end_text(self) -> str:
        """A line for the log about what became of the job."""
        if isinstance(self.outcome, Report):
            places = ", ".join(str(image.path) for image in self.outcome.images)
            return f"{self.id} ({self.tool}) is done, and saved as {places}"
        return f"{self.id} ({self.tool}) ended without a picture: {self.state}"

    @property
    def _pictures_text(self) -> str:
        request = self.request
        pictures = f"{request.count} pictures" if request.count > 1 else "a picture"
        size = "" if request.size == "auto" else f" of {request.size.partition('@')[0]}"
        return pictures + size + ("" if request.quality == "auto" else f" at {request.quality} quality")

    def progress_text(self) -> str:
        """A sentence for the user about what the job does at present."""
        match self.state:
            case "preparing":
                return "Reading the request's pictures" if self.tool != "generate_image" else "Preparing the request"
            case "queued":
                if self.is_foreign:
                    return "Queued in another process of this server"
                held = self.status.held_until - anyio.current_time()
                if held > 0:
                    return f"Waiting {held:.0f} s before it is sent: the API has too much to do"
                if not self.status.waiting:
                    return "Getting ready to send the request"
                ahead = self.status.ahead
                return (
                    f"Queued behind {ahead} other request{'s' if ahead != 1 else ''}" if ahead else "Next in the queue"
                )
            case "rendering":
                seconds = anyio.current_time() - (self.status.sent_since or self.started_at)
                text = f"Rendering {self._pictures_text} for {seconds:.0f} s"
                if not self.is_foreign:
                    text += f"; such pictures usually take {max(self.expected_s, 1):.0f} s"
                return f"{text}. Unfinished picture: {self.files.partials[-1]}" if self.files.partials else text
            case done:
                return done.capitalize()


def check_room(jobs: Iterable[Job]) -> None:
    """Check that one more job may be under way beside `jobs`; raises TooMuchAtOnce."""
    if sum(not job.finished.is_set() for job in jobs) >= MAX_UNFINISHED:
        raise TooMuchAtOnce(
            f"{MAX_UNFINISHED} jobs are under way, which is the most at once: call again when one of them has ended, as"
            " get_image_job tells. Nothing was sent or paid."
        )


def without_traceback(error: Exception) -> Exception:
    """An expected error without traceback and cause.

    Their frames would keep the response's bytes in memory for as long as the job is remembered.
    """
    if isinstance(error, GptImageError):
        error.__cause__ = error.__context__ = error.__traceback__ = None
    return error
