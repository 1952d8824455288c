"""Finds records and pictures in folders and the folders below them.

The folders may contain any files, so the scan has limits, and its result only says what a name looks like. It follows
no links, and enters no hidden folders but those that hold the records (`SIDE_FOLDER`).
"""

import os
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from ..catalogue.picture_record import PICTURE_ID
from ..images import EXTENSION
from ..storage.local_folder import SIDE_FOLDER
from .progress import Notes

MAX_DEPTH: Final = 32
"""How many levels below a given folder are scanned."""
MAX_ENTRIES: Final = 1_000_000
"""Files and folders that one scan visits: ten times what the largest collection of pictures has."""

_PICTURE: Final = re.compile(f"{PICTURE_ID}\\.(?:{'|'.join(EXTENSION.values())})")


@dataclass(slots=True)
class ScanResult:
    """The files that a scan found."""

    records: list[Path] = field(default_factory=list[Path])
    """Files that may be records, by their folder and name."""
    pictures: list[Path] = field(default_factory=list[Path])
    """Files that have the name of a picture of this program."""
    notes: Notes = field(default_factory=Notes)
    """A sentence for each folder that was not scanned."""


def scan(folders: Sequence[Path], *, may_enter: Callable[[Path], bool], depth: int = MAX_DEPTH) -> ScanResult:
    """Scan folders, given by their real paths, and up to `depth` levels below them. Blocks.

    `may_enter` says whether a folder further down may be read.
    """
    result = ScanResult()
    pending = [(folder, 0) for folder in reversed(folders)]
    seen: set[Path] = set()
    entry_count = 0
    while pending:
        folder, level = pending.pop()
        if folder in seen:
            continue
        seen.add(folder)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    entry_count += 1
                    if entry_count > MAX_ENTRIES:
                        result.notes.add(
                            f"Stopped in {folder}: {MAX_ENTRIES:,} files and folders were looked at, which is the most."
                            " Name folders that hold pictures."
                        )
                        return result
                    path = folder / entry.name
                    if _is_folder_to_enter(entry, path, may_enter):
                        if level < depth:
                            pending.append((path, level + 1))
                        elif depth:
                            result.notes.add(f"Passed by {path}: it is deeper than {depth} folders. Name it by itself.")
                    else:
                        _collect(result, folder, entry, path)
        except OSError as error:
            result.notes.add(f"The folder {folder} cannot be looked through ({error.strerror}).")
    return result


def _is_folder_to_enter(entry: "os.DirEntry[str]", path: Path, may_enter: Callable[[Path], bool]) -> bool:
    if not entry.is_dir(follow_symlinks=False) or path.parent.name == SIDE_FOLDER:
        return False
    return (entry.name == SIDE_FOLDER or not entry.name.startswith(".")) and may_enter(path)


def _collect(result: ScanResult, folder: Path, entry: "os.DirEntry[str]", path: Path) -> None:
    """Add a file to `result` if it may be a record or a picture."""
    if folder.name == SIDE_FOLDER:
        if entry.name.endswith(".json"):
            if entry.is_file(follow_symlinks=False):
                result.records.append(path)
            else:
                result.notes.add(f"{path} is no regular file, so it is no record.")
    elif _PICTURE.fullmatch(entry.name) and entry.is_file(follow_symlinks=False):
        result.pictures.append(path)
