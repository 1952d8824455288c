"""How long pictures take: learned from the ones that this server made, guessed before there are any."""

from collections import defaultdict, deque
from math import sqrt
from statistics import median

from ..parameters.models import PricedOptions
from ..parameters.sizes import edges

GUESS_S = {"low": 12.0, "medium": 35.0, "high": 80.0, "xhigh": 100.0, "max": 120.0}
"""Seconds at one megapixel: our own guess between the 10 and 235 s that were measured (2026-11)."""
REMEMBERED = 20
"""Pictures of one kind that the median is taken of."""


class DurationHistory:
    """Durations in seconds, by what makes the difference: quality and size."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._seen: defaultdict[tuple[str, int], deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def learn(self, look: PricedOptions, seconds: float) -> None:
        """Remember how long one took."""
        self._seen[_kind(look)].append(seconds)

    def expected(self, look: PricedOptions) -> float:
        """Seconds that such a picture usually takes."""
        seen = self._seen.get(_kind(look))
        if seen:
            return max(median(seen), 0.1)
        return GUESS_S.get(look.quality, GUESS_S["medium"]) * sqrt(max(_pixels(look) / 1_048_576, 0.5))


def _kind(look: PricedOptions) -> tuple[str, int]:
    return look.quality, round(_pixels(look) / 1_000_000)


def _pixels(look: PricedOptions) -> int:
    width, height = edges(look.size) or (1024, 1024)
    return width * height
