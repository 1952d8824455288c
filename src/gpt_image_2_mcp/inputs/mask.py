"""From the argument `mask` to the input image that is sent: words are drawn, a picture is read as a mask.

Where a picture was delivered in another size than it was made in, a mask is of the `delivered` one, which the person
was shown, and is laid on the `made` one, from which the session's next turn is made.
"""

import hashlib
from contextlib import suppress
from dataclasses import replace
from functools import partial

from ..errors import BadRequest, ChildFailed
from ..images.decode import upright_facts
from ..images.headers import facts
from ..images.validate import Prepare, ValidatedImage
from ..masks.delivered import is_of_made, lay_on
from ..masks.mask import Mask, mask_from_picture, mask_from_words
from ..masks.words import parse_words
from .input_image import InputImage

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


def names_made(text: str, delivered: Size, made: Size) -> bool:
    """Whether words name the frame of the made picture, and not that of the delivered one; raises BadRequest."""
    words = parse_words(text)
    return bool(words and words.frame and not words.is_stretched and is_of_made(words.frame, delivered, made))


def laid_on(mask: InputImage, made: Size) -> InputImage:
    """The mask of a delivered picture for the made one; one that is of that already stays as it is. Blocks.

    Raises:
        BadRequest: it cannot be laid on it.

    """
    if (mask.width, mask.height) == made:
        return mask
    try:
        laid = lay_on(mask.data, made)
    except (ChildFailed, ValueError) as error:
        raise BadRequest(f"The mask cannot be laid on the picture from which the turn is made: {error}.") from None
    whole = f"The turn is made from all of that picture, {made[0]}x{made[1]}."
    return replace(mask.with_png(laid.data, made), change=f"{mask.change} {whole}", marked=laid.box)


def mask_preparer(size: Size, made: Size | None = None) -> Prepare:
    """What `Sources.image` does with a picture that is the mask of one of this size.

    `made` is the size that the picture was made in, if this is the delivered one: a mask may be of either.
    """
    return partial(_prepare, size, made)


def _prepare(size: Size, made: Size | None, data: bytes, /, *, name: str) -> ValidatedImage:
    prefix = "The picture "
    name = f"The mask {name.removeprefix(prefix)}"
    if made is not None:
        # What cannot be read is refused below.
        with suppress(ValueError):
            own = upright_facts(data)
            size = made if is_of_made((own.width, own.height), size, made) else size
    mask = mask_from_picture(data, size, name=name)
    return ValidatedImage(mask.data, facts(mask.data), f"{name} {mask.description}.", mask.box)
