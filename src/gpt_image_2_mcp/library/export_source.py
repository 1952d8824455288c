"""`ExportSource`: a picture to export, as it is in its file."""

import re
from dataclasses import dataclass

from ..catalogue.picture_record import Picture
from ..errors import UnreadableSource
from ..images.formats import SHOWN
from ..images.headers import facts, read_header
from ..images.provenance import MADE_BY_MODEL, PARTLY_BY_MODEL, xmp_of
from ..images.validate import ValidatedImage, accepted_format, validate
from ..inputs import InputImage


@dataclass(frozen=True, slots=True)
class ExportSource:
    """A picture to export."""

    stem: str
    data: bytes
    sha256: str
    picture: Picture | None
    first: str = ""
    """What is taken of one with several frames or pages, in words."""
    held: object = None
    """What its bytes hold of those that all calls may have, as long as this is there."""

    @property
    def xmp(self) -> str:
        """The XMP of what is made of it; none of a picture that was not made here."""
        if self.picture is None:
            return ""
        return xmp_of(PARTLY_BY_MODEL if self.picture.record.is_composite else MADE_BY_MODEL, self.sha256)


def as_it_is(data: bytes, /, *, name: str = "The picture") -> ValidatedImage:
    """The bytes of a file, with its transparency; what is no PNG, JPEG or WebP is converted as for an edit."""
    if accepted_format(data, name=name) not in SHOWN:
        return validate(data, name=name)
    try:
        return ValidatedImage(data, facts(data), None)
    except ValueError as error:
        raise UnreadableSource(f"{name} {error}.") from None


def first_of(image: InputImage) -> str:
    """What is taken of a picture with several frames or pages, in words; empty for any other."""
    if found := re.search(r"reduced to its (first \w+)", image.change or ""):
        return f"only its {found[1]}"
    return "only its first frame" if read_header(image.data).animated else ""
