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
    already_there: int = 0
    """They lay in the folder already."""
    notes: Notes = field(default_factory=Notes)
    """What could not be copied, a sentence each."""


def export_picture(
    picture: Picture, *, read: Callable[[Picture], bytes], policy: WritePolicy, result: ExportResult
) -> None:
    """Copy a picture into a folder, under the name that it has; no file is replaced. Blocks.

    `read` gives its bytes or raises a GptImageError; `policy` resolves the folder again.

    Raises:
        CannotSave: the folder cannot be written.

    """
    target = result.folder / picture.path.name
    if not exists(picture.path):
        result.notes.add(f"The picture {picture.path} is gone.")
        return
    try:
        data = read(picture)
    except GptImageError as error:
        result.notes.add(str(error))
        return
    copy = picture.model_copy(update={"path": target})
    if save_copy(data, target, policy=policy):
        result.copied += 1
        try:
            write_sidecar(copy, policy)
        except (OSError, BadRequest) as error:
            result.notes.add(f"The record of {target} could not be written: {error}.")
    elif _is_same_picture(copy, read):
        result.already_there += 1
    else:
        result.notes.add(f"{target} is another file already, and nothing is replaced: export to another folder.")


def _is_same_picture(copy: Picture, read: Callable[[Picture], bytes]) -> bool:
    try:
        read(copy)
    except GptImageError:
        return False
    return True
