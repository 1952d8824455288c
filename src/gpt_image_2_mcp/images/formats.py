"""Recognises file formats by their first bytes, whatever the file's name says.

`sniff` knows the three formats that the API takes, and `name_format` those that a backend may answer with besides.
`taken_format` knows those that an input may have: `convert` makes one of the three of the others. `other_formats` names
any other file.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Format = Literal["png", "jpeg", "webp"]
"""The three formats that the image API takes."""

FileFormat = Literal[Format, "gif", "avif", "heic", "tiff", "svg", "bmp", "jxl", "jp2", "ico", "bin"]
"""The formats in which an answer is saved; `bin` is one that is not known."""

MIME: Mapping[FileFormat, str] = MappingProxyType(
    {
        "png": "image/png",
        "jpeg": "image/jpeg",
        "webp": "image/webp",
        "gif": "image/gif",
        "avif": "image/avif",
        "heic": "image/heic",
        "tiff": "image/tiff",
        "svg": "image/svg+xml",
        "bmp": "image/bmp",
        "jxl": "image/jxl",
        "jp2": "image/jp2",
        "ico": "image/x-icon",
        "bin": "application/octet-stream",
    }
)
"""Media type of each format."""

EXTENSION: Mapping[FileFormat, str] = MappingProxyType({**{name: name for name in MIME}, "jpeg": "jpg"})
"""File name extension of each format, without its dot."""

LABEL: Mapping[FileFormat, str] = MappingProxyType(
    {
        **{name: name.upper() for name in MIME},
        "webp": "WebP",
        "jxl": "JPEG XL picture",
        "jp2": "JPEG 2000 picture",
        "svg": "SVG drawing",
        "bin": "file of an unknown kind",
    }
)
"""The name of each format in a sentence."""

WITH_ARTICLE: Mapping[FileFormat, str] = MappingProxyType(
    {name: f"{'an' if name in ('avif', 'svg', 'ico') else 'a'} {label}" for name, label in LABEL.items()}
)
"""The name of each format with its article."""

SHOWN: frozenset[str] = frozenset({"png", "jpeg", "webp"})
"""The formats of which this program makes previews."""

CONVERTED: frozenset[str] = frozenset({"gif", "bmp", "tiff", "avif", "heic"})
"""The formats that are converted when they are given as an input."""

TAKEN = "PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC"
"""The formats of input pictures, for messages."""

HEAD = 4096
"""Bytes that `taken_format` and `other_formats` need of a file; in an SVG a comment of its program may stand first."""

SNIFFED = 12
"""Bytes that `sniff` needs: WebP names itself in bytes 8 to 12 of its RIFF header."""

_PNG = b"\x89PNG\r\n\x1a\n"
_ANSWERED: tuple[tuple[int, bytes, FileFormat], ...] = (
    (0, b"GIF8", "gif"),
    (0, b"II*\0", "tiff"),
    (0, b"MM\0*", "tiff"),
    (0, b"II+\0", "tiff"),
    (0, b"MM\0+", "tiff"),
    (0, b"\0\0\1\0", "ico"),
    (0, b"\0\0\0\x0cjP  ", "jp2"),
    (0, b"\0\0\0\x0cJXL ", "jxl"),
    (0, b"\xff\x0a", "jxl"),
)
_BRANDS: tuple[tuple[bytes, FileFormat], ...] = (
    (b"avi", "avif"),
    (b"he", "heic"),
    (b"mif1", "heic"),
    (b"msf1", "heic"),
)
"""How the brands of an ISO file begin that make it a picture. `mif1` may be either: the other brands decide."""
_SVG = re.compile(rb"(?>\s+|<\?.*?\?>|<!--.*?-->)*+<(?:!doctype\s+)?svg\b", re.IGNORECASE | re.DOTALL)


def sniff(head: bytes) -> Format | None:
    """The format by its magic bytes; None for any other file, and for fewer than `SNIFFED` bytes."""
    if len(head) < SNIFFED:
        return None
    if head.startswith(_PNG):
        return "png"
    if head.startswith(b"\xff\xd8\xff"):
        return "jpeg"
    if head.startswith(b"RIFF") and head[8:12] == b"WEBP":
        return "webp"
    return None


def name_format(data: bytes) -> FileFormat | None:
    """The format of a picture that came in an answer, by its first bytes; None if it is not known to be a picture."""
    if found := sniff(data[:SNIFFED]):
        return found
    if data.startswith(b"BM") and data[6:10] == b"\0\0\0\0":
        return "bmp"
    for offset, magic, name in _ANSWERED:
        if data.startswith(magic, offset):
            return name
    if data[4:8] == b"ftyp":
        return _iso_format(data)
    return "svg" if _SVG.match(data[:HEAD].removeprefix(b"\xef\xbb\xbf")) else None


def _iso_format(data: bytes) -> FileFormat | None:
    """The format of an ISO media file by its main brand and those that it is compatible with."""
    end = min(int.from_bytes(data[:4], "big"), 256)
    brands = [data[at : at + 4] for at in (8, *range(16, end, 4))]
    for start, name in _BRANDS:
        if any(brand.startswith(start) for brand in brands):
            return name
    return None


def is_whole(data: bytes) -> bool:
    """Whether a file ends as its format does; False for formats whose end is not known."""
    match name_format(data):
        case "png":
            return data[-12:] == b"\0\0\0\0IEND\xaeB`\x82"
        case "jpeg":
            return data.endswith(b"\xff\xd9")
        case "webp":
            return int.from_bytes(data[4:8], "little") + 8 <= len(data)
        case "gif":
            return data.endswith(b";")
        case "svg":
            return data.rstrip().endswith(b"</svg>")
        case _:
            return False


def taken_format(head: bytes) -> FileFormat | None:
    """The format of an input picture by the first `HEAD` bytes of its file; None if it is not taken."""
    found = name_format(head)
    # A RAW photograph of Canon's begins as a TIFF.
    is_raw = head[8:12] == b"CR\2\0"
    return found if not is_raw and (found in CONVERTED or found in SHOWN) else None
