"""From the argument `mask` to the input image that is sent: words are drawn, a picture is read as a mask."""

import hashlib
from functools import partial

from ..images.headers import facts
from ..images.validate import Prepare, ValidatedImage
from ..masks.mask import Mask, mask_from_picture, mask_from_words
from ..masks.words import parse_words
from .sources import InputImage

Size = tuple[int, int]


def mask_in_words(text: str, first: InputImage) -> InputImage | None:
    """The mask that words describe, for the first picture; None if the argument names a picture. Blocks.

    Raises:
        BadRequest: the words are not understood, or do not fit the picture.

    """
    if parse_words(text) is None:
        return None
    mask = mask_from_words(text, (first.width, first.height), first.data)
    return drawn_mask(mask, source=text.strip(), change=f"The mask {mask.description}.")


def drawn_mask(mask: Mask, *, source: str, change: str | None) -> InputImage:
    """The input image of a mask that was drawn here; `source` and `change` say to the person what it is."""
    digest = hashlib.sha256(mask.data).hexdigest()
    return InputImage(
        data=mask.data,
        format="png",
        width=mask.width,
        height=mask.height,
        sha256=digest,
        file_sha256=digest,
        name=f"image-{digest[:8]}.png",
        source=source,
        path=None,
        change=change,
        marked=mask.box,
    )


def mask_preparer(size: Size) -> Prepare:
    """What `Sources.image` does with a picture that is the mask of one of this size."""
    return partial(_prepare, size)


def _prepare(size: Size, data: bytes, /, *, name: str) -> ValidatedImage:
    prefix = "The picture "
    name = f"The mask {name.removeprefix(prefix)}"
    mask = mask_from_picture(data, size, name=name)
    return ValidatedImage(mask.data, facts(mask.data), f"{name} {mask.description}.", mask.box)
