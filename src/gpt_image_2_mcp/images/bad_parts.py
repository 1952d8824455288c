"""Cuts out of a file what Pillow would refuse the whole picture for, though no pixel depends on it.

Pillow reads profiles, texts and measures when it opens a file, and stops at one that is damaged, or that inflates to
more than a megabyte. Programs that show pictures skip it.
"""

import zlib
from collections.abc import Callable, Mapping
from typing import Final

from .formats import FileFormat
from .structure import SOS, jpeg_segments, png_chunks

MAX_PROFILE: Final = 1 << 20
"""Bytes of a colour profile that Pillow reads."""

_COLOUR_TYPE: Final = 25
_GREY, _RGB, _PALETTE = 0, 2, 3
_LENGTHS: Final[Mapping[bytes, int]] = {b"cHRM": 32, b"gAMA": 4, b"sRGB": 1, b"pHYs": 9}
"""The lengths of chunks that have one each."""
_UNUSED: Final = frozenset({b"tEXt", b"zTXt", b"iTXt", b"acTL", b"fcTL", b"fdAT"})
"""Texts, and the further frames of an animation, of which the first is a picture of its own."""
_PROFILE_HEAD: Final = 80
"""The most bytes before a profile: a name of 79, and the zero behind it."""


_SHORTEST: Final[Mapping[int, Mapping[bytes, int]]] = {
    0xE0: {b"JFIF": 12},
    0xE2: {b"ICC_PROFILE\0": 14, b"MPF\0": 1 << 16},
    0xEE: {b"Adobe": 12},
}
"""The application segments of a JPEG that Pillow looks into: number, how they begin, and their least bytes.

The list of further pictures (MPF) always goes: the first is a picture of its own."""


def without_bad_parts(data: bytes, kind: FileFormat) -> bytes:
    """A picture as Pillow opens it; `data` itself if nothing has to go.

    Raises:
        ValueError: the file is cut, or what should be a chunk is none.
    """
    match kind:
        case "png":
            return _without_bad_chunks(data)
        case "jpeg":
            return _without_short_segments(data)
        case _:
            return data


def _without_short_segments(data: bytes) -> bytes:
    parts: list[bytes] = []
    kept = 0
    for marker, start, end in jpeg_segments(data):
        if marker == SOS:
            break
        for begins, least in _SHORTEST.get(marker, {}).items():
            if data.startswith(begins, start) and end - start < least:
                parts.append(data[kept : start - 4])
                kept = end
    return data if kept == 0 else b"".join([*parts, data[kept:]])


def _without_bad_chunks(data: bytes) -> bytes:
    chunks = list(png_chunks(data))
    # Texts are harmless as long as they are not compressed, and nearly every file has some.
    if not any(
        _is_bad(data, kind, start, end) or kind in (b"zTXt", b"acTL", b"fcTL", b"fdAT") or _inflates(data, kind, start)
        for kind, start, end in chunks
    ):
        return data
    kept = (
        data[start - 8 : end + 4]
        for kind, start, end in chunks
        if kind not in _UNUSED and not _is_bad(data, kind, start, end)
    )
    return data[:8] + b"".join(kept)


def _is_bad(data: bytes, kind: bytes, start: int, end: int) -> bool:
    """Whether a chunk that no pixel needs (lower case) is damaged. The others are checked by `check_structure`."""
    if kind[:1].isupper():
        return False
    if zlib.crc32(memoryview(data)[start - 4 : end]) != int.from_bytes(data[end : end + 4]):
        return True
    if kind in _LENGTHS:
        return end - start != _LENGTHS[kind]
    check = _CHECKS.get(kind)
    return check is not None and not check(data, start, end)


def _inflates(data: bytes, kind: bytes, start: int) -> bool:
    """Whether a chunk is a compressed text; its flag stands behind the zero that ends its keyword."""
    flag = data.find(b"\0", start, start + _PROFILE_HEAD) + 1
    return kind == b"iTXt" and flag > 0 and data[flag : flag + 1] != b"\0"


def _is_profile(data: bytes, start: int, end: int) -> bool:
    """Whether the profile of an iCCP chunk can be read: a name, a zero, method 0, and what inflates within bounds."""
    zero = data.find(b"\0", start, min(start + _PROFILE_HEAD, end))
    if zero < 0 or data[zero + 1 : zero + 2] != b"\0" or zero + 2 > end:
        return False
    inflate = zlib.decompressobj()
    try:
        profile = inflate.decompress(data[zero + 2 : min(end, zero + 2 * MAX_PROFILE)], MAX_PROFILE)
    except zlib.error:
        return False
    return bool(profile) and inflate.eof


def _is_key(data: bytes, start: int, end: int) -> bool:
    """Whether a tRNS chunk has the length that the colour type needs."""
    length = end - start
    lengths = {_GREY: {2}, _RGB: {6}, _PALETTE: range(1, 257)}
    return length in lengths.get(data[_COLOUR_TYPE], ())


_CHECKS: Final[Mapping[bytes, Callable[[bytes, int, int], bool]]] = {b"iCCP": _is_profile, b"tRNS": _is_key}
