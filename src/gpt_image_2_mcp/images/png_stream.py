"""Decodes a PNG while it still arrives, and scales it down on the way.

Pillow decodes a file once all of it is there, and inflates it slowly. Here it is inflated as it comes, and Pillow
undoes the filters of a strip of rows at a time: each strip is handed over as a picture of its own, whose data is stored
and no longer compressed. A strip fits into a processor's cache, and only what scaling leaves of it is kept. Neither
step holds the interpreter, so that strips can be made of a picture while its next piece is inflated. Anything out of
the ordinary is left to Pillow as it came.
"""

import struct
from collections.abc import Callable
from concurrent.futures import Executor, Future
from typing import TYPE_CHECKING, Any, Final, cast

try:
    from isal import isal_zlib as found
except ImportError:  # pragma: no cover - it has no wheels for Windows on ARM
    import zlib as found

if TYPE_CHECKING:
    from PIL import Image

# The annotations of the former call its error an exception, not a class of them, and leave parameters out.
_zlib: Final = cast("Any", found)

_HEAD: Final = 29
"""The signature and the first chunk, IHDR, without its checksum."""
_BETWEEN: Final = 12
"""A chunk's checksum, and the length and kind of the next one."""
_DEPTH: Final = 8
_MODES: Final = {0: "L", 2: "RGB", 6: "RGBA"}
"""By colour type."""
_NOT_INTERLACED: Final = 0
_STORED_BYTES: Final = 0xFFFF
"""The longest block that can be stored."""
_PIECE_BYTES: Final = 192 * 1024
"""What is best fed at once: the rows that it inflates to are still in the cache when they are decoded."""
_STRIP_BYTES: Final = 256 * 1024
"""How many bytes of rows make a strip, at least: of smaller ones each costs some microseconds of its own."""
MAX_PIXEL_BYTES: Final = 64 * 1024 * 1024
"""More than any picture of gpt-image-2 has: 3840x2160 in RGBA is 33 MB."""

Factor = Callable[[int], int]
"""Takes how many pixels the longest edge of a picture has, and gives of how many of them one is made."""


def _full_size(_: int) -> int:
    return 1


def decoded(data: bytes, factor: Factor = _full_size) -> "Image.Image | None":
    """The picture of a file that is all there; see `PngDecoder`. Blocks: call it in a thread."""
    decoder = PngDecoder(factor)
    for start in range(0, len(data), _PIECE_BYTES):
        decoder.feed(data[start : start + _PIECE_BYTES])
    return decoder.image()


class PngDecoder:
    """One PNG on its way; whoever feeds it is one thread at a time."""

    def __init__(self, factor: Factor = _full_size, *, strips: Executor | None = None) -> None:
        """Make one pixel of each square of `factor` by `factor` pixels.

        `strips` is one thread, in which strips are decoded while more is fed; without it that is done in between.
        """
        self._factor = factor
        self._strips = strips
        self._pending = b""
        """The beginning of what cannot be read yet."""
        self._left = 0
        """Bytes of the present chunk that are still to come."""
        self._in_pixels = False
        self._past_pixels = False
        self._inflater = _zlib.decompressobj()
        self._rows: _Rows | None = None
        """None before the header is read."""
        self.given_up = False
        """Nothing is held any more."""

    def feed(self, piece: bytes) -> None:
        """Take the next piece of the file. Blocks: call it in a thread."""
        if self.given_up or self._inflater.eof:
            return
        try:
            self._take(memoryview(self._pending + piece if self._pending else piece))
        except (_zlib.error, ValueError, struct.error):
            self.give_up()

    def give_up(self) -> None:
        """Leave the picture to Pillow."""
        self.given_up = True
        self._rows = None

    def image(self) -> "Image.Image | None":
        """The picture; None where it is no plain PNG, or not all there. Blocks until all strips are decoded."""
        return self._rows.image() if self._rows and self._inflater.eof else None

    def _take(self, data: memoryview) -> None:
        if self._rows is None:
            if len(data) < _HEAD:
                self._pending = bytes(data)
                return
            self._rows = _rows_of(data[:_HEAD], self._factor, self._strips)
            data = data[_HEAD:]
        compressed: list[memoryview] = []
        while data and not self._past_pixels:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                if self._in_pixels:
                    compressed.append(part)
            elif len(data) < _BETWEEN:
                break
            else:
                self._next_chunk(data[:_BETWEEN])
                data = data[_BETWEEN:]
        self._pending = bytes(data)
        # As much as there is at once: chunks may be small, and many small steps take a third longer.
        self._rows.add(self._inflater.decompress(b"".join(compressed), self._rows.missing + 1))
        if self._past_pixels and not self._inflater.eof:
            raise ValueError("the pixels end too soon")

    def _next_chunk(self, between: memoryview) -> None:
        self._left, kind = struct.unpack(">I4s", between[4:])
        if kind == b"tRNS":
            raise ValueError("a colour of it is transparent")
        self._past_pixels = self._in_pixels and kind != b"IDAT"
        self._in_pixels = kind == b"IDAT"


class _Rows:
    """The inflated rows of a picture, each behind the number of its filter, and what is made of them."""

    def __init__(self, mode: str, width: int, height: int, factor: int, strips: Executor | None) -> None:
        from PIL import Image

        self._mode = mode
        self._width = width
        self._length = 1 + width * len(mode)
        self.missing = self._length * height
        """Bytes that are still to be inflated."""
        if not 0 < self.missing <= MAX_PIXEL_BYTES:
            raise ValueError("too large")
        self._factor = factor
        self._strips = strips
        self._waiting: list[bytes] = []
        self._bytes = 0
        """How many of them make no strip yet."""
        self._decoding: list[Future[None]] = []
        self._above = b""
        """The last row that was decoded, as it is without a filter; b"" at the top."""
        self._decoded = 0
        """How many rows were."""
        self._image = Image.new(mode, (-(-width // factor), -(-height // factor)), color=None)

    def add(self, rows: bytes) -> None:
        """Take what comes next."""
        if not rows:
            return
        self.missing -= len(rows)
        if self.missing < 0:
            raise ValueError("more pixels than the picture has")
        self._waiting.append(rows)
        self._bytes += len(rows)
        square = self._length * self._factor
        if self._bytes < max(_STRIP_BYTES, square) and self.missing:
            return
        # Up to the last pixel of the scaled picture that is whole; the rest waits.
        used = self._bytes - (self._bytes % square if self.missing else 0)
        data = memoryview(b"".join(self._waiting))
        self._waiting, self._bytes = [bytes(data[used:])], len(data) - used
        if self._strips:
            self._decoding.append(self._strips.submit(self._decode, data[:used]))
        else:
            self._decode(data[:used])

    def image(self) -> "Image.Image | None":
        """The picture, once all of it is there."""
        for strip in self._decoding:
            if strip.exception():
                return None
        return None if self.missing else self._image

    def _decode(self, rows: memoryview) -> None:
        """Undo the filters of the next rows, and put them into the picture."""
        from PIL import Image

        # A filter looks at the row above: it goes first, as a row that has none.
        first, count = (1 if self._above else 0), len(rows) // self._length
        size = (self._width, first + count)
        strip = Image.frombytes(self._mode, size, _stored(self._above, rows), "zip", self._mode, _NOT_INTERLACED)
        self._above = b"\x00" + strip.crop((0, size[1] - 1, *size)).tobytes()
        if self._factor > 1:
            strip, first = strip.reduce(self._factor, box=(0, first, *size)), 0
        # The row above goes where it is already: cutting it off would take a copy of the strip.
        self._image.paste(strip, (0, self._decoded // self._factor - first))
        self._decoded += count


def _rows_of(head: memoryview, factor: Factor, strips: Executor | None) -> _Rows:
    """The rows of a plain PNG; ValueError where it is none."""
    signature, width, height, depth, color, _, _, interlaced = struct.unpack(">16sIIBBBBB", head)
    if signature != b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" or depth != _DEPTH or interlaced or color not in _MODES:
        raise ValueError("no plain PNG")
    return _Rows(_MODES[color], width, height, factor(max(width, height)), strips)


def _stored(*rows: bytes | memoryview) -> bytes:
    """As a zlib stream that compresses nothing."""
    parts: list[bytes | memoryview] = [b"\x78\x01"]
    checksum = 1
    for some in rows:
        checksum = _zlib.adler32(some, checksum)
        for start in range(0, len(some), _STORED_BYTES):
            block = some[start : start + _STORED_BYTES]
            parts += [struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF), block]
    parts.append(b"\x01\x00\x00\xff\xff" + struct.pack(">I", checksum))
    return b"".join(parts)
