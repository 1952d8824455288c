"""Compares the catalogue with the disk: finds missing, changed and unknown files, and missing or damaged records."""

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..catalogue.picture_record import PICTURE_ID, Picture
from ..catalogue.sidecar import read_sidecar, sidecar_of
from ..errors import GptImageError, UnreadableSource
from ..paths.safe_open import exists, is_file
from ..persistence.writer_thread import WriterThread
from .export_record import ExportRecords
from .progress import Notes

ROWS_AT_ONCE: Final = 500
"""Rows that are read in one transaction, so that other users of the database do not wait for long."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A file that differs from the catalogue; `id` is that of its picture."""

    path: Path
    id: str
    why: str = ""
    """The error from reading the file, or "" if the kind of finding says everything."""


@dataclass(slots=True)
class CheckResult:
    """The findings of a check, by kind."""

    pictures: int = 0
    """The number of pictures that were checked."""
    missing: list[Finding] = field(default_factory=list[Finding])
    """Pictures whose file does not exist."""
    changed: list[Finding] = field(default_factory=list[Finding])
    """Pictures whose file cannot be read, or has other bytes than it was saved with."""
    unrecorded: list[Finding] = field(default_factory=list[Finding])
    """Pictures without a record beside them, or with a damaged one."""
    damaged: list[Finding] = field(default_factory=list[Finding])
    """Rows of the catalogue that cannot be read, so that no list has them."""
    unknown: list[Finding] = field(default_factory=list[Finding])
    """Files that have the name of a picture of this program and are not in the catalogue."""
    notes: Notes = field(default_factory=Notes)

    @property
    def is_sound(self) -> bool:
        """Whether the check found nothing."""
        return not (self.missing or self.changed or self.unrecorded or self.damaged or self.unknown)


def check_picture(picture: Picture, *, read: Callable[[Picture], bytes], result: CheckResult) -> None:
    """Check one picture's file and record, and add what is wrong to `result`. Blocks.

    `read` returns the file's bytes, or raises a GptImageError if it cannot be read or was changed.
    """
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


def find_unknown(files: Iterable[Path], *, known: dict[str, Path], exports: ExportRecords, result: CheckResult) -> None:
    """Add the files that are not in the catalogue to `result`. Blocks.

    `known` maps the ids of the catalogue to paths. A copy of a known picture is known, too, while its original exists;
    and so is an export, whose name may begin with the id of its picture, by its record in `exports`.
    """
    for path in files:
        match = re.fullmatch(PICTURE_ID, path.stem)
        known_path = known.get(path.stem)
        if match and (known_path is None or (known_path != path and not is_file(known_path))):
            has_record = is_file(sidecar_of(path))
            if not has_record and exports.is_export(path):
                continue
            result.unknown.append(Finding(path, path.stem, "" if has_record else "(no record)"))


async def find_damaged(writer: WriterThread, folders: Sequence[Path], *, result: CheckResult) -> dict[str, Path]:
    """Add the rows that cannot be read to `result`, of all pictures or of those in `folders`; gives all their paths."""
    paths: dict[str, Path] = {}
    after: int | None = -(2**63)
    while after is not None:
        rows, after = await writer.read(lambda unit, after=after: unit.pictures.unreadable(after, ROWS_AT_ONCE))
        paths |= {row.id: row.path for row in rows}
        inside = (row for row in rows if not folders or any(row.path.is_relative_to(folder) for folder in folders))
        result.damaged += [Finding(row.path, row.id) for row in inside]
    return paths


def _record_problem(picture: Picture) -> str | None:
    """Return why a picture's record cannot be used, "" if there is none, and None if the record is right."""
    path = sidecar_of(picture.path)
    if not exists(path):
        return ""
    try:
        record, _ = read_sidecar(path)
    except UnreadableSource as error:
        return str(error)
    same = (record.id, record.sha256) == (picture.id, picture.record.sha256)
    return None if same else f"The record {path} is that of another picture."
