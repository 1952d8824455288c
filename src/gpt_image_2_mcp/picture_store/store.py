"""`PictureStore`: what a store of pictures does. There are two: a folder, and an object store (S3, Azure, Google)."""

import math
from collections.abc import Iterator
from datetime import datetime
from pathlib import PurePath
from typing import IO, Final, Protocol
from urllib.parse import quote

from ..errors import GptImageError
from ..storage.link import Link
from .keys import file_name

PUT_SECONDS: Final = 8.0
"""Seconds that a picture waits for the store before it goes another way: its answer waits too."""

TYPES: Final = {
    ".png": "image/png",
    ".jpg": "image/jpeg",
    ".webp": "image/webp",
    ".gif": "image/gif",
    ".avif": "image/avif",
    ".html": "text/html; charset=utf-8",
    ".json": "application/json",
    ".pdf": "application/pdf",
}
"""The content types by the ending of a key."""

_INLINE: Final = {"image/png", "image/jpeg", "image/webp"}
"""What a browser may show; anything else is only saved."""


class StoreUnusable(GptImageError):
    """The picture store cannot be reached, is full, or refuses this server."""


class TooLarge(StoreUnusable):
    """What is stored under a key has more bytes than are read."""


class TooMuch(StoreUnusable):
    """A person has so much in the store that is deleted after a day that nothing is added to it."""


class NoSuchObject(GptImageError):
    """The picture store has nothing under a key."""


class PictureStore(Protocol):
    """Where the pictures of all people are kept. Every method but the links' blocks: call it in a thread."""

    def put(self, key: str, data: bytes) -> None:
        """Store bytes under a key, durably; storing the same ones again does nothing. Raises StoreUnusable."""
        ...

    def get(self, key: str, into: IO[bytes], *, most: int) -> None:
        """Write what is stored under a key into a file, piece by piece.

        Raises:
            NoSuchObject: there is nothing.
            TooLarge: it has more bytes than `most`.
            StoreUnusable: it cannot be read.

        """
        ...

    def delete(self, key: str) -> None:
        """Delete what is stored under a key, if there is anything. Raises StoreUnusable."""
        ...

    def older(self, prefix: str, than: datetime, *, or_larger: float = math.inf) -> Iterator[str]:
        """The keys below `KIND/` or `KIND/PERSON/` whose objects were stored before a time, or have more bytes.

        Raises StoreUnusable.
        """
        ...

    def link(self, key: str, seconds: int) -> Link:
        """A link to the file under a key, which works for some seconds; whether there is one is not looked at."""
        ...

    def upload_link(self, key: str, seconds: int, *, size: int, media_type: str) -> Link:
        """A link to which a file can be sent with PUT, which then is under the key."""
        ...


def media_type_of(key: str) -> str:
    """The content type of a file, by the ending of its key."""
    return TYPES.get(PurePath(key).suffix, "application/octet-stream")


def disposition_of(key: str) -> str:
    """The `Content-Disposition` of a file: shown where it is a plain picture, and otherwise only saved."""
    how = "inline" if media_type_of(key) in _INLINE else "attachment"
    return f'{how}; filename="{quote(file_name(key))}"'
