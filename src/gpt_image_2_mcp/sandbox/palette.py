"""Random numbers and colours that depend on the prompt alone.

The same prompt must give the same picture on every machine and every Python version. So the random numbers are the
bytes of a hash of the prompt, instead of those of `random`.
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
    """An endless sequence of numbers that its seed alone determines."""

    def __init__(self, *seed: object) -> None:
        """Start the sequence; each object of the seed is used by its `repr`."""
        self._seed = repr(seed).encode("utf-8", "surrogatepass")
        self._block = 0
        self._rest = b""

    def unit(self) -> float:
        """Return the next number, at least 0 and below 1."""
        if len(self._rest) < 4:  # noqa: PLR2004, four bytes make a number
            self._rest = hashlib.sha512(self._seed + self._block.to_bytes(4)).digest()
            self._block += 1
        value, self._rest = int.from_bytes(self._rest[:4]), self._rest[4:]
        return value / 2**32

    def between(self, low: float, high: float) -> float:
        """Return a number from `low` to `high`."""
        return low + (high - low) * self.unit()

    def integer(self, low: int, high: int) -> int:
        """Return an integer from `low` to `high`, both included."""
        return low + int(self.unit() * (high - low + 1))

    def pick(self, items: Sequence[T]) -> T:
        """Return one of `items`."""
        return items[self.integer(0, len(items) - 1)]


@dataclass(frozen=True, slots=True)
class Palette:
    """Colours that go together: a sky from `high` to `low`, four `inks` from far to near, and one `accent`."""

    high: Colour
    low: Colour
    inks: tuple[Colour, ...]
    accent: Colour


def make_palette(rng: SeededRandom) -> Palette:
    """Choose neighbouring hues and, as the accent, one from across the colour wheel: in daylight, dusk or night."""
    hue = rng.unit()
    spread = rng.between(0.06, 0.14) * rng.pick((-1, 1))
    across = hue + 0.5 + rng.between(-0.06, 0.06)
    # The lightness of the sky's top and bottom, and of the nearest and farthest ink.
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
    """Convert a hue (any number, one round is 1), a lightness and a saturation (both 0 to 1) to a colour."""
    red, green, blue = colorsys.hls_to_rgb(hue % 1, lightness, saturation)
    return round(red * 255), round(green * 255), round(blue * 255)
