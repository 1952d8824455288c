"""Matches the colours of an aligned picture to the original's: a gain and an offset for each channel."""

from dataclasses import dataclass

import numpy as np

from .arrays import Array, Floats, Mask

_SAMPLES = 15_000
_ROUNDS = 4


@dataclass(frozen=True, slots=True)
class ColourMatch:
    """What each channel is multiplied by, and what is added then."""

    gain: Floats
    offset: Floats

    @property
    def is_none(self) -> bool:
        """Whether no colour is changed by as much as a level."""
        return bool(np.all(np.abs((self.gain - 1) * 128 + self.offset) < 0.5) and np.all(np.abs(self.gain - 1) < 0.006))  # noqa: PLR2004

    @property
    def levels(self) -> tuple[int, int, int]:
        """How many levels brighter red, green and blue the model's picture was, in the middle of the range."""
        red, green, blue = (round(float(value)) for value in -((self.gain - 1) * 128 + self.offset))
        return red, green, blue

    def apply(self, picture: Array) -> Floats:
        """The picture with matched colours, as floating-point numbers that may lie outside of 0 to 255."""
        return picture.astype(np.float32) * self.gain.astype(np.float32) + self.offset.astype(np.float32)


NONE = ColourMatch(np.ones(3), np.zeros(3))
"""No colour is changed."""


def find_match(original: Array, aligned: Array, keep: Mask) -> ColourMatch:
    """Find the gain and offset that bring `aligned` closest to `original` where it is to `keep`.

    What was drawn anew counts for nothing: Tukey's weights, from the residuals' median.
    """
    places = np.flatnonzero(keep)
    if len(places) < 100:  # noqa: PLR2004 - pixels: too few to tell
        return NONE
    places = places[:: max(1, len(places) // _SAMPLES)]
    wanted = original.reshape(-1, 3)[places].astype(np.float64)
    given = aligned.reshape(-1, 3)[places].astype(np.float64)
    gains, offsets = np.ones(3), np.zeros(3)
    for channel in range(3):
        x, y = given[:, channel], wanted[:, channel]
        weight = np.ones(len(x))
        gain, offset = 1.0, float(np.median(y - x))
        for _ in range(_ROUNDS):
            residual = np.abs(gain * x + offset - y)
            scale = max(1.0, 1.48 * float(np.median(residual)))
            weight = np.clip(1 - (residual / (4 * scale)) ** 2, 0, 1) ** 2
            total = weight.sum()
            if total < 50:  # noqa: PLR2004 - pixels: nothing is in common
                break
            mx, my = (weight * x).sum() / total, (weight * y).sum() / total
            spread = (weight * (x - mx) ** 2).sum() / total
            # A plane colour tells an offset and no gain.
            gain = 1.0 if spread < 4 else float((weight * (x - mx) * (y - my)).sum() / total / spread)  # noqa: PLR2004
            gain = min(max(gain, 0.7), 1.4)
            offset = float(my - gain * mx)
        gains[channel], offsets[channel] = gain, offset
    found = ColourMatch(gains, offsets)
    return NONE if found.is_none else found
