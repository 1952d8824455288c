"""`PicturePace`: how many pictures a minute a process asks for, by a token bucket that learns from the API's answers.

`SharedPace` is the same for the replicas of a server together; `Pace` is what the rate limiter needs of either.

OpenAI limits pictures a minute by an account's tier, from 5 to 250, and does not tell the tier. So the pace begins at
the setting, or at the lowest tier's, and takes over what answers say: their `x-ratelimit-*` headers, and the words of a
429 ("input-images per min: Limit 250, Used 250"). Every request takes from the bucket, and only the lines of batches
wait for it: a person who waits for one picture is not held up by a guess.
"""

import math
import re
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Final, Protocol

LOWEST_TIER: Final = 5
"""Pictures a minute of OpenAI's lowest tier (gpt-image-2's page, 2026-11)."""
MAX_PER_MINUTE: Final = 100_000
MAX_DIGITS: Final = 6
IN_HOURS: Final = 90
"""Minutes from which on a time is told in hours."""
_LIMIT: Final = re.compile(r"images per min\S*: Limit (\d{1,6})\b", re.IGNORECASE)
_HEADERS: Final = ("x-ratelimit-limit-images", "x-ratelimit-limit-input-images", "x-ratelimit-limit-requests")
"""The headers that name a limit a minute; a request for one picture takes one of each."""


class Pace(Protocol):
    """How many pictures a minute may be asked for."""

    @property
    def is_shared(self) -> bool:
        """Whether other processes take from it too. Every request waits for it then, not only those of batches."""
        ...

    async def ask(self, pictures: int, *, is_paced: bool) -> float:
        """Take a request's pictures and give 0, or give the seconds after which to ask again.

        What is not `is_paced` need not wait for a guess.
        """
        ...

    async def note_refusal(self, message: str, *, hold_s: float) -> None:
        """Learn from a 429; no process is to start a request for `hold_s` seconds."""
        ...

    def learn_from_headers(self, headers: Mapping[str, str]) -> None:
        """Learn from the headers of an answer. Called in any thread."""
        ...

    def minutes_for(self, pictures: int) -> float:
        """Minutes that so many pictures take at this pace, from now on."""
        ...


class PicturePace:
    """A bucket that fills evenly, and holds what may be asked for in one minute."""

    is_shared = False

    def __init__(self, per_minute: int | None, *, clock: Callable[[], float] = monotonic) -> None:
        """Begin full, with `per_minute` pictures; None stands for the lowest tier's until an answer says more."""
        self.per_minute = per_minute or LOWEST_TIER
        self.is_set = per_minute is not None
        """Whether the person has set the pace: then only a refusal lowers it."""
        self._clock = clock
        self._left = float(self.per_minute)
        self._at = clock()
        self._named: int | None = None
        """The limit that the last answer has named; its thread only leaves it here."""

    async def ask(self, pictures: int, *, is_paced: bool) -> float:
        """Take a request's pictures and give 0, or the seconds for which it has to wait, if it is paced."""
        wait = self.wait_s(pictures) if is_paced else 0.0
        if not wait:
            self.take(pictures, has_waited=is_paced)
        return wait

    async def note_refusal(self, message: str, *, hold_s: float) -> None:
        """Learn from a 429. The rate limiter itself holds the requests of this process back."""
        del hold_s
        self.learn_from_refusal(message)

    def take(self, pictures: int, *, has_waited: bool = True) -> None:
        """Take what a request asks for, whether it is there or not.

        Requests that have not waited leave a debt of one minute at most: that the API took more of them shows that the
        pace is too low a guess, and no batch need wait for that.
        """
        self._fill()
        most = math.inf if has_waited else max(self._left + self.per_minute, 0.0)
        self._left -= min(pictures, most)

    def wait_s(self, pictures: int) -> float:
        """Seconds until a request for so many pictures may be sent; 0 for now."""
        self._fill()
        # More than the bucket holds are sent when it is full.
        missing = min(pictures, self.per_minute) - self._left
        return max(missing, 0.0) * 60 / self.per_minute

    def minutes_for(self, pictures: int) -> float:
        """Minutes that so many pictures take at this pace, from now on."""
        self._fill()
        return max(pictures - self._left, 0.0) / self.per_minute

    def learn_from_headers(self, headers: Mapping[str, str]) -> None:
        """Take over the lowest limit that the headers of an answer name, unless the person has set one."""
        values = [headers.get(name, "") for name in _HEADERS]
        found = [int(value) for value in values if value.isdecimal() and len(value) <= MAX_DIGITS]
        if found and not self.is_set:
            self._named = min(found)

    def learn_from_refusal(self, message: str) -> None:
        """Take over the limit that a 429 names; nothing is left of this minute then."""
        limit = limit_in(message)
        if limit is not None:
            self._named = min(limit, self.per_minute) if self.is_set else limit
            self._fill()
            self._left = min(self._left, 0.0)

    @property
    def named(self) -> int | None:
        """The limit that an answer has named, if it is not taken over yet."""
        return self._named if self._named is not None and 0 < self._named <= MAX_PER_MINUTE else None

    def take_over(self, per_minute: int, left: float) -> None:
        """Stand as the pace of all replicas does: so many pictures a minute, of which so many are left."""
        self.per_minute, self._left, self._at, self._named = per_minute, left, self._clock(), None

    def _fill(self) -> None:
        now, before = self._clock(), self._at
        self._at = now
        if named := self.named:
            # What was asked for stays taken.
            self._left += named - self.per_minute
            self.per_minute = named
        self._named = None
        self._left = min(self._left + (now - before) * self.per_minute / 60, float(self.per_minute))


def limit_in(message: str) -> int | None:
    """The pictures a minute that a 429 names; None if it names none."""
    named = _LIMIT.search(message)
    return int(named[1]) if named else None


def finish_text(minutes: float) -> str:
    """How long something takes, rounded up: it is an estimate."""
    if minutes < 1:
        return "less than a minute"
    if minutes < IN_HOURS:
        return f"about {math.ceil(minutes)} min"
    return f"about {minutes / 60:.1f} h"
