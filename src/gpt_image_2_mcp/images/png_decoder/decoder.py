"""Decodes a plain PNG in strips; the package says why."""

import struct
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any, Final, cast

from ..structure import png_chunks

try:
    from isal import isal_zlib as found
except ImportError:  # pragma: no cover - it has no wheels for Windows on ARM
    import zlib as found

if TYPE_CHECKING:
    from PIL import Image

# The annotations of isal call its error an exception, not a class of them, and leave parameters out.
_zlib: Final = cast("Any", found)

_HEADER: Final = struct.Struct(">16sIIBBBBB")
"""The signature and the content of the first chunk, IHDR."""
_START: Final = b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR"
_DEPTH: Final = 8
"""Bits of a channel."""
_MODES: Final = {0: "L", 2: "RGB", 6: "RGBA"}
"""Pillow's name of each colour type."""
_NOT_INTERLACED: Final = 0
_LAST_FILTER: Final = 4
"""The number of the last of the filters that rows can have."""
_STORED_BYTES: Final = 0xFFFF
"""The longest block that a zlib stream can store."""
_PIECE_BYTES: Final = 192 * 1024
"""Compressed bytes that are inflated at once: so few that the rows are still in the cache when they are decoded."""
_INFLATED_BYTES: Final = 4 * 1024 * 1024
"""Bytes that a piece is inflated to at once: pixels that are all alike make a thousand times as many as they take."""
_STRIP_BYTES: Final = 256 * 1024
"""Bytes of rows in a strip, at least: each strip costs some microseconds of its own."""
MAX_PIXEL_BYTES: Final = 64 * 1024 * 1024
"""More than any picture of gpt-image-2 has: 3840x2160 in RGBA is 33 MB."""

Factor = Callable[[int], int]
"""Takes the longest edge of a picture in pixels, and gives the edge of the square of which one pixel is made."""


def _full_size(_: int) -> int:
    return 1


def decode_png(data: bytes, factor: Factor = _full_size, *, max_bytes: int = MAX_PIXEL_BYTES) -> "Image.Image | None":
    """Decode a PNG, scaled down by `factor`; None where it is not plain or not whole. Blocks: call it in a thread.

    One whose pixels have more than `max_bytes` is left to Pillow, too.
    """
    try:
        return _decode(data, factor, max_bytes)
    except (_zlib.error, ValueError, struct.error):
        return None


def is_whole_png(data: bytes) -> bool:
    """Whether all pixels of a PNG can be decoded; False where it is not plain either, which Pillow has to decide.

    Nothing but filters and colours comes after the inflating, and these take any bytes: so no picture is made. Blocks.
    """
    try:
        mode, width, height = _header(data)
        row_bytes, done = 1 + width * len(mode), 0
        if not width:
            return False
        for inflated in _inflated(data, total=row_bytes * height):
            if max(inflated[-done % row_bytes :: row_bytes], default=0) > _LAST_FILTER:
                return False
            done += len(inflated)
    except (_zlib.error, ValueError, struct.error):
        return False
    return done > 0


def _decode(data: bytes, factor_of: Factor, max_bytes: int) -> "Image.Image":
    from PIL import Image

    mode, width, height = _header(data)
    factor, row_bytes = factor_of(max(width, height)), 1 + width * len(mode)
    if not 0 < row_bytes * height <= max_bytes:
        raise ValueError("too large")
    image = Image.new(mode, (-(-width // factor), -(-height // factor)), color=None)
    above, done = b"", 0
    for rows in _strips(data, total=row_bytes * height, unit=row_bytes * factor):
        # A filter looks at the row above: that row goes first, as one without a filter.
        first, count = (1 if above else 0), len(rows) // row_bytes
        size = (width, first + count)
        strip = Image.frombytes(mode, size, _stored(above, rows), "zip", mode, _NOT_INTERLACED)
        above = b"\x00" + strip.crop((0, size[1] - 1, *size)).tobytes()
        if factor > 1:
            strip, first = strip.reduce(factor, box=(0, first, *size)), 0
        # The row above is pasted where it is already: cutting it off would copy the strip.
        image.paste(strip, (0, done // factor - first))
        done += count
    return image


def _header(data: bytes) -> tuple[str, int, int]:
    """Pillow's mode, the width and the height; raises ValueError where the file is not a plain PNG."""
    start, width, height, depth, color, _, _, interlaced = _HEADER.unpack_from(data)
    if start != _START or depth != _DEPTH or interlaced != _NOT_INTERLACED or color not in _MODES:
        raise ValueError("not a plain PNG")
    return _MODES[color], width, height


def _strips(data: bytes, *, total: int, unit: int) -> Iterator[bytes]:
    """Inflate `total` bytes of rows, each behind the number of its filter, and give some `unit` bytes at a time."""
    rows, missing = b"", total
    for inflated in _inflated(data, total=total):
        missing -= len(inflated)
        rows += inflated
        if missing and len(rows) >= max(_STRIP_BYTES, unit):
            whole = len(rows) - len(rows) % unit
            yield rows[:whole]
            rows = rows[whole:]
    if rows:
        yield rows


def _inflated(data: bytes, *, total: int) -> Iterator[bytes]:
    """Inflate `total` bytes in pieces of any length; raises ValueError where there are more or fewer."""
    inflater = _zlib.decompressobj()
    missing = total
    for compressed in _compressed(data):
        piece = compressed
        while piece:
            # One byte more than there should be, to notice it.
            inflated = inflater.decompress(piece, min(missing + 1, _INFLATED_BYTES))
            piece = inflater.unconsumed_tail
            missing -= len(inflated)
            if missing < 0:
                raise ValueError("more pixels than the picture has")
            yield inflated
    if missing or not inflater.eof:
        raise ValueError("the pixels end too soon")


def _compressed(data: bytes) -> Iterator[bytes]:
    """The compressed pixels in pieces: chunks may be small, and inflating many of them takes a third longer."""
    waiting, length = list[bytes](), 0
    for kind, start, end in png_chunks(data):
        if kind == b"tRNS":
            raise ValueError("one colour is transparent")
        for at in range(start, end if kind == b"IDAT" else start, _PIECE_BYTES):
            waiting.append(data[at : min(at + _PIECE_BYTES, end)])
            length += len(waiting[-1])
            if length >= _PIECE_BYTES:
                yield b"".join(waiting)
                waiting, length = [], 0
    yield b"".join(waiting)


def _stored(*parts: bytes) -> bytes:
    """A zlib stream that compresses nothing."""
    stream, checksum = [b"\x78\x01"], 1
    for part in parts:
        checksum = _zlib.adler32(part, checksum)
        for at in range(0, len(part), _STORED_BYTES):
            block = part[at : at + _STORED_BYTES]
            stream += [struct.pack("<BHH", 0, len(block), len(block) ^ 0xFFFF), block]
    stream.append(b"\x01\x00\x00\xff\xff" + struct.pack(">I", checksum))
    return b"".join(stream)
