"""Chance and colour that depend on the prompt alone.

The same prompt has to give the same picture on every machine and Python, so chance is a hash of the prompt, read byte
by byte, and not `random`.
"""

import colorsys
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeVar

T = TypeVar("T")

Colour = tuple[int, int, int]
"""Red, green and blue, 0 to 255."""


class SeededRandom:
    """A row of numbers that `seed` alone determines; it never ends."""

    def __init__(self, *seed: object) -> None:
        """Start the row of that seed."""
        self._seed = repr(seed).encode("utf-8", "surrogatepass")
        self._block = 0
        self._rest = b""

    def unit(self) -> float:
        """The next number, from 0 up to but not including 1."""
        if len(self._rest) < 4:  # noqa: PLR2004, four bytes make a number
            self._rest = hashlib.sha512(self._seed + self._block.to_bytes(4)).digest()
            self._block += 1
        value, self._rest = int.from_bytes(self._rest[:4]), self._rest[4:]
        return value / 2**32

    def between(self, low: float, high: float) -> float:
        """A number from `low` up to `high`."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """An integer from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """One of `items`."""
        return items[self.integer(0, len(items) - 1)]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours that go together: a sky from `high` to `low`, four `inks` from far to near, and one `accent`."""

    high: Colour
    low: Colour
    inks: tuple[Colour, ...]
    accent: Colour


def make_palette(rng: SeededRandom) -> Palette:
    """Neighbouring hues with one from across the wheel, in daylight, dusk or night."""
    hue = rng.unit()
    spread = rng.between(0.06, 0.14) * rng.pick((-1, 1))
    across = hue + 0.5 + rng.between(-0.06, 0.06)
    # Lightness of the sky's top and foot, and of the nearest and farthest ink.
    top, foot, near, far = rng.pick(((0.62, 0.9, 0.3, 0.68), (0.3, 0.78, 0.16, 0.52), (0.14, 0.44, 0.08, 0.34)))
    inks = tuple(
        colour(hue + spread * step / 2, far + (near - far) * step / 3, 0.42 + 0.06 * step) for step in range(4)
    )
    return Palette(
        high=colour(hue, top, 0.55),
        low=colour(hue + spread * 2, foot, 0.6),
        inks=inks,
        accent=colour(across, 0.68, 0.78),
    )


def colour(hue: float, lightness: float, saturation: float) -> Colour:
    """A colour from its hue (any number, one round is 1), lightness and saturation (0 to 1)."""
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
