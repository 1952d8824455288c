"""Makes files from pictures in a child process, with the memory that their sizes take."""

from typing import Any, Final

from ..child_process import ChildResult, run_in_child
from ..malloc import trim
from .memory import DECODING, SMALL_AT_ONCE

MAX_FILE_BYTES: Final = 160_000_000
"""The most bytes of a derived file: a PNG of 100 megapixels can have more, and a JPEG of them has 50 million."""
SECONDS: Final = 180
_BASE: Final = 96 << 20
_BYTES_A_PIXEL: Final = 20
"""The most that decoding, scaling and encoding take (measured with Pillow 13, 2026-11): 16 for RGBA as WebP."""


def derive_in_child(function: str, *data: bytes, pixels: int, **arguments: Any) -> ChildResult:
    """Call "module:name" of this folder; `pixels` are those of the picture and of what is made of it. Blocks.

    Raises:
        ValueError: the function raised one.
        ChildFailed: it needs too much memory or time, or died.

    """
    with DECODING.reserve(SMALL_AT_ONCE):
        trim()
        return run_in_child(
            f"{__package__}.{function}",
            *data,
            memory=_BASE + pixels * _BYTES_A_PIXEL,
            seconds=SECONDS,
            max_data=MAX_FILE_BYTES,
            **arguments,
        )
