"""Upkeep of the picture store: what could not be put there is put there, and what is over is deleted.

Each replica does it in a thread of its own. What waits in the outbox is put by one replica at a time, row by row.
"""

import hashlib
import logging
import os
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from threading import Event, Thread
from time import monotonic, time
from typing import Final

import anyio
import anyio.to_thread

from ..catalogue.sidecar import sidecar_of
from ..catalogue.stored_file_table import StoredFileTable
from ..database.lazy_store import LazyStore
from ..database.people import EVERYONE
from ..errors import GptImageError
from ..images.validate import MAX_BYTES
from .keys import forgotten_of
from .store import PictureStore

logger = logging.getLogger(__name__)

FETCHED: Final = "fetched"
"""The folder in the data folder of a person for what is brought back from the store."""
PEOPLE: Final = "people"
"""The folder in the data folder with a folder for each person."""
PAUSE_S: Final = 2.0
"""Seconds between two looks at the outbox; after failures it is twice as long each time, up to `MAX_PAUSE_S`."""
MAX_PAUSE_S: Final = 60.0
DISK_S: Final = 30.0
"""Seconds between two looks for what is on this disk alone."""
CLEAN_S: Final = 3600.0
"""Seconds between two looks for what is over."""
KEPT_FOR: Final = timedelta(days=1)
"""How long uploads, and what was shown in answers, are kept."""
NOTICED_WITHIN: Final = timedelta(days=30)
"""How long it is kept that a person is forgotten: a replica that was off for longer is to be put away with its disk."""
CACHE_BYTES: Final = 4 << 30
"""Bytes of pictures on the disk of a replica that are in the store as well."""
YOUNG_S: Final = 600.0
"""Seconds for which a picture stays on the disk in any case: its job may still work with it."""
PUT_TRANSACTION: Final = "SET LOCAL idle_in_transaction_session_timeout = '45s'"
"""While a row is locked that no other transaction waits for, the store may take its time."""


class Upkeep:
    """The upkeep of one process."""

    def __init__(
        self,
        store: PictureStore,
        database: LazyStore,
        data_dir: Path,
        *,
        kept_for: timedelta = KEPT_FOR,
        cache_bytes: int = CACHE_BYTES,
    ) -> None:
        """Keep `store` up; `data_dir` is the process's data folder, in which people's folders are."""
        self._store = store
        self._database = database
        self._data_dir = Path(os.path.realpath(data_dir))
        self._kept_for = kept_for
        self._cache_bytes = cache_bytes
        self._disk_at = self._clean_at = 0.0
        self.stop = Event()

    def run(self) -> None:
        """Go on until `stop` is set."""
        pause = 0.0
        while not self.stop.wait(pause):
            try:
                self.once()
                pause = PAUSE_S
            except GptImageError as error:
                pause = min(max(2 * pause, PAUSE_S), MAX_PAUSE_S)
                logger.warning("the picture store is not kept up yet, again in %.0f s: %s", pause, error)
            except Exception:
                pause = MAX_PAUSE_S
                logger.exception("the picture store could not be kept up")

    def once(self) -> None:
        """Do what is to be done now. Raises GptImageError, as far as it got."""
        while self._is_waiting() and self.put_waiting() and not self.stop.is_set():
            pass
        now = monotonic()
        if now >= self._disk_at:
            self._disk_at = now + DISK_S
            self.put_from_disk()
        if now >= self._clean_at:
            self._clean_at = now + CLEAN_S
            self.remove_forgotten()
            self.delete_old()
            self.make_room()

    def _is_waiting(self) -> bool:
        """Whether anything is in the outbox: looking locks nothing, and writes nothing."""
        with self._database.of(EVERYONE).database.reading() as connection:
            return StoredFileTable(connection).is_waiting

    def put_waiting(self) -> bool:
        """Put the oldest of the outbox into the store; False if nothing waits that no other replica has in hand."""
        with self._transaction() as table:
            if not table.has_outbox:
                return False
            table.connection.exec_driver_sql(PUT_TRANSACTION)
            taken = table.take_waiting()
            if taken is None:
                return False
            key, data = taken
            self._store.put(key, data)
            table.note_stored(key)
        logger.info("%s was put into the picture store", key)
        return True

    def put_from_disk(self) -> None:
        """Put what is on this disk alone into the store."""
        with self._database.of(EVERYONE).database.reading() as connection:
            files = StoredFileTable(connection).on_disks(1000)
        for file in files:
            try:
                data = Path(file.path).read_bytes()
            except OSError:
                continue  # It is on the disk of another replica.
            if hashlib.sha256(data).hexdigest() != file.sha256:
                logger.warning("%s was changed on the disk, and is not put into the picture store", file.path)
                continue
            self._store.put(file.key, data)
            with self._transaction() as table:
                table.note_stored(file.key)
            logger.info("%s was put into the picture store", file.key)

    def delete_old(self) -> None:
        """Delete old uploads, what was shown in answers when it is old, and uploads that are too large to be read."""
        than = datetime.now(UTC) - self._kept_for
        for key in [*self._store.older("uploads/", than, or_larger=MAX_BYTES), *self._store.older("shown/", than)]:
            self._store.delete(key)

    def remove_forgotten(self) -> None:
        """Remove from this disk what forgotten people had when they were forgotten."""
        now = datetime.now(UTC)
        # The store's clock may be ahead.
        for key in list(self._store.older("forgotten/", now + timedelta(days=1))):
            part, at = forgotten_of(key)
            _remove_older(self._data_dir / PEOPLE / part, at)
            if now - datetime.fromtimestamp(at, UTC) > NOTICED_WITHIN:
                self._store.delete(key)

    def make_room(self) -> None:
        """Remove the pictures from this disk that were used least lately and are in the store, beyond the bound."""
        files = sorted(self._on_disk())
        left = sum(size for _, size, _ in files) - self._cache_bytes
        while left > 0 and files:
            some, files = files[:100], files[100:]
            with self._database.of(EVERYONE).database.reading() as connection:
                known = StoredFileTable(connection).by_path([str(path) for _, _, path in some])
            for used, size, path in some:
                stored = known.get(str(path))
                is_copy = path.parent.name == FETCHED
                if left <= 0 or time() - used < YOUNG_S or not (is_copy or (stored and stored.is_stored)):
                    continue
                with suppress(OSError):
                    path.unlink()
                    left -= size
                    sidecar_of(path).unlink(missing_ok=True)

    def _on_disk(self) -> Iterator[tuple[float, int, Path]]:
        """When it was last used, the size and the path of every picture of people on this disk."""
        folders = [self._data_dir / FETCHED]
        for person in _entries(self._data_dir / PEOPLE):
            folders += [Path(person.path) / name for name in (FETCHED, "pictures")]
        for top in folders:
            for folder, _, names in os.walk(top):
                for name in names:
                    path = Path(folder, name)
                    with suppress(OSError):
                        status = path.lstat()
                        yield status.st_mtime, status.st_size, path

    @contextmanager
    def _transaction(self) -> Generator[StoredFileTable]:
        with self._database.of(EVERYONE).database.transaction() as connection:
            yield StoredFileTable(connection)


def _remove_older(top: Path, than: float) -> None:
    """Remove the files below a folder that are older, and the folders that are empty then."""
    for folder, _, names in os.walk(top, topdown=False):
        for name in names:
            path = Path(folder, name)
            with suppress(OSError):
                if path.lstat().st_mtime <= than:
                    path.unlink()
        with suppress(OSError):
            Path(folder).rmdir()


def _entries(folder: Path) -> "list[os.DirEntry[str]]":
    try:
        with os.scandir(folder) as entries:
            return list(entries)
    except OSError:
        return []


@asynccontextmanager
async def kept_up(store: PictureStore, database: LazyStore, data_dir: Path) -> AsyncGenerator[None]:
    """Keep the store up while the block runs."""
    upkeep = Upkeep(store, database, data_dir)
    thread = Thread(target=upkeep.run, name="store upkeep", daemon=True)
    thread.start()
    try:
        yield
    finally:
        upkeep.stop.set()
        # What it puts just now is put again by the next process if this takes longer.
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(thread.join, 5)
