"""Draws contact sheets: numbered thumbnails on one JPEG, so that a person can say "number 7".

The same cells always give the same bytes.
"""

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from ..catalogue.picture_record import Picture
from ..images.decode import open_image
from ..images.encode import Step, encode_to_fit
from ..images.thumbnail import EDGE
from .captions import caption, cut_to_width, drawable
from .text import no_thumbnail_text
from .thumbnails import thumbnails

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

MAX_CELLS: Final = 20
"""Pictures on one sheet: five by four, each still large enough to be recognised."""
MAX_BYTES: Final = 400_000
"""The most bytes of an encoded sheet: an answer has room for so much beside its text (see `MAX_PICTURE_BYTES` in
`images.preview`)."""
MAX_EDGE: Final = 640
"""The widest cell, in pixels."""
_QUALITIES: Final = (88, 80, 70, 60, 45, 30, 20, 10)
_PAPER, _INK, _TILE, _LINE = (247, 246, 243), (45, 45, 45), (228, 226, 221), (200, 197, 190)
_LIGHT, _DARK = (255, 255, 255), (216, 216, 216)
_BADGE = (22, 22, 24)


@dataclass(frozen=True, slots=True)
class Cell:
    """One picture of a sheet: its number, its caption, and its thumbnail.

    The thumbnail is None if the file is missing or cannot be shown, and `note` stands in its place.
    """

    number: int
    caption: str
    thumbnail: bytes | None
    note: str = "file missing"


def make_cells(
    numbered: Iterable[tuple[int, Picture]], *, read: Callable[[Picture], bytes], cache: Path | None = None
) -> list[Cell]:
    """Make the cells of numbered pictures; for `read` and `cache` see `thumbnail`. Blocks."""
    pairs = list(numbered)
    small = thumbnails((picture for _, picture in pairs), read=read, cache=cache)
    return [
        Cell(number, caption(picture), data, no_thumbnail_text(picture))
        for (number, picture), data in zip(pairs, small, strict=True)
    ]


def draw_sheet(
    cells: Sequence[Cell],
    *,
    max_bytes: int = MAX_BYTES,
    width: int = 0,
) -> bytes:
    """Draw 1 to `MAX_CELLS` cells; return a JPEG of at most `max_bytes`. Blocks: call it in a thread.

    The cells are `EDGE` pixels wide, or up to `MAX_EDGE` where their columns then have at most `width` together.

    Raises:
        ValueError: there are no cells, or too many.

    """
    if not 0 < len(cells) <= MAX_CELLS:
        raise ValueError(f"A sheet has 1 to {MAX_CELLS} pictures, not {len(cells)}.")
    from PIL import Image, ImageDraw, ImageFont

    columns = math.ceil(math.sqrt(len(cells)))
    edge = min(max(EDGE, width // columns), MAX_EDGE)
    gap, letters = round(edge**0.5), max(13, round(edge**0.5))
    step = (edge + gap, edge + round(letters * 1.7) + gap)
    rows = -(-len(cells) // columns)
    sheet = Image.new("RGB", (columns * step[0] + gap, rows * step[1] + gap), _PAPER)
    draw = ImageDraw.Draw(sheet)
    small, large = ImageFont.load_default(letters), ImageFont.load_default(letters * 2)
    for index, cell in enumerate(cells):
        left, top = gap + index % columns * step[0], gap + index // columns * step[1]
        frame = (left, top, left + edge, top + edge)
        if not _paste_thumbnail(sheet, cell.thumbnail, frame):
            _draw_missing(draw, frame, cell.note, small)
        _draw_badge(draw, str(cell.number), (left + edge - gap // 3, top + gap // 3), large)
        line = cut_to_width(drawable(cell.caption), small, edge)
        draw.text((left, top + edge + letters * 0.35), line, font=small, fill=_INK)
    encoded = encode_to_fit(_steps(sheet), max_bytes=max_bytes)
    if encoded is None:
        raise ValueError(f"No sheet fits into {max_bytes} bytes.")
    return encoded.data


def _paste_thumbnail(sheet: "Image.Image", data: bytes | None, frame: tuple[int, int, int, int]) -> bool:
    """Paste a thumbnail into the middle of its frame; return False if there is none or it cannot be decoded."""
    if data is None:
        return False
    left, top, right, bottom = frame
    try:
        with open_image(data) as image:
            image.thumbnail((right - left, bottom - top))
            if image.has_transparency_data:
                small = _checkerboard(image.size)
                small.paste(image, mask=image.convert("RGBA").getchannel("A"))
            else:
                small = image.convert("RGB")
    except (ValueError, MemoryError):
        return False
    sheet.paste(_TILE, frame)
    sheet.paste(small, ((left + right - small.width) // 2, (top + bottom - small.height) // 2))
    return True


def _checkerboard(size: tuple[int, int], square: int = 12) -> "Image.Image":
    """Draw the squares that stand for transparency."""
    from PIL import Image

    board = Image.new("RGB", size, _LIGHT)
    for top in range(0, size[1], square):
        for left in range(top // square % 2 * square, size[0], 2 * square):
            board.paste(_DARK, (left, top, left + square, top + square))
    return board


def _draw_missing(
    draw: "ImageDraw.ImageDraw",
    frame: tuple[int, int, int, int],
    note: str,
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
) -> None:
    left, top, right, bottom = frame
    draw.rectangle((left, top, right - 1, bottom - 1), fill=_TILE, outline=_LINE, width=2)
    draw.line((left, top, right - 1, bottom - 1), fill=_LINE, width=2)
    draw.line((left, bottom - 1, right - 1, top), fill=_LINE, width=2)
    middle = ((left + right) / 2, (top + bottom) / 2)
    box = draw.textbbox(middle, note, font=font, anchor="mm")
    draw.rectangle((box[0] - 8, box[1] - 6, box[2] + 8, box[3] + 6), fill=_TILE)
    draw.text(middle, note, font=font, fill=_INK, anchor="mm")


def _draw_badge(
    draw: "ImageDraw.ImageDraw",
    text: str,
    corner: tuple[int, int],
    font: "ImageFont.FreeTypeFont | ImageFont.ImageFont",
) -> None:
    """Draw a number that can be read on any picture: white on black, with a white rim.

    `corner` is the badge's upper right corner: the sandbox's pictures have their mark in the upper left.
    """
    right, top = corner
    _, upper, _, lower = font.getbbox("0123456789")
    height = round((lower - upper) * 1.5)
    width = max(height, round(font.getlength(text) + height * 0.6))
    left = right - width
    draw.rounded_rectangle((left, top, right, top + height), radius=height // 4, fill=_BADGE, outline=_LIGHT, width=2)
    draw.text((left + width / 2, top + height / 2), text, font=font, fill=_LIGHT, anchor="mm")


def _steps(sheet: "Image.Image") -> Iterator[Step]:
    """Yield the sheet at each quality, then at half its width and height, and so on."""
    while True:
        for quality in _QUALITIES:
            yield Step(sheet, quality)
        if max(sheet.size) == 1:
            return
        sheet = sheet.reduce(2)
