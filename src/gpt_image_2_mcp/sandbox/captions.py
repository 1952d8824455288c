"""Text on the sandbox's pictures: `draw_card` writes the prompt, `draw_mark` says that the sandbox made the picture.

Both use Pillow's built-in scalable font, so that none has to be installed. It has Latin letters; others become boxes.
"""

import functools

from PIL import Image, ImageDraw, ImageFont

from .palette import Colour

Box = tuple[int, int, int, int]
"""Left, top, right and bottom, in pixels."""

MARK = "SANDBOX · not gpt-image-2"
"""The text of the mark on every picture."""

_MIN_FONT_SIZE = 7
"""Pixels: smaller letters cannot be read, so none are drawn."""

_LINE_HEIGHT = 1.28
"""The distance of two lines of text, in font sizes."""


@functools.lru_cache(maxsize=64)
def font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Load the font at a height of `size` pixels."""
    return ImageFont.load_default(size)


def wrap(text: str, *, size: int, width: float, lines: int) -> list[str]:
    """Break `text` into at most `lines` lines of `width` pixels; an ellipsis replaces the rest."""
    face = font(size)
    rows = [""]
    # More characters than this cannot fit, and measuring 32,000 of them takes seconds.
    for word in text[: 400 * lines].split():
        for piece in _split_word(word, face, width):
            joined = f"{rows[-1]} {piece}".strip()
            if face.getlength(joined) <= width:
                rows[-1] = joined
                continue
            if len(rows) == lines:
                rows[-1] = _with_ellipsis(rows[-1], face, width)
                return rows
            rows.append(piece)
    return rows


def _split_word(word: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> list[str]:
    """Split a word into pieces that each fit into a line."""
    pieces: list[str] = []
    while face.getlength(word) > width and len(word) > 1:
        # Cutting a quarter at a time is quick, and such a word need not fill its line.
        cut = len(word)
        while cut > 1 and face.getlength(word[:cut]) > width:
            cut = max(1, cut * 3 // 4)
        pieces.append(word[:cut])
        word = word[cut:]
    return [*pieces, word]


def _with_ellipsis(row: str, face: ImageFont.FreeTypeFont | ImageFont.ImageFont, width: float) -> str:
    while row and face.getlength(f"{row}…") > width:
        row = row[:-1]
    return f"{row.rstrip()}…"


def draw_card(
    picture: Image.Image, text: str, *, box: Box, size: int, note: str, accent: Colour, darkness: int = 165
) -> None:
    """Write `text` on a dark card at the bottom of `box`, as high as its lines need.

    `darkness` is the opacity of the card, 0 to 255. `size` is the height of the letters, in pixels; in a small box the
    card has fewer lines or smaller letters. `note` is written small below the text. Nothing is drawn if the box is too
    small for letters that can be read.
    """
    left, top, right, bottom = box
    pad = max(4, round(size * 0.75))
    small = max(_MIN_FONT_SIZE, round(size * 0.46))
    width, height = right - left - 2 * pad, bottom - top - 2 * pad
    line = size * _LINE_HEIGHT
    room = int((height - small * 1.6) // line)
    if width < size * 3 or room < 1:
        if size > _MIN_FONT_SIZE:
            smaller = max(_MIN_FONT_SIZE, size * 3 // 4)
            draw_card(picture, text, box=box, size=smaller, note=note, accent=accent, darkness=darkness)
        return
    rows = wrap(text, size=size, width=width, lines=min(room, 6))
    tall = round(len(rows) * line + small * 1.6 + 2 * pad)
    card = (left, bottom - tall, right, bottom)
    _shade(picture, card, radius=round(size * 0.5), darkness=darkness)
    draw = ImageDraw.Draw(picture)
    rule = max(2, size // 8)
    draw.rounded_rectangle((left, card[1] + pad, left + rule * 2, bottom - pad), rule, fill=accent)
    y = card[1] + pad
    for row in rows:
        draw.text((left + pad, y), row, font=font(size), fill=(255, 255, 255))
        y += line
    draw.text((left + pad, y + small * 0.5), _cut_to_fit(note, small, width), font=font(small), fill=(215, 218, 226))


def draw_mark(picture: Image.Image, *, accent: Colour, darkness: int = 190) -> None:
    """Draw the sandbox's mark in the top left corner; `darkness`, 0 to 255, is its opacity."""
    unit = min(picture.size)
    size, margin = max(11, round(unit * 0.027)), round(unit * 0.04)
    face = font(size)
    pad = round(size * 0.6)
    dot = round(size * 0.55)
    width = round(face.getlength(MARK)) + 3 * pad + dot
    box = (margin, margin, margin + width, margin + round(size * 1.9))
    _shade(picture, box, radius=(box[3] - box[1]) // 2, darkness=darkness)
    draw = ImageDraw.Draw(picture)
    middle = (box[1] + box[3]) / 2
    draw.ellipse((box[0] + pad, middle - dot / 2, box[0] + pad + dot, middle + dot / 2), fill=accent)
    draw.text((box[0] + 2 * pad + dot, middle), MARK, font=face, fill=(255, 255, 255), anchor="lm")


def _cut_to_fit(text: str, size: int, width: float) -> str:
    face = font(size)
    return text if face.getlength(text) <= width else _with_ellipsis(text, face, width)


def _shade(picture: Image.Image, box: Box, *, radius: int, darkness: int) -> None:
    """Darken a rounded box; in a transparent picture the box becomes opaque enough for letters to be read."""
    width, height = box[2] - box[0], box[3] - box[1]
    if width < 1 or height < 1:
        return
    stencil = Image.new("L", (width, height), 0)
    ImageDraw.Draw(stencil).rounded_rectangle((0, 0, width - 1, height - 1), radius, fill=darkness)
    ink = (12, 14, 22, 255) if picture.mode == "RGBA" else (12, 14, 22)
    picture.paste(ink, (box[0], box[1]), stencil)
