"""Finds complete pictures in the bytes of an answer, whatever they are wrapped in.

The strict readers (`results`, `responses_route`) know the shapes that the API documents. This one is for answers that
they do not understand: cut off, in another wrapping, with something before or after. It looks for the base64 that each
picture format begins with, and for bytes that are a picture by themselves. The time that it takes grows with the size
of the answer, and no faster.
"""

import json
import re
from bisect import bisect_right
from collections.abc import Iterator
from typing import Any, Final

import pybase64

from ..images.formats import is_whole, name_format

_STARTS: Final = (
    rb"iVBORw0KGgo"  # PNG
    rb"|[/_]9j[/_]|\\+/9j\\+/"  # JPEG
    rb"|UklGR"  # WebP
    rb"|R0lGOD[dl]h"  # GIF
    rb"|AAAA[A-Za-z0-9+/_-]GZ0eX|AAAA[A-Za-z0-9+/_-]{2}Z0eX"  # AVIF and HEIC: `ftyp` behind four bytes of length
    rb"|SUkqA|TU0AK"  # TIFF
    rb"|PHN2Zy|PD94bWwg"  # SVG
)
"""The base64 of each format's first bytes, with `/` as JSON may write it."""

_RUN: Final = rb"(?:[A-Za-z0-9+/_-]|\\+[/nr]|[\r\n])*={0,2}"
"""Base64 of either alphabet, with line ends, which JSON writes as `\\n`, and slashes, which it may write as `\\/`."""

_PICTURE: Final = re.compile(rb"(?:(?<![A-Za-z0-9+/_-])|(?<=\\[nr]))(?:" + _STARTS + rb")" + _RUN)
_FIELD: Final = re.compile(rb'b64_json\\*"\s*:\s*\\*"((?=[A-Za-z0-9+/_-]{20})' + _RUN + rb')(?=\\*")')
_EVENT: Final = re.compile(rb"(?:^|[\r\n]|\\n)data:")
_USAGE: Final = re.compile(rb'"usage"\s*:\s*(\{[^{}]*(?:\{[^{}]*\}[^{}]*)*\})')

MAX_WORDS = 4_000
"""Bytes before and behind a picture in which an event of a stream says that it is unfinished."""


def find_pictures(content: bytes) -> list[bytes]:
    """Find every complete picture in an answer, each of them once, in the order in which they stand; raises nothing.

    A picture is complete if its base64 is followed by something else, or ends as its format does. Pictures that an
    event of a stream calls unfinished (`partial_image`) are left out.
    """
    start = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    if name_format(start):
        return [content if name_format(content) else start]
    found: dict[bytes, None] = {}
    for data in _decoded(content):
        found[data] = None
    return list(found)


def find_usage(content: bytes) -> Any:
    """The `usage` object of an answer that is no JSON as a whole; None if there is none. Raises nothing."""
    for found in _USAGE.finditer(content):
        try:
            return json.loads(found[1])
        except ValueError:
            continue
    return None


def _decoded(content: bytes) -> Iterator[bytes]:
    events = [found.start() for found in _EVENT.finditer(content)]
    spans = {found.span() for found in _PICTURE.finditer(content)} | {f.span(1) for f in _FIELD.finditer(content)}
    at = 0
    for start, end in sorted(spans):
        if start < at or _is_unfinished(content, events, start, end):
            continue
        data = decode_loosely(content[start:end])
        is_named = content[max(0, start - 40) : start].rstrip(b'\\" :').endswith(b"b64_json")
        if data and (name_format(data) or is_named) and (end < len(content) or is_whole(data)):
            at = end
            yield data


def _is_unfinished(content: bytes, events: list[int], start: int, end: int) -> bool:
    """Whether the event in which a picture stands calls it unfinished."""
    index = bisect_right(events, start)
    if index == 0:
        return False
    until = events[index] if index < len(events) else len(content)
    before = content[max(events[index - 1], start - MAX_WORDS) : start]
    return b"partial_image" in before or b"partial_image" in content[end : min(until, end + MAX_WORDS)]


def decode_loosely(encoded: bytes) -> bytes:
    """Decode base64 of either alphabet, with line ends and without padding; b"" where that is impossible or cut off."""
    plain = re.sub(rb"\\+[nr]|[\s\\]", b"", encoded).rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    try:
        return pybase64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""
