"""Reads a body, and decodes the pictures in it; the package says why."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

import pybase64

_BEGINNING: Final = re.compile(rb'(?<!\\)"b64_json"\s*:\s*"')


@dataclass(frozen=True, slots=True)
class ImageBytes:
    """The bytes of a picture."""

    data: bytes = field(repr=False)


@dataclass(frozen=True, slots=True)
class Body:
    """An answer's JSON, and the pictures taken out of it, by the names that stand there in their place."""

    json: bytes
    pictures: Mapping[str, ImageBytes] = field(default_factory=dict[str, ImageBytes])


def read_body(content: bytes | bytearray) -> Body:
    """Take the pictures out of a body that has arrived."""
    json = bytearray()
    pictures: dict[str, ImageBytes] = {}
    copied = at = 0
    with memoryview(content) as body:
        while found := _BEGINNING.search(content, at):
            at = found.end()
            end = content.find(b'"', at)
            if end < 0:
                # The body is cut off within a picture; the parser says so.
                break
            try:
                data = pybase64.b64decode(body[at:end], validate=True)
            except ValueError:
                continue
            if data:
                # Not base64, so that no text of the answer can be mistaken for it.
                name = f"#{len(pictures)}"
                pictures[name] = ImageBytes(data)
                json += body[copied:at]
                json += name.encode()
                copied = at = end
        json += body[copied:]
    return Body(bytes(json), pictures)
