"""`PictureKeeper`: one person's pictures in the picture store: puts them there, brings them back, and links to them.

A picture is on this replica's disk before anything else. Then it goes to the store; if that cannot be had, into the
database's outbox; and if that cannot be had either, it stays on the disk alone, and the answer says so. `upkeep` makes
up for it later.
"""

import hashlib
import io
import logging
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from ..catalogue.stored_file_table import StoredFile
from ..database.retry import retry_undone
from ..errors import GptImageError, UnreadableSource, shown
from ..images.validate import MAX_BYTES
from ..paths.safe_open import exists
from ..persistence.unit_of_work import Repositories
from ..persistence.writer_thread import WriterThread
from ..storage.atomic_write import write_file
from ..storage.link import Link
from .keys import new_key, new_upload_id, upload_key
from .store import PUT_SECONDS, NoSuchObject, PictureStore, StoreUnusable, TooLarge

logger = logging.getLogger(__name__)

UPLOAD_LINK_SECONDS: Final = 900
"""Seconds for which an upload link takes a file."""

IN_OUTBOX: Final = (
    "The picture store cannot be reached, so the picture is kept in the database, and is put there as soon as that can"
    " be done: its link works from then on."
)
NOT_ON_DISK: Final = "The disk of this server took no picture, so it was put where all replicas find it at once."
ON_DISK: Final = (
    "Neither the picture store nor the database can be written, so the picture is on the disk of this server alone, and"
    " is put there as soon as that can be done: show_image gives its link then."
)

MAX_OLDER: Final = 24
"""Pictures of an answer that are put into the store because they are not there: a page of a list."""

MAX_KNOWN: Final = 100
"""Pictures of a person of which is remembered where they are in the store."""

_PUTS: Final = anyio.CapacityLimiter(16)
"""Threads that put files: those of a store that hangs are not waited for, and take up no others."""


@dataclass(frozen=True, slots=True)
class Kept:
    """What became of some pictures: their keys, and sentences for the answer."""

    files: tuple[StoredFile, ...] = ()
    warnings: tuple[str, ...] = field(default=())


class PictureKeeper:
    """The pictures of one person; a service on a server has one."""

    def __init__(
        self, store: PictureStore, writer: WriterThread, *, person: str, cache: Path, link_seconds: int
    ) -> None:
        """Keep in `store`; `cache` is the folder for what was brought back, which `upkeep` bounds."""
        self._store = store
        self._writer = writer
        self._person = person
        self._cache = cache
        self._link_seconds = link_seconds
        self._in_store: dict[Path, StoredFile] = {}
        """Some of what is in the store, where it stays as it is; what was needed last stands last."""
        self._without_disk: dict[Path, StoredFile] = {}
        """The pictures that no disk has taken, until they are recorded."""

    async def keep(self, paths: Sequence[tuple[Path, str]]) -> Kept:
        """Put saved files, each with its hash, where another replica finds them. Raises nothing.

        The caller records where they are, together with the pictures.
        """
        kept = await self._put_all(paths)
        self._remember(kept.files)
        return kept

    async def _put_all(self, paths: Sequence[tuple[Path, str]]) -> Kept:
        files: list[StoredFile] = []

        async def keep_one(path: Path, sha256: str) -> None:
            if known := self._without_disk.pop(path, None):
                files.append(known)
                return
            file = StoredFile(new_key("pictures", self._person, path.name), sha256, str(path), on_disk_only=True)
            try:
                data = await anyio.to_thread.run_sync(path.read_bytes)
                file = await self._kept(file, data)
            except Exception:
                # The picture is saved, and nothing that comes after it may cost more than a sentence.
                logger.exception("the picture %s could not be put into the picture store", path)
            files.append(file)

        async with anyio.create_task_group() as tasks:
            for path, sha256 in dict(paths).items():
                tasks.start_soon(keep_one, path, sha256)
        files.sort(key=lambda file: file.path)
        warnings = [IN_OUTBOX] if any(file.in_outbox for file in files) else []
        warnings += [ON_DISK] if any(file.on_disk_only for file in files) else []
        return Kept(tuple(files), tuple(warnings))

    async def keep_from_memory(self, path: Path, data: bytes) -> str | None:
        """Put a picture that no disk takes into the store, or into the database.

        Gives a sentence that says so; None if neither can be written. Raises nothing.
        """
        key, sha256 = new_key("pictures", self._person, path.name), hashlib.sha256(data).hexdigest()
        try:
            file = await self._kept(StoredFile(key, sha256, str(path), on_disk_only=True), data)
        except Exception:
            logger.exception("the picture %s could not be put into the picture store", path)
            return None
        if file.on_disk_only:
            return None
        self._without_disk[path] = file
        return NOT_ON_DISK

    async def _kept(self, file: StoredFile, data: bytes) -> StoredFile:
        try:
            await self._put(file.key, data)
        except StoreUnusable as error:
            logger.warning("%s goes to the outbox: %s", file.key, error)
        else:
            return StoredFile(file.key, file.sha256, file.path)
        try:
            is_waiting = await self._writer.run(partial(_wait_in_outbox, file.key, data))
        except GptImageError as error:
            logger.warning("%s is on this disk alone: %s", file.key, error)
            is_waiting = False
        return StoredFile(file.key, file.sha256, file.path, on_disk_only=not is_waiting, in_outbox=is_waiting)

    async def _put(self, key: str, data: bytes) -> None:
        """Put bytes into the store; raises StoreUnusable, at the latest after `PUT_SECONDS`."""
        with anyio.move_on_after(PUT_SECONDS):
            work = partial(self._store.put, key, data)
            await anyio.to_thread.run_sync(work, abandon_on_cancel=True, limiter=_PUTS)
            return
        raise StoreUnusable(f"The picture store has not answered within {PUT_SECONDS:g} s.")

    def bring_back(self, path: Path) -> bytes:
        """The bytes of a picture that was saved under a path, here or by another replica. Blocks.

        Raises:
            UnreadableSource: it is not in the store, was changed there, or cannot be read now.

        """
        file = self._writer.read_from_thread(lambda unit: unit.stored_files.by_path([str(path)])).get(str(path))
        if file is None or file.on_disk_only:
            why = "was saved on the disk of another server, which has not put it" if file else "is not"
            raise UnreadableSource(f"The picture {path.stem} {why} in the picture store, and is not on this disk.")
        copy = self._cache / f"{file.sha256}{path.suffix}"
        data = _cached(copy)
        if data is None or hashlib.sha256(data).hexdigest() != file.sha256:
            data = self._fetched(path, file)
            self._cache.mkdir(mode=0o700, parents=True, exist_ok=True)
            try:
                write_file([data], [copy], replace=True, durable=False, mode=0o600)
            except OSError as error:
                logger.warning("%s is not kept on this disk: %s", copy, error)
        return data

    def _fetched(self, path: Path, file: StoredFile) -> bytes:
        waiting = file.in_outbox and self._writer.read_from_thread(lambda unit: unit.stored_files.waiting(file.key))
        data = waiting or None
        if data is None:
            into = io.BytesIO()
            try:
                self._store.get(file.key, into, most=MAX_BYTES)
            except NoSuchObject:
                raise UnreadableSource(f"The picture {path.stem} is gone from the picture store.") from None
            except StoreUnusable as error:
                raise UnreadableSource(f"The picture {path.stem} cannot be read now. {error}") from None
            data = into.getvalue()
        if hashlib.sha256(data).hexdigest() != file.sha256:
            raise UnreadableSource(f"The picture {path.stem} was changed in the picture store since it was made.")
        return data

    async def links(self, pictures: Sequence[tuple[Path, str]]) -> Mapping[Path, Link]:
        """Links to pictures, given with their hashes, by their paths. Raises nothing.

        One that is on another replica's disk alone has none. One that is on this disk and was made before there was a
        store is put there first.
        """
        try:
            known = {path: file for path, _ in pictures if (file := self._in_store.get(path))}
            unknown = [path for path, _ in pictures if path not in known]
            found = known | (await self._by_path(unknown) if unknown else {})
            if older := [(path, sha256) for path, sha256 in pictures if path not in found and exists(path)]:
                kept = await self._put_all(older[:MAX_OLDER])
                await self._writer.in_transaction(lambda unit: unit.stored_files.add(kept.files))
                found |= {Path(file.path): file for file in kept.files}
            self._remember(found.values())
            return {
                path: self._store.link(file.key, self._link_seconds)
                for path, file in found.items()
                if not file.on_disk_only
            }
        except GptImageError as error:
            logger.warning("an answer has no links: %s", error)
            return {}

    def _remember(self, files: Iterable[StoredFile]) -> None:
        stored = {Path(file.path): file for file in files if file.is_stored}
        older = {path: file for path, file in self._in_store.items() if path not in stored}
        self._in_store = dict([*older.items(), *stored.items()][-MAX_KNOWN:])

    async def _by_path(self, paths: Sequence[Path]) -> dict[Path, StoredFile]:
        found = await self._writer.read(lambda unit: unit.stored_files.by_path([str(path) for path in paths]))
        return {Path(path): file for path, file in found.items()}

    async def show(self, data: bytes, name: str) -> Link:
        """Put what an answer shows beside the pictures into the store for a day, and give the link.

        Raises:
            StoreUnusable: the store cannot be used now.

        """
        key = new_key("shown", self._person, name)
        await self._put(key, data)
        return self._store.link(key, self._link_seconds)

    def upload_link(self, *, size: int, media_type: str) -> tuple[str, Link]:
        """A new upload's id, and the link to which its file is sent."""
        upload_id = new_upload_id()
        key = upload_key(self._person, upload_id)
        assert key is not None
        link = self._store.upload_link(key, UPLOAD_LINK_SECONDS, size=size, media_type=media_type)
        return upload_id, link

    def read_upload(self, upload_id: str) -> bytes:
        """The bytes that this person uploaded. Blocks.

        Raises:
            UnreadableSource: there are none, or they cannot be read.

        """
        key = upload_key(self._person, upload_id.strip())
        into = io.BytesIO()
        try:
            if key is not None:
                self._store.get(key, into, most=MAX_BYTES)
        except NoSuchObject:
            key = None
        except TooLarge:
            with suppress(StoreUnusable):
                self._store.delete(key or "")
            raise UnreadableSource(
                f"The upload {shown(upload_id)} has over {MAX_BYTES:,} bytes, and was deleted. Send a smaller file to a"
                " new link of upload_link."
            ) from None
        except StoreUnusable as error:
            raise UnreadableSource(f"The upload {shown(upload_id)} cannot be read. {error}") from None
        if key is None:
            raise UnreadableSource(
                f"There is no upload {shown(upload_id)}: it was not sent yet, or is over a day old. upload_link gives a"
                " new link."
            )
        return into.getvalue()


def _wait_in_outbox(key: str, data: bytes, repositories: Repositories) -> bool:
    """Have a file wait in the database; False where that is no safer than the disk."""

    @retry_undone
    def wait() -> bool:
        with repositories.unit_of_work() as unit:
            if repositories.catalogue_is_in_memory or not unit.stored_files.has_outbox:
                return False
            unit.stored_files.wait(key, data)
            return True

    return wait()


def _cached(copy: Path) -> bytes | None:
    """A file that was brought back before, which is used last of all from now on; None if it is not there."""
    try:
        data = copy.read_bytes()
        copy.touch()
    except OSError:
        return None
    return data
