"""How long pictures take: the median of those that this process made, and a guess before there are any."""

from collections import defaultdict, deque
from math import sqrt
from statistics import median

from ..parameters.options import PricedOptions
from ..parameters.sizes import made_size, parse_edges

GUESS_S = {"low": 12.0, "medium": 35.0, "high": 80.0, "xhigh": 100.0, "max": 120.0}
"""Seconds for one megapixel, by quality: our own guess between the 10 and 235 s that were measured (2026-11)."""
REMEMBERED = 20
"""The number of latest durations, by quality and size, that the median is computed from."""

SILENT_TIMES = 4.0
"""A request that takes this many times as long as usual is taken for one that is never answered…"""
MIN_SILENCE_S = 240.0
"""… but not before this many seconds: 4K pictures at high quality take up to 235 s (measured, 2026-11)."""


def max_silence_s(expected_s: float) -> float:
    """Seconds after which a request that usually takes `expected_s` gives its slot of the rate limiter up."""
    return max(SILENT_TIMES * expected_s, MIN_SILENCE_S)


class DurationHistory:
    """Durations in seconds, by quality and number of megapixels."""

    def __init__(self) -> None:
        """Start without durations."""
        self._seen: defaultdict[tuple[str, int], deque[float]] = defaultdict(lambda: deque(maxlen=REMEMBERED))

    def learn(self, options: PricedOptions, seconds: float) -> None:
        """Remember how long a request with these options took, from its first byte to the saved pictures."""
        self._seen[_bucket(options)].append(seconds)

    def expected(self, options: PricedOptions) -> float:
        """The seconds that a request with these options usually takes."""
        seen = self._seen.get(_bucket(options))
        if seen:
            return max(median(seen), 0.1)
        return GUESS_S.get(options.quality, GUESS_S["medium"]) * sqrt(max(_pixels(options) / 1_048_576, 0.5))


def _bucket(options: PricedOptions) -> tuple[str, int]:
    return options.quality, round(_pixels(options) / 1_000_000)


def _pixels(options: PricedOptions) -> int:
    width, height = parse_edges(made_size(options.size)) or (1024, 1024)
    return width * height
