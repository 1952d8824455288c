"""The bytes that came as a picture: their hash, what they are, and whether they are a text in its place."""

import hashlib
from functools import cached_property

from ..images import Facts, identify
from ..images.formats import name_format

MAX_PAGE_BYTES = 64 * 1024
"""Bytes of a text, such as an error page, that comes in place of a picture; a longer one is saved as a file."""


class Content:
    """The bytes of a picture, their hash, and what they are."""

    def __init__(self, data: bytes) -> None:
        self.data = data

    @cached_property
    def sha256(self) -> str:
        """The hash, in hexadecimal."""
        return hashlib.sha256(self.data).hexdigest()

    @cached_property
    def identified(self) -> tuple[Facts, bool]:
        """What the bytes are, and whether they are damaged."""
        return identify(self.data)

    def prepare(self) -> None:
        """Compute both."""
        _ = self.sha256, self.identified


def is_text(data: bytes) -> bool:
    """Whether bytes that came as a picture are a short text that is no drawing: a page with an error, for example."""
    if len(data) > MAX_PAGE_BYTES or name_format(data):
        return False
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return False
    return all(char.isprintable() or char.isspace() for char in text)
