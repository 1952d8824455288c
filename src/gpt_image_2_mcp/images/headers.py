"""Reads the headers of PNG, JPEG and WebP: the size of the picture, and what is unusual about it.

The headers are parsed in plain Python and no pixel is decoded, so that a picture is refused
for its size before a decoder has seen it: Pillow's WebP plug-in, for one, allocates the whole canvas as soon as it
opens a file. `pictures.py` passes these names on; import them from there.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from .formats import SNIFFED, FileFormat, sniff
from .other_formats import recognise
from .structure import APP2, SOS, jpeg_segments, png_chunks

Colour = Literal["grey", "grey+alpha", "rgb", "rgba", "palette", "cmyk"]
"""How pixels are stored in the file."""

_PNG_COLOURS: Mapping[int, Colour] = MappingProxyType({0: "grey", 2: "rgb", 3: "palette", 4: "grey+alpha", 6: "rgba"})
_PNG_CHANNELS: Mapping[Colour, int] = MappingProxyType({"grey": 1, "rgb": 3, "palette": 1, "grey+alpha": 2, "rgba": 4})
# Where each pass begins and how far apart its pixels are: x, y, dx, dy (PNG specification, section 8.2).
_ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))
_JPEG_COLOURS: Mapping[int, Colour] = MappingProxyType({1: "grey", 3: "rgb", 4: "cmyk"})
_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_JPEG_SEQUENTIAL = frozenset({0xC0, 0xC1})
_FIRST_ARITHMETIC = 0xC9


@dataclass(frozen=True, slots=True)
class Facts:
    """What a header tells; width and height are in pixels as stored, before an EXIF orientation is applied."""

    format: FileFormat
    width: int
    height: int
    alpha: bool


@dataclass(frozen=True, slots=True)
class Header:
    """`Facts`, and the properties for which the API would refuse or misread the file."""

    facts: Facts
    colour: Colour
    bits: int = 8
    """Bits of one channel, or of an index into the palette."""
    colour_key: bool = False
    """Whether a PNG has a `tRNS` chunk: transparency of one colour or of palette entries."""
    animated: bool = False
    several: bool = False
    """Whether a JPEG contains further pictures (MPO, Ultra HDR)."""
    arithmetic: bool = False
    """Whether a JPEG has arithmetic coding, which browsers and most programs do not read."""
    inflated: int = 0
    """Bytes of a PNG's pixel data once it is decompressed."""
    buffered: int = 0
    """Bytes that a JPEG of several scans takes in a decoder beside its pixels, until the last scan is read."""


def facts(data: bytes) -> Facts:
    """Format, size and alpha of a picture, from its header: no pixel is decoded.

    Raises:
        ValueError: the bytes are no PNG, JPEG or WebP, or their header is broken; the text is a short reason.
    """
    return read_header(data).facts


def read_header(data: bytes) -> Header:
    """`Header` of a picture; raises ValueError as `facts` does."""
    match sniff(data[:SNIFFED]):
        case "png":
            header = _png_header(data)
        case "jpeg":
            header = _jpeg_header(data)
        case "webp":
            header = _webp_header(data)
        case None:
            what = recognise(data[:1024]) or ("no picture" if data else "empty")
            raise ValueError(f"is {what}, and only PNG, JPEG and WebP are taken (by their bytes, not by their name)")
    if not (header.facts.width and header.facts.height):
        raise ValueError("has a broken header: its width or height is zero")
    return header


def _png_header(data: bytes) -> Header:
    kinds = set[bytes]()
    first = data[8:33]
    if len(first) < 25 or first[:8] != b"\0\0\0\x0dIHDR":  # noqa: PLR2004 - length, kind, 13 bytes, checksum
        raise ValueError("has a broken PNG header")
    for kind, _, _ in png_chunks(data, whole=False):
        if kind in kinds and kind == b"IHDR":
            raise ValueError("has two PNG headers")
        kinds.add(kind)
        if kind == b"IDAT":
            break
    colour = _PNG_COLOURS.get(first[17])
    if colour is None:
        raise ValueError("has a broken PNG header: there is no such colour type")
    width, height, bits = int.from_bytes(first[8:12], "big"), int.from_bytes(first[12:16], "big"), first[16]
    alpha = colour in {"grey+alpha", "rgba"}
    return Header(
        facts=Facts(format="png", width=width, height=height, alpha=alpha or b"tRNS" in kinds),
        colour=colour,
        bits=bits,
        colour_key=b"tRNS" in kinds and not alpha,
        animated=b"acTL" in kinds,
        inflated=_inflated(width, height, bits=bits * _PNG_CHANNELS[colour], interlaced=bool(first[20])),
    )


def _inflated(width: int, height: int, *, bits: int, interlaced: bool) -> int:
    """Bytes of all rows of a PNG, each with one byte for its filter; `bits` is the number of bits of a pixel."""
    sizes = [(width, height)]
    if interlaced:  # seven small pictures, of which the empty ones are not written
        sizes = [(-((x - width) // dx), -((y - height) // dy)) for x, y, dx, dy in _ADAM7]
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in sizes if columns > 0 and rows > 0)


def _jpeg_header(data: bytes) -> Header:
    frames: list[bytes] = []
    several = progressive = arithmetic = False
    for marker, start, end in jpeg_segments(data):
        if marker in _JPEG_FRAMES:
            frames.append(data[start:end])
            progressive, arithmetic = marker not in _JPEG_SEQUENTIAL, marker >= _FIRST_ARITHMETIC
        several = several or (marker == APP2 and data.startswith(b"MPF\0", start))
        if marker == SOS:
            # Colours in scans of their own are put together in memory, as a progressive picture is.
            progressive = progressive or (bool(frames) and data[start : start + 1] != frames[0][5:6])
            break
    if len(frames) != 1 or len(frames[0]) < 6:  # noqa: PLR2004 - precision, height, width, components
        raise ValueError("has a broken JPEG header")
    frame = frames[0]
    colour = _JPEG_COLOURS.get(frame[5])
    if colour is None:
        raise ValueError(f"has a broken JPEG header: {frame[5]} colour channels")
    width, height = int.from_bytes(frame[3:5], "big"), int.from_bytes(frame[1:3], "big")
    return Header(
        facts=Facts(format="jpeg", width=width, height=height, alpha=False),
        colour=colour,
        bits=frame[0],
        several=several,
        arithmetic=arithmetic,
        buffered=_coefficients(frame, width, height) if progressive else 0,
    )


def _coefficients(frame: bytes, width: int, height: int) -> int:
    """Bytes of all coefficients of a JPEG, two for each: a decoder of several scans keeps them to the end."""
    # Each colour has three bytes from the seventh on: its number, how often it is sampled both ways, and a table.
    sampled = [(byte >> 4 or 1) * (byte & 15 or 1) for byte in frame[7 : 7 + 3 * frame[5] : 3]]
    return 2 * width * height * sum(sampled) // max(sampled, default=1)


def _webp_header(data: bytes) -> Header:
    kind, body = data[12:16], data[20:30]
    if len(body) < 10:  # noqa: PLR2004 - the longest of the three headers
        raise ValueError("is cut short")
    alpha = animated = False
    if kind == b"VP8X":
        alpha, animated = bool(body[0] & 0x10), bool(body[0] & 0x02)
        width, height = int.from_bytes(body[4:7], "little") + 1, int.from_bytes(body[7:10], "little") + 1
    elif kind == b"VP8L" and body[0] == 0x2F:  # noqa: PLR2004 - signature
        packed = int.from_bytes(body[1:5], "little")
        alpha = bool(packed >> 28 & 1)
        width, height = (packed & 0x3FFF) + 1, (packed >> 14 & 0x3FFF) + 1
    elif kind == b"VP8 " and body[3:6] == b"\x9d\x01\x2a":
        width = int.from_bytes(body[6:8], "little") & 0x3FFF
        height = int.from_bytes(body[8:10], "little") & 0x3FFF
    else:
        raise ValueError("has a broken WebP header")
    return Header(
        facts=Facts(format="webp", width=width, height=height, alpha=alpha),
        colour="rgba" if alpha else "rgb",
        animated=animated,
    )
