"""`SaveTarget`: where the pictures of one job are saved."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ..paths.policy import WritePolicy
from ..storage.local_folder import Name
from ..telemetry import UNMEASURED, Steps


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where the pictures of one job are saved: in the first of `folders` (real paths) that can be written.

    `sandbox_folders` maps a folder to the one that is used instead if a sandbox answered, which shows in the answer
    only. `policy` checks a folder again at the moment of writing, when it may have become a link.
    """

    name: Name
    folders: tuple[Path, ...]
    sandbox_folders: Mapping[Path, Path]
    policy: WritePolicy
    known: tuple[Path, ...] = ()
    """Files in which a process that was killed may have saved the pictures: one with the same bytes is taken."""
    steps: Steps = UNMEASURED
    """What measures the steps of the job."""
