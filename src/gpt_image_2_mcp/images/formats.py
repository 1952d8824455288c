"""Recognises file formats by their first bytes, whatever the file's name says.

`sniff` knows the three formats that the API takes. `recognise` names other formats that are often mistaken for them, so
that a refusal can say what the file is instead.
"""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal

Format = Literal["png", "jpeg", "webp"]
"""The three formats that the image API takes."""

MIME: Mapping[Format, str] = MappingProxyType({"png": "image/png", "jpeg": "image/jpeg", "webp": "image/webp"})
"""Media type of each format."""

EXTENSION: Mapping[Format, str] = MappingProxyType({"png": "png", "jpeg": "jpg", "webp": "webp"})
"""File name extension of each format, without its dot."""

LABEL: Mapping[Format, str] = MappingProxyType({"png": "PNG", "jpeg": "JPEG", "webp": "WebP"})
"""The name of each format in a sentence."""

SNIFFED = 12
"""Bytes that `sniff` needs: WebP names itself in bytes 8 to 12 of its RIFF header."""

_PNG = b"\x89PNG\r\n\x1a\n"
_OTHERS: tuple[tuple[int, bytes, str], ...] = (
    (0, b"GIF8", "a GIF"),
    (0, b"II*\0", "a TIFF"),
    (0, b"MM\0*", "a TIFF"),
    (0, b"8BPS", "a Photoshop file"),
    (0, b"\0\0\1\0", "an icon (ICO)"),
    (0, b"\0\0\0\x0cjP  ", "a JPEG 2000 picture"),
    (0, b"\0\0\0\x0cJXL ", "a JPEG XL picture"),
    (0, b"\xff\x0a", "a JPEG XL picture"),
    (0, b"%PDF", "a PDF"),
    (4, b"ftypavi", "an AVIF picture"),
    (4, b"ftyphe", "a HEIC picture"),
    (4, b"ftypmif1", "a HEIC picture"),
    (4, b"ftypmsf1", "a HEIC picture"),
    (4, b"ftyp", "a video"),
)
_TEXTS: tuple[tuple[bytes, str], ...] = (
    (b"<svg", "an SVG drawing"),
    (b"<!doctype html", "an HTML page"),
    (b"<html", "an HTML page"),
)


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


def recognise(head: bytes) -> str | None:
    """The name, with its article, of a file type that is often sent as a picture ("a GIF"); None if unknown."""
    if head.startswith(b"BM") and head[6:10] == b"\0\0\0\0":
        return "a BMP"
    for offset, magic, name in _OTHERS:
        if head.startswith(magic, offset):
            return name
    start = head[:1024].removeprefix(b"\xef\xbb\xbf").lstrip().lower()
    return next((name for magic, name in _TEXTS if start.startswith(b"<") and magic in start), None)
