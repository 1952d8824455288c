"""Brings a picture to another size: cropped where that is enough, scaled by Lanczos where it is not.

`cover` fills the size and cuts off what is over; `pad` shows all of the picture on a ground; `stretch` changes its
ratio.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from ..parameters.size_plan import MAX_CROP, is_band

if TYPE_CHECKING:
    from PIL import Image

Fit = Literal["smart", "centre", "pad", "stretch"]
Edges = tuple[int, int]
Box = tuple[float, float, float, float]
"""Left, upper, right and lower edge, in pixels."""

_EVEN_BORDER = 12
"""The mean difference, in levels, up to which the border of a picture counts as one colour."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A picture of the size that was asked for, and what was done to it."""

    image: "Image.Image"
    source: Edges
    """The size of the picture before."""
    scale: float
    """What its edges were multiplied by; 1 if no pixel was resampled."""
    cut: float
    """The share of its area that was cut off."""

    def as_dict(self) -> dict[str, float | list[int]]:
        """The same as JSON, without the picture."""
        return {"source": list(self.source), "scale": round(self.scale, 4), "cut": round(self.cut, 4)}


def covered_part(source: Edges, size: Edges, at: tuple[float, float] = (0.5, 0.5)) -> tuple[float, Box]:
    """By what a picture of the size `source` is scaled so that it fills `size`, and which part of it stays.

    The part is left, upper, right and lower edge in pixels of the picture, whole ones where the scale is 1. For `at`
    see `cover`.
    """
    width, height = size
    scale = max(width / source[0], height / source[1])
    is_close = all(asked <= edge <= asked * (1 + MAX_CROP) for edge, asked in zip(source, size, strict=True))
    if is_close or (is_band(width, height) and 1 - MAX_CROP <= scale <= 1):
        scale = 1.0
    part = width / scale, height / scale
    left, top = (
        min(max(edge * middle - length / 2, 0), edge - length)
        for edge, middle, length in zip(source, at, part, strict=True)
    )
    if scale == 1:
        left, top = round(left), round(top)
        return 1.0, (left, top, left + width, top + height)
    return scale, (max(left, 0), max(top, 0), min(left + part[0], source[0]), min(top + part[1], source[1]))


def cover(image: "Image.Image", size: Edges, at: tuple[float, float] = (0.5, 0.5)) -> Fitted:
    """Fill `size`, and cut off what is over; `at` is the point, in shares of the edges, that stays in the middle.

    What is at most `MAX_CROP` too large is cropped and not resampled; so is a band of a picture that is as long as it.
    """
    from PIL import Image as Pillow

    source, (width, height) = image.size, size
    scale, box = covered_part(source, size, at)
    cut = 1 - min(width / scale * height / scale / (source[0] * source[1]), 1)
    if scale == 1:
        whole = round(box[0]), round(box[1]), round(box[2]), round(box[3])
        return Fitted(image.crop(whole), source, 1.0, cut)
    return Fitted(image.resize(size, Pillow.Resampling.LANCZOS, box=box), source, scale, cut)


def pad(image: "Image.Image", size: Edges) -> Fitted:
    """Show all of a picture within `size`: on its own border's colour if that is one, else on white.

    A picture with transparency gets transparent edges.
    """
    from PIL import Image as Pillow

    scale = min(size[0] / image.width, size[1] / image.height)
    inner = max(round(image.width * scale), 1), max(round(image.height * scale), 1)
    small = image if inner == image.size else image.resize(inner, Pillow.Resampling.LANCZOS)
    if image.mode == "RGBA":
        ground = Pillow.new("RGBA", size, (0, 0, 0, 0))
    else:
        ground = Pillow.new("RGB", size, _border_colour(image))
    ground.paste(small, ((size[0] - inner[0]) // 2, (size[1] - inner[1]) // 2))
    return Fitted(ground, image.size, scale, 0.0)


def stretch(image: "Image.Image", size: Edges) -> Fitted:
    """Change the ratio with the size."""
    from PIL import Image as Pillow

    scale = max(size[0] / image.width, size[1] / image.height)
    same = image if image.size == size else image.resize(size, Pillow.Resampling.LANCZOS)
    return Fitted(same, image.size, scale, 0.0)


def _border_colour(image: "Image.Image") -> tuple[int, int, int]:
    from PIL import Image as Pillow
    from PIL import ImageStat

    small = image.resize((32, 32), Pillow.Resampling.BOX).convert("RGB")
    edges = Pillow.new("RGB", (32, 4))
    for row, box in enumerate(((0, 0, 32, 1), (0, 31, 32, 32))):
        edges.paste(small.crop(box), (0, row))
    for row, box in enumerate(((0, 0, 1, 32), (31, 0, 32, 32)), start=2):
        edges.paste(small.crop(box).transpose(Pillow.Transpose.ROTATE_90), (0, row))
    found = ImageStat.Stat(edges)
    if max(found.stddev) > _EVEN_BORDER:
        return (255, 255, 255)
    red, green, blue = (round(level) for level in found.median)
    return red, green, blue
