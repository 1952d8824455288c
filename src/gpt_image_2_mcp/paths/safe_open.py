"""Looking at files that another program may have put there: without following links and without blocking."""

import errno
import os
import stat
import sys
from pathlib import Path
from typing import IO

_F_GETPATH = 50
_PATH_MAX = 1024


def open_no_follow(path: Path | str, flags: int, *, within: int | None = None) -> int:
    """Open `path` and give its descriptor; a symbolic link is refused, and a pipe does not block the caller.

    `within` is the descriptor of the folder that a relative `path` is in.
    """
    more = getattr(os, "O_NONBLOCK", 0) | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
    return os.open(path, flags | more, dir_fd=within)


def open_regular(path: Path | str, *, most: int | None = None, within: int | None = None) -> IO[bytes]:
    """Open a regular file for reading; a link, a pipe, a device and a folder are refused.

    `most` refuses a file of more bytes, which may grow nevertheless while it is read; `within` is the descriptor of the
    folder that a relative `path` is in.

    Raises:
        OSError: it is no such file, or cannot be opened.

    """
    descriptor = open_no_follow(path, os.O_RDONLY, within=within)
    status = os.fstat(descriptor)
    if stat.S_ISREG(status.st_mode) and (most is None or status.st_size <= most):
        return os.fdopen(descriptor, "rb")
    os.close(descriptor)
    why = errno.EFBIG if stat.S_ISREG(status.st_mode) else errno.EINVAL
    raise OSError(why, os.strerror(why), str(path))


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
