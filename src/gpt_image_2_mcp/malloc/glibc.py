"""Calls glibc's allocator; the package says why."""

import sys
from functools import cache
from typing import Any, Final

_ARENA_MAX: Final = -8
"""The option of glibc's `mallopt` that limits the number of arenas, as numbered in its `malloc.h`."""


def use_one_arena() -> None:
    """Let threads that start from now on share one heap."""
    if (libc := _glibc()) is not None:
        libc.mallopt(_ARENA_MAX, 1)


def trim() -> None:
    """Return free memory to the operating system. Blocks for milliseconds: call it in a thread."""
    if (libc := _glibc()) is not None:
        libc.malloc_trim(0)


@cache
def _glibc() -> Any:
    """The C library of this process; None where it is not glibc."""
    if sys.platform != "linux":
        return None
    import ctypes

    process = ctypes.CDLL(None)
    return process if hasattr(process, "malloc_trim") else None
