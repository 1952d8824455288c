"""Finds complete pictures in the bytes of an answer, whatever they are wrapped in.

The strict readers (`results`, `responses_route`) know the shapes that the API documents. This one is for answers that
they do not understand: cut off, in another wrapping, with something before or after. It knows nothing of JSON's
structure: it looks for long texts in base64 that decode to a picture, and for bytes that are a picture by themselves.

The time that it takes grows with the size of the answer and no faster, and the memory is that of two copies of the
answer and its pictures. So no regular expression here repeats a group over a whole picture: that takes a hundred bytes
of memory for each byte, and the process is killed with the pictures that it holds.
"""

import json
import re
from collections.abc import Iterator
from itertools import islice
from typing import Any, Final

import pybase64

from ..images.formats import is_whole, name_format
from ..images.other_formats import recognise

_ALPHABET: Final = rb"[A-Za-z0-9+/_-]"
_TEXT: Final = re.compile(_ALPHABET + rb"{32,}+")
"""The first line of what may be base64: no picture is shorter, and few words are as long."""
_FURTHER_LINES: Final = re.compile(rb"(?:\s++" + _ALPHABET + rb"++)*+[\s=]*+")
_PICTURE_KEY: Final = re.compile(rb'"b64_json"\s*:\s*"\s*$')
_PARTIAL: Final = re.compile(rb"partial_image(?!s)")
_EVENT_ENDS: Final = (b"}", b"\n\n", b"\r\n\r\n")
_ESCAPES: Final = (
    (rb"\"", b'"'),
    (rb"\/", b"/"),
    (rb"\n", b"\n"),
    (rb"\r", b"\r"),
    (rb"\t", b"\t"),
    *((rb"\u00" + code, bytes.fromhex(code.decode())) for code in (b"2b", b"2B", b"2f", b"2F", b"3d", b"3D")),
)
"""How JSON writers escape what stands in base64 or around it."""
_STANDARD: Final = bytes.maketrans(b"-_", b"+/")
_HEAD: Final = 1_000
"""Characters of base64 by which a picture is recognised: a multiple of four."""
_WINDOW: Final = 2_000
"""Bytes before and behind a picture that say whether it is unfinished, and of a `usage` object."""
_MAX_USAGES: Final = 100
"""`usage` objects that are tried."""


def find_pictures(content: bytes) -> list[bytes]:
    """Find every complete picture in an answer, each of them once, in the order in which they stand; raises nothing.

    A picture is complete if a quote ends its base64, or if its bytes end as their format does. Pictures that an event
    of a stream calls unfinished (`partial_image`) are left out, and so are those of a web page, which are its own.
    """
    start = content[: 2 * _HEAD].removeprefix(b"\xef\xbb\xbf").lstrip()
    if name_format(start):
        return [content if name_format(content) else content.removeprefix(b"\xef\xbb\xbf").lstrip()]
    if recognise(start) == "an HTML page":
        return []
    return list(dict.fromkeys(data for data, _ in _find_in_text(_unescaped(content))))


def leave_out_pictures(content: bytes, most: int | None = None) -> bytes:
    """What stands in an answer beside the base64 of its complete pictures, or of the first `most` of them."""
    text = _unescaped(content)
    rest, at = bytearray(), 0
    for _, (begin, end) in islice(_find_in_text(text), most):
        rest += text[at:begin]
        at = end
    return bytes(rest + text[at:])


def may_hold_picture(content: bytes) -> bool:
    """Whether there is any base64, or bytes that are no text, in an answer."""
    return _TEXT.search(content) is not None or _is_binary(content)


def _find_in_text(text: bytes) -> Iterator[tuple[bytes, tuple[int, int]]]:
    """The complete pictures in an unescaped text, with the places of their base64."""
    behind_last = at = 0
    while first_line := _TEXT.search(text, at):
        begin, at = first_line.span()
        before = text[max(behind_last, begin - _WINDOW) : begin]
        is_named = _PICTURE_KEY.search(before) is not None
        # Only what begins as a picture is followed to its end, so that no line is looked at twice.
        head = decode_loosely(text[begin : min(at, begin + _HEAD)])
        if not (name_format(head) or head.startswith(b"<?xml") or is_named):
            continue
        lines = _FURTHER_LINES.match(text, at)
        behind_last = at = lines.end() if lines else at
        data = decode_loosely(text[begin:at])
        is_picture = name_format(data) is not None or (is_named and _is_binary(data))
        is_complete = text[at : at + 1] in (b'"', b"'") or is_whole(data)
        if is_picture and is_complete and not _is_unfinished(before, text[at : at + _WINDOW]):
            yield data, (begin, at)


def find_usage(content: bytes) -> Any:
    """The last `usage` object in an answer that is no JSON as a whole; None if there is none. Raises nothing."""
    text, key = _unescaped(content), b'"usage"'
    end = len(text)
    for _ in range(_MAX_USAGES):
        end = text.rfind(key, 0, end)
        if end < 0:
            break
        value = text[end + len(key) : end + len(key) + _WINDOW].decode("utf-8", "replace").lstrip(" \t\r\n:")
        try:
            usage: Any = json.JSONDecoder().raw_decode(value)[0]
        except (ValueError, RecursionError):
            continue
        if isinstance(usage, dict):
            return usage  # pyright: ignore[reportUnknownVariableType] - any object
    return None


def decode_loosely(encoded: bytes) -> bytes:
    """Decode base64 of either alphabet, with line ends and without padding; b"" where that is impossible or cut off."""
    plain = encoded.translate(_STANDARD, b" \t\r\n\f\v=")
    try:
        return pybase64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)
    except ValueError:
        return b""


def _unescaped(content: bytes) -> bytes:
    """The content without JSON's escapes, however often a text was put into another one."""
    if b"\\" not in content:
        return content
    while rb"\\" in content:
        content = content.replace(rb"\\", b"\\")
    for escaped, plain in _ESCAPES:
        content = content.replace(escaped, plain)
    return content


def _is_binary(data: bytes) -> bool:
    """Whether bytes are no text."""
    return b"\0" in data[:_HEAD] or "\ufffd" in data[:_HEAD].decode("utf-8", "replace")[:-1]


def _is_unfinished(before: bytes, behind: bytes) -> bool:
    """Whether a picture's event calls it unfinished; `before` and `behind` are what stands around its base64."""
    begin = max(before.rfind(end) for end in _EVENT_ENDS)
    ends = [at for end in _EVENT_ENDS if (at := behind.find(end)) >= 0]
    return bool(_PARTIAL.search(before, max(begin, 0)) or _PARTIAL.search(behind, 0, min(ends, default=len(behind))))
