"""Walks the chunks of a PNG and the segments of a JPEG.

`headers` finds headers with it. `check_structure` refuses with it what decoders overlook (missing rows, damaged
chunks) or would spend hours on (thousands of scans), before a decoder sees the file.
"""

import re
import zlib
from collections.abc import Iterator

from .formats import FileFormat

MAX_JPEG_SCANS = 100
"""Scans in one JPEG. Encoders write about ten; each costs a pass over the whole picture, so that a small file with
thousands of them keeps a decoder busy for hours (libjpeg-turbo's own fuzzing stops at 500)."""

MAX_PARTS = 65_536
"""Chunks of a PNG, or markers of a JPEG. Encoders write a chunk for 8 kB or more, so that 50 MB are about 6,000; each
one costs a step in Python, and 50 MB of empty ones would take a minute."""

EOI = 0xD9
"""JPEG's marker at a picture's end."""

SOS = 0xDA
"""JPEG's marker before a scan of coded pixels."""

APP2 = 0xE2
"""JPEG's marker of the segment in which a file lists its further pictures."""

_PNG_START = 8
_COLOUR_TYPE, _PALETTE = 25, 3
"""Where a PNG's header has its colour type, and the type of a picture with a palette."""
_JPEG_BARE = frozenset({0x01, *range(0xD0, 0xD9)})
# A marker, which any number of fill bytes may precede; a stuffed zero makes none.
_JPEG_MARKER = re.compile(rb"\xff[\x01-\xfe]")
# What ends a scan: any marker but a stuffed zero, a restart or a fill byte.
_JPEG_SCAN_END = re.compile(rb"\xff[\x01-\xcf\xd8-\xfe]")
# Bytes that are given to zlib, and taken from it, at once: small, since what it leaves is copied each time.
_PIECE, _INFLATED = 1 << 16, 1 << 20


def check_structure(data: bytes, *, kind: FileFormat, inflated: int) -> None:
    """Walk a file to its end marker; `inflated` is how many bytes a PNG's pixels have once decompressed.

    Raises:
        ValueError: the file is cut, a PNG's chunk is damaged, or a JPEG has more than `MAX_JPEG_SCANS` scans.
    """
    if kind == "png":
        _check_png(data, inflated)
    elif kind == "jpeg":
        scans, marker = 0, 0
        for marker, _, _ in jpeg_segments(data):
            scans += marker == SOS
        if scans > MAX_JPEG_SCANS:
            raise ValueError(f"has {scans} scans, and at most {MAX_JPEG_SCANS} are decoded")
        # Without this a file cut at its very end would decode or not by where a buffer ends.
        if marker != EOI:
            raise ValueError("is cut short")


def check_chunks(data: bytes, *, kind: FileFormat) -> None:
    """Walk a file to its end marker without looking at the pixels; raises ValueError where it is cut or damaged."""
    if kind == "png":
        _require_chunks(data, {_check_sum(data, *chunk) for chunk in png_chunks(data)})
    elif kind == "jpeg":
        check_structure(data, kind=kind, inflated=0)
    elif len(data) < int.from_bytes(data[4:8], "little") + 8:
        raise ValueError("is cut short")


def check_parts(data: bytes, *, kind: FileFormat) -> None:
    """Count a PNG's chunks, which Pillow goes through in Python; raises ValueError where they are too many or cut."""
    if kind == "png":
        for _ in png_chunks(data):
            pass


def _require_chunks(data: bytes, kinds: set[bytes]) -> None:
    """Refuse a PNG without a chunk that it needs: Pillow shows one without its palette, and fails on it later."""
    needed = (b"IHDR", b"IDAT", b"PLTE") if data[_COLOUR_TYPE] == _PALETTE else (b"IHDR", b"IDAT")
    for missing in (kind for kind in needed if kind not in kinds):
        raise ValueError(f"is damaged: it has no {missing.decode('ascii')} chunk")


def _check_sum(data: bytes, kind: bytes, start: int, end: int) -> bytes:
    """Give a PNG chunk's kind; a damaged one that no pixel depends on (lower case) is no reason to refuse a picture."""
    if kind[:1].isupper() and zlib.crc32(memoryview(data)[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
        raise ValueError(f"is damaged: the checksum of its {kind.decode('ascii')} chunk is wrong")
    return kind


def png_chunks(data: bytes, *, whole: bool = True) -> Iterator[tuple[bytes, int, int]]:
    """Each chunk's kind, and where its content starts and ends, up to and with IEND; ValueError where it is cut.

    Unless `whole`, the pixels may be cut, so that the start of a file is enough for its header.
    """
    position, kind, count = _PNG_START, b"", 0
    while kind != b"IEND":
        count += 1
        if count > MAX_PARTS:
            raise ValueError(f"has more than {MAX_PARTS:,} chunks, which is the most")
        length, kind = int.from_bytes(data[position : position + 4], "big"), data[position + 4 : position + 8]
        start, end = position + 8, position + 8 + length
        if end + 4 > len(data) and (whole or kind != b"IDAT"):
            raise ValueError("is cut short")
        if not (kind.isalpha() and kind.isascii()):
            raise ValueError("is damaged: what should be a PNG chunk is none")
        yield kind, start, end
        position = end + 4


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, int]]:
    """Each segment's marker, and where its content starts and ends, until the picture's end marker or the data's.

    Raises:
        ValueError: there are more than `MAX_PARTS` markers.
    """
    position, count = 2, 0
    while found := _JPEG_MARKER.search(data, position):
        position = found.end() - 2
        marker = data[position + 1]
        count += 1
        if count > MAX_PARTS:
            raise ValueError(f"has more than {MAX_PARTS:,} markers, which is the most")
        if marker == EOI:
            yield marker, position + 2, position + 2
            return
        if marker in _JPEG_BARE:
            position += 2
            continue
        end = position + 2 + int.from_bytes(data[position + 2 : position + 4], "big")
        yield marker, position + 4, end
        position = end
        if marker == SOS:  # coded pixels follow
            ended = _JPEG_SCAN_END.search(data, end)
            position = ended.start() if ended else len(data)


def _check_png(data: bytes, inflated: int) -> None:
    """Inflate the pixels and count them, since Pillow leaves rows that are not there black; and sum up each chunk."""
    missing, kinds = inflated, set[bytes]()
    inflate = zlib.decompressobj()
    for kind, start, end in png_chunks(data):
        kinds.add(_check_sum(data, kind, start, end))
        for at in range(start, end if kind == b"IDAT" else start, _PIECE):
            piece = data[at : min(at + _PIECE, end)]
            while piece and missing > 0:
                try:
                    missing -= len(inflate.decompress(piece, _INFLATED))
                except zlib.error:
                    raise ValueError("is damaged: its pixels do not inflate") from None
                piece = inflate.unconsumed_tail
    _require_chunks(data, kinds)
    if missing > 0:
        raise ValueError("is cut short: rows of it are missing")
