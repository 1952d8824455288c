"""Tells which processes that share a PostgreSQL server are alive: each has a lease, which it renews while it works.

The lease is a row of the table `leases` with the moment at which it expires, by the clock of the database server: the
clocks of the computers do not matter. A connection that breaks, a restart of the server and a failover leave it as it
is, so that a process which waits minutes for a picture is not taken for dead. Before a transaction that writes, the
lease of its process is renewed if a third of its time has passed; in a transaction of its own, since the others of the
process would wait for the row. From then on a thread renews it as long as jobs or charges of the process are under way;
an idle process renews nothing.

A process counts as dead when its lease has expired and it has no connection. It may be wrong: a computer that sleeps
renews nothing. So a job that was declared lost is looked at again whenever it is read, and its end is written whatever
state the row is in.
"""

import logging
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass, field
from hashlib import sha256
from math import inf
from threading import Event, Lock, Thread
from time import monotonic
from typing import Final
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import GptImageError
from .database import Database
from .people import EVERYONE

logger = logging.getLogger(__name__)

LEASE_SECONDS: Final = 30.0
"""How long a lease runs; a job of a killed process counts as lost after that time."""

JOIN_SECONDS: Final = 2.0
"""How long the end of this process waits for its thread, which may be connecting."""

_RENEW = sa.text(
    "INSERT INTO leases (owner, expires) VALUES (:owner, clock_timestamp() + make_interval(secs => :seconds))"
    " ON CONFLICT (owner) DO UPDATE SET expires = excluded.expires"
)
_IS_AT_WORK = sa.text(
    "SELECT EXISTS (SELECT FROM charges WHERE owner = :owner AND state IN ('reserved', 'sent'))"
    " OR EXISTS (SELECT FROM jobs WHERE owner = :owner AND state IN ('queued', 'sent', 'lost'))"
)
_REMAINING = sa.text(
    # While the server was down, no lease could be renewed: for the length of one after its start, none has expired.
    "SELECT owner, extract(epoch FROM greatest(expires, pg_postmaster_start_time() + make_interval(secs => :seconds))"
    " - clock_timestamp())::float AS seconds_left FROM leases WHERE owner = ANY(:owners)"
)
_REMOVE = sa.text("DELETE FROM leases WHERE owner = :owner")
_FORGET = sa.text("DELETE FROM leases WHERE expires < clock_timestamp() - interval '1 day'")
_CONNECTED = sa.text(
    "SELECT (classid::bigint << 32) | objid::bigint FROM pg_locks WHERE locktype = 'advisory' AND objsubid = 1"
    " AND granted AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
)


@dataclass(slots=True)
class Lease:
    """The lease of this process, and its view of the leases of others. Safe to use from several threads."""

    seconds: float = field(default_factory=lambda: LEASE_SECONDS)
    name: str = field(default_factory=lambda: uuid4().hex)
    database: Database | None = field(default=None, init=False)
    """The database, once it is open."""
    _lock: Lock = field(default_factory=Lock, init=False)
    _thread: Thread | None = field(default=None, init=False)
    _is_held: bool = field(default=False, init=False)
    _has_written: bool = field(default=False, init=False)
    """A transaction has begun since the thread last looked whether there is work under way."""
    _renew_at: float = field(default=-inf, init=False)
    """When a transaction renews it next, by `time.monotonic`."""
    _stop: Event = field(default_factory=Event, init=False)

    def keep(self) -> None:
        """Renew the lease before a transaction that writes, and go on renewing it while there is work under way.

        Raises:
            DatabaseUnusable: the database cannot be written.
            TransactionUndone: the server has undone this, which can be run again.

        """
        with self._lock:
            now = monotonic()
            is_due = now >= self._renew_at
            if is_due:
                # Only one thread renews it: the others go on meanwhile.
                self._renew_at = now + self.seconds / 3
            self._is_held = self._has_written = True
            if self._thread is None and not self._stop.is_set():
                self._thread = Thread(target=self._keep, name="lease", daemon=True)
                self._thread.start()
        if is_due:
            try:
                with self._opened.upkeep() as connection:
                    self._renew(connection)
            except BaseException:
                self._renew_at = -inf
                raise

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` whose lease has expired or was removed, and that have no connection.

        A connection shows by its `presence_key`. It is all that a process of an earlier version has, and a sign of life
        in any case: that of a process that is merely stopped goes on.
        """
        running = self._remaining(owners)
        return self.silent_owners({owner for owner in owners if running.get(owner, 0) <= 0})

    def silent_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` that have no connection: they are dead, or cut off at the moment."""
        if not owners:
            return set()
        with self._opened.reading() as connection:
            connected = set(connection.scalars(_CONNECTED))
        return {owner for owner in owners if presence_key(owner) not in connected}

    def seconds_left(self, owners: Collection[str]) -> float | None:
        """Seconds until the last of these owners' leases expires if it is not renewed; None if there is none."""
        return max((left for left in self._remaining(owners).values() if left > 0), default=None)

    def remove_dead(self) -> None:
        """Remove the leases of processes that ended long ago."""
        with self._opened.upkeep() as connection:
            connection.execute(_FORGET)

    def stop(self) -> None:
        """Renew the lease no longer between transactions, so that it expires as that of a killed process does."""
        self._stop.set()
        thread = self._thread
        if thread is not None:
            thread.join(JOIN_SECONDS)

    def remove(self) -> None:
        """Give the lease up: other processes count this one as dead from now on."""
        self.stop()
        if not self._is_held:
            return
        # If that fails, the lease expires by itself.
        with suppress(GptImageError), self._opened.upkeep() as connection:
            connection.execute(_REMOVE, {"owner": self.name})

    @property
    def _opened(self) -> Database:
        assert self.database is not None
        return self.database

    def _remaining(self, owners: Collection[str]) -> dict[str, float]:
        if not owners:
            return {}
        with self._opened.reading() as connection:
            rows = connection.execute(_REMAINING, {"owners": list(owners), "seconds": self.seconds})
            return {row.owner: row.seconds_left for row in rows}

    def _keep(self) -> None:
        """Renew the lease every third of its time, until nothing is under way; every second if that fails."""
        pause = self.seconds / 3
        while not self._stop.wait(pause):
            self._has_written = False
            try:
                is_at_work = self._renew_alone()
                pause = self.seconds / 3
            except (GptImageError, exc.SQLAlchemyError) as error:
                logger.debug("the lease was not renewed: %s", error)
                is_at_work, pause = True, min(1.0, self.seconds / 3)
            with self._lock:
                if not is_at_work and not self._has_written:
                    self._thread = None
                    return

    def _renew(self, connection: sa.Connection) -> None:
        # A lease that the server forgets when it crashes is soon renewed.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
        connection.execute(_RENEW, {"owner": self.name, "seconds": self.seconds})

    def _renew_alone(self) -> bool:
        """Renew the lease, and tell whether work of this process is under way, of whatever person."""
        with self._opened.of(EVERYONE).upkeep() as connection:
            self._renew(connection)
            return bool(connection.scalar(_IS_AT_WORK, {"owner": self.name}))


def presence_key(name: str) -> int:
    """Derive the key of an advisory lock, which is a number of 64 bits, from the name of a process."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
