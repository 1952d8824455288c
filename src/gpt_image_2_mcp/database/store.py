"""`Store`: an open database, with the proof for other processes that this one is alive.

Rows of jobs and charges that are under way name the process that works on them, as their `owner`. When an owner is no
longer alive, another process settles its charges and marks its jobs as lost (`Repositories.recover`).
"""

from collections.abc import Collection
from dataclasses import dataclass, replace

from ..errors import DatabaseUnusable
from .database import Database
from .leases import Lease
from .liveness import Liveness, create_liveness_file, liveness_folder
from .postgres import open_postgres
from .url import Address, PostgresUrl


@dataclass(frozen=True, slots=True)
class Store:
    """A database that this process has open; `open_store` makes it, `close` ends it."""

    database: Database
    liveness: Liveness | None
    """What shows that this process is alive; None for a database in memory, which no other process sees."""

    @property
    def owner(self) -> str:
        """The name of this process in the column `owner`."""
        return self.liveness.name if self.liveness else "memory"

    def of(self, person: str) -> "Store":
        """The same store, as a person sees it; the one that `open_store` gave is closed."""
        return replace(self, database=self.database.of(person))

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` whose process has ended, as far as this process can know."""
        others = set(owners) - {self.owner}
        return self.liveness.dead_owners(others) if self.liveness and others else set()

    def silent_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` whose process may have ended, although that does not show yet."""
        others = set(owners) - {self.owner}
        return self.liveness.silent_owners(others) if self.liveness and others else set()

    def seconds_left(self, owners: Collection[str]) -> float | None:
        """Seconds after which it shows of each of these processes whether it has ended; None if it shows at once."""
        others = set(owners) - {self.owner}
        return self.liveness.seconds_left(others) if self.liveness and others else None

    def remove_dead(self) -> None:
        """Remove what is left of dead processes, once their jobs and charges were recovered."""
        if self.liveness:
            self.liveness.remove_dead()

    def close(self) -> None:
        """Close the database. The next start of any process recovers the rows that this one has not finished."""
        if self.liveness:
            self.liveness.remove()
        self.database.close()


def open_store(at: Address, *, connections: int = 1, lease_s: float | None = None, owner: str | None = None) -> Store:
    """Open the database at `at`; a file that does not exist is created.

    `connections` is how many transactions can be open at once on a PostgreSQL server, `lease_s` the length of the lease
    there, in seconds, and `owner` the name of this process there, if it has one already.

    Raises:
        DatabaseUnusable: the database is damaged, belongs to another program or to a later version of this one, or
            cannot be reached or written.

    """
    if isinstance(at, PostgresUrl):
        lease = Lease() if lease_s is None else Lease(lease_s)
        lease.name = owner or lease.name
        return Store(open_postgres(at, lease, connections=connections), lease)
    # A server on PostgreSQL does without it.
    from .sqlite import open_database

    database = open_database(at)
    if at is None:
        return Store(database, None)
    folder = liveness_folder(at)
    try:
        return Store(database, create_liveness_file(folder))
    except OSError as error:
        database.close()
        raise DatabaseUnusable(folder, f"cannot hold a lock: {error.strerror}. Allow this user to write it") from error
