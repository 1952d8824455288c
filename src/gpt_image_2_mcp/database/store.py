"""An open database together with a sign of life, by which other processes know that what is under way here goes on."""

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
    """What one process holds of a database; made by `open_store`, ended with `close`."""

    database: Database
    liveness: LivenessFile | LivenessLock | None
    """None for a database in memory, which nobody else sees."""

    @property
    def owner(self) -> str:
        """What stands in a row for this process."""
        return self.liveness.name if self.liveness else "memory"

    def dead_owners(self, owners: Collection[str]) -> set[str]:
        """Those of the owners whose process has ended."""
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
        """Remove the signs of the dead, once nothing of theirs is left to mend."""
        if isinstance(self.liveness, LivenessFile):
            remove_dead_files(self.liveness.folder)

    def close(self) -> None:
        """Let go of the database; what is still under way is for the next start to mend."""
        if isinstance(self.liveness, LivenessFile):
            self.liveness.remove()
        self.database.close()


def open_store(at: Address) -> Store:
    """Open the database: a file, which is made where there is none, one on a server, or one in memory.

    Raises:
        DatabaseUnusable: it is damaged, foreign, from a later version of this program, or cannot be reached or written.

    """
    if isinstance(at, PostgresUrl):
        sign = LivenessLock()
        return Store(open_postgres(at, sign), sign)
    database = open_database(at)
    if at is None:
        return Store(database, None)
    folder = liveness_folder(at)
    try:
        return Store(database, create_liveness_file(folder))
    except OSError as error:
        database.close()
        raise DatabaseUnusable(folder, f"cannot hold a lock: {error.strerror}. Allow this user to write it") from error
