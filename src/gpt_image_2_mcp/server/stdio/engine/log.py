"""The file to which an engine writes its log when its front is gone, and with it the client that reads its stderr.

The next engine that starts after this one has ended writes what it finds there to its own stderr, so that a person
learns what became of the work. Each engine has a file of its own, and holds its lock while it lives.
"""

import os
import sys
from contextlib import suppress
from pathlib import Path

from ....paths.data_folder import data_folder
from ....redaction.printable import printable

MAX_LOG_BYTES = 64 * 1024
"""Of a longer file, only the end is told."""


def replace_stderr() -> None:
    """Let stdout and stderr of this process go to its file, or nowhere if that cannot be opened."""
    try:
        folder = data_folder()
        folder.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND
        file = os.open(folder / f"engine-{os.getpid()}-{os.urandom(4).hex()}.log", flags, 0o600)
        _lock(file)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def tell_earlier_words() -> None:
    """Write to stderr what engines without a front have written that have ended since, and remove their files."""
    for path in sorted(data_folder().glob("engine*.log")):
        with suppress(OSError):
            for line in printable(_take(path).decode("utf-8", "replace")).splitlines():
                sys.stderr.write(f"gpt-image-2-mcp: after an earlier client was gone: {line}\n")


def _take(path: Path) -> bytes:
    """The end of a file, which is removed; raises OSError if its engine lives, or it cannot be read."""
    with os.fdopen(os.open(path, os.O_RDONLY | os.O_NOFOLLOW), "rb") as file:
        _lock(file.fileno())
        # Another engine that starts now may have taken it in between.
        path.unlink()
        file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_LOG_BYTES))
        return file.read()


def _lock(file: int) -> None:
    """Take the lock of a file; raises BlockingIOError if another process has it."""
    # Windows has no such module, and no engine.
    import fcntl

    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise
    except OSError:
        # Some network drives have no locks: there, a file may be taken before its engine has ended.
        return
