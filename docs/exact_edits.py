"""Draws the picture of docs/exact-edits.md, for `make docs`: originals, edits pasted back and exact, what changed.

The edits are those of `tests/pixel_truth.py`; the same code always draws the same picture.
"""

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from gpt_image_2_mcp.pixels import composite  # noqa: E402
from tests.pixel_truth import Level, drifted, edit_truth  # noqa: E402

SIZE: Final = (640, 480)
CUT: Final = 300
"""The edge of the part that is shown, in pixels of the picture; it is drawn at that size."""
ROWS: Final[tuple[tuple[str, Level, int], ...]] = (("lattice", "mild", 7), ("hills", "strong", 8), ("text", "mild", 9))
TITLES: Final = ("the original", "the model's picture, pasted", "the exact edit", "what changed")
MARGIN, LINE = 10, 26
PAPER, INK, MARK = (247, 246, 243), (45, 45, 45), (255, 0, 170)


def main() -> None:
    """Write docs/exact-edits.jpg."""
    width = MARGIN + len(TITLES) * (CUT + MARGIN)
    sheet = Image.new("RGB", (width, LINE + MARGIN + len(ROWS) * (CUT + MARGIN)), PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for column, title in enumerate(TITLES):
        pen.text((MARGIN + column * (CUT + MARGIN), LINE - 6), title, INK, font, anchor="ls")
    for row, (kind, level, seed) in enumerate(ROWS):
        for column, pixels in enumerate(_columns(kind, level, seed)):
            place = (MARGIN + column * (CUT + MARGIN), LINE + MARGIN + row * (CUT + MARGIN))
            sheet.paste(Image.fromarray(pixels.astype(np.uint8)), place)
    sheet.save(ROOT / "docs" / "exact-edits.jpg", quality=88)


def _columns(kind: str, level: Level, seed: int) -> list[Any]:
    """The four pictures of a row, cut round the upper left edge of the mask."""
    edit = edit_truth(kind, SIZE, seed)
    model, mask = drifted(edit.wanted, level, seed), edit.mask.astype(np.float32)
    found = composite.look(edit.original, model, mask)
    pasted = np.where(edit.mask[..., None], model, edit.original)
    made = composite.put_back(edit.original, model, mask, found)
    assert not (made != edit.original)[~edit.mask].any()
    grey = np.repeat(edit.original.mean(-1, keepdims=True) * 0.5 + 110, 3, -1)
    share = found.matte[..., None] * 0.7
    drawn = grey * (1 - share) + np.array(MARK) * share
    outline = edit.mask & ~_shrunk(edit.mask)
    drawn[outline] = 20
    rows, columns = np.flatnonzero(edit.mask.any(1)), np.flatnonzero(edit.mask.any(0))
    top = int(np.clip(rows[0] - 40, 0, SIZE[1] - CUT))
    left = int(np.clip(columns[0] - 40, 0, SIZE[0] - CUT))
    return [picture[top : top + CUT, left : left + CUT] for picture in (edit.original, pasted, made, drawn)]


def _shrunk(mask: Any) -> Any:
    inner = mask.copy()
    for axis in (0, 1):
        for step in (-1, 1):
            inner &= np.roll(mask, step, axis)
    return inner


if __name__ == "__main__":
    main()
