"""A folder of small files that can be made again: only the newest are kept, and only their owner can read them."""

import os
import threading
from contextlib import suppress
from operator import itemgetter
from pathlib import Path
from typing import Final

from ..storage.atomic_write import write_file

_EVICTION_LOCK: Final = threading.Lock()


def write_cached(path: Path, data: bytes, *, most: int, slack: int) -> None:
    """Write a file atomically, and delete the oldest with its extension if there are more than `most`. Blocks.

    Reading the age of all files takes longer than counting them, so it is done only beyond `most` plus `slack`.

    Raises:
        OSError: the file cannot be written.

    """
    folder = path.parent
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    # It need not be durable: a file that a power cut destroys is made again.
    write_file([data], [path], replace=True, durable=False, mode=0o600)
    with _EVICTION_LOCK:
        _evict_oldest(folder, path.suffix, most, slack)


def _evict_oldest(folder: Path, suffix: str, most: int, slack: int) -> None:
    with os.scandir(folder) as entries:
        ours = [entry for entry in entries if entry.name.endswith(suffix)]
    if len(ours) <= most + slack:
        return
    ages: list[tuple[int, str]] = []
    for entry in ours:
        # Another process may delete the same files.
        with suppress(OSError):
            ages.append((entry.stat(follow_symlinks=False).st_mtime_ns, entry.path))
    for _, old in sorted(ages, key=itemgetter(0))[:-most]:
        with suppress(OSError):
            os.unlink(old)  # noqa: PTH108 - a string from `scandir`
