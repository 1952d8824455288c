"""`check_mask` checks that an image can be the mask of an edit."""

from ..errors import UnreadableSource, shown
from ..images.formats import LABEL
from ..images.headers import facts
from .sources import InputImage

MAX_MASK_BYTES = 4_000_000
"""A mask has fewer bytes than this: "less than 4MB" (OpenAI's reference for `images.edit`, read 2026-11-22)."""


def check_mask(mask: InputImage, *, first: InputImage) -> InputImage:
    """The mask, if it is a PNG with an alpha channel, as large as the first picture that is sent, and under 4 MB.

    Raises:
        UnreadableSource: the picture is no such mask.

    """
    what = f"The mask {shown(mask.source)}"
    # `validate` never converts a PNG to another format at a size that a mask may have.
    if mask.format != "png":
        raise UnreadableSource(
            f"{what} is a {LABEL[mask.format]}: a mask is a PNG with an alpha channel, transparent where the "
            f"picture is to change."
        )
    if not facts(mask.data).alpha:
        raise UnreadableSource(
            f"{what} has no alpha channel: make it a PNG that is transparent where the picture is to change."
        )
    if (mask.width, mask.height) != (first.width, first.height):
        raise UnreadableSource(
            f"{what} is {mask.width}x{mask.height} and the first picture {first.width}x{first.height}: make the "
            f"mask the same size."
        )
    if len(mask.data) >= MAX_MASK_BYTES:
        raise UnreadableSource(
            f"{what} has {len(mask.data):,} bytes and must have fewer than {MAX_MASK_BYTES:,}: save it with plain "
            f"areas, or shrink both pictures."
        )
    return mask
