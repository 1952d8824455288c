"""`StoredFileTable`: what is in the picture store, and the outbox of what could not be put there yet.

A file is found by the path that the catalogue has of it, so that no picture, session or answer need know its key.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

import sqlalchemy as sa

from ..database.schema import outbox, stored_files
from .picture_table import to_microseconds


@dataclass(frozen=True, slots=True)
class StoredFile:
    """A file and its key in the picture store."""

    key: str
    sha256: str
    path: str
    """Where the replica that saved it has it."""
    on_disk_only: bool = False
    """Whether it is there alone: neither the store nor the database could be written."""
    in_outbox: bool = False
    """Whether it waits in the database."""

    @property
    def is_stored(self) -> bool:
        """Whether it is certainly in the store."""
        return not (self.on_disk_only or self.in_outbox)


@dataclass(frozen=True, slots=True)
class StoredFileTable:
    """The tables `stored_files` and `outbox` within one transaction."""

    connection: sa.Connection

    def add(self, files: Sequence[StoredFile]) -> None:
        """Note files; one whose key is noted already stays as it is."""
        known = set(
            self.connection.scalars(sa.select(stored_files.c.key).where(stored_files.c.key.in_([f.key for f in files])))
        )
        rows = [
            {"key": file.key, "sha256": file.sha256, "path": file.path, "on_disk_only": file.on_disk_only}
            for file in files
            if file.key not in known
        ]
        if rows:
            self.connection.execute(sa.insert(stored_files), rows)

    def by_path(self, paths: Sequence[str]) -> dict[str, StoredFile]:
        """The files that were saved under these paths, as far as they are known: of several the one best stored."""
        query = (
            sa.select(stored_files, outbox.c.key.label("waiting"))
            .join(outbox, outbox.c.key == stored_files.c.key, isouter=True)
            .where(stored_files.c.path.in_(paths))
        )
        found: dict[str, StoredFile] = {}
        for row in self.connection.execute(query.order_by(stored_files.c.key)):
            file = StoredFile(row.key, row.sha256, row.path, row.on_disk_only, row.waiting is not None)
            older = found.get(file.path)
            if older is None or (file.is_stored, file.in_outbox) > (older.is_stored, older.in_outbox):
                found[file.path] = file
        return found

    def on_disks(self, limit: int) -> list[StoredFile]:
        """Files that only the disk of some replica has."""
        query = sa.select(stored_files).where(stored_files.c.on_disk_only).order_by(stored_files.c.key).limit(limit)
        return [StoredFile(row.key, row.sha256, row.path, on_disk_only=True) for row in self.connection.execute(query)]

    def note_stored(self, key: str) -> None:
        """Note that a file is in the store now."""
        self.connection.execute(sa.update(stored_files).where(stored_files.c.key == key).values(on_disk_only=False))
        self.connection.execute(sa.delete(outbox).where(outbox.c.key == key))

    def remove(self, file: StoredFile) -> None:
        """Forget a file, and what waits of it."""
        self.connection.execute(sa.delete(outbox).where(outbox.c.key == file.key))
        self.connection.execute(sa.delete(stored_files).where(stored_files.c.key == file.key))

    @property
    def has_outbox(self) -> bool:
        """Whether what is written into the outbox is safer than on this machine's disk."""
        return self.connection.dialect.name == "postgresql"

    def wait(self, key: str, data: bytes) -> None:
        """Have bytes wait in the outbox, if they do not yet."""
        if self.connection.scalar(sa.select(outbox.c.key).where(outbox.c.key == key)) is not None:
            return
        row = {"key": key, "data": data, "made_us": to_microseconds(datetime.now(UTC))}
        self.connection.execute(sa.insert(outbox), row)

    def waiting(self, key: str) -> bytes | None:
        """The bytes that wait under a key."""
        found: bytes | None = self.connection.scalar(sa.select(outbox.c.data).where(outbox.c.key == key))
        return None if found is None else bytes(found)

    @property
    def is_waiting(self) -> bool:
        """Whether anything waits."""
        return self.connection.scalar(sa.select(outbox.c.key).limit(1)) is not None

    def take_waiting(self) -> tuple[str, bytes] | None:
        """The oldest of what waits and no other replica puts just now, locked until the end of the transaction."""
        query = sa.select(outbox.c.key, outbox.c.data).order_by(outbox.c.made_us).limit(1)
        row = self.connection.execute(query.with_for_update(skip_locked=True)).one_or_none()
        return None if row is None else (row.key, bytes(row.data))
