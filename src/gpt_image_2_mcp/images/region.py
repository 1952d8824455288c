"""A part of a picture, pixel for pixel where an answer has room for it: what a preview of the whole cannot show.

A region goes as PNG where that fits. Where it does not, as JPEG, or as WebP where it has transparency, at qualities at
which hardly anything is lost; and only where even that is too much is it scaled down, and said to be.
"""

import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import BadRequest, UnreadableSource, shown
from . import MIME, Facts
from .decode import opened
from .encode import Step, encode_to_fit, without_opaque_alpha
from .formats import LABEL
from .preview import Preview

if TYPE_CHECKING:
    from PIL import Image

QUALITIES: Final = (95, 88, 80)
"""What is tried at full size: below this an edge or a letter begins to differ from what is there."""
STEP: Final = 0.8
"""Each try of a smaller size is so much of the one before."""
PNG_EFFORT: Final = 6
"""zlib's level: twice as quick as 9, and a hundredth larger."""

_BOX: Final = re.compile(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", re.ASCII)
_HOPELESS: Final = 2
"""A PNG that is expected to be so many times too large is not tried."""
_PNG_BYTES: Final = 1.5
"""What a pixel of a photo-like picture takes as PNG."""


@dataclass(frozen=True, slots=True)
class Box:
    """A region of a picture, in pixels from its upper left corner; it lies inside."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        """As `box_of` reads it."""
        return f"{self.left},{self.top},{self.width},{self.height}"


@dataclass(frozen=True, slots=True)
class Region:
    """A region ready to be put into an answer, and how it differs from the picture."""

    preview: Preview
    box: Box
    factor: float
    """1 pixel for pixel; 0.5 where width and height are half of the region's."""
    lossless: bool
    """Every pixel is the picture's own."""
    said: str
    """All of that in a sentence."""


def box_of(text: str, facts: Facts) -> Box:
    """Read "left,top,width,height", in pixels of the picture that `facts` tells of.

    Raises:
        BadRequest: it is not four whole numbers, has no pixel, or is not inside the picture.

    """
    found = _BOX.fullmatch(text)
    if not found:
        half = (max(1, facts.width // 2), max(1, facts.height // 2))
        raise BadRequest(
            f"The region {shown(text)} is not four whole numbers: give left,top,width,height in pixels, such as"
            f" 0,0,{half[0]},{half[1]} for the upper left quarter of this {facts.width}x{facts.height} picture."
        )
    box = Box(*map(int, found.groups()))
    for edge, start, length, whole in (
        ("left", box.left, ("width", box.width), facts.width),
        ("top", box.top, ("height", box.height), facts.height),
    ):
        if not 0 <= start < whole:
            raise BadRequest(
                f"The region {shown(str(box))} begins outside the {facts.width}x{facts.height} picture: {edge} is"
                f" {start}, and 0 to {whole - 1} is possible."
            )
        if not 1 <= length[1] <= whole - start:
            what = "has no pixels" if length[1] < 1 else "goes beyond its edge"
            raise BadRequest(
                f"The region {shown(str(box))} of the {facts.width}x{facts.height} picture {what}: {length[0]} is"
                f" {length[1]}, and with {edge} {start} it can be 1 to {whole - start}."
            )
    return box


def region(data: bytes, facts: Facts, box: Box, *, share: int) -> Region:
    """Cut `box` out of a picture, in at most `share` bytes. Blocks: call it in a thread.

    Raises:
        UnreadableSource: the picture cannot be decoded.
        ValueError: `share` is too small for any picture: it takes some hundred bytes.

    """
    if (box.width, box.height) == (facts.width, facts.height) and len(data) <= share:
        return _region(
            data, MIME[facts.format], facts, box, factor=1, how="pixel for pixel: it is the file itself", lossless=True
        )
    cut = _cut(data, box)
    # The file says how well its pixels pack, if it is a PNG itself.
    a_pixel = len(data) / (facts.width * facts.height) if facts.format == "png" else _PNG_BYTES
    if a_pixel * box.width * box.height <= _HOPELESS * share:
        as_png = _as_png(cut)
        if len(as_png) <= share:
            return _region(as_png, MIME["png"], facts, box, factor=1, how="pixel for pixel", lossless=True)
    encoded = encode_to_fit(_tries(cut), max_bytes=share)
    if encoded is None:
        raise ValueError(f"No picture fits into {share} bytes.")
    factor = max(encoded.step.image.size) / max(cut.size)
    how = f"at full size, as {LABEL[encoded.format]} of quality {encoded.step.quality}"
    if factor < 1:
        how = f"scaled to {factor:.0%} of its size to fit into the answer; a smaller region is shown larger"
    return _region(encoded.data, MIME[encoded.format], facts, box, factor=factor, how=how, lossless=False)


def _cut(data: bytes, box: Box) -> "Image.Image":
    try:
        with opened(data) as image:
            mode = "RGBA" if image.has_transparency_data else "RGB"
            cut = image.crop((box.left, box.top, box.left + box.width, box.top + box.height)).convert(mode)
    except ValueError as error:
        raise UnreadableSource(f"The picture {error}, so no region of it can be shown.") from None
    return without_opaque_alpha(cut)


def _tries(cut: "Image.Image") -> Iterator[Step]:
    """The region at full size at each quality, then ever smaller."""
    from PIL import Image

    for quality in QUALITIES:
        # Colours at full resolution: thin coloured lines are what a region is looked at for.
        yield Step(cut, quality, full_colour=True)
    factor = STEP
    while max(cut.size) * factor >= 1:
        size = (max(1, round(cut.width * factor)), max(1, round(cut.height * factor)))
        small = cut.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)  # pyright: ignore[reportUnknownMemberType] - numpy's
        yield Step(small, QUALITIES[-1], full_colour=True)
        factor *= STEP


def _as_png(image: "Image.Image") -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=PNG_EFFORT)
    return out.getvalue()


def _region(data: bytes, mime_type: str, facts: Facts, box: Box, *, factor: float, how: str, lossless: bool) -> Region:
    import pybase64

    said = (
        f"The region {box.width}x{box.height} at left {box.left}, top {box.top} of the {facts.width}x{facts.height}"
        f" picture, {how}."
    )
    return Region(Preview(pybase64.b64encode_as_string(data), mime_type), box, factor, lossless, said)
