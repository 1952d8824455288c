"""Who is there, and what was spent: sums over the charges of all people.

A charge counts at its cost, and at its estimate where the cost is not known: it is under way, or it may have been
billed without an answer. What was not billed does not count.
"""

from dataclasses import dataclass
from datetime import date
from decimal import Decimal
from typing import Final, Literal

import sqlalchemy as sa

from ..billing.budgets import NANO_USD

By = Literal["person", "day", "model"]

_SPENT: Final = """
count(*) AS requests, coalesce(sum(pictures), 0) AS pictures,
coalesce(sum(coalesce(nano_usd, estimate_nano_usd)), 0) AS nano_usd,
count(*) FILTER (WHERE state IN ('reserved', 'sent')) AS under_way,
count(*) FILTER (WHERE state = 'unknown') AS unknown
"""


@dataclass(frozen=True, slots=True)
class Person:
    """A person, and what is known of them in the ledger."""

    person: str
    first_day: str
    last_day: str
    requests: int
    pictures: int
    usd: Decimal
    under_way: int
    """Requests that are not finished."""


@dataclass(frozen=True, slots=True)
class Spent:
    """What was spent by one person, on one day or with one model, in dollars."""

    what: str
    requests: int
    pictures: int
    usd: Decimal
    under_way: int
    unknown: int
    """Requests that may have been billed without an answer."""


def people(connection: sa.Connection) -> list[Person]:
    """All people with a charge, the one who spent most first; for a transaction of `people.EVERYONE`."""
    query = f"""
        SELECT person, min(day) AS first_day, max(day) AS last_day, {_SPENT} FROM charges
        WHERE state <> 'released' GROUP BY person ORDER BY nano_usd DESC, person
    """  # noqa: S608 - a text of this module
    return [
        Person(
            row.person, row.first_day, row.last_day, row.requests, int(row.pictures), _usd(row.nano_usd), row.under_way
        )
        for row in connection.execute(sa.text(query))
    ]


def spent(connection: sa.Connection, by: By, since: date) -> list[Spent]:
    """What was spent since a day; days in their order, and else the dearest first."""
    order = "what" if by == "day" else "nano_usd DESC, what"
    query = f"""
        SELECT {by} AS what, {_SPENT} FROM charges
        WHERE state <> 'released' AND day >= :since GROUP BY {by} ORDER BY {order}
    """  # noqa: S608 - a text of this module, and one of three names
    return [
        Spent(row.what, row.requests, int(row.pictures), _usd(row.nano_usd), row.under_way, row.unknown)
        for row in connection.execute(sa.text(query), {"since": since.isoformat()})
    ]


def _usd(nano: int | Decimal) -> Decimal:
    return int(nano) * NANO_USD
