"""`OwnDisk`: the disk of a replica, and which of the processes that have used it are gone.

A lease tells other replicas that a process is gone, but not whether it only sleeps. Here a lock does: the operating
system releases it however the process ends. So what a process has left on this disk is put in order only when it can
come back to it no more.
"""

import logging
from collections.abc import Collection
from contextlib import suppress
from pathlib import Path
from typing import Final

from ..database.liveness import LivenessFile, create_liveness_file, is_alive
from ..database.url import PostgresUrl
from ..persistence.spool import Spool, digest_of
from ..picture_store.keys import person_part
from ..picture_store.upkeep import PEOPLE
from ..storage.atomic_write import write_file

logger = logging.getLogger(__name__)

PROCESSES: Final = "processes"
"""How the folder in the data folder is called, with the database's hash, for the liveness files of its processes."""
PERSON: Final = "person"
"""The file in a person's folder that says whose it is."""


def note_person(folder: Path, person: str) -> None:
    """Note in a person's folder whose it is, for a look at it without the person; raises OSError."""
    with suppress(FileExistsError):
        write_file([person.encode()], [folder / PERSON], durable=False, mode=0o600)


class OwnDisk:
    """The data folder of a server for several people, while this process uses it."""

    def __init__(self, data_dir: Path, database: PostgresUrl) -> None:
        """Hold a lock in `data_dir` from now on; raises OSError if that cannot be."""
        self._data_dir = data_dir
        self._database = database
        self._processes = data_dir / f"{PROCESSES}-{digest_of(database)}"
        self._own: LivenessFile = create_liveness_file(self._processes)

    @property
    def owner(self) -> str:
        """The name of this process, for the rows that it owns."""
        return self._own.name

    def gone(self) -> set[str]:
        """The processes that have used this disk and are gone."""
        names = {path.stem for path in self._processes.glob("*.alive")} - {self.owner}
        return {name for name in names if not is_alive(self._processes, name)}

    def forget(self, gone: Collection[str]) -> None:
        """Note that nothing of these processes is left to do."""
        for name in gone:
            with suppress(OSError):
                (self._processes / f"{name}.alive").unlink()

    def people_with_waiting(self) -> list[str]:
        """The people for whom something waits here for the database."""
        found: list[str] = []
        for folder in (self._data_dir / PEOPLE).glob("*"):
            spool = Spool.of(self._database, folder)
            if spool is None or spool.is_empty:
                continue
            try:
                person = (folder / PERSON).read_text(encoding="utf-8")
            except (OSError, ValueError) as error:
                logger.warning("whose %s is, is not known: %s", folder, error)
                continue
            if person_part(person) == folder.name:
                found.append(person)
        return found

    def close(self) -> None:
        """Release the lock; the next process on this disk looks at what this one has left."""
        self._own.file.close()
