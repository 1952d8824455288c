"""What is done with the pictures that were made: finding, showing, copying them, and keeping the catalogue true."""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..catalogue.models import Picture
from ..catalogue.search_query import SearchQuery, SearchResult
from ..catalogue.session import Session
from ..errors import BadRequest, NotConfigured, shown
from ..generation.output_dirs import OutputDirs
from ..inputs import Sources
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..paths.policy import real_path
from ..paths.safe_open import exists
from ..persistence.unit_of_work import UnitOfWork, WriterThread
from .progress import CountCallback

if TYPE_CHECKING:
    from .check import CheckResult
    from .export import ExportResult
    from .rebuild import RebuildResult
    from .scan import ScanResult

ALL = SearchQuery(page_size=500)
"""Every picture, as many at once as others can wait for."""


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

    def require_catalogue(self) -> None:
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

    async def batches(self, wanted: SearchQuery = ALL) -> AsyncGenerator[Sequence[Picture]]:
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
        picture = await self._references.find(reference)
        digest = ""
        if picture is None:
            data = await anyio.to_thread.run_sync(self._sources.read_local, self._sources.expand(reference))
            digest = hashlib.sha256(data).hexdigest()
        known = await self.known_picture(picture, digest)
        if known is None:
            raise BadRequest(
                f"The picture {shown(reference)} is not in the catalogue: it was not made here, or its folder is to be"
                " taken in with `gpt-image-2-mcp library rebuild FOLDER`."
            )
        return known

    async def known_picture(self, picture: Picture | None, digest: str) -> KnownPicture | None:
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

    def read_bytes(self, picture: Picture) -> bytes:
        """A picture's bytes, as they came; blocks. Raises UnreadableSource where they are gone or were changed."""
        return self._reader.read_saved_bytes(picture)

    async def rebuild(self, folders: Sequence[str], *, on_progress: CountCallback | None = None) -> "RebuildResult":
        """Take the records in folders, and in the folders in them, into the catalogue.

        Raises:
            GptImageError: a folder is not there or not to be read, or there is no catalogue.

        """
        from . import rebuild as rebuilding

        self.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        walked = await anyio.to_thread.run_sync(partial(self._scan, real, deep=True))
        return await rebuilding.rebuild(
            walked, writer=self._writer, read=self._sources.read_local, sandbox=self._sandbox, on_progress=on_progress
        )

    async def check(self, folders: Sequence[str] = (), *, on_progress: CountCallback | None = None) -> "CheckResult":
        """Compare the catalogue with the disk: all of it, or what lies in folders.

        Raises:
            GptImageError: a folder is not there or not to be read, or there is no catalogue.

        """
        from . import check as checking

        self.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        done = checking.CheckResult()
        known: dict[str, Path] = {}
        async for batch in self.batches():
            known |= {picture.id: picture.path for picture in batch}
            looked_at = [p for p in batch if not real or any(p.path.is_relative_to(folder) for folder in real)]
            for picture in looked_at:
                await anyio.to_thread.run_sync(
                    partial(checking.check_picture, picture, read=self._reader.read_saved_bytes, result=done)
                )
                if on_progress:
                    on_progress(done.pictures, None)
        walked = await anyio.to_thread.run_sync(
            partial(self._scan, real or self._folders_to_check(known), deep=bool(real))
        )
        done.notes = walked.notes
        await anyio.to_thread.run_sync(partial(checking.find_unknown, walked.pictures, known=known, result=done))
        return done

    async def export(
        self, folder: str, wanted: SearchQuery = ALL, *, on_progress: CountCallback | None = None
    ) -> "ExportResult":
        """Copy pictures with their records into a folder.

        Raises:
            BadRequest: the folder may not be written.
            CannotSave: it cannot be.

        """
        from . import export as exporting

        target = await anyio.to_thread.run_sync(self._output_dirs.prepare, folder)
        done = exporting.ExportResult(target)
        async for batch in self.batches(wanted):
            for picture in batch:
                copy = partial(
                    exporting.export_picture,
                    picture,
                    read=self._reader.read_saved_bytes,
                    policy=self._output_dirs.policy,
                    result=done,
                )
                await anyio.to_thread.run_sync(copy)
                if on_progress:
                    on_progress(done.copied + done.already_there + len(done.notes), None)
        return done

    async def gallery(
        self, file: str, wanted: SearchQuery = ALL, *, on_progress: CountCallback | None = None
    ) -> tuple[Path, int]:
        """Write one HTML page with all pictures; return its path and their number. An older gallery is replaced.

        Raises:
            BadRequest: the page may not be written there, or another file is there.
            CannotSave: writing it failed.

        """
        from .gallery.file import resolve_gallery_path, write_gallery
        from .thumbnails import thumbnail

        policy = self._output_dirs.policy
        path = await anyio.to_thread.run_sync(partial(resolve_gallery_path, file, sources=self._sources, policy=policy))
        pictures = [picture async for batch in self.batches(wanted) for picture in batch]
        drawn = 0

        def draw(picture: Picture) -> bytes | None:
            nonlocal drawn
            drawn += 1
            if on_progress:
                on_progress(drawn, len(pictures))
            return thumbnail(picture, read=self._reader.read_saved_bytes, cache=self._cache)

        await anyio.to_thread.run_sync(partial(write_gallery, path, pictures, policy=policy, thumbnail=draw))
        return path, len(pictures)

    def _folders_to_check(self, known: Mapping[str, Path]) -> list[Path]:
        """The folders that pictures lie in, and the one that new ones go into."""
        return list(dict.fromkeys([*(path.parent for path in known.values()), self._output_dirs.default()]))

    def _scan(self, folders: Sequence[Path], *, deep: bool) -> "ScanResult":
        """Look through folders that are there and may be read."""
        from .scan import MAX_DEPTH, scan

        real = dict.fromkeys(real_path(folder) for folder in folders if self._sources.is_readable(folder))
        there = [folder for folder in real if exists(folder)]
        return scan(there, may_enter=self._sources.is_readable, depth=MAX_DEPTH if deep else 0)
