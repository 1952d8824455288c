"""`Store`: an open database, with the proof for other processes that this one is alive.

Rows of jobs and charges that are under way name the process that works on them, as their `owner`. When an owner is no
longer alive, another process settles its charges and marks its jobs as lost (`Repositories.recover`).
"""

from collections.abc import Collection
from dataclasses import dataclass

from ..errors import DatabaseUnusable
from .database import Database
from .liveness import LivenessFile, create_liveness_file, is_alive, liveness_folder, remove_dead_files
from .postgres import LivenessLock, dead_owners, open_postgres
from .sqlite import open_database
from .url import Address, PostgresUrl


@dataclass(frozen=True, slots=True)
class Store:
    """A database that this process has open; `open_store` makes it, `close` ends it."""

    database: Database
    liveness: LivenessFile | LivenessLock | None
    """What shows that this process is alive; None for a database in memory, which no other process sees."""

    @property
    def owner(self) -> str:
        """The name of this process in the column `owner`."""
        return self.liveness.name if self.liveness else "memory"

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Give those of `owners` whose process has ended."""
        others = set(owners) - {self.owner}
        match self.liveness:
            case LivenessFile(folder=folder):
                return {owner for owner in others if not is_alive(folder, owner)}
            case LivenessLock():
                with self.database.transaction() as connection:
                    return dead_owners(connection, others)
            case None:
                return set()

    def remove_dead_files(self) -> None:
        """Remove the liveness files of dead processes, once their jobs and charges were recovered."""
        if isinstance(self.liveness, LivenessFile):
            remove_dead_files(self.liveness.folder)

    def close(self) -> None:
        """Close the database. The next start of any process recovers the rows that this one has not finished."""
        if isinstance(self.liveness, LivenessFile):
            self.liveness.remove()
        self.database.close()


def open_store(at: Address) -> Store:
    """Open the database at `at`; a file that does not exist is created.

    Raises:
        DatabaseUnusable: the database is damaged, belongs to another program or to a later version of this one, or
            cannot be reached or written.

    """
    if isinstance(at, PostgresUrl):
        liveness = LivenessLock()
        return Store(open_postgres(at, liveness), liveness)
    database = open_database(at)
    if at is None:
        return Store(database, None)
    folder = liveness_folder(at)
    try:
        return Store(database, create_liveness_file(folder))
    except OSError as error:
        database.close()
        raise DatabaseUnusable(folder, f"cannot hold a lock: {error.strerror}. Allow this user to write it") from error
