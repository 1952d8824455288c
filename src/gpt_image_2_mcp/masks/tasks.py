"""What child processes do for masks of large pictures; see `images.tasks`."""

from typing import Any

from ..errors import GptImageError
from .mask import Mask, picture_here, words_here
from .show import draw_over_here

Answer = tuple[dict[str, Any], bytes]


def mask_in_words(_: bytes, *, text: str, size: list[int]) -> Answer:
    """The mask of a picture of this size that the words describe."""
    try:
        return _answer(words_here(text, (size[0], size[1])))
    except GptImageError as error:
        raise ValueError(str(error)) from None


def mask_in_picture(data: bytes, *, size: list[int], name: str) -> Answer:
    """The mask that a picture stands for."""
    try:
        return _answer(picture_here(data, (size[0], size[1]), name=name))
    except GptImageError as error:
        raise ValueError(str(error)) from None


def _answer(mask: Mask) -> Answer:
    facts = {"width": mask.width, "height": mask.height, "share": mask.share, "box": mask.box, "how": mask.how}
    return facts, mask.data


def draw_over(picture: bytes, mask: bytes, *, share: int) -> Answer:
    """A picture with its mask drawn over it."""
    return {}, draw_over_here(picture, mask, share=share)
