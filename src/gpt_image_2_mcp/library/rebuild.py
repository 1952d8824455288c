"""Restores the catalogue from the records beside the pictures.

A record is believed only if its picture lies beside it and has exactly the bytes that it names. What is in the
catalogue already is not changed by a record, except for the path of a picture that was moved. Jobs and the ledger's
charges are in no file, so they are not restored. A session is active again for as long as it would have been, even if
the user had ended it.
"""

import hashlib
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.sidecar import read_sidecar
from ..errors import RecordConflict, UnreadableSource
from ..images import EXTENSION, SHOWN, identify
from ..paths.safe_open import is_file
from ..persistence.unit_of_work import Repositories, UnitOfWork
from ..persistence.writer_thread import WriterThread
from .progress import CountCallback, Notes
from .scan import ScanResult

BATCH: Final = 500
"""Records in one transaction, which other users of the database have to wait for: a few milliseconds."""
MAX_AT_ONE_MOMENT: Final = 1_000
"""The most pictures that may have been made within the same 10 ms; a request makes ten at most."""
MAX_TURN: Final = 10_000
"""The highest turn that a record may claim: far more than a user makes, and far below the highest that a session can
have (100,000, see `SessionPosition`), so that no record can keep a session from being continued."""


@dataclass(slots=True)
class RebuildResult:
    """What was done with the records, as numbers of pictures."""

    added: int = 0
    """Pictures that were added to the catalogue."""
    moved: int = 0
    """Pictures whose path in the catalogue was updated: their file had been moved."""
    known: int = 0
    """Pictures that are in the catalogue with this path."""
    copies: int = 0
    """Pictures that are in the catalogue with another path, at which their file still exists."""
    other_kind: int = 0
    """Pictures of the sandbox in a catalogue of real ones, or the reverse; they are left out."""
    sessions: int = 0
    """Edit sessions that were restored; those that were in the catalogue are not counted."""
    notes: Notes = field(default_factory=Notes)
    """A sentence for each record that was refused, and for each folder that was not scanned."""


@dataclass(slots=True)
class _Batch:
    """The changes that a batch of records makes to the catalogue."""

    new: list[Picture] = field(default_factory=list[Picture])
    moved: list[tuple[Picture, Path | None]] = field(default_factory=list[tuple[Picture, Path | None]])
    """Pictures that were moved, each with its former folder if that does not exist any more."""


async def rebuild(
    scanned: ScanResult,
    *,
    writer: WriterThread,
    read: Callable[[Path], bytes],
    sandbox: bool,
    on_progress: CountCallback | None = None,
) -> RebuildResult:
    """Add the records that a scan found to the catalogue, the oldest first, in transactions of `BATCH` records.

    `read` reads a picture's file with the checks that apply to every path, or raises UnreadableSource. `sandbox` says
    whether this is the sandbox's catalogue.
    """
    result = RebuildResult(notes=scanned.notes)
    changed_sessions: dict[str, None] = {}
    records = sorted(scanned.records, key=_by_time)
    for start in range(0, len(records), BATCH):
        if on_progress:
            on_progress(start, len(records))
        paths = records[start : start + BATCH]
        recorded = await anyio.to_thread.run_sync(_read_records, paths, sandbox, result)
        ids = [picture.id for picture in recorded]
        known = await writer.read(lambda unit, ids=ids: unit.pictures.by_ids(ids))
        batch = await anyio.to_thread.run_sync(_compare_with_catalogue, recorded, known, read, result)
        if batch.new or batch.moved:
            changed_sessions |= dict.fromkeys(await writer.run(partial(_write, batch=batch, result=result)))
    sessions = list(changed_sessions)
    for start in range(0, len(sessions), BATCH):
        result.sessions += await writer.run(partial(_restore, ids=sessions[start : start + BATCH]))
    if on_progress:
        on_progress(len(records), len(records))
    return result


def _by_time(path: Path) -> tuple[str, int, str]:
    """Sort key of a record's path: the time in its name, then the length, so that number 10 follows number 9."""
    time = re.search(r"[0-9]{8}-[0-9]{6}", path.name)
    return (time[0] if time else "", len(path.name), path.name)


def _read_records(paths: Iterable[Path], sandbox: bool, result: RebuildResult) -> list[Picture]:
    """Read records; leave out those that cannot be read, with a note, and those of the other kind of catalogue."""
    found: list[Picture] = []
    for path in paths:
        try:
            picture = _read_record(path)
        except UnreadableSource as error:
            result.notes.add(str(error))
            continue
        if picture.record.sandbox is sandbox:
            found.append(picture)
        else:
            result.other_kind += 1
    return found


def _read_record(path: Path) -> Picture:
    record, name = read_sidecar(path)
    if path.stem != record.id or name != f"{record.id}.{EXTENSION[record.format]}":
        raise UnreadableSource(f"The record {path} is that of another picture: {name}.")
    if record.position and max(record.position.turn, record.position.parent) > MAX_TURN:
        raise UnreadableSource(f"The record {path} claims a turn above {MAX_TURN:,}, which no session gets to.")
    picture = Picture(path=path.parent.parent / name, record=record)
    try:
        str(picture.path).encode()
    except UnicodeEncodeError:
        raise UnreadableSource(
            f"The record {path} lies in a folder whose name is no text. Rename the folder."
        ) from None
    return picture


def _compare_with_catalogue(
    recorded: Iterable[Picture], known: dict[str, Picture], read: Callable[[Path], bytes], result: RebuildResult
) -> _Batch:
    """Sort pictures into new, moved, known and copied ones; the files of new and moved ones are checked here."""
    batch = _Batch()
    for picture in recorded:
        existing = known.get(picture.id)
        try:
            if existing is None:
                _check_file(picture, read)
                batch.new.append(picture)
            elif existing.record.sha256 != picture.record.sha256:
                result.notes.add(f"{picture.path} is not the picture of this id in the catalogue, {existing.path}.")
            elif existing.path == picture.path:
                result.known += 1
            elif is_file(existing.path):
                result.copies += 1
            else:
                _check_file(picture, read)
                left = existing.path.parent
                batch.moved.append((picture, None if left.is_dir() else left))
        except UnreadableSource as error:
            result.notes.add(str(error))
    return batch


def _check_file(picture: Picture, read: Callable[[Path], bytes]) -> None:
    """Check that a picture's file is what its record says, byte for byte; raise UnreadableSource if it is not."""
    record = picture.record
    if picture.path.is_symlink():
        raise UnreadableSource(f"{picture.path} is a link, and its record is for a file.")
    data = read(picture.path)
    if len(data) != record.size_bytes or hashlib.sha256(data).hexdigest() != record.sha256:
        raise UnreadableSource(f"{picture.path} was changed since its record was written.")
    found, _ = identify(data)
    # What is not shown is kept whatever it is: a later version may know the format.
    is_shown = bool(SHOWN & {found.format, record.format})
    if is_shown and (found.format, found.width, found.height) != (record.format, record.width, record.height):
        raise UnreadableSource(f"{picture.path} is not of the size or format that its record says.")


def _write(repositories: Repositories, *, batch: _Batch, result: RebuildResult) -> list[str]:
    """Write a batch in one transaction; return the ids of the sessions that got or moved a picture."""
    changed_sessions: list[str] = []
    with repositories.unit_of_work() as unit:
        for picture in batch.new:
            try:
                _add(unit, picture, result)
            except RecordConflict as error:
                result.notes.add(str(error))
                continue
            changed_sessions += [picture.record.position.session_id] if picture.record.position else []
        for picture, left in batch.moved:
            unit.pictures.set_path(picture.id, picture.path)
            result.moved += 1
            # The session is that of the catalogue: the record may claim another one.
            known = unit.pictures.get(picture.id)
            if left and known and known.record.position:
                unit.sessions.set_folder(known.record.position.session_id, left, picture.path.parent)
                changed_sessions.append(known.record.position.session_id)
    return changed_sessions


def _add(unit: UnitOfWork, picture: Picture, result: RebuildResult) -> None:
    record = picture.record
    existing = unit.pictures.get(picture.id)
    if existing is not None:
        # The folders contain it twice, or another process has added it meanwhile.
        if existing.record.sha256 != record.sha256:
            raise RecordConflict(f"{picture.path} is not the picture of this id in the catalogue, {existing.path}.")
        result.copies += 1
        return
    holder = record.position and unit.pictures.id_at(record.position)
    if record.position and holder:
        raise RecordConflict(
            f"{picture.path} says that it is turn {record.position.turn} of {record.position.session_id}, as {holder}"
            " does."
        )
    if unit.pictures.count_ids_near(record.made) >= MAX_AT_ONE_MOMENT:
        raise RecordConflict(
            f"{picture.path} says that it was made at the same moment as {MAX_AT_ONE_MOMENT:,} others."
        )
    if not unit.pictures.add(picture):
        raise RecordConflict(
            f"{picture.path} has a row in the catalogue that cannot be read. `gpt-image-2-mcp library forget"
            f" {picture.id}` removes it."
        )
    result.added += 1


def _restore(repositories: Repositories, *, ids: Sequence[str]) -> int:
    """Restore the sessions that are not in the catalogue, and return their number."""
    with repositories.unit_of_work() as unit:
        restored = sum(unit.sessions.restore(session_id) for session_id in ids)
        unit.sessions.evict()
    return restored
