"""What is done with the pictures that were made: finding, showing, copying them, and keeping the catalogue true."""

import hashlib
import os
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..catalogue.models import Picture
from ..catalogue.search_query import SearchQuery, SearchResult
from ..catalogue.session import Session
from ..errors import BadRequest, CannotSave, NotConfigured, shown
from ..generation.output_dirs import OutputDirs
from ..inputs import Sources
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..paths.policy import real_path
from ..paths.safe_open import exists, is_regular, open_no_follow
from ..persistence.unit_of_work import UnitOfWork, WriterThread
from ..storage.atomic_write import write_file
from ..storage.local_folder import ensure_resolved

if TYPE_CHECKING:
    from .check import CheckResult
    from .export import ExportResult
    from .rebuild import RebuildResult
    from .scan import ScanResult

ALL = SearchQuery(page_size=500)
"""Every picture, as many at once as others can wait for."""

ProgressCallback = Callable[[int, int | None], None]
"""Is told how many are done, and of how many, where that is known."""


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture, and the session that it is a turn of."""

    picture: Picture
    session: Session | None


class Library:
    """The pictures of one person; one for a studio."""

    def __init__(
        self,
        writer: WriterThread,
        reader: InputReader,
        references: References,
        sources: Sources,
        output_dirs: OutputDirs,
        *,
        sandbox: bool,
        cache: Path | None = None,
    ) -> None:
        """Work with what the studio has; `cache` is a folder for thumbnails."""
        self._writer = writer
        self._reader = reader
        self._references = references
        self._sources = sources
        self._output_dirs = output_dirs
        self._sandbox = sandbox
        self._cache = cache

    def require_kept(self) -> None:
        """See that there is a catalogue that outlives this process.

        Raises:
            NotConfigured: a person has set that nothing is kept.

        """
        if not self._writer.repositories.keeps_history:
            raise NotConfigured(
                "There is no catalogue: GPT_IMAGE_2_HISTORY is off, or GPT_IMAGE_2_DATABASE_URL is sqlite:// (memory"
                " only). Unset it to keep one."
            )

    async def find(self, wanted: SearchQuery) -> SearchResult:
        """A page of pictures, the newest first."""
        return await self._writer.in_transaction(lambda unit: unit.search(wanted))

    async def every(self, wanted: SearchQuery = ALL) -> AsyncGenerator[Sequence[Picture]]:
        """All pictures that are wanted, some hundreds at a time, none twice."""
        seen: set[str] = set()
        wanted = replace(wanted, page=1, page_size=ALL.page_size)
        while True:
            found = await self.find(wanted)
            # What is made meanwhile moves the rest to the next page.
            yield [picture for picture in found.pictures if picture.id not in seen]
            if not found.has_more:
                return
            seen.update(picture.id for picture in found.pictures)
            wanted = replace(wanted, page=wanted.page + 1)

    async def show(self, reference: str) -> KnownPicture:
        """What is known of a picture, named by its id, as elsewhere, or by the path of its file.

        Raises:
            GptImageError: there is no such picture, or the file cannot be read.

        """
        picture = await self._references.picture(reference)
        digest = ""
        if picture is None:
            data = await anyio.to_thread.run_sync(self._sources.local, self._sources.path(reference))
            digest = hashlib.sha256(data).hexdigest()
        known = await self.known(picture, digest)
        if known is None:
            raise BadRequest(
                f"The picture {shown(reference)} is not in the catalogue: it was not made here, or its folder is to be"
                " taken in with `gpt-image-2-mcp library rebuild FOLDER`."
            )
        return known

    async def known(self, picture: Picture | None, digest: str) -> KnownPicture | None:
        """What is known of a picture, or of a file by its SHA-256; None where nothing is."""

        def look_up(unit: UnitOfWork) -> KnownPicture | None:
            known = picture or unit.pictures.by_content(digest)
            if known is None:
                return None
            place = known.record.position
            return KnownPicture(known, unit.sessions.get(place.session_id) if place else None)

        return await self._writer.in_transaction(look_up)

    async def picture(self, picture_id: str) -> Picture | None:
        """A picture by its id."""
        return await self._writer.in_transaction(lambda unit: unit.pictures.get(picture_id))

    async def session(self, session_id: str) -> Session | None:
        """A session by its id, active or not."""
        return await self._writer.in_transaction(lambda unit: unit.sessions.get(session_id))

    async def picture_ids(self, start: str, limit: int) -> list[str]:
        """The newest picture ids that begin so."""
        return await self._writer.in_transaction(lambda unit: unit.pictures.ids_like(start, limit))

    async def session_ids(self, start: str, limit: int) -> list[str]:
        """The last used session ids that begin so."""
        return await self._writer.in_transaction(lambda unit: unit.sessions.ids_like(start, limit))

    def data_of(self, picture: Picture) -> bytes:
        """A picture's bytes, as they came; blocks. Raises UnreadableSource where they are gone or were changed."""
        return self._reader.saved_data(picture)

    async def rebuild(self, folders: Sequence[str], *, tell: ProgressCallback | None = None) -> "RebuildResult":
        """Take the records in folders, and in the folders in them, into the catalogue.

        Raises:
            GptImageError: a folder is not there or not to be read, or there is no catalogue.

        """
        from . import rebuild as rebuilding

        self.require_kept()
        real = [await anyio.to_thread.run_sync(self._sources.folder, folder) for folder in folders]
        walked = await anyio.to_thread.run_sync(partial(self._walk, real, deep=True))
        return await rebuilding.rebuild(
            walked, writer=self._writer, read=self._sources.local, sandbox=self._sandbox, tell=tell
        )

    async def check(self, folders: Sequence[str] = (), *, tell: ProgressCallback | None = None) -> "CheckResult":
        """Compare the catalogue with the disk: all of it, or what lies in folders.

        Raises:
            GptImageError: a folder is not there or not to be read, or there is no catalogue.

        """
        from . import check as checking

        self.require_kept()
        real = [await anyio.to_thread.run_sync(self._sources.folder, folder) for folder in folders]
        done = checking.CheckResult()
        known: dict[str, Path] = {}
        async for batch in self.every():
            known |= {picture.id: picture.path for picture in batch}
            looked_at = [p for p in batch if not real or any(p.path.is_relative_to(folder) for folder in real)]
            for picture in looked_at:
                await anyio.to_thread.run_sync(
                    partial(checking.compare, picture, read=self._reader.saved_data, done=done)
                )
                if tell:
                    tell(done.pictures, None)
        walked = await anyio.to_thread.run_sync(partial(self._walk, real or self._folders_of(known), deep=bool(real)))
        done.notes = walked.notes
        await anyio.to_thread.run_sync(partial(checking.unknown, walked.pictures, known=known, done=done))
        return done

    async def export(
        self, folder: str, wanted: SearchQuery = ALL, *, tell: ProgressCallback | None = None
    ) -> "ExportResult":
        """Copy pictures with their records into a folder.

        Raises:
            BadRequest: the folder may not be written.
            CannotSave: it cannot be.

        """
        from . import export as exporting

        target = await anyio.to_thread.run_sync(self._output_dirs.prepare, folder)
        done = exporting.ExportResult(target)
        async for batch in self.every(wanted):
            for picture in batch:
                copy = partial(
                    exporting.export,
                    picture,
                    read=self._reader.saved_data,
                    policy=self._output_dirs.policy,
                    done=done,
                )
                await anyio.to_thread.run_sync(copy)
                if tell:
                    tell(done.copied + done.there + len(done.notes), None)
        return done

    async def gallery(
        self, file: str, wanted: SearchQuery = ALL, *, tell: ProgressCallback | None = None
    ) -> tuple[Path, int]:
        """Write one HTML page with all pictures; return its path and their number. An older gallery is replaced.

        Raises:
            BadRequest: the page may not be written there, or another file is there.
            CannotSave: writing it failed.

        """
        path = await anyio.to_thread.run_sync(self._gallery_path, file)
        pictures = [picture async for batch in self.every(wanted) for picture in batch]
        await anyio.to_thread.run_sync(self._write_gallery, path, pictures, tell)
        return path, len(pictures)

    def _folders_of(self, known: Mapping[str, Path]) -> list[Path]:
        """The folders that pictures lie in, and the one that new ones go into."""
        return list(dict.fromkeys([*(path.parent for path in known.values()), self._output_dirs.default()]))

    def _walk(self, folders: Sequence[Path], *, deep: bool) -> "ScanResult":
        """Look through folders that are there and may be read."""
        from .scan import MAX_DEPTH, scan

        real = dict.fromkeys(real_path(folder) for folder in folders if self._sources.open_to(folder))
        there = [folder for folder in real if exists(folder)]
        return scan(there, may_enter=self._sources.open_to, depth=MAX_DEPTH if deep else 0)

    def _gallery_path(self, file: str) -> Path:
        """The gallery's real path. Raises BadRequest where it may not be written, or where another file is."""
        asked = self._sources.path(file)
        folder = self._output_dirs.policy.resolve_writable(asked.parent)
        path = folder / asked.name
        if path.suffix.lower() not in {".html", ".htm"}:
            raise BadRequest(f"A gallery is an HTML page: give a file whose name ends in .html; got {shown(file)}.")
        if exists(path) and not _is_gallery(path):
            raise BadRequest(f"{path} is another file, and only an older page is replaced: choose another name.")
        return path

    def _write_gallery(self, path: Path, pictures: Sequence[Picture], tell: ProgressCallback | None) -> None:
        from .gallery.renderer import gallery_html
        from .thumbnails import thumbnail

        drawn = 0

        def small(picture: Picture) -> bytes | None:
            nonlocal drawn
            drawn += 1
            if tell:
                tell(drawn, len(pictures))
            return thumbnail(picture, read=self._reader.saved_data, cache=self._cache)

        try:
            ensure_resolved(path.parent, self._output_dirs.policy)
            html = gallery_html(pictures, thumbnail=small, beside=path.parent)
            write_file((part.encode() for part in html), [path], replace=True)
        except OSError as error:
            raise CannotSave(
                f"The gallery {path} cannot be written ({error.strerror}). Make room, or choose another folder."
            ) from None


def _is_gallery(path: Path) -> bool:
    """Whether a file is an older gallery, as far as its start tells."""
    try:
        with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
            start = file.read(400) if is_regular(file) else b""
    except OSError:
        return False
    return start.startswith(b"<!doctype html>") and b"Content-Security-Policy" in start
