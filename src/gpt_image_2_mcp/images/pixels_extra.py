"""Work on pixels that needs the extra `pixels`, numpy and OpenCV: always in a child process, never in the server."""

from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from ..child_process import MAX_DATA, ChildResult, run_in_child
from ..malloc import trim
from .memory import DECODING, SMALL_AT_ONCE

MEMORY: Final = 900 << 20
"""Bytes that a child process may have: importing the libraries takes 60 MB, and the largest picture 400 MB."""
SECONDS: Final = 60
HOW_TO_GET: Final = "install `gpt-image-2-mcp[pixels]`, which takes 200 MB, in place of `gpt-image-2-mcp`"
"""The way out for an error that says what needs the extra."""


@cache
def is_installed() -> bool:
    """Whether the extra is there."""
    # Looked for, and never imported here: the server's memory is promised.
    return all(find_spec(name) is not None for name in ("numpy", "cv2"))


def compute_in_child(
    function: str,
    *data: bytes,
    memory: int = MEMORY,
    seconds: int = SECONDS,
    max_data: int = MAX_DATA,
    **arguments: Any,
) -> ChildResult:
    """Call "module:name" in a child process that has the memory for numpy and OpenCV; see `run_in_child`. Blocks."""
    with DECODING.reserve(SMALL_AT_ONCE):
        trim()
        return run_in_child(function, *data, memory=memory, seconds=seconds, max_data=max_data, **arguments)
