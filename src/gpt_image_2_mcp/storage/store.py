"""An open database together with a sign of life, by which other processes know that what is under way here goes on."""

import sqlite3
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from .database import Database, DatabaseUnusable, open_database
from .liveness import Sign, give_sign, is_alive, tidy


@dataclass(frozen=True, slots=True)
class Store:
    """What one process holds of a database; made by `open_store`, ended with `close`."""

    database: Database
    sign: Sign | None
    """None for a database in memory, which nobody else sees."""

    @property
    def owner(self) -> str:
        """What stands in a row for this process."""
        return self.sign.name if self.sign else "memory"

    def dead(self, owners: Collection[str]) -> set[str]:
        """Those of the owners whose process has ended."""
        if self.sign is None:
            return set()
        return {owner for owner in owners if owner != self.sign.name and not is_alive(self.sign.folder, owner)}

    def tidy(self) -> None:
        """Remove the signs of the dead, once nothing of theirs is left to mend."""
        if self.sign is not None:
            tidy(self.sign.folder)

    def close(self) -> None:
        """Let go of the file; what is still under way is for the next start to mend."""
        if self.sign is not None:
            self.sign.withdraw()
        self.database.close()


def signs_of(path: Path) -> Path:
    """The folder with the signs of life of those who have the database file at `path` open."""
    return path.with_name(f"{path.name}-alive")


def open_store(path: Path | None, *, sqlite_version: tuple[int, ...] = sqlite3.sqlite_version_info) -> Store:
    """Open the database file at `path`, which is made where there is none; None is one in memory.

    Raises:
        DatabaseUnusable: the file is damaged, foreign, from a later version of this program, or cannot be written.

    """
    database = open_database(path, sqlite_version=sqlite_version)
    if path is None:
        return Store(database, None)
    folder = signs_of(path)
    try:
        return Store(database, give_sign(folder))
    except OSError as error:
        database.close()
        raise DatabaseUnusable(folder, f"cannot hold a lock: {error.strerror}. Allow this user to write it") from error
