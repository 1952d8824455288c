"""The parts of a cheap batch: OpenAI takes one endpoint and one model a batch, so that a call may become several."""

import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, Literal, Self

if TYPE_CHECKING:
    from ..openai_api.batch_route import Endpoint, RemoteBatch

KEPT_S: Final = 30 * 24 * 3600
"""Seconds for which OpenAI keeps the results of a batch."""
TOLD_S: Final = 5 * 24 * 3600
"""Seconds before they are deleted from which on answers tell of it."""
CLOCKS_S: Final = 3600
"""Seconds by which this computer's clock and OpenAI's may differ."""
PartState = Literal["creating", "open", "refused", "over"]
"""It is being submitted, which may or may not have happened; it is known to OpenAI, or OpenAI refused it; all its lines
have an end."""


@dataclass(frozen=True, slots=True)
class Part:
    """One batch at OpenAI."""

    mark: str
    """A random text in the batch's metadata, written down before it is submitted: by it the batch is found."""
    model: str
    endpoint: "Endpoint"
    input_file: str
    asked_s: float
    """When it was about to be submitted, in seconds since 1970."""
    state: PartState = "creating"
    batch: str | None = None
    status: str = ""
    completed: int = 0
    failed: int = 0
    error: str = ""
    ended_s: float | None = None
    """When OpenAI was done with it, in seconds since 1970; None while it is not, or where that is not told."""

    def seen(self, remote: "RemoteBatch") -> Self:
        """The part with what OpenAI says of it."""
        state: PartState = "open" if self.state == "creating" else self.state
        return replace(
            self,
            state=state,
            batch=remote.id,
            status=remote.status,
            completed=remote.completed,
            failed=remote.failed,
            error=remote.error,
            ended_s=remote.ended_s,
        )

    @property
    def are_results_gone(self) -> bool:
        """Whether OpenAI deletes its results by now."""
        return self.ended_s is not None and time.time() > self.ended_s + KEPT_S - CLOCKS_S

    def as_dict(self) -> dict[str, Any]:
        """The part as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The part that was kept; what a later version has added is left out."""
        return cls(**{field.name: kept[field.name] for field in fields(cls) if field.name in kept})


def deletion_text(parts: Iterable[Mapping[str, Any]]) -> str:
    """That OpenAI deletes results soon that are not fetched yet, as a sentence; empty if it does not."""
    ended = [part.ended_s for part in map(Part.of, parts) if part.state != "over" and part.ended_s is not None]
    if not ended or time.time() < min(ended) + KEPT_S - TOLD_S:
        return ""
    made, deleted = (datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%d") for at in (min(ended), min(ended) + KEPT_S))
    return (
        f"OpenAI was done with it on {made} and deletes the results on {deleted}: what is not fetched by then is paid"
        " for and lost."
    )
