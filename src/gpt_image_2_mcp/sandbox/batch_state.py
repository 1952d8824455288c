"""A batch, `StoredBatch`: its lines, what became of them, and its schedule on the sandbox's clock.

A batch takes `duration_s` seconds of that clock: a tenth for validating, eight tenths for its lines, one after another,
and a tenth for finalizing. Nothing runs in between: each request first runs the lines that are due by then (see
`batch_runner.catch_up`). A batch that takes longer than `WINDOW_S` expires, and keeps the lines that it finished.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from .errors import Json, JsonObject
from .faults import Fault
from .input_images import Upload
from .rules import CheckedParams
from .tokens import Usage

WINDOW_S = 24 * 3600
"""Seconds after its creation at which a batch expires: `completion_window` is always `24h`."""

Status = Literal["validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"]
"""Where a batch stands."""

FINAL: tuple[Status, ...] = ("failed", "completed", "expired", "cancelled")
"""The statuses that a batch does not leave."""

_VALIDATED = 0.1
"""The part of its duration after which a batch's lines begin,"""
_RAN = 0.9
"""and after which they all have run."""
_CANCELLING = 0.1
"""The part of its duration for which a batch is `cancelling`."""


@dataclass(frozen=True, slots=True)
class BatchLine:
    """A valid line of an input file: its `custom_id`, and the `body` of the request as JSON text."""

    custom_id: str
    body: bytes


@dataclass(frozen=True, slots=True)
class MadeLine:
    """A line that made pictures. They are painted when the output is read, so that nobody holds them all."""

    id: str
    custom_id: str
    request_id: str
    created: int
    params: CheckedParams
    usage: Usage
    pictures: Sequence[Upload] = ()
    mask: Upload | None = None
    fault: Fault | None = None


@dataclass(slots=True)
class StoredBatch:
    """A batch. `created`, `cancel_asked` and the results' times are Unix times of the sandbox's clock.

    `lines` are in the order in which they run, and `errors` those of a failed validation, in OpenAI's shape.
    """

    id: str
    endpoint: str
    input_file_id: str
    created: float
    duration_s: float
    metadata: Json
    output_lifetime_s: int
    model: str | None
    lines: Sequence[BatchLine]
    errors: list[JsonObject]
    made: list[MadeLine] = field(default_factory=list[MadeLine])
    failed: list[JsonObject] = field(default_factory=list[JsonObject])
    """Lines of the error file."""
    ran: int = 0
    """Lines that have run."""
    cancel_asked: float | None = None
    is_closed: bool = False
    """Whether its status is final and its files are stored."""
    output_file_id: str | None = None
    error_file_id: str | None = None

    def status(self, now: float) -> Status:
        """Return where the batch stands at a time."""
        status: Status = "completed"
        if self.cancel_asked is not None:
            status = "cancelling" if now < self._cancelled else "cancelled"
        elif (self._started if self.errors else self._completed) > self._expires <= now:
            status = "expired"
        elif now < self._started:
            status = "validating"
        elif self.errors:
            status = "failed"
        elif now < self._all_ran:
            status = "in_progress"
        elif now < self._completed:
            status = "finalizing"
        return status

    def is_due(self, now: float) -> bool:
        """Whether the next line should have run by a time."""
        if self.errors or self.ran >= len(self.lines):
            return False
        stopped = self._expires if self.cancel_asked is None else self.cancel_asked
        return self.next_at() <= min(now, stopped)

    def next_at(self) -> float:
        """Return when the next line is finished."""
        return self._started + (self.ran + 1) / len(self.lines) * (self._all_ran - self._started)

    def ended_at(self, now: float) -> float:
        """Return when the batch came to its final status, which it has at `now`."""
        match self.status(now):
            case "failed":
                return self._started
            case "expired":
                return self._expires
            case "cancelled":
                return self._cancelled
            case _:
                return self._completed

    def body(self, now: float) -> JsonObject:
        """Return the batch as the API shows it at a time."""
        status = self.status(now)
        times = self._times(status, now)
        return {
            "id": self.id,
            "object": "batch",
            "endpoint": self.endpoint,
            "model": self.model if status != "validating" else None,
            "errors": {"object": "list", "data": [*self.errors]} if status == "failed" else None,
            "input_file_id": self.input_file_id,
            "completion_window": "24h",
            "status": status,
            "output_file_id": self.output_file_id if status in FINAL else None,
            "error_file_id": self.error_file_id if status in FINAL else None,
            "created_at": int(self.created),
            "in_progress_at": times.get("in_progress"),
            "expires_at": int(self._expires),
            "finalizing_at": times.get("finalizing"),
            "completed_at": times.get("completed"),
            "failed_at": times.get("failed"),
            "expired_at": times.get("expired"),
            "cancelling_at": times.get("cancelling"),
            "cancelled_at": times.get("cancelled"),
            "request_counts": {
                "total": 0 if status in ("validating", "failed") else len(self.lines),
                "completed": len(self.made),
                "failed": len(self.failed),
            },
            "usage": self._usage() if status in FINAL else None,
            "metadata": self.metadata,
        }

    @property
    def _started(self) -> float:
        return self.created + _VALIDATED * self.duration_s

    @property
    def _all_ran(self) -> float:
        return self.created + _RAN * self.duration_s

    @property
    def _completed(self) -> float:
        return self.created + self.duration_s

    @property
    def _expires(self) -> float:
        return self.created + WINDOW_S

    @property
    def _cancelled(self) -> float:
        assert self.cancel_asked is not None
        return self.cancel_asked + _CANCELLING * self.duration_s

    def _times(self, status: Status, now: float) -> dict[str, int]:
        """Return the time of each status that the batch has come to."""
        times: dict[str, float] = {}
        stopped = min(self._expires, now if self.cancel_asked is None else self.cancel_asked)
        if not self.errors and self._started <= stopped:
            times["in_progress"] = self._started
        if not self.errors and self._all_ran <= stopped:
            times["finalizing"] = self._all_ran
        if self.cancel_asked is not None:
            times["cancelling"] = self.cancel_asked
        if status in FINAL:
            times[status] = self.ended_at(now)
        return {name: int(at) for name, at in times.items()}

    def _usage(self) -> JsonObject:
        given = sum(line.usage.text + line.usage.pictures for line in self.made)
        made = sum(line.usage.output for line in self.made)
        return {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": 0},
            "output_tokens": made,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + made,
        }
