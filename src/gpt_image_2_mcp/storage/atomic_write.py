"""The one way in which this program writes files: whole under their name and on the disk, or not at all.

`write_file` writes into a part file beside the target, syncs it, gives it its name in one step and syncs the folder, so
that neither a kill nor a power cut leaves half a file under a name, or a name whose bytes are not on the disk.
"""

import errno
import logging
import os
import secrets
import stat
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from itertools import chain
from pathlib import Path
from typing import IO

from ..database.liveness import try_lock
from .open_folder import OpenFolder, open_folder
from .sync import sync_to_disk

logger = logging.getLogger(__name__)

PART_SUFFIX = ".part"
"""How the name of a file ends that is still being written."""

MAX_TRIES = 10
"""Part files that are created one after another where recovery removes each: more than it ever does in a row."""


def write_file(
    chunks: Iterable[bytes],
    names: Iterable[Path],
    *,
    folder: OpenFolder | None = None,
    part_prefix: str = ".",
    replace: bool = False,
    durable: bool = True,
    mode: int = 0o666,
) -> Path:
    """Write a file, and give the path that it has. Blocks: call it in a thread.

    `names` are the paths to try, all in one folder that exists: the first that is free is taken, or with `replace` the
    first in any case. `folder` is that folder if it is open already, and stays open. `part_prefix` is how the part
    file's name begins, by which recovery recognises it. `durable` waits until the disk has the file and its name.
    `mode` is the file's permission bits before the umask; one that replaces a file gets no bits that that had not.

    Raises:
        FileExistsError: every one of `names` is taken.
        OSError: the file cannot be written, or is shorter on the disk than what was written.

    """
    candidates = iter(names)
    first = next(candidates)
    with ExitStack() as stack:
        place = folder or stack.enter_context(open_folder(first.parent))
        older = place.stat(first.name) if replace else None
        if older is not None and stat.S_ISREG(older.st_mode):
            mode &= older.st_mode
        part, file = _create_part(place, part_prefix, mode)
        stack.callback(place.unlink, part)
        with file:
            written = 0
            for chunk in chunks:
                file.write(chunk)
                written += len(chunk)
            file.flush()
            if durable:
                sync_to_disk(file.fileno())
            if os.fstat(file.fileno()).st_size != written:
                raise OSError(errno.EIO, f"the disk has not taken all of the {written:,} bytes")
            if sys.platform == "win32":
                # An open file cannot be renamed there.
                file.close()
            return _give_name(place, part, chain([first], candidates), replace=replace, durable=durable)


def part_name(prefix: str, length: int = 0) -> str:
    """A name for a part file that no other one has, of at least about `length` characters."""
    token = max(8, (length - len(prefix) - len(PART_SUFFIX)) // 2)
    return f"{prefix}{secrets.token_hex(token)}{PART_SUFFIX}"


def give_name(part: Path, names: Iterable[Path], *, replace: bool = False, durable: bool = True) -> Path:
    """Give a written file the first of `names` that is free, and sync the folder; raises as `write_file` does."""
    with open_folder(part.parent) as place:
        return _give_name(place, part.name, names, replace=replace, durable=durable)


def sync_folder(folder: Path) -> None:
    """Have the names in a folder on the disk.

    A file system that cannot sync folders is logged and nothing more: the file itself is on the disk.
    """
    try:
        with open_folder(folder) as place:
            place.sync()
    except OSError as error:
        _log_unsynced(folder, error)


def _give_name(place: OpenFolder, part: str, names: Iterable[Path], *, replace: bool, durable: bool) -> Path:
    taken: FileExistsError | None = None
    for path in names:
        try:
            place.rename(part, path.name, replace=replace)
        except FileExistsError as error:
            taken = error
            continue
        if durable:
            try:
                place.sync()
            except OSError as error:
                _log_unsynced(place.path, error)
        return path
    raise taken or FileExistsError(part)


def _log_unsynced(folder: Path, error: OSError) -> None:
    logger.info("the folder %s cannot be synced: %s", folder, error.strerror)


def _create_part(place: OpenFolder, prefix: str, mode: int) -> tuple[str, IO[bytes]]:
    """Create a part file and lock it for as long as it is open, so that recovery knows that it is being written.

    Recovery in another process can find the file between these two steps, take it for one that a killed process has
    left, and remove it. Then another one is created.
    """
    for _ in range(MAX_TRIES):
        part = part_name(prefix)
        file = place.create(part, mode)
        if _lock(file) and place.stat(part) is not None:
            return part, file
        file.close()
    raise BlockingIOError(errno.EAGAIN, "another process removes part files at this moment")


def _lock(file: IO[bytes]) -> bool:
    """Lock a file; on a file system without locks no other process can lock it either."""
    try:
        return try_lock(file)
    except OSError:
        return True
