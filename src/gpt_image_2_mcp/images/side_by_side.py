"""Draws up to four pictures side by side, with their numbers, so that they can be compared."""

from typing import TYPE_CHECKING, Final

from .encode import Step, encode_to_fit
from .headers import facts, read_header
from .memory import DECODING, check_size, decode_in_child, is_small
from .preview import open_scaled

if TYPE_CHECKING:
    from PIL import Image

MAX_PICTURES: Final = 4
EDGE: Final = 640
"""Pixels of the long edge of each picture, so that two make little more than clients show without scaling."""
_GAP: Final = 12
_QUALITIES: Final = (88, 78, 65, 50, 30, 10)
_PAPER, _INK, _BADGE = (247, 246, 243), (255, 255, 255), (22, 22, 24)


def side_by_side(*pictures: bytes, titles: list[str], share: int) -> bytes:
    """A JPEG of at most `share` bytes with up to four pictures and a title on each. Blocks.

    Raises:
        ChildFailed: that takes too much memory or time.
        ValueError: a picture cannot be decoded.

    """
    for picture in pictures:
        check_size(read_header(picture))
    if all(is_small(read_header(picture), scaled=True) for picture in pictures):
        with DECODING.reserve():
            return side_by_side_here(*pictures, titles=titles, share=share)
    return decode_in_child("beside", *pictures, titles=titles, share=share).data


def side_by_side_here(*pictures: bytes, titles: list[str], share: int) -> bytes:
    """What `side_by_side` does, in this process."""
    from PIL import Image, ImageDraw, ImageFont

    shown = [_opened(picture) for picture in pictures]
    height = max(image.height for image in shown)
    width = sum(image.width for image in shown) + _GAP * (len(shown) + 1)
    sheet = Image.new("RGB", (width, height + 2 * _GAP), _PAPER)
    pen, font, left = ImageDraw.Draw(sheet), ImageFont.load_default(16), _GAP
    for image, title in zip(shown, titles, strict=True):
        sheet.paste(image, (left, _GAP))
        box = pen.textbbox((left + 8, _GAP + 6), title, font=font)
        pen.rectangle((box[0] - 5, box[1] - 4, box[2] + 5, box[3] + 4), fill=_BADGE)
        pen.text((left + 8, _GAP + 6), title, font=font, fill=_INK)
        left += image.width + _GAP
    found = encode_to_fit((Step(sheet, quality) for quality in _QUALITIES), max_bytes=share)
    if found is None:
        raise ValueError(f"does not fit into {share:,} bytes beside the others")
    return found.data


def _opened(data: bytes) -> "Image.Image":
    from PIL import Image

    try:
        with open_scaled(data, facts(data), EDGE) as opened:
            image = opened.convert("RGB")
    except (OSError, SyntaxError, AssertionError) as error:
        raise ValueError(f"cannot be decoded ({error})") from None
    image.thumbnail((EDGE, EDGE), Image.Resampling.BILINEAR)
    return image
