"""Inflates a PNG's pixels while it still arrives, faster than Pillow does.

Decoding a PNG is mostly inflating it, and Pillow does that in one go, once the whole file is there. Here the file is
taken piece by piece, and given to Pillow as a PNG whose data is stored and no longer compressed: the same chunks, the
same scanlines, so that the picture is the same. Anything out of the ordinary is left to Pillow as it came.
"""

import io
import struct
from typing import Any, Final, cast

try:
    from isal import isal_zlib as found
except ImportError:  # pragma: no cover - it has no wheels for Windows on ARM
    import zlib as found

# The annotations of the former call its error an exception, not a class of them, and leave parameters out.
_zlib: Final = cast("Any", found)

_HEAD: Final = 29
"""The signature and the first chunk, IHDR, without its checksum."""
_BETWEEN: Final = 12
"""A chunk's checksum, and the length and kind of the next one."""
_DEPTH: Final = 8
_CHANNELS: Final = {0: 1, 2: 3, 6: 4}
"""By colour type: gray, RGB, RGBA."""
_MAX_STORED: Final = 0xFFFF
"""The longest block that can be stored."""
_SMALL_STEP: Final = 4096
"""A block has a head of five bytes, and few are shorter than this."""
MAX_PIXEL_BYTES: Final = 64 * 1024 * 1024
"""More than any picture of gpt-image-2 has: 3840x2160 in RGBA is 33 MB."""


class Inflating:
    """One PNG on its way; whoever feeds it is one thread at a time."""

    def __init__(self) -> None:
        """Nothing is known yet."""
        self._pending = b""
        self._png = io.BytesIO()
        self._pixels_at = 0
        """Where the length of the pixels' chunk is to stand."""
        self._inflater = _zlib.decompressobj()
        self._checksum = 1
        self._missing = -1
        """Bytes of scanlines that are still to come; negative before the first chunk is read."""
        self._left = 0
        """Bytes of the present chunk that are still to come."""
        self._in_pixels = False
        self._past_pixels = False
        self.given_up = False
        """Nothing is held any more."""

    @classmethod
    def of(cls, data: bytes) -> "Inflating":
        """A picture that is there already."""
        inflating = cls()
        inflating.feed(data)
        return inflating

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
        self._png = io.BytesIO()

    def png(self) -> io.BytesIO | None:
        """The picture as a PNG with stored pixels; None where it is no plain PNG, or not all there."""
        if self.given_up or self._missing != 0 or not self._inflater.eof:
            return None
        self._png.write(b"\x01\x00\x00\xff\xff" + struct.pack(">I", self._checksum))
        length = self._png.tell() - self._pixels_at - 8
        # Nobody checks the checksum of pixels: what they hold has one of its own.
        self._png.write(bytes(_BETWEEN - 4) + b"IEND\xaeB`\x82")
        self._png.truncate()
        self._png.seek(self._pixels_at)
        self._png.write(struct.pack(">I", length))
        self._png.seek(0)
        return self._png

    def _take(self, data: memoryview) -> None:
        if self._missing < 0:
            if len(data) < _HEAD:
                self._pending = bytes(data)
                return
            self._begin(data[:_HEAD])
            data = data[_HEAD:]
        compressed: list[memoryview] = []
        while data and not self._past_pixels:
            if self._left:
                part, data = data[: self._left], data[self._left :]
                self._left -= len(part)
                if self._in_pixels:
                    compressed.append(part)
                else:
                    self._png.write(part)
            elif len(data) < _BETWEEN:
                break
            else:
                self._next_chunk(data[:_BETWEEN])
                data = data[_BETWEEN:]
        self._pending = bytes(data)
        # As much as there is at once: many small steps take a third longer.
        self._inflate(b"".join(compressed))
        if self._past_pixels and not self._inflater.eof:
            raise ValueError("the pixels end too soon")

    def _begin(self, head: memoryview) -> None:
        self._missing = _scanline_bytes(head)
        # All of it at once: growing by and by would touch twice the memory, which costs more than inflating.
        self._png = io.BytesIO(bytes(self._missing + self._missing // _SMALL_STEP + _SMALL_STEP))
        self._png.write(head)

    def _next_chunk(self, between: memoryview) -> None:
        self._left, kind = struct.unpack(">I4s", between[4:])
        if self._in_pixels:
            self._past_pixels = kind != b"IDAT"
        elif kind == b"IDAT":
            self._in_pixels = True
            self._png.write(between[:4])
            self._pixels_at = self._png.tell()
            self._png.write(b"\x00\x00\x00\x00IDAT\x78\x01")
        else:
            self._png.write(between)

    def _inflate(self, compressed: bytes) -> None:
        rows: bytes = self._inflater.decompress(compressed, self._missing + 1)
        self._missing -= len(rows)
        if self._missing < 0:
            raise ValueError("more pixels than the picture has")
        self._checksum = _zlib.adler32(rows, self._checksum)
        view = memoryview(rows)
        for start in range(0, len(rows), _MAX_STORED):
            block = view[start : start + _MAX_STORED]
            self._png.write(struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF))
            self._png.write(block)


def _scanline_bytes(head: memoryview) -> int:
    """How many bytes the pixels of a plain PNG inflate to; ValueError where it is none."""
    signature, width, height, depth, color, _, _, interlaced = struct.unpack(">16sIIBBBBB", head)
    if signature != b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR" or depth != _DEPTH or interlaced or color not in _CHANNELS:
        raise ValueError("no plain PNG")
    length = (1 + width * _CHANNELS[color]) * height
    if not 0 < length <= MAX_PIXEL_BYTES:
        raise ValueError("too large")
    return length
