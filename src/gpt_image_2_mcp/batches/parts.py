"""The parts of a cheap batch: OpenAI takes one endpoint and one model a batch, so that a call may become several."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, Self

if TYPE_CHECKING:
    from ..openai_api.batch_route import Endpoint, RemoteBatch

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
        )

    def as_dict(self) -> dict[str, Any]:
        """The part as JSON."""
        return asdict(self)

    @classmethod
    def of(cls, kept: Mapping[str, Any]) -> Self:
        """The part that was kept; what a later version has added is left out."""
        return cls(**{field.name: kept[field.name] for field in fields(cls) if field.name in kept})
