"""Copying pictures out of the catalogue, each with its record, so that the folder is one that can be rebuilt from."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..catalogue.models import Picture
from ..catalogue.sidecar import write_sidecar
from ..errors import BadRequest, GptImageError
from ..paths.policy import WritePolicy
from ..paths.safe_open import exists
from ..storage.local_folder import save_copy
from .progress import Notes


@dataclass(slots=True)
class ExportResult:
    """What became of the pictures that were to be copied."""

    folder: Path
    copied: int = 0
    there: int = 0
    """They lay in the folder already."""
    notes: Notes = field(default_factory=Notes)
    """What could not be copied, a sentence each."""


def export(picture: Picture, *, read: Callable[[Picture], bytes], policy: WritePolicy, done: ExportResult) -> None:
    """Copy a picture into a folder, under the name that it has; no file is replaced. Blocks.

    `read` gives its bytes or raises a GptImageError; `policy` resolves the folder again.

    Raises:
        CannotSave: the folder cannot be written.

    """
    target = done.folder / picture.path.name
    if not exists(picture.path):
        done.notes.add(f"The picture {picture.path} is gone.")
        return
    try:
        data = read(picture)
    except GptImageError as error:
        done.notes.add(str(error))
        return
    copy = picture.model_copy(update={"path": target})
    if save_copy(data, target, policy=policy):
        done.copied += 1
        try:
            write_sidecar(copy, policy)
        except (OSError, BadRequest) as error:
            done.notes.add(f"The record of {target} could not be written: {error}.")
    elif _is(copy, read):
        done.there += 1
    else:
        done.notes.add(f"{target} is another file already, and nothing is replaced: export to another folder.")


def _is(copy: Picture, read: Callable[[Picture], bytes]) -> bool:
    try:
        read(copy)
    except GptImageError:
        return False
    return True
