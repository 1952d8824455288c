"""What the sandbox's host model sees: areas of one colour, which answer a question for a box in strict JSON.

It knows the names of colours, and that the cards which the sandbox paints its prompts on are black. A question without
such a word finds nothing, and each area of that colour is a match of its own. Two words have it answer as a model that
is confused: `sandbox-nonsense` in words instead of JSON, and `sandbox-outside` with a box beyond the picture.
"""

import json
import re
from collections.abc import Callable, Iterator
from typing import Final

from PIL import Image

from .errors import JsonObject

OUTPUT_TOKENS: Final = 60
"""Output tokens of an answer: an arbitrary small number."""
NONSENSE, OUTSIDE = "sandbox-nonsense", "sandbox-outside"

_EDGE: Final = 128
"""Pixels of the long edge of the copy that is looked at."""
_MIN_SHARE: Final = 0.003
"""The share of the picture that an area has at least."""
_ASKED: Final = re.compile(r"(?:.*\n)?Find:\s*(.*)", re.DOTALL)

Pixel = tuple[int, int, int]
"""Hue, saturation and value, 0 to 255."""


_COLOURED, _PALE = 110, 30
"""The least saturation of a colour, and the most of a grey."""
_DARK, _BRIGHT = 55, 225


def _hue(*ranges: tuple[int, int]) -> Callable[[Pixel], bool]:
    return lambda pixel: (
        pixel[1] > _COLOURED and pixel[2] > _DARK and any(low <= pixel[0] <= high for low, high in ranges)
    )


_COLOURS: Final[dict[str, Callable[[Pixel], bool]]] = {
    "red": _hue((0, 10), (246, 255)),
    "orange": _hue((11, 29)),
    "yellow": _hue((30, 50)),
    "green": _hue((51, 112)),
    "turquoise": _hue((113, 140)),
    "blue": _hue((141, 182)),
    "purple": _hue((183, 212)),
    "pink": _hue((213, 245)),
    "black": lambda pixel: pixel[2] <= _DARK,
    "white": lambda pixel: pixel[1] < _PALE and pixel[2] > _BRIGHT,
    "grey": lambda pixel: pixel[1] < _PALE and _DARK < pixel[2] <= _BRIGHT,
}
_PAINTED: Final = {"card": "black", "caption": "black", "sign": "black", "gray": "grey", "cyan": "turquoise"}


def answer(prompt: str, picture: Image.Image) -> str:
    """What the host model answers to the words of a request that asks for JSON about a picture."""
    found = _ASKED.fullmatch(prompt)
    asked = (found[1] if found else prompt).lower()
    if NONSENSE in asked:
        return "What a lovely picture! I would say it is somewhere on the left."
    if OUTSIDE in asked:
        return json.dumps({"found": [{"label": asked, "box": [120, 3200, 640, 3438], "sure": 0.9}]})
    words = [_PAINTED.get(word, word) for word in re.findall(r"[a-z]+", asked)]
    wanted = next((_COLOURS[word] for word in words if word in _COLOURS), None)
    areas = [] if wanted is None else list(_areas(picture, wanted))
    matches: list[JsonObject] = [
        {"label": f"{asked.strip()} {_place(box)}", "box": [*box], "sure": 0.9} for box in areas[:10]
    ]
    return json.dumps({"found": [*matches]})


def _areas(picture: Image.Image, wanted: Callable[[Pixel], bool]) -> Iterator[tuple[int, int, int, int]]:
    """Yield the box, from 0 to 1000, of each connected area of a colour, the largest first."""
    small = picture.convert("RGB")
    # Without mixing: a rim of yellow between red and green is no yellow thing.
    small.thumbnail((_EDGE, _EDGE), Image.Resampling.NEAREST)
    width, height = small.size
    levels = small.convert("HSV").tobytes()
    open_ = {at for at in range(width * height) if wanted((levels[3 * at], levels[3 * at + 1], levels[3 * at + 2]))}
    areas: list[list[int]] = []
    while open_:
        area, edge = list[int](), [open_.pop()]
        while edge:
            at = edge.pop()
            area.append(at)
            beside = {at - width: True, at + width: True, at - 1: at % width > 0, at + 1: (at + 1) % width > 0}
            near = [other for other, is_near in beside.items() if is_near and other in open_]
            open_.difference_update(near)
            edge += near
        if len(area) >= _MIN_SHARE * width * height:
            areas.append(area)
    for area in sorted(areas, key=len, reverse=True):
        columns, rows = [at % width for at in area], [at // width for at in area]
        yield (
            min(columns) * 1000 // width,
            min(rows) * 1000 // height,
            (max(columns) + 1) * 1000 // width,
            (max(rows) + 1) * 1000 // height,
        )


def _place(box: tuple[int, int, int, int]) -> str:
    across = ("on the left", "in the middle", "on the right")[min(2, (box[0] + box[2]) * 3 // 2000)]
    return f"{across}, {('above', 'half-way down', 'below')[min(2, (box[1] + box[3]) * 3 // 2000)]}"
