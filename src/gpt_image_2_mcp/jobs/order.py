"""A job's request with everything read and checked for it: what is still to be paid for and made."""

from dataclasses import dataclass
from pathlib import Path

from ..catalogue.session import SessionStep
from ..inputs.reader import Inputs
from ..storage.local_folder import Kind


@dataclass(frozen=True, slots=True)
class Order:
    """The checked work of one job; nothing of it is paid yet."""

    kind: Kind
    folder: Path
    """Where the pictures go: a real path that may be written."""
    inputs: Inputs
    key: str
    """SHA-256 over the tool, the model, the arguments and the bytes given: the same for two identical calls."""
    step: SessionStep | None = None
    """What becomes of the session; None outside of one."""
