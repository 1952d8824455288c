"""The file to which an engine writes its log when its front is gone, and nobody reads its stderr any more.

The next engine writes what it finds there to its own stderr, so that a person learns what became of the work.
"""

import os
import sys
from pathlib import Path

from platformdirs import user_data_path

from ....redaction.printable import printable

MAX_LOG_BYTES = 64 * 1024
"""A longer file is begun anew."""


def log_file() -> Path:
    """The file, which all engines of a user share."""
    return user_data_path("gpt-image-2-mcp", appauthor=False) / "engine.log"


def replace_stderr() -> None:
    """Let stdout and stderr of this process go to the file, or nowhere if it cannot be opened."""
    try:
        path = log_file()
        path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0)
        file = os.open(path, flags, 0o600)
        if os.fstat(file).st_size > MAX_LOG_BYTES:
            os.ftruncate(file, 0)
    except OSError:
        file = os.open(os.devnull, os.O_WRONLY)
    sys.stderr.flush()
    os.dup2(file, 1)
    os.dup2(file, 2)
    os.close(file)


def tell_earlier_words() -> None:
    """Write to stderr what engines without a front have written since the last time, and remove the file."""
    path = log_file()
    taken = path.with_name(f"{path.name}-{os.getpid()}")
    try:
        path.rename(taken)
        words = taken.read_bytes()[-MAX_LOG_BYTES:].decode("utf-8", "replace")
        taken.unlink()
    except OSError:
        return
    for line in printable(words).splitlines():
        sys.stderr.write(f"gpt-image-2-mcp: after an earlier client was gone: {line}\n")
