"""Keeps memory while there is work, and gives it back to the system after it.

A large picture passes through blocks of tens of megabytes. glibc, left alone, returns some of them at once, so that the
next block has to be had page by page again, which costs as much as decoding it; and keeps others for good, 130 MiB
after ten pictures in 4K. A person has many servers, and each of them idles most of the time.
"""

import sys
from functools import cache
from typing import Any, Final

_ARENA_MAX: Final = -8
_MMAP_THRESHOLD: Final = -3
_TRIM_THRESHOLD: Final = -1
"""What glibc's `mallopt` sets, numbered as in its `malloc.h`."""
_MIB: Final = 1024 * 1024


def use_one_arena() -> None:
    """Have threads that start from now on use the heap of all: of one of its own, a thread never gives back the end.

    They rarely wait for each other there, since Python lets one of them run at a time.
    """
    _set(_ARENA_MAX, 1)


def cancel_trim() -> None:
    """Have the allocator keep what is freed, until `give_back`."""
    # The most that glibc takes; larger blocks come and go by themselves.
    _set(_MMAP_THRESHOLD, 32 * _MIB)
    _set(_TRIM_THRESHOLD, 512 * _MIB)


def trim() -> None:
    """Have the allocator return what it does not need, from now on at once. Blocks for milliseconds."""
    _set(_MMAP_THRESHOLD, _MIB // 8)
    _set(_TRIM_THRESHOLD, _MIB // 8)
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


def _set(option: int, value: int) -> None:
    """Nothing happens where the allocator is not glibc's."""
    if (libc := _glibc()) is not None:
        libc.mallopt(option, value)


@cache
def _glibc() -> Any:
    if sys.platform != "linux":
        return None
    import ctypes

    process = ctypes.CDLL(None)
    return process if hasattr(process, "malloc_trim") else None
