"""What a server for a team measures beside its jobs: the queue, the outbox, and which replicas are alive.

The database is asked when somebody reads the metrics, so that nothing is asked where nobody does.
"""

from typing import Final

import sqlalchemy as sa

from ..database.people import EVERYONE
from ..database.url import PostgresUrl
from ..shared_parts import SharedParts
from ..telemetry import observe

_OUTBOX: Final = sa.text("SELECT coalesce(extract(epoch FROM clock_timestamp()) - min(made_us) / 1e6, 0) FROM outbox")
_LEASES: Final = sa.text("SELECT count(*) FROM leases WHERE expires > clock_timestamp()")


def observe_server(shared: SharedParts) -> None:
    """Have all of it be part of the metrics, where there are any."""
    limiter = shared.limiter
    observe("queue_length", "Requests of this replica that wait to be sent", lambda: limiter.waiting)
    if isinstance(shared.database.at, PostgresUrl):
        waits = "Seconds that the oldest picture has waited in the database for the picture store"
        observe("outbox_age_seconds", waits, lambda: _asked(shared, _OUTBOX))
        observe("leases", "Replicas that are alive", lambda: _asked(shared, _LEASES))


def _asked(shared: SharedParts, query: sa.TextClause) -> float:
    with shared.database.of(EVERYONE).database.reading() as connection:
        return float(connection.scalar(query) or 0)
