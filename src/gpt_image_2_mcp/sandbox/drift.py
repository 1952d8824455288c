"""How an edit differs from its input where nothing was to change: the model draws the whole picture anew.

`drifted` makes such a picture of an exact edit. It is pure, and blocks for too long for an event loop.
"""

import hashlib
import math
from itertools import islice
from typing import Literal, get_args

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from .palette import SeededRandom
from .rules import EDGE_STEP, MAX_EDGE, MAX_PIXELS, MIN_PIXELS
from .scenes import Size, scaled

Drift = Literal["none", "local", "mild", "strong", "bleed", "resized"]
"""What an edit does to the pixels that were to stay.

- `none`: nothing.
- `local`: about 1 % of them are drawn anew, in patches, and the rest stays: what others measured of gpt-image-2.
- `mild`: everything is moved by up to 3 pixels, scaled by up to 1 %, tinted, and has noise.
- `strong`: everything is moved by up to 6 pixels, scaled, bent, tinted and softened.
- `bleed`: as `mild`, and what is new reaches `BLEED` pixels beyond the mask.
- `resized`: as `mild`, in another size of nearly the same aspect ratio.
"""

DRIFTS: tuple[Drift, ...] = get_args(Drift)

BLEED = 40
"""Pixels by which `bleed` draws beyond the mask."""

_PATCHES = 9
_PATCHED = 0.01
"""The share of a picture in the patches of `local`."""
_APART = 48
"""Pixels between a mask and the patches."""
_CELL = 160
"""Pixels between the points at which `strong` bends a picture."""


def drifted(picture: Image.Image, drift: Drift, *, stencil: Image.Image | None, seed: object) -> Image.Image:
    """Give an edit with its drift; `stencil` is 255 where it was to change, and `seed` determines the rest."""
    rng = SeededRandom("drift", seed)
    match drift:
        case "none":
            return picture
        case "local":
            return _patched(picture, stencil, rng)
        case "mild" | "bleed" | "resized":
            moved = _moved(picture, rng, shift=3, bend=0.0)
            return noisy(_tinted(moved, rng), seed)
        case "strong":
            moved = _tinted(_moved(picture, rng, shift=6, bend=1.2), rng, gamma=rng.between(0.93, 1.07))
            soft = moved.filter(ImageFilter.GaussianBlur(0.7))
            factor = rng.pick((0.8, 1.25))
            other = (round(picture.width * factor), round(picture.height * factor))
            soft = scaled(scaled(soft, other, Image.Resampling.BICUBIC), picture.size, Image.Resampling.BICUBIC)
            return noisy(soft, seed)


def bled(stencil: Image.Image) -> Image.Image:
    """Give a stencil that is `BLEED` pixels larger all round."""
    quarter = (max(1, stencil.width // 4), max(1, stencil.height // 4))
    grown = scaled(stencil, quarter, Image.Resampling.NEAREST)
    for _ in range(BLEED // 8):
        grown = grown.filter(ImageFilter.MaxFilter(5))
    whole = scaled(grown, stencil.size, Image.Resampling.BILINEAR)
    return ImageChops.lighter(whole.point([0] * 128 + [255] * 128), stencil)  # pyright: ignore[reportUnknownMemberType]


def other_size(size: Size) -> Size:
    """Give the size of a `resized` edit: about 0.6 of the pixels, or 1.6 times as many where that is too few."""
    few = math.prod(size) * 0.6 < MIN_PIXELS
    factor = math.sqrt(min(1.6, MAX_PIXELS * 0.98 / math.prod(size)) if few else 0.6)
    factor = min(factor, MAX_EDGE / max(size))
    width, height = (max(EDGE_STEP, round(edge * factor / EDGE_STEP) * EDGE_STEP) for edge in size)
    return (width, height) if width * height >= MIN_PIXELS else size


def _patched(picture: Image.Image, stencil: Image.Image | None, rng: SeededRandom) -> Image.Image:
    """Draw some patches anew: each shows what was there upside down, and with its colours turned over."""
    width, height = picture.size
    allowed = Image.new("L", picture.size, 255)
    if stencil is not None:
        near = stencil.filter(ImageFilter.BoxBlur(_APART)).point([0] + [255] * 255)  # pyright: ignore[reportUnknownMemberType]
        allowed = ImageChops.invert(near)
    radius = math.sqrt(_PATCHED * width * height / _PATCHES / math.pi)
    result = picture.copy()
    places = ((rng.between(radius, width - radius), rng.between(radius, height - radius)) for _ in range(400))
    for x, y in islice((place for place in places if allowed.getpixel((int(place[0]), int(place[1])))), _PATCHES):
        box = (round(x - radius), round(y - radius), round(x + radius), round(y + radius))
        shape = Image.new("L", (box[2] - box[0], box[3] - box[1]), 0)
        ImageDraw.Draw(shape).ellipse((0, 0, shape.width - 1, shape.height - 1), fill=255)
        redrawn = picture.crop(box).transpose(Image.Transpose.ROTATE_180)
        bands = list(redrawn.split())
        bands[:3] = map(ImageChops.invert, bands[2::-1] if len(bands) > 2 else bands[:3])  # noqa: PLR2004 - colours
        redrawn = Image.merge(redrawn.mode, bands)
        result.paste(redrawn, box[:2], ImageChops.darker(shape, allowed.crop(box)))
    return result


def _moved(picture: Image.Image, rng: SeededRandom, *, shift: float, bend: float) -> Image.Image:
    """Move by up to `shift` pixels, scale by up to 1 %, and bend by about `bend` pixels; the edges are continued."""
    width, height = picture.size
    dx, dy, scale = rng.between(-shift, shift), rng.between(-shift, shift), rng.between(0.99, 1.01)
    # Room for what comes in from outside, as the picture's own edge continued.
    room = 16 + round(0.01 * max(width, height))
    wide = _continued(picture, room)

    def source(x: float, y: float) -> tuple[float, float]:
        u = (x - width / 2) / scale + width / 2 - dx + room
        return u, (y - height / 2) / scale + height / 2 - dy + room

    columns, rows = max(2, round(width / _CELL)), max(2, round(height / _CELL))
    points = {
        (column, row): tuple(
            place + bend * _normal(rng) for place in source(width * column / columns, height * row / rows)
        )
        for row in range(rows + 1)
        for column in range(columns + 1)
    }
    mesh = [
        (
            (
                round(width * column / columns),
                round(height * row / rows),
                round(width * (column + 1) / columns),
                round(height * (row + 1) / rows),
            ),
            tuple(
                value
                for corner in ((0, 0), (0, 1), (1, 1), (1, 0))
                for value in points[column + corner[0], row + corner[1]]
            ),
        )
        for row in range(rows)
        for column in range(columns)
    ]
    return wide.transform(picture.size, Image.Transform.MESH, mesh, Image.Resampling.BICUBIC)


def _continued(picture: Image.Image, room: int) -> Image.Image:
    """Give a picture with its own mirrored edges all round, `room` pixels wide."""
    width, height = picture.size
    wide = Image.new(picture.mode, (width + 2 * room, height + 2 * room))
    mirrored, flipped = Image.Transpose.FLIP_LEFT_RIGHT, Image.Transpose.FLIP_TOP_BOTTOM
    wide.paste(picture, (room, room))
    wide.paste(picture.crop((0, 0, room, height)).transpose(mirrored), (0, room))
    wide.paste(picture.crop((width - room, 0, width, height)).transpose(mirrored), (width + room, room))
    wide.paste(wide.crop((0, room, wide.width, 2 * room)).transpose(flipped), (0, 0))
    wide.paste(wide.crop((0, height, wide.width, height + room)).transpose(flipped), (0, height + room))
    return wide


def _tinted(picture: Image.Image, rng: SeededRandom, *, gamma: float = 1.0) -> Image.Image:
    """Multiply each colour by 0.97 to 1.03, and add up to 4."""
    bands = list(picture.split())
    for place in range(min(3, len(bands))):
        gain, offset = rng.between(0.97, 1.03), rng.between(-4, 4)
        levels = [255 * (level / 255) ** gamma * gain + offset for level in range(256)]
        bands[place] = bands[place].point([max(0, min(255, round(level))) for level in levels])  # pyright: ignore[reportUnknownMemberType]
    return Image.merge(picture.mode, bands)


def noisy(picture: Image.Image, seed: object) -> Image.Image:
    """Add noise of 1.7 levels (standard deviation) to each colour."""
    bands = list(picture.split())
    for place in range(min(3, len(bands))):
        # Uniform from -3 to 3 levels.
        stream = hashlib.shake_128(repr((seed, place)).encode("utf-8", "surrogatepass"))
        noise = Image.frombytes("L", picture.size, stream.digest(picture.width * picture.height))
        noise = noise.point([round(level / 255 * 6) for level in range(256)])  # pyright: ignore[reportUnknownMemberType]
        bands[place] = ImageChops.add(bands[place], noise, 1, -3)
    return Image.merge(picture.mode, bands)


def _normal(rng: SeededRandom) -> float:
    """Give a number of a normal distribution: the sum of twelve uniform ones is close to it."""
    return sum(rng.unit() for _ in range(12)) - 6
