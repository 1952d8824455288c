"""Copies pictures with their records into a folder, from which `library rebuild` can take them into a catalogue."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from ..catalogue.picture_record import Picture
from ..catalogue.sidecar import restore_sidecar
from ..errors import BadRequest, GptImageError
from ..paths.policy import WritePolicy
from ..paths.safe_open import exists
from ..storage.local_folder import save_copy
from .progress import Notes


@dataclass(slots=True)
class ExportResult:
    """How many pictures were copied."""

    folder: Path
    copied: int = 0
    already_there: int = 0
    """Pictures that were in the folder before."""
    notes: Notes = field(default_factory=Notes)
    """A sentence for each picture or record that could not be copied."""


def export_picture(
    picture: Picture, *, read: Callable[[Picture], bytes], policy: WritePolicy, result: ExportResult
) -> None:
    """Copy a picture into the folder of `result`, under its own name; no file is replaced. Blocks.

    `read` returns the picture's bytes, or raises a GptImageError; `policy` checks the folder again before the copy is
    written.

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
    elif _is_same_picture(copy, read):
        result.already_there += 1
    else:
        result.notes.add(f"{target} is another file already, and nothing is replaced: take another folder.")
        return
    try:
        # A process that was killed may have copied the picture alone.
        restore_sidecar(copy, policy)
    except (OSError, BadRequest) as error:
        result.notes.add(f"The record of {target} could not be written: {error}.")


def _is_same_picture(copy: Picture, read: Callable[[Picture], bytes]) -> bool:
    """Whether the file at the copy's path has the picture's bytes: `read` raises if it has others."""
    try:
        read(copy)
    except GptImageError:
        return False
    return True
