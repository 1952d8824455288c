"""`Spool`: what could not be written into the database yet, as lines of a file in the data folder.

Every process that uses a database appends to the same file, and replays it when the database can be written again. A
line stays until its transaction is committed, so a kill in the middle of a replay loses nothing. What is replayed twice
must therefore do nothing the second time: that is up to the function that `replay` is given.

A process that is stopped while it holds the file's lock holds up the others for `LOCK_SECONDS`: they append to files of
their own beside it then, which the next replay reads too.
"""

import hashlib
import json
import logging
import os
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic, sleep, time_ns
from typing import Any

from ..database.liveness import try_lock
from ..database.url import Address, PostgresUrl
from ..errors import DatabaseUnusable, TransactionUndone
from ..storage.atomic_write import sync_folder, write_file
from ..storage.sync import sync_to_disk

logger = logging.getLogger(__name__)

LOCK_SECONDS = 2.0
"""How long this process waits for another one that replays or appends."""


def digest_of(database: Path | PostgresUrl) -> str:
    """What stands for a database in the names of files: a hash of its address without the password."""
    parts = (
        [str(database), database.parts.username or "", database.parts.query]
        if isinstance(database, PostgresUrl)
        else [str(database.absolute())]
    )
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()[:16]


@dataclass(frozen=True, slots=True)
class Spool:
    """The file `path`, one JSON object a line; it is missing while nothing waits."""

    path: Path
    unsaved: list[bytes] = field(default_factory=list[bytes], compare=False)
    """Lines that the disk did not take: they wait in this process alone."""

    @classmethod
    def of(cls, database: Address, data_dir: Path | None) -> "Spool | None":
        """The spool in `data_dir` for the database at an address; None for a database in memory, or without a folder.

        Its name holds a hash of the address without the password.
        """
        return None if database is None or data_dir is None else cls(data_dir / f"waiting-{digest_of(database)}.jsonl")

    @property
    def rejected(self) -> Path:
        """The file of the lines that can never be written."""
        return self.path.with_suffix(".rejected.jsonl")

    @property
    def is_empty(self) -> bool:
        """Whether nothing waits; reads no file."""
        return not self.unsaved and not self.path.exists() and not self._others()

    def append(self, line: dict[str, Any]) -> bool:
        """Append a line; it is on the disk when this returns True. If the disk fails, the line waits in memory."""
        self.unsaved.append(json.dumps(line).encode())
        return self.save()

    def save(self) -> bool:
        """Append what waits in memory; False if the disk still does not take it."""
        try:
            if self.unsaved:
                self._append_unsaved()
        except OSError as error:
            logger.warning("%s cannot be written: %s", self.path, error)
            return False
        self.unsaved.clear()
        return True

    def _append_unsaved(self) -> None:
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            with self._locked():
                _append(self.path, self.unsaved)
        except TimeoutError:
            # Numbered by the time, since they are replayed in this order.
            own = self.path.with_name(f"{self.path.stem}-{time_ns():020}-{os.getpid()}.jsonl")
            _append(own, self.unsaved)

    def _others(self) -> list[Path]:
        """The files of processes that could not get the lock, the oldest first."""
        beginning = f"{self.path.stem}-"
        try:
            # Each transaction asks: `Path.glob` takes ten times as long.
            names = os.listdir(self.path.parent)  # noqa: PTH208
        except OSError:
            return []
        found = [name for name in names if name.startswith(beginning) and name.endswith(".jsonl")]
        return [self.path.with_name(name) for name in sorted(found)]

    def replay(self, write: Callable[[dict[str, Any]], None]) -> None:
        """Have `write` write each line, the oldest first, in one transaction each.

        A line for which it raises another error than of the database or the disk can never be written: it is moved to
        `rejected`.

        Raises:
            DatabaseUnusable: the database still cannot be written. What is left waits.
            OSError: the file cannot be read or written, or another process holds its lock.

        """
        failure: DatabaseUnusable | None = None
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with self._locked():
            others = self._others()
            paths = [path for path in (self.path, *others) if path.exists()]
            lines = [line for path in paths for line in path.read_bytes().splitlines()] + self.unsaved
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
                    if not _may_pass(error):
                        self._reject(line, error)
                        continue
                    logger.warning("a record still waits in %s for the database: %s", self.path, error)
                left.append(line)
            if len(left) < len(lines):
                self._keep(left)
                self.unsaved.clear()
                for path in others:
                    # A kill before this leaves what waits in both files: it is written once all the same.
                    path.unlink()
        if failure is not None:
            raise failure

    def _reject(self, line: bytes, error: Exception) -> None:
        # A kill between the two files leaves it in both: it is not added to this one again.
        if not self.rejected.exists() or line not in self.rejected.read_bytes().splitlines():
            _append(self.rejected, [line])
        logger.warning(
            "a record that waited for the database can never be written, and was moved to %s: %s", self.rejected, error
        )

    def _keep(self, left: list[bytes]) -> None:
        if left:
            write_file([line + b"\n" for line in left], [self.path], replace=True, mode=0o600)
        else:
            self.path.unlink(missing_ok=True)
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


def _may_pass(error: Exception) -> bool:
    """Whether an error says nothing about the line: a table is missing while a backup is restored, for example."""
    from sqlalchemy import exc

    if isinstance(error, exc.DBAPIError):
        return not isinstance(error, exc.IntegrityError | exc.DataError)
    return isinstance(error, OSError | MemoryError)


def _try_lock(held: Any) -> bool:
    try:
        return try_lock(held)
    except OSError:
        # A file system without locks.
        return True


def _append(path: Path, lines: Sequence[bytes]) -> None:
    is_new = not path.exists()
    with open(path, "ab", buffering=0, opener=_private) as file:
        size = file.seek(0, os.SEEK_END)
        # A process that was killed, or a full disk, may have left a line without its end.
        whole = (b"" if _ends_a_line(path, size) else b"\n") + b"".join(line + b"\n" for line in lines)
        try:
            # The disk may take only a part of it at once.
            rest = memoryview(whole)
            while rest:
                rest = rest[file.write(rest) :]
            sync_to_disk(file.fileno())
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
