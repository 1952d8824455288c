"""Cuts everything out of a picture that is no picture, without decoding it: what is sent to the API shows pixels.

Texts, EXIF with the place and the maker's notes, XMP, thumbnails, further pictures and unknown parts stay behind, and
so does whatever stands behind the end. What pixels depend on goes along byte for byte: colour profiles, gamma, tables.
"""

from collections.abc import Iterator
from typing import Final

from .formats import FileFormat
from .structure import EOI, MAX_PARTS, SOS, end_of_scan, jpeg_segments, png_chunks

_PNG_KEPT: Final = frozenset(
    {b"IHDR", b"PLTE", b"IDAT", b"IEND", b"tRNS", b"iCCP", b"sRGB", b"gAMA", b"cHRM", b"cICP", b"sBIT", b"pHYs"}
)
_JPEG_APPS: Final = frozenset(range(0xE0, 0xF0))
_JPEG_COMMENT: Final = 0xFE
_JPEG_KEPT: Final = ((0xE0, b"JFIF\0"), (0xE2, b"ICC_PROFILE\0"), (0xEE, b"Adobe"))
"""Application segments that colours depend on: number, and how they begin."""
_JFIF: Final = (0xE0, 14)
"""The number of that segment, and the bytes before the thumbnail that it may hold."""
_WEBP_KEPT: Final = frozenset({b"VP8X", b"ICCP", b"ALPH", b"VP8 ", b"VP8L"})
_VP8X_META: Final = 0x0C
"""The bits of a WebP's flags that announce EXIF and XMP."""


def without_metadata(data: bytes, kind: FileFormat) -> bytes:
    """The picture alone; `data` itself if there is nothing else in it. It was checked to be whole (`check_structure`).

    Raises:
        ValueError: the file is damaged.
    """
    match kind:
        case "png":
            parts = [
                data[:8],
                *(data[start - 8 : end + 4] for kind, start, end in png_chunks(data) if kind in _PNG_KEPT),
            ]
        case "jpeg":
            parts = [data[:2], *_jpeg_parts(data)]
        case _:
            parts = list(_webp_parts(data))
            size = sum(map(len, parts)) + 4
            parts = [b"RIFF", size.to_bytes(4, "little"), b"WEBP", *parts]
    # Compared by length: nothing is moved or changed but the flags of a WebP whose parts are missing then.
    return data if sum(map(len, parts)) == len(data) else b"".join(parts)


def _jpeg_parts(data: bytes) -> Iterator[bytes]:
    for marker, start, end in jpeg_segments(data):
        if marker == EOI:
            yield bytes((0xFF, EOI))
        elif marker == _JFIF[0] and data.startswith(b"JFIF\0", start):
            # Its own length, and a thumbnail of no pixels.
            yield b"\xff\xe0\0\x10" + data[start : start + _JFIF[1] - 2] + b"\0\0"
        elif marker == SOS:
            yield data[start - 4 : end_of_scan(data, end)]
        elif marker == _JPEG_COMMENT or (
            marker in _JPEG_APPS
            and not any(marker == number and data.startswith(begins, start) for number, begins in _JPEG_KEPT)
        ):
            continue
        else:
            yield data[start - 4 : end]


def _webp_parts(data: bytes) -> Iterator[bytes]:
    end, position = min(int.from_bytes(data[4:8], "little") + 8, len(data)), 12
    for _ in range(MAX_PARTS):
        kind, size = data[position : position + 4], int.from_bytes(data[position + 4 : position + 8], "little")
        after = position + 8 + size + size % 2
        if kind == b"VP8X":
            yield (
                data[position : position + 8] + bytes((data[position + 8] & ~_VP8X_META,)) + data[position + 9 : after]
            )
        elif kind in _WEBP_KEPT:
            # The byte that makes the length even may be missing at the end.
            yield data[position:after].ljust(after - position, b"\0")
        position = after
        if position + 8 > end:
            return
    raise ValueError(f"has more than {MAX_PARTS:,} chunks, which is the most")
