"""Tells which processes that use a database file are still alive: each holds a lock on a `LivenessFile` of its own.

The operating system releases the lock however the process ends, `kill -9` included. Unlike a process id, the name of
such a file is never used again by another process, and the lock is seen from other containers that share the folder.
On a PostgreSQL server `leases.Lease` does the same. `Liveness` is what both have in common.
"""

import os
import sys
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import IO, Protocol
from uuid import uuid4

if sys.platform == "win32":
    import msvcrt

    def try_lock(held: IO[bytes]) -> bool:
        """Lock a file for as long as it stays open; False if another process holds the lock."""
        try:
            msvcrt.locking(held.fileno(), msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

    def is_locked(looked_at: IO[bytes]) -> bool:
        """Whether another process holds the lock, or is looking at this moment."""
        return not try_lock(looked_at)

else:
    import fcntl

    def try_lock(held: IO[bytes]) -> bool:
        """Lock a file for as long as it stays open; False if another process holds the lock."""
        # `flock`, not `lockf`: a lock of the latter ends as soon as this process closes any descriptor of the same
        # file, and `is_alive` opens and closes one.
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_locked(looked_at: IO[bytes]) -> bool:
        """Whether another process holds the lock."""
        # A shared lock: two processes that look at the same time must not take each other for the owner.
        try:
            fcntl.flock(looked_at, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        return False


class Liveness(Protocol):
    """What shows other processes that this one is alive, and this one which of the others are."""

    @property
    def name(self) -> str:
        """The name of this process in the column `owner` of jobs and charges; it is never used again."""
        ...

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners`, processes other than this one, that count as dead; raises DatabaseUnusable."""
        ...

    def silent_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` that may be dead, although that does not show yet; raises DatabaseUnusable."""
        ...

    def seconds_left(self, owners: Collection[str]) -> float | None:
        """Seconds after which the end of the last of these processes shows; None if it shows at once."""
        ...

    def remove_dead(self) -> None:
        """Remove what is left of dead processes, once their jobs and charges were recovered."""
        ...

    def remove(self) -> None:
        """Let other processes count this one as dead from now on; raises nothing."""
        ...


@dataclass(frozen=True, slots=True)
class LivenessFile:
    """A locked file, by which other processes see that this one is alive, until `remove` or the end of the process."""

    folder: Path
    name: str
    file: FileIO

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` whose file is gone or not locked."""
        return {owner for owner in owners if not is_alive(self.folder, owner)}

    def silent_owners(self, owners: Collection[str]) -> set[str]:
        """Give the dead ones: that a process is dead shows at once."""
        return self.dead_owners(owners)

    def seconds_left(self, owners: Collection[str]) -> float | None:
        """None: the operating system releases a lock at once."""
        del owners

    def remove_dead(self) -> None:
        """Remove the files of dead processes."""
        remove_dead_files(self.folder)

    def remove(self) -> None:
        """Remove the file: other processes count this one as dead from now on."""
        _remove(_path_of(self.folder, self.name), self.file)


def liveness_folder(database: Path) -> Path:
    """The folder of the liveness files of all processes that have the file `database` open."""
    return database.with_name(f"{database.name}-alive")


def create_liveness_file(folder: Path) -> LivenessFile:
    """Create a file of a new name in `folder` and lock it; a missing folder is created with the mode 0o700.

    Raises:
        OSError: the folder cannot be written, or its file system has no locks.

    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    while True:
        name = uuid4().hex
        held = FileIO(os.open(_path_of(folder, name), os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600), "r+")
        try:
            # `remove_dead_files` of another process may remove the file after its creation and before it is locked.
            if try_lock(held) and _path_of(folder, name).exists():
                _note_process(held)
                return LivenessFile(folder, name, held)
        except OSError:
            held.close()
            raise
        held.close()


def is_alive(folder: Path, name: str) -> bool:
    """Whether the process with the liveness file `name` is alive; the file stays as it is.

    A file that cannot be opened counts as alive, since the jobs and charges of a living process must not be touched.
    """
    try:
        held = FileIO(_path_of(folder, name), "r+")
    except FileNotFoundError:
        return False
    except OSError:
        return True
    with held:
        return is_locked(held)


def holders(folder: Path) -> list[int | None]:
    """The process ids of the living processes, by what each has noted itself; None for one that has noted nothing."""
    return [_noted_process(path) for path in sorted(folder.glob("*.alive")) if is_alive(folder, path.stem)]


def _note_process(held: FileIO) -> None:
    """Note the id of this process, for a person who wants to know which programs use the database."""
    # Windows lets no other process read the first byte, which is locked. A full disk must not be in the way.
    with suppress(OSError):
        held.seek(1)
        held.write(str(os.getpid()).encode())


def _noted_process(path: Path) -> int | None:
    try:
        with path.open("rb", buffering=0) as file:
            file.seek(1)
            return int(file.read(20))
    except (OSError, ValueError):
        return None


def has_dead_owners(folder: Path) -> bool:
    """Whether a process was killed, so that its liveness file is there without a lock; the file stays."""
    return any(not is_alive(folder, path.stem) for path in folder.glob("*.alive"))


def remove_dead_files(folder: Path) -> None:
    """Remove the liveness files of processes that are not alive."""
    for path in folder.glob("*.alive"):
        with suppress(OSError):
            held = FileIO(path, "r+")
            if try_lock(held):
                _remove(path, held)
            held.close()


def _remove(path: Path, held: FileIO) -> None:
    # Windows does not remove an open file. Elsewhere the file is removed while it is locked, so that no other process
    # can lock it in between.
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
