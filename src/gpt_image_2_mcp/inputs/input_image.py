"""`InputImage`: a checked input picture, as it is sent."""

import hashlib
from dataclasses import dataclass, field, replace
from pathlib import Path

from ..images.formats import FileFormat
from .held_bytes import Holding


@dataclass(frozen=True, slots=True)
class InputImage:
    """A checked picture that can be sent to the API, and where it came from."""

    data: bytes
    format: FileFormat
    width: int
    height: int
    sha256: str
    """Of `data`, in hexadecimal."""
    file_sha256: str
    """Of the source's own bytes, before any change."""
    name: str
    """The file name of the upload: made from the hash, so that it reveals nothing about the user's file."""
    source: str
    """Where it came from, for a record: the path as given, a URL without its query, or "a data URL (1,234 bytes)"."""
    path: Path | None
    """The real path of a local file; None for a URL or data."""
    change: str | None
    """What was changed before sending, as a sentence; None if the pixels are those of the source."""
    note: str | None = None
    """A sentence for the answer if another name was taken than the one that was given."""
    id: str | None = None
    """The picture's id, if it was made here."""
    marked: tuple[int, int, int, int] | None = None
    """Of a mask: left, upper, right and lower edge around what it marks, in pixels."""
    held: Holding | None = field(default=None, compare=False, repr=False)
    """The part of the budget of bytes that `data` takes, which is given back with the last copy of this value."""

    def with_png(self, data: bytes, size: tuple[int, int]) -> "InputImage":
        """A copy of which this PNG is sent; it has this width and height."""
        digest = hashlib.sha256(data).hexdigest()
        name = f"image-{digest[:8]}.png"
        return replace(self, data=data, format="png", width=size[0], height=size[1], sha256=digest, name=name)
