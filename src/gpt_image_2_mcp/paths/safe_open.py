"""Looking at files that another program may have put there: without following links and without blocking."""

import os
import stat
import sys
from pathlib import Path
from typing import IO

_F_GETPATH = 50
_PATH_MAX = 1024


def open_no_follow(path: Path, flags: int) -> int:
    """Open `path` and give its descriptor; a symbolic link is refused, and a pipe does not block the caller."""
    return os.open(
        path, flags | getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    )


def is_regular(file: IO[bytes]) -> bool:
    """Whether an open file is a regular one, not a pipe, a device or a folder."""
    return stat.S_ISREG(os.fstat(file.fileno()).st_mode)


def is_file(path: Path) -> bool:
    """Whether `path` is a file, as far as this user can see; a link counts for what it leads to."""
    return os.path.isfile(path)  # noqa: PTH113 - pathlib's raises where a folder is closed or a name too long


def exists(path: Path) -> bool:
    """Whether anything has this name, as far as this user can see; a link counts for itself."""
    return os.path.lexists(path)


def path_of_descriptor(descriptor: int, path: Path, found: os.stat_result) -> Path | None:
    """The real path of what was opened as `path` and has the status `found`; None if it was moved meanwhile."""
    if sys.platform == "linux":
        try:
            real = Path(f"/proc/self/fd/{descriptor}").readlink()
        except OSError:  # there is no /proc in this container
            return _real_path_if_same(path, found)
        return real if real.is_absolute() else None
    if sys.platform == "darwin":
        import fcntl

        return Path(os.fsdecode(fcntl.fcntl(descriptor, _F_GETPATH, bytes(_PATH_MAX)).rstrip(b"\0")))
    return _real_path_if_same(path, found)


def _real_path_if_same(path: Path, found: os.stat_result) -> Path | None:
    """The real path that `path` leads to now, if it is the file that was opened (`found`); None if not."""
    try:
        real = Path(os.path.realpath(path))
        return real if os.path.samestat(os.lstat(real), found) else None
    except OSError:
        return None
