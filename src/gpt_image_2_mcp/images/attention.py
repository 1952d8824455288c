"""Where a picture is looked at: the middle of a crop that is to keep what the picture is about.

A picture of 48x48 is enough. Edges, strong colours and the colours of skin count; they are blurred as wide as the crop
is, and the brightest place is the middle.
"""

import math
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from PIL import Image

_GRID: Final = 48
_SKIN: Final = (0.61, 0.44, 0.36)
"""Red, green and blue of skin, each as a share of their length."""
_EVEN: Final = 0.04
"""The share by which the brightest place has to stand out: a picture without any is cropped in the middle."""


def look_at(image: "Image.Image", size: tuple[float, float]) -> tuple[float, float]:
    """The point of a picture to have in the middle of a crop of `size` pixels, in shares of the picture's edges."""
    from PIL import Image as Pillow

    # A picture may be so large that there is no memory for a copy of it.
    flat = image
    if image.mode == "RGBA":
        flat = Pillow.new("RGBA", image.size, (128, 128, 128, 255))
        flat.alpha_composite(image)
    small = flat.resize((_GRID, _GRID), Pillow.Resampling.BOX).convert("RGB")
    data = small.tobytes()
    colours = [tuple(data[at : at + 3]) for at in range(0, len(data), 3)]
    light = [0.2126 * red + 0.7152 * green + 0.0722 * blue for red, green, blue in colours]
    scores = [_score(colours[at], light, at) for at in range(_GRID * _GRID)]
    across, down = size[0] / image.width * _GRID, size[1] / image.height * _GRID
    sigma = max(math.hypot(across, down) / 8, 1.0)
    blurred = _blurred(_blurred(scores, sigma), sigma)
    best = max(range(len(blurred)), key=blurred.__getitem__)
    spread = max(blurred) - sum(blurred) / len(blurred)
    if spread <= _EVEN * max(*blurred, 1.0):
        return 0.5, 0.5
    return (best % _GRID + 0.5) / _GRID, (best // _GRID + 0.5) / _GRID


def _score(colour: tuple[int, ...], light: list[float], at: int) -> float:
    x, y = at % _GRID, at // _GRID
    around = [
        light[min(max(y + dy, 0), _GRID - 1) * _GRID + min(max(x + dx, 0), _GRID - 1)]
        for dx, dy in ((1, 0), (-1, 0), (0, 1), (0, -1))
    ]
    edge = abs(4 * light[at] - sum(around))
    strength = max(colour) - min(colour)
    length = math.hypot(*colour)
    skin = 0.0
    if length > 40:  # noqa: PLR2004 - in the dark every colour is near to every other
        skin = max(1 - 5 * math.dist([part / length for part in colour], _skin()), 0) * 60
    return 2 * edge + 0.6 * strength + skin


def _skin() -> list[float]:
    length = math.hypot(*_SKIN)
    return [part / length for part in _SKIN]


def _blurred(scores: list[float], sigma: float) -> list[float]:
    """Blur along the rows, and exchange rows and columns: twice gives the blurred picture. Outside is nothing."""
    reach = math.ceil(2.5 * sigma)
    weights = [math.exp(-(step**2) / (2 * sigma**2)) for step in range(-reach, reach + 1)]
    total = sum(weights)
    found = [0.0] * len(scores)
    for y in range(_GRID):
        row = scores[y * _GRID : (y + 1) * _GRID]
        for x in range(_GRID):
            low, high = max(x - reach, 0), min(x + reach, _GRID - 1)
            part = sum(row[at] * weights[at - x + reach] for at in range(low, high + 1))
            found[x * _GRID + y] = part / total
    return found
