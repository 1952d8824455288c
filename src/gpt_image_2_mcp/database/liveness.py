"""Which processes are still alive: each holds a lock on a file of its own for as long as it lives.

The operating system lets go of the lock however the process ends, `kill -9` included. Unlike a process id it cannot
come back as somebody else's, and it holds across containers that share the folder.
"""

import os
import sys
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt

    def try_lock(held: IO[bytes]) -> bool:
        """Lock a file for as long as it is open; False where another process has it."""
        try:
            msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def try_lock(held: IO[bytes]) -> bool:
        """Lock a file for as long as it is open; False where another process has it."""
        # flock, not lockf: those locks end when any descriptor of the file is closed, as looking at it does.
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True


@dataclass(frozen=True, slots=True)
class LivenessFile:
    """A sign of life of this process, given until `withdraw` or the end of the process."""

    folder: Path
    name: str
    file: FileIO

    def remove(self) -> None:
        """Be counted as dead from now on."""
        _remove(_path_of(self.folder, self.name), self.file)


def liveness_folder(database: Path) -> Path:
    """The folder with the signs of life of those who have a database file open."""
    return database.with_name(f"{database.name}-alive")


def create_liveness_file(folder: Path) -> LivenessFile:
    """Make a locked file of a new name in `folder`, which is made for its owner alone where it is missing.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.

    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        name = uuid4().hex
        held = FileIO(os.open(_path_of(folder, name), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "r+")
        try:
            # Somebody tidying up may take the file for a dead one between the making and the locking.
            if try_lock(held) and _path_of(folder, name).exists():
                return LivenessFile(folder, name, held)
        except OSError:
            held.close()
            raise
        held.close()


def is_alive(folder: Path, name: str) -> bool:
    """Whether the process that gave the sign `name` lives; looking changes nothing.

    A file that cannot be looked at counts as alive, since what a living process does must not be touched.
    """
    try:
        held = FileIO(_path_of(folder, name), "r+")
    except FileNotFoundError:
        return False
    except OSError:
        return True
    with held:
        return not try_lock(held)


def has_dead_owners(folder: Path) -> bool:
    """Whether a process ended without withdrawing its sign; its file stays for whoever puts things in order."""
    return any(not is_alive(folder, path.stem) for path in folder.glob("*.alive"))


def remove_dead_files(folder: Path) -> None:
    """Remove the files of the dead."""
    for path in folder.glob("*.alive"):
        with suppress(OSError):
            held = FileIO(path, "r+")
            if try_lock(held):
                _remove(path, held)
            held.close()


def _remove(path: Path, held: FileIO) -> None:
    # Elsewhere the file goes while it is locked, so that nobody takes it over; Windows removes no open file.
    if sys.platform == "win32":
        held.close()
        with suppress(OSError):
            path.unlink()
    else:
        with suppress(OSError):
            path.unlink()
        held.close()


def _path_of(folder: Path, name: str) -> Path:
    return folder / f"{name}.alive"
