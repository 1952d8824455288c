"""How much memory decoding takes, and where it happens: small pictures here, large ones in a child process.

All decodings of the process together stay within `TOTAL`: one that needs more than `HERE` is done in a child process,
which gives everything back and cannot have more than `TOTAL`; the others share it. Whoever finds no room waits for the
ones before.
"""

import threading
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from ..child_process import ChildResult, run_in_child
from .formats import FileFormat
from .headers import Facts, Header

TOTAL: Final = 280 << 20
"""Bytes that all decodings together may take. A baseline JPEG or a PNG of 50 megapixels takes 200 MB, and its file up
to 50 MB beside that."""
HERE: Final = TOTAL // 3
"""Bytes that a decoding in this process may take: three can run at once. A PNG at 3840x2160, the largest that
gpt-image-2 makes, fits."""
MARGIN: Final = 24 << 20
"""Bytes of `TOTAL` that Python, and what else a decoding has beside its pixels, take in a child process."""
SECONDS: Final = 60
"""Seconds in which a child process is done: the slowest picture that is taken, a JPEG of 50 megapixels with
`MAX_JPEG_SCANS` scans, takes 8 of a processor."""

MAX_PIXELS: Final = 50_000_000
"""Pixels of one picture: above the 48 megapixels of cameras, and 200 MB once decoded."""
MAX_WEBP_PIXELS: Final = 15_000_000
"""Pixels of one WebP: decoding takes 16 bytes for each, of an animation's whole canvas too."""

BYTES_A_PIXEL: Final[Mapping[FileFormat, int]] = MappingProxyType({"png": 11, "jpeg": 16, "webp": 24})
"""The most that decoding and scaling or converting take (measured with Pillow 13, 2026-11: PNG 4 to 12, JPEG 4 to 14,
the more for progressive ones in CMYK, WebP 16 and the copy)."""


class Room:
    """A number of bytes that threads share: each waits until there are enough for it, in the order of their coming."""

    def __init__(self, total: int) -> None:
        """Share `total` bytes."""
        self._total = self._free = total
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, size: int) -> Generator[None]:
        """Have `size` bytes, or all if that is more, within the block. Blocks until they are free."""
        size = min(size, self._total)
        me = object()
        with self._changed:
            self._waiting.append(me)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is me and self._free >= size)
                self._free -= size
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += size
                self._changed.notify_all()


DECODING: Final = Room(TOTAL)
"""What all decodings of this process share."""


def check_size(header: Header) -> None:
    """Refuse a picture that takes too much memory to decode, by its header.

    Raises:
        ValueError: the text says why, and what to do.
    """
    facts = header.facts
    size, pixels = f"{facts.width}x{facts.height}", facts.width * facts.height
    if pixels > MAX_PIXELS:
        raise ValueError(f"is {size}, and {MAX_PIXELS:,} pixels are the most that are decoded")
    if facts.format == "webp" and pixels > MAX_WEBP_PIXELS:
        raise ValueError(
            f"is a WebP of {size}, and {MAX_WEBP_PIXELS:,} pixels are the most that are decoded of one: make it a PNG"
            " or a JPEG, or shrink it"
        )
    takes = header.buffered + 4 * pixels
    if header.buffered and takes > TOTAL - MARGIN:
        raise ValueError(
            f"is a progressive JPEG of {size}, which takes {takes / 1e6:,.0f} MB to decode, and"
            f" {(TOTAL - MARGIN) / 1e6:,.0f} MB are the most: save it as a baseline JPEG, or shrink it"
        )


def needed(facts: Facts) -> int:
    """Bytes that decoding a picture takes at most, as far as its header tells."""
    return facts.width * facts.height * BYTES_A_PIXEL.get(facts.format, 0)


def is_small(facts: Facts) -> bool:
    """Whether a picture is decoded in this process."""
    return needed(facts) <= HERE


def decode_in_child(task: str, data: bytes, **arguments: Any) -> ChildResult:
    """Call the function `task` of `images.tasks` in a child process. Blocks.

    Raises:
        ValueError: the function raised one; the text is the same.
        ChildFailed: it needs too much memory or time, or died.

    """
    with DECODING.reserve(TOTAL):
        return run_in_child(f"{__package__}.tasks:{task}", data, memory=TOTAL, seconds=SECONDS, **arguments)
