"""The table `pace` of a PostgreSQL server: how many pictures a minute all replicas together ask for (GCRA).

`tat` is the theoretical arrival time of the generic cell rate algorithm, in seconds since 1970 by the clock of the
database server: every picture moves it on by a minute's share, and a request may start while it is less than a minute
ahead. That is a bucket of one minute's pictures, as `openai_api.picture_pace` has one for a process alone. `held_until`
is until when no request may start, since the API has refused one (429). `named` is the limit that the API named last.
"""

from dataclasses import dataclass
from typing import Final

import sqlalchemy as sa

PACE: Final = (
    "CREATE TABLE pace (bucket text PRIMARY KEY, tat double precision NOT NULL DEFAULT 0,"
    " held_until double precision NOT NULL DEFAULT 0, named integer, named_until double precision NOT NULL DEFAULT 0)"
)
"""One row, of all people: the limit is that of the API key."""

PICTURES: Final = "pictures"
"""The name of the row."""

NAMED_SECONDS: Final = 3600.0
"""How long a limit counts that the API has named: the account may get a higher one."""

_INSERT: Final = sa.text("INSERT INTO pace (bucket) VALUES (:bucket) ON CONFLICT DO NOTHING")

_TAKE: Final = sa.text(
    # The row is locked first, so that of several replicas each sees what the one before has taken.
    "WITH seen AS MATERIALIZED ("
    " SELECT *, extract(epoch FROM clock_timestamp())::float8 AS now FROM pace WHERE bucket = :bucket FOR UPDATE"
    "), limits AS ("
    " SELECT *, least(CAST(:setting AS float8),"
    " coalesce(CAST(:learned AS float8), CASE WHEN named_until > now THEN named END)) AS known FROM seen"
    "), rates AS ("
    " SELECT *, coalesce(known, :guess) AS per_minute, greatest(tat, now) AS base,"
    " known IS NULL AND NOT CAST(:is_paced AS boolean) AS is_free FROM limits"
    "), waits AS ("
    " SELECT *, greatest(0, held_until - now, CASE WHEN is_free THEN 0"
    " ELSE base + least(:pictures, per_minute) * 60 / per_minute - now - 60 END) AS wait FROM rates"
    "), ends AS ("
    " SELECT *, CASE WHEN wait > 0 THEN tat WHEN is_free"
    # What did not wait leaves a debt of one minute at most.
    " THEN greatest(base, least(base + :pictures * 60 / per_minute, now + 120))"
    " ELSE base + :pictures * 60 / per_minute END AS after FROM waits"
    "), taken AS ("
    " UPDATE pace SET tat = ends.after, named = coalesce(CAST(:learned AS integer), pace.named), named_until ="
    " CASE WHEN CAST(:learned AS integer) IS NULL THEN pace.named_until ELSE ends.now + :named_seconds END"
    " FROM ends WHERE pace.bucket = :bucket AND (ends.wait = 0 OR CAST(:learned AS integer) IS NOT NULL)"
    ") SELECT wait, per_minute, known IS NOT NULL AS is_known,"
    " per_minute * (1 - (greatest(after, now) - now) / 60) AS remaining FROM ends"
)

_REFUSED: Final = sa.text(
    "UPDATE pace SET held_until = greatest(held_until, extract(epoch FROM clock_timestamp()) + :hold),"
    " named = coalesce(CAST(:named AS integer), named),"
    " named_until = CASE WHEN CAST(:named AS integer) IS NULL THEN named_until"
    " ELSE extract(epoch FROM clock_timestamp()) + :named_seconds END,"
    # Nothing is left of the minute.
    " tat = CASE WHEN CAST(:named AS integer) IS NULL THEN tat"
    " ELSE greatest(tat, extract(epoch FROM clock_timestamp()) + 60) END WHERE bucket = :bucket"
)


@dataclass(frozen=True, slots=True)
class PaceAnswer:
    """Whether a request may start, and what is left of the minute."""

    wait_s: float
    """Seconds after which to ask again; 0 if its pictures were taken."""
    per_minute: int
    is_known: bool
    """Whether the limit was set, or named by the API; otherwise it is a guess."""
    remaining: float
    """Pictures that are left of the minute; below zero if more were taken."""


@dataclass(frozen=True, slots=True)
class PaceTable:
    """The table within one transaction."""

    connection: sa.Connection

    def take(
        self, pictures: int, *, setting: int | None, learned: int | None, guess: int, is_paced: bool
    ) -> PaceAnswer:
        """Take a request's pictures if they may be asked for now.

        `setting` and `learned` are the limit a minute that is set, and that an answer has named since the last time;
        without both, and if no answer has named one lately, it is `guess`, for which only what `is_paced` waits.
        """
        values = {
            "bucket": PICTURES,
            "pictures": pictures,
            "setting": setting,
            "learned": learned,
            "guess": guess,
            "is_paced": is_paced,
            "named_seconds": NAMED_SECONDS,
        }
        row = self.connection.execute(_TAKE, values).one_or_none()
        if row is None:
            self._insert()
            row = self.connection.execute(_TAKE, values).one()
        return PaceAnswer(float(row.wait), int(row.per_minute), bool(row.is_known), float(row.remaining))

    def note_refusal(self, *, named: int | None, hold_s: float) -> None:
        """Note that the API refused a request: `named` is the limit that it named, if it did."""
        self._insert()
        values = {"bucket": PICTURES, "named": named, "hold": hold_s, "named_seconds": NAMED_SECONDS}
        self.connection.execute(_REFUSED, values)

    def _insert(self) -> None:
        self.connection.execute(_INSERT, {"bucket": PICTURES})
