"""What child processes do for masks of large pictures; see `images.tasks`."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from ..errors import GptImageError
from .delivered import lay_on_here
from .mask import Mask, picture_here, words_here
from .show import draw_over_here

if TYPE_CHECKING:
    from PIL import Image

Answer = tuple[dict[str, Any], bytes]


def mask_in_words(_: bytes, *, text: str, size: list[int]) -> Answer:
    """The mask of a picture of this size that the words describe."""
    try:
        return _answer(words_here(text, (size[0], size[1])))
    except GptImageError as error:
        raise ValueError(str(error)) from None


def mask_around(picture: bytes, *, text: str, size: list[int]) -> Answer:
    """The mask that words describe which look for objects; needs OpenCV."""
    from ..images.decode import open_image
    from .around import object_in

    with open_image(picture) as image:
        seen = image.convert("RGB")
    notes = list[str]()

    def find(box: tuple[int, int, int, int]) -> "Image.Image | None":
        found, note = object_in(seen, box)
        notes.append(note)
        return found

    try:
        mask = words_here(text, (size[0], size[1]), find)
    except GptImageError as error:
        raise ValueError(str(error)) from None
    return _answer(replace(mask, how="; ".join(notes)))


def mask_in_picture(data: bytes, *, size: list[int], name: str) -> Answer:
    """The mask that a picture stands for."""
    try:
        return _answer(picture_here(data, (size[0], size[1]), name=name))
    except GptImageError as error:
        raise ValueError(str(error)) from None


def mask_laid_on(mask: bytes, *, made: list[int]) -> Answer:
    """The mask of a made picture, of that of the picture delivered from it."""
    return _answer(lay_on_here(mask, (made[0], made[1])))


def _answer(mask: Mask) -> Answer:
    facts = {"width": mask.width, "height": mask.height, "share": mask.share, "box": mask.box, "how": mask.how}
    return facts, mask.data


def draw_over(picture: bytes, mask: bytes, *, share: int) -> Answer:
    """A picture with its mask drawn over it."""
    return {}, draw_over_here(picture, mask, share=share)
