"""What `JobRunner` and a job's work pass to each other: the `Order`, and the work itself as a protocol."""

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Protocol

from ..catalogue.picture_record import Picture
from ..catalogue.session import SessionStep
from ..inputs.inputs import Inputs
from ..inputs.part import Part
from ..storage.local_folder import Kind
from .job import Job
from .report import Report


@dataclass(frozen=True, slots=True)
class Draft:
    """The draft of which a job makes a final, and the call that made it."""

    id: str
    inputs: int
    """How many pictures it was made from."""
    count: int
    """How many pictures its call made."""
    cost: Decimal | None
    """What they cost together, in dollars; None if it is not known."""
    stays: bool
    """Whether it is to be finished as it is, and not after words that the call gives."""
    source: Picture | None = None
    """Of one that is to stay as it is: what the model made, if the person was given it in another size."""


@dataclass(frozen=True, slots=True)
class Order:
    """A request whose inputs are read and whose output folder is resolved; nothing is paid yet."""

    kind: Kind
    folder: Path
    """The output folder: a real path, without links, that may be written and exists."""
    inputs: Inputs
    """What the call names."""
    key: str
    """SHA-256 of the tool, the model, the arguments (`identity`) and the input images' bytes: the same for two
    identical calls."""
    step: SessionStep | None = None
    """What happens to the edit session when the picture is recorded; None outside of one."""
    is_new_folder: bool = False
    """Whether the call names an output folder that does not exist yet."""
    part: Part | None = None
    """Which part of the first picture is sent, or on which canvas; None for the picture as it is."""
    cut: Inputs | None = None
    """The inputs with that part; None if there is none."""
    draft: Draft | None = None
    """The one input, if it is a draft that is to be finished."""

    @property
    def sent(self) -> Inputs:
        """What is sent to the API."""
        return self.inputs if self.cut is None else self.cut


class JobWork(Protocol):
    """What a job does. `generation.pipeline.Pipeline` is the implementation: this folder stands below `generation/`."""

    async def prepare(self, job: Job) -> Order:
        """Read and check all that the job needs, before anything is paid; raises GptImageError."""
        ...

    async def run(self, job: Job, order: Order) -> Report:
        """Make the pictures; raises GptImageError if there are none."""
        ...
