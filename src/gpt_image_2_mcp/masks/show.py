"""Draws a mask over its picture, so that it can be looked at before an edit is paid."""

from typing import TYPE_CHECKING, Final

from ..images.encode import Step, encode_to_fit
from ..images.headers import facts, read_header
from ..images.memory import DECODING, decode_in_child, is_small
from ..images.preview import POINTING_EDGE, open_scaled
from .draw import grown

if TYPE_CHECKING:
    from PIL import Image, ImageDraw

_QUALITIES: Final = (85, 75, 60, 40, 20)
_INK, _PAPER = (255, 0, 170), (255, 255, 255)
_DIMMED: Final = 0.35
"""How much of what stays is seen; the rest is grey."""
_TRACE: Final = 8
"""A weight below it is not seen as part of the mask."""


def draw_over(picture: bytes, mask: bytes, *, share: int) -> bytes:
    """A picture with its mask drawn over it, as a JPEG of at most `share` bytes. Blocks.

    `picture` can be sent as it is, and `mask` is its mask, as `Mask.data`.

    Raises:
        ChildFailed: that takes too much memory or time.
        ValueError: one of the two cannot be decoded, or nothing fits into `share`.

    """
    if is_small(read_header(picture), scaled=True) and is_small(read_header(mask), scaled=True):
        with DECODING.reserve():
            return draw_over_here(picture, mask, share=share)
    return decode_in_child(f"{__package__}.tasks:draw_over", picture, mask, share=share).data


def draw_over_here(picture: bytes, mask: bytes, *, share: int) -> bytes:
    """What `draw_over` does, in this process."""
    with open_scaled(picture, facts(picture), POINTING_EDGE) as opened:
        shown = _scaled(opened.convert("RGB"))
    with open_scaled(mask, facts(mask), POINTING_EDGE) as opened:
        alpha = opened.getchannel("A")
    found = encode_to_fit((Step(_drawn(shown, alpha), quality) for quality in _QUALITIES), max_bytes=share)
    if found is None:
        raise ValueError(f"does not fit into {share:,} bytes with its mask")
    return found.data


def _scaled(image: "Image.Image") -> "Image.Image":
    from PIL import Image

    ratio = POINTING_EDGE / max(image.size)
    if ratio >= 1:
        return image
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    return image.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] - numpy's


def _drawn(shown: "Image.Image", alpha: "Image.Image") -> "Image.Image":
    """The picture with what stays dimmed, an outline around what changes, and the corners of the box around that."""
    from PIL import Image, ImageChops, ImageDraw

    weights = ImageChops.invert(alpha)
    if weights.size != shown.size:
        weights = weights.resize(shown.size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] - numpy's
    grey = Image.blend(Image.new("RGB", shown.size, (128, 128, 128)), shown.convert("L").convert("RGB"), _DIMMED)
    drawn = Image.composite(shown, grey, weights)
    marked = weights.point([0] * _TRACE + [255] * (256 - _TRACE))  # pyright: ignore[reportUnknownMemberType] - numpy's
    wide, thin = grown(marked, 3), grown(marked, 2)
    drawn.paste(_PAPER, mask=ImageChops.subtract(wide, marked))
    drawn.paste(_INK, mask=ImageChops.subtract(thin, marked))
    box = marked.getbbox()
    if box:
        left, upper, right, lower = box
        pen = ImageDraw.Draw(drawn)
        _label(pen, f"{left},{upper}", (left, upper), "ls", shown.size)
        _label(pen, f"{right},{lower}", (right, lower), "rt", shown.size)
    return drawn


def _label(pen: "ImageDraw.ImageDraw", text: str, corner: tuple[int, int], anchor: str, size: tuple[int, int]) -> None:
    """Write numbers at a corner, outside the box if there is room, and within the picture in any case."""
    from PIL import ImageFont

    font = ImageFont.load_default(max(12, min(size) // 40))
    left, upper, right, lower = pen.textbbox(corner, text, font=font, anchor=anchor)
    gap = 5 if anchor == "rt" else -5
    x = min(max(left, 2), size[0] - (right - left) - 2) - left
    y = min(max(upper + gap, 2), size[1] - (lower - upper) - 2) - upper
    pen.rectangle((left + x - 3, upper + y - 2, right + x + 3, lower + y + 2), fill=(0, 0, 0))
    pen.text((corner[0] + x, corner[1] + y), text, font=font, fill=_PAPER, anchor=anchor)
