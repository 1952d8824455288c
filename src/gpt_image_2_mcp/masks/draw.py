"""Draws masks with Pillow, in one byte a pixel."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ..errors import BadRequest
from .place import Placed, Size, pixels_of, place
from .words import Words

if TYPE_CHECKING:
    from PIL import Image

FULL = 255
_STEP = 100
"""Pixels that an area grows at once: in a blur of a much larger radius a single pixel would be rounded away."""


ObjectIn = Callable[[tuple[int, int, int, int]], "Image.Image | None"]
"""Gives the weights of the object in a box (left, upper, right, lower), or None for all of the box."""


def draw(words: Words, size: Size, object_in: ObjectIn | None = None) -> "Image.Image":
    """The weights of a mask in words for a picture of this size; `object_in` is needed for `around`.

    Raises:
        BadRequest: it does not fit the picture (`place`), or grows or is feathered too far.

    """
    from PIL import ImageChops

    weights = draw_shapes(place(words, size), size, object_in)
    if words.is_inverted:
        weights = ImageChops.invert(weights)
    for name, length in (("grow", words.grow), ("feather", words.feather)):
        if length and pixels_of(length, size) > min(size):
            raise BadRequest(f"`{name} {length}` is more than the short edge of the {size[0]}x{size[1]} picture.")
    if words.grow:
        weights = grown(weights, pixels_of(words.grow, size))
    return feathered(weights, pixels_of(words.feather, size)) if words.feather else weights


def draw_shapes(shapes: Sequence[Placed], size: Size, object_in: ObjectIn | None = None) -> "Image.Image":
    """Weights with these shapes, in their order."""
    from PIL import Image, ImageDraw

    weights = Image.new("L", size)
    pen = ImageDraw.Draw(weights)
    for shape in shapes:
        fill = 0 if shape.is_removed else FULL
        if shape.kind == "polygon":
            pen.polygon(shape.corners, fill=fill)
            continue
        left, upper, right, lower = shape.box
        found = object_in(shape.box) if shape.kind == "around" and object_in else None
        if found is not None:
            weights.paste(fill, (left, upper), found)
            continue
        # Pillow's right and lower edges belong to the shape.
        box = (left, upper, right - 1, lower - 1)
        (pen.ellipse if shape.kind == "ellipse" else pen.rectangle)(box, fill=fill)
    return weights


def grown(weights: "Image.Image", pixels: int) -> "Image.Image":
    """Weights whose areas are larger by some pixels all round; what has a weight then has all of it.

    Corners become round, as those of an octagon: nothing is more than a twelfth farther than it should be.
    """
    from PIL import ImageChops, ImageFilter

    grown_so_far = weights.point([0] + [FULL] * FULL)  # pyright: ignore[reportUnknownMemberType] - numpy's
    # An octagon is a square that is grown by a diamond.
    square = round(pixels * (math.sqrt(2) - 1))
    diamond = pixels - square
    for start in range(0, square, _STEP):
        step = min(square - start, _STEP)
        for radius in ((step, 0), (0, step)):
            # A pixel with an area within the radius is no longer 0: fast at any radius, where `MaxFilter` is not.
            blurred = grown_so_far.filter(ImageFilter.BoxBlur(radius))
            grown_so_far = blurred.point([0] + [FULL] * FULL)  # pyright: ignore[reportUnknownMemberType] - numpy's
    for down in (1, -1):
        # Along a diagonal, each step reaches three times as far as all before.
        done = 0
        while done < diamond // 2:
            step = min(2 * done + 1, diamond // 2 - done)
            both = (_moved(grown_so_far, step, step * down), _moved(grown_so_far, -step, -step * down))
            grown_so_far = ImageChops.lighter(grown_so_far, ImageChops.lighter(*both))
            done += step
    if diamond % 2:
        sides = [_moved(grown_so_far, across, down) for across, down in ((1, 0), (-1, 0), (0, 1), (0, -1))]
        for side in sides:
            grown_so_far = ImageChops.lighter(grown_so_far, side)
    return grown_so_far


def _moved(weights: "Image.Image", across: int, down: int) -> "Image.Image":
    """Weights moved by some pixels; what comes in from outside has none."""
    width, height = weights.size
    return weights.crop((-across, -down, width - across, height - down))


def feathered(weights: "Image.Image", pixels: int) -> "Image.Image":
    """Weights that fall to 0 over some pixels inside the areas' edges; nothing outside gets a weight."""
    from PIL import ImageChops, ImageFilter

    if pixels < 1:
        return weights
    inner = ImageChops.invert(grown(ImageChops.invert(weights), pixels - pixels // 2))
    soft = inner.filter(ImageFilter.BoxBlur(pixels // 2))
    return ImageChops.darker(soft, weights)
