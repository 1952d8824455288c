"""Gives memory back to the system once the work is done.

A large picture passes through blocks of tens of megabytes, and glibc keeps what was freed for the next one: 130 MiB
after ten pictures in 4K. A person has many servers, and each of them idles most of the time.
"""

import sys
from functools import cache
from typing import Any


def give_back() -> None:
    """Have the allocator return what it holds and does not need; nothing happens where it is not glibc's. Blocks."""
    if (trim := _trim()) is not None:
        trim(0)


@cache
def _trim() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    # Of the process itself: whatever C library it runs on.
    return getattr(ctypes.CDLL(None), "malloc_trim", None)
