"""Draws the picture of docs/transparency.md, for `make docs`: subjects on their grounds, and cut out in three ways.

The subjects are those of `tests/matte_truth.py`; the same code always draws the same picture.
"""

import sys
from pathlib import Path
from typing import Any, Final

import numpy as np
from PIL import Image, ImageDraw, ImageFont

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

from gpt_image_2_mcp.pixels.ground import find_ground  # noqa: E402
from gpt_image_2_mcp.pixels.matte import Matte, take_off  # noqa: E402
from gpt_image_2_mcp.pixels.two_passes import take_off_both  # noqa: E402
from tests.matte_truth import GROUNDS, SUBJECTS, render, second_pass  # noqa: E402

NAMES: Final = ("fur", "hair", "red icon", "glass", "shadow")
SEED: Final = 7
SEEN: Final = 0.02
"""The least alpha that counts as the subject."""
CUT: Final = 300
MARGIN, LINE, FIELD = 10, 26, 10
TITLES: Final = ("on magenta", "a threshold, as usual", "transparent", "transparent-fine")
PAPER, INK = (247, 246, 243), (45, 45, 45)


def main() -> None:
    """Write docs/transparency.jpg."""
    size = (MARGIN + len(TITLES) * (CUT + MARGIN), LINE + MARGIN + len(NAMES) * (CUT + MARGIN))
    sheet = Image.new("RGB", size, PAPER)
    pen, font = ImageDraw.Draw(sheet), ImageFont.load_default(16)
    for column, title in enumerate(TITLES):
        pen.text((MARGIN + column * (CUT + MARGIN), LINE - 6), title, INK, font, anchor="ls")
    for row, name in enumerate(NAMES):
        for column, pixels in enumerate(_columns(name)):
            place = (MARGIN + column * (CUT + MARGIN), LINE + MARGIN + row * (CUT + MARGIN))
            sheet.paste(Image.fromarray(np.rint(pixels).astype(np.uint8)), place)
    sheet.save(ROOT / "docs" / "transparency.jpg", quality=82)


def _columns(name: str) -> list[Any]:
    """The four pictures of a row; what was cut out lies on a checkerboard."""
    subject = SUBJECTS[name](SEED)
    keyed = render(subject, GROUNDS["magenta"], SEED)
    ground = find_ground(keyed)
    both = take_off_both(
        render(subject, (255, 255, 255), SEED, impure=0.6), second_pass(subject, (0, 0, 0), SEED, drift=3.0)
    )
    assert ground is not None
    assert both is not None
    far = np.sqrt(((keyed - ground.model) ** 2).sum(-1))
    plain = Matte(keyed, np.clip((far - 28) / 34, 0, 1))
    rows, columns = (np.flatnonzero((subject.alpha > SEEN).any(axis)) for axis in (1, 0))
    top = int(np.clip(rows[0] - 20, 0, len(keyed) - CUT))
    left = int(np.clip(columns[0] - 20, 0, len(keyed) - CUT))
    found = [keyed, *(_on_checkerboard(matte) for matte in (plain, take_off(keyed, ground), both.matte))]
    return [picture[top : top + CUT, left : left + CUT] for picture in found]


def _on_checkerboard(matte: Matte) -> Any:
    fields = (np.indices(matte.alpha.shape) // FIELD).sum(0) % 2
    board = np.where(fields[..., None] > 0, 255, 205)
    return matte.alpha[..., None] * matte.colours + (1 - matte.alpha[..., None]) * board


if __name__ == "__main__":
    main()
