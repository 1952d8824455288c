"""An order: what `Pipeline.prepare` found out about a job, and `Pipeline.run` needs to make its pictures."""

from dataclasses import dataclass
from pathlib import Path

from ..catalogue.session import SessionStep
from ..inputs.reader import Inputs
from ..storage.local_folder import Kind


@dataclass(frozen=True, slots=True)
class Order:
    """A request whose inputs are read and whose output folder is resolved; nothing is paid yet."""

    kind: Kind
    folder: Path
    """The output folder: a real path, without links, that may be written and exists."""
    inputs: Inputs
    key: str
    """SHA-256 of the tool, the model, the arguments (`identity`) and the input images' bytes: the same for two
    identical calls."""
    step: SessionStep | None = None
    """What happens to the edit session when the picture is recorded; None outside of one."""
    is_new_folder: bool = False
    """Whether the call names an output folder that does not exist yet."""
