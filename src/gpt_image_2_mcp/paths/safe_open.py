"""Looking at files that another program may have put there: without following links and without blocking."""

import os
import stat
from pathlib import Path
from typing import IO


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
