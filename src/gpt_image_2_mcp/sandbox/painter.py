"""Paints the sandbox's pictures: `paint` for a prompt, `paint_edit` on top of an input picture.

All functions are pure: the same prompt gives the same pixels. Every picture says that the sandbox made it. An edit
leaves the rest of its input nearly as it was, so that a person sees how the turns of a session build on one another;
`drift` is about the rest. All functions block for too long for an event loop: call them in a thread.
"""

import io
import math
import re
from collections.abc import Sequence

from PIL import Image, ImageDraw, ImageFilter, ImageOps, PngImagePlugin

from .captions import Box, draw_card, draw_mark
from .drift import Drift, bled, drifted
from .grounds import GroundKind, asked_ground, changes_ground_only, put_on_ground, with_middle_only, with_room
from .palette import Colour, SeededRandom, make_palette
from .rules import MAX_ASPECT, MAX_EDGE, MAX_PIXELS, MIN_PIXELS, Format
from .scenes import Size, draw_scene, scaled

SOFTWARE = "gpt-image-2-mcp sandbox"
"""The name of the software in the files' metadata; OpenAI's files have a provenance record instead."""

AUTO_SIZE = (1024, 1024)
"""The size of `size: auto` for a generation."""

_DOUBLED_PIXELS = 2_400_000
"""Pictures with at most so many pixels are painted at twice their size and scaled down, for smooth edges."""
_FINISHED = re.compile(r"\bdraft\b.*\bfinish it as it is\b", re.IGNORECASE | re.DOTALL)
"""An edit of a draft that is to look as before, only finer."""
_CARD_POSITIONS = ((0.0, 0.5), (1.0, 0.28), (0.0, 0.28), (1.0, 0.62), (0.5, 0.45), (0.0, 0.75), (1.0, 0.8))
"""Positions of an edit's card, as shares of the free width and height; two that follow one another do not overlap."""


def paint(
    prompt: str,
    size: Size,
    *,
    index: int,
    transparent: bool,
    note: str,
    ground: Colour | None = None,
    ground_kind: GroundKind = "plain",
) -> Image.Image:
    """Paint a new picture of `size` pixels; each `index` gives another one, and `note` is its small print.

    `ground` is the colour of a plain background in place of the one that the prompt asks for.
    """
    rng = SeededRandom(prompt, index)
    palette = make_palette(rng)
    asked = None if transparent else asked_ground(prompt)
    ground = None if asked is None else ground or asked
    picture = draw_scene(rng, palette, _canvas_size(size), transparent=transparent or ground is not None)
    picture = scaled(picture, size, Image.Resampling.BOX)
    width, height = size
    unit = min(width, height)
    margin = round(unit * 0.04)
    letters = max(12, round(unit * (0.06 if len(prompt) < 60 else 0.042 if len(prompt) < 240 else 0.03)))  # noqa: PLR2004, characters: longer prompts are set smaller
    box = (margin, round(height * 0.45), width - margin, height - margin)
    darkness = {} if ground is None else {"darkness": 255}
    draw_card(picture, prompt, box=box, size=letters, note=note, accent=palette.accent, **darkness)
    draw_mark(picture, accent=palette.accent, **darkness)
    return (
        picture if ground is None else put_on_ground(with_room(picture), ground, kind=ground_kind, seed=(prompt, index))
    )


def edit_size(first: Size) -> Size:
    """Return the size of `size: auto` for an edit; `first` is the size of the first input picture.

    It is the same size if that is within the limits of edge, aspect and pixels, divisible by 16 or not. Otherwise it
    has about as many pixels as 1024x1024, at the same aspect ratio, at most 3:1, in steps of 16.
    """
    short, long = sorted(first)
    if long <= MAX_EDGE and long <= MAX_ASPECT * short and MIN_PIXELS <= short * long <= MAX_PIXELS:
        return first
    aspect = min(max(first[0] / first[1], 1 / MAX_ASPECT), MAX_ASPECT)
    width = math.sqrt(math.prod(AUTO_SIZE) * aspect)
    return round(width / 16) * 16, round(width / aspect / 16) * 16


def paint_edit(
    pictures: Sequence[Image.Image],
    prompt: str,
    size: Size,
    *,
    mask: Image.Image | None,
    index: int,
    transparent: bool,
    note: str,
    drift: Drift = "none",
    ground_kind: GroundKind = "plain",
) -> Image.Image:
    """Paint an edit: the first picture, scaled and cropped to `size`, with a brush stroke and a card with the prompt.

    `mask` is an alpha channel, 0 where the picture may change; `drift` says what becomes of the other pixels. The other
    pictures are shown small along the right edge. A draft that is to be finished as it is only becomes sharper.
    """
    if changes_ground_only(prompt):
        on_ground = _on_asked_ground(_fit(pictures[0], size), prompt, ground_kind, index)
        return drifted(on_ground, drift, stencil=None, seed=(prompt, index))
    if mask is None and _FINISHED.search(prompt):
        first = _on_white(_fit(pictures[0], size), transparent=transparent)
        return drifted(first.filter(ImageFilter.UnsharpMask(2, 80)), drift, stencil=None, seed=(prompt, index))
    rng = SeededRandom("edit", prompt, index)
    palette = make_palette(rng)
    before = _on_white(_fit(pictures[0], size), transparent=transparent)
    after = before.copy()
    stencil = None if mask is None else _stencil(mask, size)
    if stencil is not None and drift == "bleed":
        stencil = bled(stencil)
    area = _changeable_box(stencil, size)
    unit = min(area[2] - area[0], area[3] - area[1])
    if stencil is None:
        _draw_stroke(after, rng, palette.accent, area)
        _draw_insets(after, pictures[1:], palette.accent)
    else:
        patch = draw_scene(rng, palette, (area[2] - area[0], area[3] - area[1]), transparent=False)
        after.paste(patch, area[:2])
        _draw_insets(after, pictures[1:], palette.accent)
    margin = round(unit * 0.05)
    letters = max(8, round(unit * 0.045))
    box = _card_box(area, rng, margin) if stencil is None else _middle_box(area)
    note = f"{note} · SANDBOX EDIT"
    draw_card(after, prompt, box=box, size=letters, note=note, accent=palette.accent, darkness=255)
    if stencil is None:
        draw_mark(after, accent=palette.accent, darkness=255)  # opaque, to cover the mark of the turn before
    else:
        after = Image.composite(after, before, stencil)
    if not transparent and asked_ground(prompt) is not None:
        after = _on_asked_ground(after, prompt, ground_kind, index)
    return drifted(after, drift, stencil=stencil, seed=(prompt, index))


def _on_asked_ground(picture: Image.Image, prompt: str, kind: GroundKind, index: int) -> Image.Image:
    ground = asked_ground(prompt)
    assert ground is not None, "the caller has looked"
    return put_on_ground(with_middle_only(picture), ground, kind=kind, seed=(prompt, index))


def partial_image(picture: Image.Image, *, step: int, steps: int) -> Image.Image:
    """Blur a picture as it would look at a `step` of `steps` (from 0) before it is finished, less with each step."""
    small = max(8, round(min(picture.size) * 0.05 * (step + 1) / steps))
    scale = small / min(picture.size)
    reduced = (max(1, round(picture.width * scale)), max(1, round(picture.height * scale)))
    return scaled(scaled(picture, reduced, Image.Resampling.BOX), picture.size, Image.Resampling.BICUBIC)


def encode(picture: Image.Image, output_format: Format, *, compression: int = 100, uncompressed: bool = False) -> bytes:
    """Encode a picture as a file; `compression`, 0 to 100, is the quality of JPEG and WebP, `uncompressed` for PNG."""
    out = io.BytesIO()
    match output_format:
        case "png":
            info = PngImagePlugin.PngInfo()
            info.add_text("Software", SOFTWARE)
            # Level 1 takes a third of the time of the default; the larger file does not matter in memory.
            picture.save(out, "PNG", pnginfo=info, compress_level=0 if uncompressed else 1)
        case "jpeg":
            picture.convert("RGB").save(out, "JPEG", quality=max(1, min(compression, 95)), comment=SOFTWARE.encode())
        case "webp":
            picture.save(out, "WEBP", quality=compression, method=0, exif=_exif())
    return out.getvalue()


def _exif() -> Image.Exif:
    exif = Image.Exif()
    exif[0x0131] = SOFTWARE  # the Software tag
    return exif


def _canvas_size(size: Size) -> Size:
    """Return the size to draw a scene in: twice `size`, or `size` if that has more than `_DOUBLED_PIXELS`."""
    times = 2 if math.prod(size) <= _DOUBLED_PIXELS else 1
    return size[0] * times, size[1] * times


def _fit(picture: Image.Image, size: Size) -> Image.Image:
    """Scale and crop a picture so that it fills `size`; a picture of that size stays as it is."""
    if picture.mode not in ("RGB", "RGBA"):
        picture = picture.convert("RGBA" if picture.mode == "LA" else "RGB")
    return picture if picture.size == size else ImageOps.fit(picture, size, Image.Resampling.LANCZOS)


def _on_white(picture: Image.Image, *, transparent: bool) -> Image.Image:
    """Put a picture on a white ground, or convert it to RGBA if it is to stay `transparent`."""
    if transparent:
        return picture.convert("RGBA")
    if picture.mode == "RGB":
        return picture
    return _on((255, 255, 255), picture)


def _on(colour: Colour, picture: Image.Image) -> Image.Image:
    """Put an RGBA picture on a ground of one colour."""
    ground = Image.new("RGB", picture.size, colour)
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def _stencil(mask: Image.Image, size: Size) -> Image.Image:
    """Return 255 where the mask's alpha is 0, and 0 elsewhere: only wholly transparent pixels may change."""
    if mask.size != size:
        mask = ImageOps.fit(mask, size, Image.Resampling.NEAREST)
    lookup = [255] + [0] * 255
    return mask.point(lookup)  # pyright: ignore[reportUnknownMemberType]  # Pillow's types name numpy's


def _changeable_box(stencil: Image.Image | None, size: Size) -> Box:
    """Return the box around all pixels that may change; one pixel if the mask has no transparent ones."""
    whole = (0, 0, *size)
    return whole if stencil is None else stencil.getbbox() or (0, 0, 1, 1)


def _middle_box(area: Box) -> Box:
    """Return the middle of an area, which lies inside the mask even if that is an ellipse."""
    x, y = round((area[2] - area[0]) * 0.15), round((area[3] - area[1]) * 0.15)
    return area[0] + x, area[1] + y, area[2] - x, area[3] - y


def _card_box(area: Box, rng: SeededRandom, margin: int) -> Box:
    """Choose a box of half the area's width, below the mark."""
    x, y = rng.pick(_CARD_POSITIONS)
    width, height = area[2] - area[0], area[3] - area[1]
    wide, tall = round(width * 0.52), round(height * 0.3)
    left = round(margin + (width - wide - 2 * margin) * x)
    top = round(margin + (height - tall - 2 * margin) * y)
    return left, top, left + wide, top + tall


def _draw_stroke(picture: Image.Image, rng: SeededRandom, ink: Colour, area: Box) -> None:
    """Draw a brush stroke across the picture, translucent and with a soft edge."""
    width, height = area[2] - area[0], area[3] - area[1]
    scale = min(1.0, 512 / max(width, height))
    small = (max(1, round(width * scale)), max(1, round(height * scale)))
    stencil = Image.new("L", small, 0)
    draw = ImageDraw.Draw(stencil)
    level, slope = rng.between(0.2, 0.8), rng.between(-0.35, 0.35)
    start, often = rng.unit() * math.tau, rng.between(0.6, 1.6)
    thick = min(small) * rng.between(0.05, 0.09)
    for step in range(201):
        along = step / 200
        x = small[0] * (0.04 + 0.92 * along)
        y = small[1] * (level + slope * (along - 0.5) + 0.06 * math.sin(start + math.tau * often * along))
        radius = thick * (0.35 + 0.65 * math.sin(math.pi * min(1.0, along * 1.15 + 0.05)))
        radius = max(1.0, radius)
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=165)
    stencil = scaled(stencil.filter(ImageFilter.GaussianBlur(1.2)), (width, height), Image.Resampling.BICUBIC)
    picture.paste((*ink, 255) if picture.mode == "RGBA" else ink, (area[0], area[1]), stencil)


def _draw_insets(picture: Image.Image, others: Sequence[Image.Image], accent: Colour) -> None:
    """Draw the further input pictures, small and framed, in columns from the top right corner."""
    unit = min(picture.size)
    side, gap, frame = round(unit * 0.13), round(unit * 0.02), max(2, round(unit * 0.004))
    rows = max(1, (picture.height - gap) // (side + gap))
    for index, other in enumerate(others):
        column, row = divmod(index, rows)
        left = picture.width - (column + 1) * (side + gap)
        top = gap + row * (side + gap)
        draw = ImageDraw.Draw(picture)
        draw.rectangle((left - frame, top - frame, left + side + frame - 1, top + side + frame - 1), fill=accent)
        picture.paste(_on_white(_fit(other, (side, side)), transparent=False), (left, top))
