"""Finds the files of pictures that were moved or renamed by hand, by their size and hash."""

import hashlib
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from ..catalogue.picture_record import Picture
from ..errors import GptImageError

MAX_DEPTH: Final = 3
"""Levels below a folder that are looked through."""
MAX_ENTRIES: Final = 20_000
"""Files and folders that are looked at: a quarter of a second on a disk that is slow."""


def find_moved(
    pictures: Iterable[Picture],
    folders: Sequence[Path],
    *,
    read: Callable[[Path], bytes],
    may_enter: Callable[[Path], bool],
    entries: int = MAX_ENTRIES,
) -> dict[str, Path]:
    """Find files that have the bytes of pictures whose own files are gone; gives their paths by picture id. Blocks.

    Looks through `folders`, their real paths, and the folders below them, hidden ones and links apart. `read` reads a
    file with the checks that apply to every path, or raises a GptImageError.
    """
    wanted: dict[int, dict[str, str]] = {}
    for picture in pictures:
        wanted.setdefault(picture.record.size_bytes, {})[picture.record.sha256] = picture.id
    found: dict[str, Path] = {}
    for path, size in _files(folders, may_enter, entries):
        if not wanted:
            break
        if size not in wanted:
            continue
        try:
            picture_id = wanted[size].pop(hashlib.sha256(read(path)).hexdigest(), None)
        except GptImageError:
            continue
        if picture_id is not None:
            found[picture_id] = path
        if not wanted[size]:
            del wanted[size]
    return found


def _files(folders: Sequence[Path], may_enter: Callable[[Path], bool], left: int) -> Iterator[tuple[Path, int]]:
    """The regular files in folders and below, with their sizes in bytes, as far as `left` entries go."""
    pending = [(folder, 0) for folder in reversed(folders)]
    seen: set[Path] = set()
    while pending:
        folder, depth = pending.pop()
        if folder in seen or not may_enter(folder):
            continue
        seen.add(folder)
        try:
            with os.scandir(folder) as entries:
                for entry in entries:
                    left -= 1
                    if left < 0:
                        return
                    path = folder / entry.name
                    if entry.is_file(follow_symlinks=False):
                        yield path, entry.stat(follow_symlinks=False).st_size
                    elif depth < MAX_DEPTH and not entry.name.startswith(".") and entry.is_dir(follow_symlinks=False):
                        pending.append((path, depth + 1))
        except OSError:
            # A folder that cannot be looked through holds nothing that can be shown.
            continue
