"""One piece of paid work: what was asked for, where it stands, and what came of it."""

import math
import secrets
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

import anyio

from ..errors import JobLost, JobStopped
from ..openai_api.rate_limiter import RequestStatus
from ..parameters.models import PaidRequest
from .report import Report

State = Literal["preparing", "queued", "rendering", "done", "failed", "stopped", "lost"]


@dataclass(slots=True, eq=False)
class Job:
    """One operation, from its arguments to its saved pictures."""

    tool: str
    request: PaidRequest
    expected_s: float
    id: str = field(default_factory=lambda: f"job-{secrets.token_hex(6)}")
    created: datetime = field(default_factory=lambda: datetime.now(UTC))
    started_at: float = field(default_factory=anyio.current_time)
    ended_at: float = math.inf
    key: str | None = None
    status: RequestStatus = field(default_factory=RequestStatus)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    finished: anyio.Event = field(default_factory=anyio.Event)
    outcome: Report | Exception | None = None
    given_up: bool = False
    """The first caller was cancelled, or was handed the job's id."""
    fetched: bool = False
    """Somebody got the outcome."""
    joined: "Job | None" = None
    """The job that this call joined instead of being one."""
    partials: list[Path] = field(default_factory=list[Path])
    client: str | None = None
    """The program that asked."""
    folder: Path = Path()
    stem: str = ""
    """How the names of its pictures begin, once it is known."""
    has_row: bool = False
    """It has a row in the books."""
    prepared: anyio.Event = field(default_factory=anyio.Event)
    """Its key is known, or there will be none."""
    is_foreign: bool = False
    """Another process does the work, or an earlier run of the server did."""

    @property
    def prompt(self) -> str:
        """What was asked for."""
        return self.request.prompt

    @property
    def working_job(self) -> "Job":
        """The job that does the work."""
        return self.joined or self

    @property
    def state(self) -> State:
        """Where it stands."""
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
            return "rendering"
        return "queued" if self.key else "preparing"

    @property
    def _pictures_text(self) -> str:
        request = self.request
        pictures = f"{request.count} pictures" if request.count > 1 else "a picture"
        size = "" if request.size == "auto" else f" of {request.size}"
        return pictures + size + ("" if request.quality == "auto" else f" at {request.quality} quality")

    def progress_text(self) -> str:
        """Where it stands, for a person."""
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
                return f"{text}. Unfinished picture: {self.partials[-1]}" if self.partials else text
            case done:
                return done.capitalize()
