"""Comparing the catalogue with the disk: files that are missing, changed or unknown, and records that are."""

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from ..catalogue.models import PICTURE_ID, Picture
from ..catalogue.sidecar import read_sidecar, sidecar_of
from ..errors import GptImageError, UnreadableSource
from ..paths.safe_open import exists, is_file
from .progress import Notes


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that is not as the catalogue has it."""

    path: Path
    id: str
    why: str = ""
    """What reading it said, where that says more."""


@dataclass(slots=True)
class CheckResult:
    """What a check found."""

    pictures: int = 0
    """That were looked at."""
    missing: list[Finding] = field(default_factory=list[Finding])
    changed: list[Finding] = field(default_factory=list[Finding])
    """They cannot be read any more, or have other bytes."""
    unrecorded: list[Finding] = field(default_factory=list[Finding])
    """No record lies beside them, or a damaged one."""
    unknown: list[Finding] = field(default_factory=list[Finding])
    """Files called like pictures of this program that are not in the catalogue."""
    notes: Notes = field(default_factory=Notes)

    @property
    def is_sound(self) -> bool:
        """Whether everything is as it should be."""
        return not (self.missing or self.changed or self.unrecorded or self.unknown)


def check_picture(picture: Picture, *, read: Callable[[Picture], bytes], result: CheckResult) -> None:
    """Look at the file of a picture; `read` gives its bytes or raises a GptImageError. Blocks."""
    result.pictures += 1
    path = picture.path
    if not exists(path):
        result.missing.append(Finding(path, picture.id))
        return
    try:
        read(picture)
    except GptImageError as error:
        result.changed.append(Finding(path, picture.id, str(error)))
    if (why := _record_problem(picture)) is not None:
        result.unrecorded.append(Finding(path, picture.id, why))


def find_unknown(files: Iterable[Path], *, known: dict[str, Path], result: CheckResult) -> None:
    """Keep the files that are not in the catalogue, `known` by id; a copy of what is there counts as known. Blocks."""
    for path in files:
        match = re.fullmatch(PICTURE_ID, path.stem)
        known_path = known.get(path.stem)
        if match and (known_path is None or (known_path != path and not is_file(known_path))):
            has_record = is_file(sidecar_of(path))
            result.unknown.append(Finding(path, path.stem, "" if has_record else "(no record)"))


def _record_problem(picture: Picture) -> str | None:
    path = sidecar_of(picture.path)
    if not exists(path):
        return ""
    try:
        record, _ = read_sidecar(path)
    except UnreadableSource as error:
        return str(error)
    same = (record.id, record.sha256) == (picture.id, picture.record.sha256)
    return None if same else f"The record {path} is that of another picture."
