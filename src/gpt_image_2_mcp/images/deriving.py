"""Makes files from pictures in a child process: one at a time, as every large decoding."""

from typing import Any, Final

from ..child_process import ChildResult, run_in_child
from ..malloc import trim
from .memory import DECODING, SMALL_AT_ONCE
from .written_formats import MAX_FILE_BYTES, MAX_MEMORY

SECONDS: Final = 180
"""Seconds of a processor: the slowest file, a WebP of 100 megapixels, takes 60."""
MAX_ANSWER: Final = MAX_FILE_BYTES + 20_000_000
"""Bytes of a file, or of all files of an icon set, and their thumbnails."""


def derive_in_child(function: str, *data: bytes, **arguments: Any) -> ChildResult:
    """Call "module:name" of this folder, with at most `MAX_MEMORY` bytes of memory. Blocks.

    Raises:
        ValueError: the function raised one.
        ChildFailed: it needs too much memory or time, or died.

    """
    with DECODING.reserve(SMALL_AT_ONCE):
        trim()
        return run_in_child(
            f"{__package__}.{function}",
            *data,
            memory=MAX_MEMORY,
            seconds=SECONDS,
            max_data=MAX_ANSWER,
            **arguments,
        )
