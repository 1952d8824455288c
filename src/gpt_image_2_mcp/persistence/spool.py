"""`Spool`: what could not be written into the database yet, as lines of a file in the data folder.

Every process that uses a database appends to the same file, and replays it when the database can be written again. A
line stays until its transaction is committed, so a kill in the middle of a replay loses nothing. What is replayed twice
must therefore do nothing the second time: that is up to the function that `replay` is given.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from ..database.liveness import try_lock
from ..database.url import Address, PostgresUrl
from ..errors import DatabaseUnusable, TransactionUndone
from ..storage.atomic_write import sync_folder, write_file

logger = logging.getLogger(__name__)

LOCK_SECONDS: Final = 60.0
"""How long this process waits for another one that replays or appends."""


@dataclass(frozen=True, slots=True)
class Spool:
    """The file `path`, one JSON object a line; it is missing while nothing waits."""

    path: Path

    @classmethod
    def of(cls, database: Address, data_dir: Path | None) -> "Spool | None":
        """The spool in `data_dir` for the database at an address; None for a database in memory, or without a folder.

        Its name holds a hash of the address without the password.
        """
        if database is None or data_dir is None:
            return None
        parts = (
            [str(database), database.parts.username or "", database.parts.query]
            if isinstance(database, PostgresUrl)
            else [str(database.absolute())]
        )
        digest = hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]
        return cls(data_dir / f"waiting-{digest}.jsonl")

    @property
    def rejected(self) -> Path:
        """The file of the lines that can never be written."""
        return self.path.with_suffix(".rejected.jsonl")

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; reads no file."""
        return not self.path.exists()

    def append(self, line: dict[str, Any]) -> None:
        """Append a line; it is on the disk when this returns. Raises OSError."""
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            _append(self.path, json.dumps(line).encode())

    def replay(self, write: Callable[[dict[str, Any]], None]) -> None:
        """Have `write` write each line, the oldest first, in one transaction each.

        A line for which it raises anything but DatabaseUnusable can never be written: it is moved to `rejected`.

        Raises:
            DatabaseUnusable: the database still cannot be written. What is left waits.
            OSError: the file cannot be read or written.

        """
        failure: DatabaseUnusable | None = None
        with self._locked():
            lines = self.path.read_bytes().splitlines() if self.path.exists() else []
            left: list[bytes] = []
            is_away = False
            for line in lines:
                try:
                    if not is_away:
                        write(json.loads(line))
                        continue
                except DatabaseUnusable as error:
                    failure = error
                    # A transaction that is undone says nothing about the next one.
                    is_away = not isinstance(error, TransactionUndone)
                except Exception as error:  # noqa: BLE001 - whatever it is, the lines after it have to go on
                    self._reject(line, error)
                    continue
                left.append(line)
            if len(left) < len(lines):
                self._keep(left)
        if failure is not None:
            raise failure

    def _reject(self, line: bytes, error: Exception) -> None:
        # A kill between the two files leaves it in both: it is not added to this one again.
        if not self.rejected.exists() or line not in self.rejected.read_bytes().splitlines():
            _append(self.rejected, line)
        logger.warning(
            "a record that waited for the database can never be written, and was moved to %s: %s", self.rejected, error
        )

    def _keep(self, left: list[bytes]) -> None:
        if left:
            write_file([line + b"\n" for line in left], [self.path], replace=True, mode=0o600)
        else:
            self.path.unlink()
            sync_folder(self.path.parent)

    @contextmanager
    def _locked(self) -> Generator[None]:
        """Hold the lock of the spool, which is a file of its own, since the file with the lines is replaced."""
        until = monotonic() + LOCK_SECONDS
        with open(self.path.with_suffix(".lock"), "ab", opener=_private) as held:
            held.seek(0)
            while not _try_lock(held):
                if monotonic() > until:
                    raise TimeoutError(f"another process has held {held.name} for {LOCK_SECONDS:g} s")
                sleep(0.01)
            yield


def _try_lock(held: Any) -> bool:
    try:
        return try_lock(held)
    except OSError:
        # A file system without locks.
        return True


def _append(path: Path, line: bytes) -> None:
    is_new = not path.exists()
    with open(path, "ab", buffering=0, opener=_private) as file:
        size = file.seek(0, os.SEEK_END)
        # A process that was killed, or a full disk, may have left a line without its end.
        whole = (b"" if _ends_a_line(path, size) else b"\n") + line + b"\n"
        try:
            # The disk may take only a part of it at once.
            rest = memoryview(whole)
            while rest:
                rest = rest[file.write(rest) :]
            os.fsync(file.fileno())
        except OSError:
            file.truncate(size)
            raise
    if is_new:
        sync_folder(path.parent)


def _ends_a_line(path: Path, size: int) -> bool:
    if not size:
        return True
    with path.open("rb") as file:
        file.seek(size - 1)
        return file.read(1) == b"\n"


_private = partial(os.open, mode=0o600)
