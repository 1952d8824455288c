"""The backgrounds of the sandbox's pictures: three kinds of scene, drawn from a `SeededRandom` and a `Palette`.

All shapes are sized relative to the canvas, so that a scene looks the same at 1K and at 4K. Pillow draws shapes without
smooth edges: the caller passes a canvas of twice the picture's size where it can, and scales it down. A scene with a
transparent background has no sky.
"""

import math

from PIL import Image, ImageDraw, ImageFilter

from .palette import Colour, Palette, SeededRandom

Size = tuple[int, int]
"""Width and height, in pixels."""

_WHITE = (255, 255, 255)


def draw_scene(rng: SeededRandom, palette: Palette, size: Size, *, transparent: bool) -> Image.Image:
    """Draw one of the scenes, in mode `RGB`, or in `RGBA` without a sky if it is to be `transparent`."""
    draw_kind = rng.pick((_hills, _orbits, _tiles))
    canvas = Image.new("RGBA", size, (*palette.low, 0)) if transparent else gradient(size, palette.high, palette.low)
    return draw_kind(canvas, rng, palette)


def gradient(size: Size, top: Colour, bottom: Colour) -> Image.Image:
    """Fill an image with a gradient from `top` to `bottom`."""
    column = Image.new("RGB", (1, 256))
    for y in range(256):
        share = y / 255
        column.putpixel((0, y), _mix(top, bottom, share))
    return scaled(column, size, Image.Resampling.BILINEAR)


def scaled(picture: Image.Image, size: Size, how: Image.Resampling) -> Image.Image:
    """Resize a picture."""
    return picture.resize(size, how)  # pyright: ignore[reportUnknownMemberType]  # Pillow's types name numpy's


def _hills(canvas: Image.Image, rng: SeededRandom, palette: Palette) -> Image.Image:
    """Draw a sun over ridges that darken towards the viewer."""
    width, height = canvas.size
    base = min(width, height)
    sun = (width * rng.between(0.22, 0.78), height * rng.between(0.2, 0.36))
    radius = base * rng.between(0.09, 0.15)
    if canvas.mode == "RGB":
        _draw_glow(canvas, sun, radius * 2.6, palette.accent)
    _draw_disc(canvas, sun, radius, palette.accent)
    draw = ImageDraw.Draw(canvas)
    for index, ink in enumerate(palette.inks):
        level = height * (0.42 + 0.14 * index)
        waves = [
            (rng.between(0.6, 1.5) * (index + 1), rng.unit() * math.tau, base * rng.between(0.02, 0.07))
            for _ in range(3)
        ]
        ridge = [
            (x, level + sum(deep * math.sin(math.tau * often * x / width + start) for often, start, deep in waves))
            for x in range(0, width + 8, 8)
        ]
        draw.polygon([*ridge, (width, height), (0, height)], fill=ink)
    return canvas


def _orbits(canvas: Image.Image, rng: SeededRandom, palette: Palette) -> Image.Image:
    """Draw rings around a point off the middle, with planets on them."""
    width, height = canvas.size
    base = min(width, height)
    middle = (width * rng.between(0.35, 0.65), height * rng.between(0.3, 0.5))
    if canvas.mode == "RGB":
        for _ in range(90):
            star = (width * rng.unit(), height * rng.unit())
            _draw_disc(canvas, star, base * rng.between(0.0008, 0.0026), _WHITE)
        _draw_glow(canvas, middle, base * 0.36, palette.accent)
    draw = ImageDraw.Draw(canvas)
    for index in range(5):
        radius = base * (0.17 + 0.1 * index + rng.between(-0.015, 0.015))
        ink = palette.inks[index % len(palette.inks)]
        box = (middle[0] - radius, middle[1] - radius, middle[0] + radius, middle[1] + radius)
        draw.ellipse(box, outline=ink, width=max(3, round(base * rng.between(0.004, 0.014))))
        angle = rng.unit() * math.tau
        at = (middle[0] + radius * math.cos(angle), middle[1] + radius * math.sin(angle))
        size = base * rng.between(0.018, 0.05)
        _draw_disc(canvas, at, size, rng.pick((palette.accent, *palette.inks)))
        _draw_disc(canvas, (at[0] - size * 0.25, at[1] - size * 0.25), size * 0.45, _mix(palette.accent, _WHITE, 0.5))
    _draw_disc(canvas, middle, base * 0.1, palette.accent)
    _draw_disc(
        canvas, (middle[0] - base * 0.025, middle[1] - base * 0.025), base * 0.05, _mix(palette.accent, _WHITE, 0.4)
    )
    return canvas


def _tiles(canvas: Image.Image, rng: SeededRandom, palette: Palette) -> Image.Image:
    """Draw a grid of quarter circles, half circles and dots."""
    width, height = canvas.size
    across = rng.integer(5, 7)
    side = math.ceil(max(width, height) / across)
    draw = ImageDraw.Draw(canvas)
    colours = (*palette.inks, palette.accent, palette.high, palette.low)
    for top in range(0, height, side):
        for left in range(0, width, side):
            under, over, third = rng.pick(colours), rng.pick(colours), rng.pick(colours)
            if canvas.mode == "RGB" or rng.unit() > 0.4:  # noqa: PLR2004, a share of the tiles is left open
                draw.rectangle((left, top, left + side, top + side), fill=under)
            x, y = left + side * rng.integer(0, 1), top + side * rng.integer(0, 1)
            match rng.integer(0, 3):
                case 0:
                    _draw_quarter(draw, (left, top, side), (x, y), side, over)
                    _draw_quarter(draw, (left, top, side), (x, y), side * 0.55, third)
                case 1:
                    start = 90 * rng.integer(0, 3)
                    draw.pieslice((left, top, left + side, top + side), start, start + 180, fill=over)
                case 2:
                    inset = side * 0.22
                    draw.ellipse((left + inset, top + inset, left + side - inset, top + side - inset), fill=over)
                case _:
                    corner = rng.pick(((left, top), (left + side, top + side)))
                    draw.polygon([(left, top + side), corner, (left + side, top)], fill=over)
                    draw.ellipse((left + side * 0.3, top + side * 0.3, left + side * 0.7, top + side * 0.7), fill=third)
    return canvas


def _draw_quarter(
    draw: ImageDraw.ImageDraw, tile: tuple[int, int, int], corner: tuple[int, int], radius: float, ink: Colour
) -> None:
    """Draw the quarter of a circle around a tile's corner that lies inside the tile."""
    left, top, _ = tile
    x, y = corner
    start = {(False, False): 0, (True, False): 90, (True, True): 180, (False, True): 270}[x > left, y > top]
    draw.pieslice((x - radius, y - radius, x + radius, y + radius), start, start + 90, fill=ink)


def _draw_disc(canvas: Image.Image, at: tuple[float, float], radius: float, ink: Colour) -> None:
    box = (at[0] - radius, at[1] - radius, at[0] + radius, at[1] + radius)
    ImageDraw.Draw(canvas).ellipse(box, fill=ink)


def _draw_glow(canvas: Image.Image, at: tuple[float, float], radius: float, ink: Colour) -> None:
    """Draw a glow around a point; it is blurred at a small size and scaled up, which looks the same and is fast."""
    small = 96
    spot = Image.new("L", (small, small), 0)
    ImageDraw.Draw(spot).ellipse((small * 0.3, small * 0.3, small * 0.7, small * 0.7), fill=170)
    side = max(2, round(radius * 2.4))
    spot = scaled(spot.filter(ImageFilter.GaussianBlur(small * 0.12)), (side, side), Image.Resampling.BICUBIC)
    canvas.paste(ink, (round(at[0] - side / 2), round(at[1] - side / 2)), spot)


def _mix(one: Colour, other: Colour, share: float) -> Colour:
    """Mix two colours; `share`, 0 to 1, is that of `other`."""
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(one, other, strict=True))
    return red, green, blue
