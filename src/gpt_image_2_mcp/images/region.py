"""Cuts a region out of a picture for an answer, pixel for pixel if there is room: details that a preview cannot show.

A region is encoded as PNG if that fits into the answer. If not, as JPEG (WebP with transparency) at high quality; and
only if even that is too large is it scaled down, which its description then says.
"""

import io
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from ..errors import BadRequest, ChildFailed, UnreadableSource, shown
from .colours import in_srgb
from .decode import open_image, orientation_of, reduced
from .encode import Step, encode_to_fit, without_opaque_alpha
from .formats import LABEL, MIME, FileFormat
from .headers import Facts, read_header
from .memory import DECODING, check_size, decode_in_child, is_small
from .normalize import TRANSPOSED, exif_orientation, upright
from .preview import Preview, check_decodes

if TYPE_CHECKING:
    from PIL import Image

QUALITIES: Final = (95, 88, 80)
"""Encoder qualities that are tried at full size: with a lower one, edges and letters begin to differ."""
SHRINK_FACTOR: Final = 0.8
"""Each further try has this fraction of the width and height of the one before."""
PNG_EFFORT: Final = 6
"""The level of zlib's compression: twice as fast as level 9, and 1 % larger."""
MAX_CUT_PIXELS: Final = 8_300_000
"""Pixels of a region that is cut out at its full size: those of the largest picture that gpt-image-2 makes. A larger
region fits into no answer, and takes much memory to encode."""
MAX_CUT_EDGE = 16_000
"""Pixels of the longest edge of a region: a WebP has at most 16,383, and a JPEG 65,500."""

_BOX: Final = re.compile(r"\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*,\s*(-?\d{1,9})\s*", re.ASCII)
_MAX_PNG_RATIO: Final = 2
"""A PNG is not tried if it is expected to be this many times too large."""
_PNG_BYTES_A_PIXEL: Final = 1.5
"""Bytes per pixel of a photo-like picture as PNG."""


@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle inside a picture, in pixels from the picture's upper left corner."""

    left: int
    top: int
    width: int
    height: int

    def __str__(self) -> str:
        """The text that `parse_box` reads."""
        return f"{self.left},{self.top},{self.width},{self.height}"


@dataclass(frozen=True, slots=True)
class Region:
    """An encoded region, ready for an answer, and how it differs from the picture's own pixels."""

    preview: Preview
    box: Box
    factor: float
    """The scale: 1 is pixel for pixel, at 0.5 width and height are half of the region's."""
    lossless: bool
    """Whether every pixel is exactly the picture's own."""
    description: str
    """All of that in a sentence, for the user."""


@dataclass(frozen=True, slots=True)
class EncodedRegion:
    """An encoded region; `how` says in words how it differs from the picture's own pixels."""

    data: bytes
    format: FileFormat
    factor: float
    how: str
    lossless: bool


def parse_box(text: str, facts: Facts) -> Box:
    """Parse "left,top,width,height", in pixels of the picture that `facts` describe.

    Raises:
        BadRequest: the text is not four whole numbers, or the box is empty or not inside the picture.

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


def cut_region(data: bytes, facts: Facts, box: Box, *, share: int) -> Region:
    """Cut `box` out of a picture, in at most `share` bytes. Blocks: call it in a thread.

    `facts` and `box` are of the picture as it is shown (`upright_facts`), and so is the region.

    Raises:
        UnreadableSource: the picture cannot be decoded.
        ValueError: `share` is too small for any picture; the smallest takes some hundred bytes.

    """
    import pybase64

    try:
        found = _cut(data, facts, box, share)
    except (ValueError, MemoryError) as error:
        raise UnreadableSource(f"The picture {error}, so no region of it can be shown.") from None
    except ChildFailed as error:
        raise UnreadableSource(f"No region of the picture can be shown. {error}") from None
    if found is None:
        raise ValueError(f"No picture fits into {share} bytes.")
    said = (
        f"The region {box.width}x{box.height} at left {box.left}, top {box.top} of the {facts.width}x{facts.height}"
        f" picture, {found.how}."
    )
    preview = Preview(pybase64.b64encode_as_string(found.data), MIME[found.format])
    return Region(preview, box, found.factor, found.lossless, said)


def _cut(data: bytes, facts: Facts, box: Box, share: int) -> EncodedRegion | None:
    is_whole = (box.width, box.height) == (facts.width, facts.height)
    if is_whole and len(data) <= share and orientation_of(data, facts.format) == 1:
        check_decodes(data, facts)
        return EncodedRegion(data, facts.format, 1, "pixel for pixel: it is the file itself", lossless=True)
    header = read_header(data)
    check_size(header, scaled=False)
    if is_small(header):
        with DECODING.reserve():
            return cut_here(data, facts, box, share=share)
    cut = decode_in_child("region", data, box=[box.left, box.top, box.width, box.height], share=share)
    return EncodedRegion(cut.data, **cut.values) if cut.data else None


def cut_here(data: bytes, facts: Facts, box: Box, *, share: int) -> EncodedRegion | None:
    """Cut `box` out of a picture in this process; None if no picture fits.

    Raises:
        ValueError: the picture cannot be decoded.

    """
    by_edge = math.ceil(max(box.width, box.height) / MAX_CUT_EDGE)
    scale = max(math.isqrt(box.width * box.height // MAX_CUT_PIXELS) + 1, by_edge)
    with open_image(data) as image:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        orientation = exif_orientation(image)
        own = reduced(image, mode, scale, _stored(box, image.size, orientation))
        cut = in_srgb(own, image.info.get("icc_profile"))
        is_own = cut is own
        cut = upright(cut, orientation)
    del image, own  # its pixels would stay in memory while the region is encoded
    cut = without_opaque_alpha(cut)
    # A PNG's own size tells how well its pixels compress.
    a_pixel = len(data) / (facts.width * facts.height) if facts.format == "png" else _PNG_BYTES_A_PIXEL
    if scale == 1 and a_pixel * box.width * box.height <= _MAX_PNG_RATIO * share:
        as_png = _as_png(cut)
        if len(as_png) <= share:
            how = "pixel for pixel" if is_own else "pixel for pixel, with its colours brought to sRGB"
            return EncodedRegion(as_png, "png", 1, how, lossless=is_own)
    encoded = encode_to_fit(_steps(cut), max_bytes=share)
    if encoded is None:
        return None
    factor = max(encoded.step.image.size) / max(box.width, box.height)
    how = f"at full size, as {LABEL[encoded.format]} of quality {encoded.step.quality}"
    if factor < 1:
        how = f"scaled to {factor:.0%} of its size to fit into the answer; a smaller region is shown larger"
    return EncodedRegion(encoded.data, encoded.format, factor, how, lossless=False)


def _stored(box: Box, size: tuple[int, int], orientation: int) -> tuple[int, int, int, int]:
    """Where a box of a picture that is upright lies in the file: left, upper, right, lower; `size` is the file's."""
    left, upper, right, lower = box.left, box.top, box.left + box.width, box.top + box.height
    width, height = size
    if orientation in TRANSPOSED:
        # The file's columns are rows of what is shown.
        left, upper, right, lower = upper, left, lower, right
    if orientation in (2, 3, 7, 8):
        left, right = width - right, width - left
    if orientation in (3, 4, 6, 7):
        upper, lower = height - lower, height - upper
    return left, upper, right, lower


def _steps(cut: "Image.Image") -> Iterator[Step]:
    """The region at full size at each quality, then smaller and smaller."""
    from PIL import Image

    for quality in QUALITIES:
        # Colours at full resolution: a region is often looked at for thin coloured lines.
        yield Step(cut, quality, full_colour=True)
    factor = SHRINK_FACTOR
    while max(cut.size) * factor >= 1:
        size = (max(1, round(cut.width * factor)), max(1, round(cut.height * factor)))
        small = cut.resize(size, Image.Resampling.LANCZOS, reducing_gap=3.0)  # pyright: ignore[reportUnknownMemberType] - numpy's
        yield Step(small, QUALITIES[-1], full_colour=True)
        factor *= SHRINK_FACTOR


def _as_png(image: "Image.Image") -> bytes:
    out = io.BytesIO()
    image.save(out, "PNG", compress_level=PNG_EFFORT)
    return out.getvalue()
