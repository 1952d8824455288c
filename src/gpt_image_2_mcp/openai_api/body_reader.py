"""Reads an answer of the images route while it arrives: its pictures are decoded before its last byte is here.

A picture's base64 never becomes a text: what stands between `"b64_json":"` and the next quote is decoded as it comes,
and the rest of the body stays JSON, with a short name in the picture's place. JSON escapes the quotes inside its texts,
so nothing else looks like that. Where such a text is anything but plain base64 (escapes, a data URL, a line end), the
body is put together again and left to the general parser.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

import pybase64

from ..images.preview_worker import PreviewWorker

STEP_BYTES: Final = 256 * 1024
"""How much is decoded at once: small steps take longer, large ones leave the processor's cache."""

_BEGINNING: Final = re.compile(rb'(?<!\\)"b64_json"\s*:\s*"')
_LONGEST_BEGINNING: Final = 64
"""With more white space in it than that, a beginning may be overlooked, and its text is JSON like any other."""


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """The bytes of a picture, and the look that was taken at them on the way."""

    data: bytes = field(repr=False)
    worker: PreviewWorker | None = None


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's JSON, and the pictures that are not in it, by what stands there in the place of their base64."""

    json: bytes
    pictures: Mapping[str, ImageBytes] = field(default_factory=dict[str, ImageBytes])


def arrived(pieces: Iterator[bytes], look: Callable[[], PreviewWorker]) -> Body:
    """Take a body to its end; `look` begins the look at each picture, which is fed it."""
    arriving = _Arriving(look)
    waiting: list[bytes] = []
    length = 0
    for piece in pieces:
        waiting.append(piece)
        length += len(piece)
        if length >= STEP_BYTES:
            arriving.feed(b"".join(waiting))
            waiting, length = [], 0
    arriving.feed(b"".join(waiting))
    return arriving.body()


class _Arriving:
    """One body on its way."""

    def __init__(self, look: Callable[[], PreviewWorker]) -> None:
        self._look = look
        self._parts: list[bytes | _Encoded] = []
        """JSON and pictures, in turn, up to the present part."""
        self._json = bytearray()
        """The present part, where it is not a picture."""
        self._searched = 0
        self._picture: _Encoded | None = None
        self._is_plain = True

    def feed(self, piece: bytes) -> None:
        """Take the next piece."""
        while piece and self._is_plain:
            piece = self._search(piece) if self._picture is None else self._decode(self._picture, piece)
        self._json += piece

    def body(self) -> Body:
        """Everything, once all of it came; a body that ends within a picture is no JSON, as it is no JSON now."""
        pictures: dict[str, ImageBytes] = {}
        texts: list[bytes] = []
        for part in self._parts:
            if isinstance(part, bytes):
                texts.append(part)
            elif picture := part.picture():
                # Not base64, so that no text of the answer can be mistaken for it.
                name = f"#{len(pictures)}"
                pictures[name] = picture
                texts.append(name.encode())
        return Body(b"".join([*texts, self._json]), pictures)

    def _search(self, piece: bytes) -> bytes:
        """Look for the beginning of a picture, and give what follows it."""
        self._json += piece
        found = _BEGINNING.search(self._json, self._searched)
        if found is None:
            self._searched = max(self._searched, len(self._json) - _LONGEST_BEGINNING)
            return b""
        rest = bytes(self._json[found.end() :])
        self._parts.append(bytes(self._json[: found.end()]))
        self._json.clear()
        self._searched = 0
        self._picture = _Encoded(self._look())
        self._parts.append(self._picture)
        return rest

    def _decode(self, picture: "_Encoded", piece: bytes) -> bytes:
        """Decode a picture up to its end, and give what follows it, beginning with the quote."""
        end = piece.find(b'"')
        encoded, rest = (piece, b"") if end < 0 else (piece[:end], piece[end:])
        try:
            picture.feed(encoded, is_last=end >= 0)
        except ValueError:
            self._is_plain = False
            self._json += b"".join(part if isinstance(part, bytes) else part.text() for part in self._parts)
            self._parts.clear()
            return rest
        if end >= 0:
            self._picture = None
        return rest


class _Encoded:
    """One picture on its way."""

    def __init__(self, look: PreviewWorker) -> None:
        self._look = look
        self._decoded: list[bytes] = []
        self._undecoded = b""

    def feed(self, encoded: bytes, *, is_last: bool) -> None:
        """Decode what comes; ValueError where it is not plain base64."""
        text = self._undecoded = self._undecoded + encoded
        whole = len(text) if is_last else len(text) // 4 * 4
        part = pybase64.b64decode(memoryview(text)[:whole], validate=True)
        if not is_last and len(part) * 4 != whole * 3:
            raise ValueError("padding before the end")
        self._undecoded = text[whole:]
        self._decoded.append(part)
        self._look.feed(part)

    def text(self) -> bytes:
        """What came so far, as base64 again."""
        return pybase64.b64encode(b"".join(self._decoded)) + self._undecoded

    def picture(self) -> ImageBytes | None:
        """What came, if anything did."""
        data = b"".join(self._decoded)
        self._decoded.clear()
        return ImageBytes(data, self._look) if data else None
