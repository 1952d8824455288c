"""How much memory decoding takes, and where it happens: small pictures here, large ones in a child process.

`SMALL_AT_ONCE` small pictures are decoded side by side in this process, or one large picture in a child process, which
cannot have more than `TOTAL` and gives everything back. Whoever comes while that is full waits for the ones before.
"""

import threading
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from types import MappingProxyType
from typing import Any, Final

from ..child_process import ChildResult, run_in_child
from ..malloc import trim
from .formats import FileFormat
from .headers import Header

TOTAL: Final = 236 << 20
"""Bytes that a child process may have. With its libraries, which are not counted here, it has 8 MiB more, and this
process up to 25 MiB beside it: 30 MiB are left to the 300 that are promised. A baseline JPEG or a PNG of 50 megapixels
takes 200 MB."""
SMALL: Final = 48 << 20
"""Bytes that a decoding in this process may take. The preview of a PNG or JPEG at 3840x2160 fits, the largest size that
gpt-image-2 makes, and so does a PNG of 2048x2048 that is sent."""
SMALL_AT_ONCE: Final = 3
"""Small pictures that are decoded at once: together they take less than a large one."""
MARGIN: Final = 24 << 20
"""Bytes of `TOTAL` that Python, and what else a decoding has beside its pixels, take in a child process."""
SECONDS: Final = 60
"""Seconds in which a child process is done: the slowest picture that is taken, a JPEG of 50 megapixels with
`MAX_JPEG_SCANS` scans, takes 8 of a processor."""

MAX_PIXELS: Final = 50_000_000
"""Pixels of one picture: above the 48 megapixels of cameras, and 200 MB once decoded."""
MAX_SHRUNK_PIXELS: Final = 400_000_000
"""Pixels of a PNG or JPEG that is shrunk while it is decoded: twice the 200 megapixels of telephones. It takes four
seconds of a processor."""
MAX_SOURCE_PIXELS: Final = 100_000_000
"""Pixels of a picture of which files are made, in a process with more memory: as many as a file that is made may have,
so that each can be exported again."""
MAX_WEBP_PIXELS: Final = 12_500_000
"""Pixels of one WebP, those of a camera of 12 megapixels: decoding takes 16 bytes for each, of an animation's whole
canvas too."""

BYTES_A_PIXEL: Final[Mapping[FileFormat, int]] = MappingProxyType({"png": 11, "jpeg": 12, "webp": 24})
"""The most that decoding and converting take (measured with Pillow 13, 2026-11): PNG 4 to 11, JPEG 4 to 12, the more in
CMYK, WebP 16 and a copy."""
SCALED_BYTES_A_PIXEL: Final[Mapping[FileFormat, int]] = MappingProxyType({"png": 5, "jpeg": 5, "webp": 20})
"""The same where only a small copy is made: a PNG is converted in strips, and a JPEG is decoded at a smaller scale."""


class Room:
    """A number of places that threads share: each waits until there are enough for it, in the order of their coming."""

    def __init__(self, places: int) -> None:
        """Share `places`."""
        self._free = places
        self._waiting: deque[object] = deque()
        self._changed = threading.Condition()

    @contextmanager
    def reserve(self, places: int = 1) -> Generator[None]:
        """Have some places within the block. Blocks until they are free."""
        me = object()
        with self._changed:
            self._waiting.append(me)
            try:
                self._changed.wait_for(lambda: self._waiting[0] is me and self._free >= places)
                self._free -= places
            finally:
                self._waiting.remove(me)
                self._changed.notify_all()
        try:
            yield
        finally:
            with self._changed:
                self._free += places
                self._changed.notify_all()


DECODING: Final = Room(SMALL_AT_ONCE)
"""What all decodings of this process share: a small picture has a place, and a large one all of them."""


def check_size(header: Header, *, scaled: bool = True, shrinks: bool = False) -> None:
    """Refuse a picture that takes too much memory to decode, by its header; not `scaled`, every pixel of it is needed.

    `shrinks` says that a PNG or JPEG of more than `MAX_PIXELS` is shrunk while it is decoded.

    Raises:
        ValueError: the text says why, and what to do.
    """
    facts = header.facts
    size, pixels = f"{facts.width}x{facts.height}", facts.width * facts.height
    most = MAX_SHRUNK_PIXELS if shrinks and facts.format != "webp" else MAX_PIXELS
    if pixels > most:
        raise ValueError(f"is {size}, and {most:,} pixels are the most that are decoded: shrink it first")
    if facts.format == "webp" and pixels > MAX_WEBP_PIXELS:
        raise ValueError(
            f"is a WebP of {size}, and {MAX_WEBP_PIXELS:,} pixels are the most that are decoded of one: make it a PNG"
            " or a JPEG (export_image does, free), or shrink it"
        )
    takes = header.buffered + (1 if scaled else 4) * pixels
    if header.buffered and takes > TOTAL - MARGIN:
        raise ValueError(
            f"is a progressive JPEG of {size}, which takes {takes / 1e6:,.0f} MB to decode, and"
            f" {(TOTAL - MARGIN) / 1e6:,.0f} MB are the most: save it as a baseline JPEG, or shrink it"
        )


def check_source(header: Header) -> None:
    """Refuse a picture of which files are to be made, by its header; raises ValueError if it is too large."""
    facts = header.facts
    if facts.width * facts.height > MAX_SOURCE_PIXELS:
        raise ValueError(
            f"is {facts.width}x{facts.height}, and {MAX_SOURCE_PIXELS:,} pixels are the most of which files are made:"
            " shrink it first"
        )


def is_small(header: Header, *, scaled: bool = False) -> bool:
    """Whether a picture is decoded in this process; `scaled` says that only a small copy of it is made."""
    facts = header.facts
    a_pixel = (SCALED_BYTES_A_PIXEL if scaled else BYTES_A_PIXEL).get(facts.format, 0)
    return facts.width * facts.height * a_pixel + header.buffered <= SMALL


def decode_in_child(task: str, *data: bytes, **arguments: Any) -> ChildResult:
    """Call a function of `images.tasks`, or another one by "module:name", in a child process. Blocks.

    Raises:
        ValueError: the function raised one; the text is the same.
        ChildFailed: it needs too much memory or time, or died.

    """
    with DECODING.reserve(SMALL_AT_ONCE):
        # Nothing is decoded here now, so what the allocator keeps of earlier pictures comes back.
        trim()
        function = task if ":" in task else f"{__package__}.tasks:{task}"
        return run_in_child(function, *data, memory=TOTAL, seconds=SECONDS, **arguments)
