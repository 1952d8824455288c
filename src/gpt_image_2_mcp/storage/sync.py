"""`sync_to_disk`: has the bytes of a file, or the names in a folder, on the disk itself."""

import os
import sys
from contextlib import suppress
from typing import Final

_F_FULLFSYNC: Final = 51


def sync_to_disk(descriptor: int) -> None:
    """Wait until the disk has what was written; raises OSError.

    On macOS, `os.fsync` leaves it in the drive's own memory, which a power cut empties. `F_FULLFSYNC` has the drive
    write it; not every network share knows that.
    """
    if sys.platform == "darwin":
        import fcntl

        with suppress(OSError):
            fcntl.fcntl(descriptor, _F_FULLFSYNC)
            return
    os.fsync(descriptor)
