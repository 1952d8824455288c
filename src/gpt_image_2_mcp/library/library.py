"""`Library`: the operations on the pictures that were made here, for tools, resources and the command line.

It finds, shows and copies pictures, and compares or restores the catalogue with the files. The long operations have
modules of their own (`check`, `rebuild`, `export`, `gallery`), which are imported when they are needed.
"""

import hashlib
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..catalogue.picture_record import Picture, PictureRow
from ..catalogue.search_query import ALL_PICTURES, Overview, SearchQuery, SearchResult
from ..catalogue.session import Session
from ..errors import BadRequest, NotConfigured, shown
from ..generation.output_dirs import OutputDirs
from ..inputs import Sources
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..paths.policy import real_path
from ..paths.safe_open import exists, is_file
from ..persistence.unit_of_work import UnitOfWork
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import private_folders
from .progress import CountCallback, Notes

if TYPE_CHECKING:
    from .check import CheckResult
    from .export import ExportResult
    from .export_record import ExportRecords
    from .rebuild import RebuildResult
    from .rescue import RescueResult
    from .scan import ScanResult


@dataclass(frozen=True, slots=True)
class KnownPicture:
    """A picture of the catalogue, and the edit session that it is a turn of, if any."""

    picture: Picture
    session: Session | None


class Library:
    """The pictures of one user; an `ImageService` has one."""

    def __init__(
        self,
        writer: WriterThread,
        reader: InputReader,
        references: References,
        sources: Sources,
        output_dirs: OutputDirs,
        exports: "ExportRecords",
        *,
        sandbox: bool,
        cache: Path | None = None,
    ) -> None:
        """Use the parts of an `ImageService`; `sandbox` says whether the catalogue is the sandbox's.

        `cache` is the folder for thumbnails, None to keep none.
        """
        self._writer = writer
        self._reader = reader
        self._references = references
        self._sources = sources
        self._output_dirs = output_dirs
        self._exports = exports
        self._sandbox = sandbox
        self._cache = cache

    def require_catalogue(self) -> None:
        """Check that there is a catalogue that outlives this process.

        Raises:
            NotConfigured: the user has set that no history is kept, or keeps the database in memory.

        """
        if not self._writer.repositories.keeps_history:
            raise NotConfigured(
                "There is no catalogue: GPT_IMAGE_2_HISTORY is off, or GPT_IMAGE_2_DATABASE_URL is sqlite:// (memory"
                " only). Unset it to keep one."
            )

    async def find(self, query: SearchQuery) -> SearchResult:
        """Find pictures; return one page of them, the newest first."""
        return await self._writer.read(lambda unit: unit.search(query))

    async def overview(self) -> Overview:
        """Return the projects with the most pictures, and the last days on which pictures were made."""
        return await self._writer.read(lambda unit: unit.overview())

    async def batches(self, query: SearchQuery = ALL_PICTURES) -> AsyncGenerator[Sequence[Picture]]:
        """Yield all pictures that match `query`, page after page, none of them twice."""
        seen: set[str] = set()
        query = replace(query, page=1, page_size=ALL_PICTURES.page_size)
        while True:
            found = await self.find(query)
            # Pictures that are made meanwhile move some of this page to the next one.
            yield [picture for picture in found.pictures if picture.id not in seen]
            if not found.has_more:
                return
            seen.update(picture.id for picture in found.pictures)
            query = replace(query, page=query.page + 1)

    async def show(self, reference: str) -> KnownPicture:
        """Return a picture of the catalogue by a reference (see `References`) or by the path of its file.

        Raises:
            GptImageError: there is no such picture, or the file cannot be read.

        """
        picture = await self._references.find(reference)
        digest = ""
        if picture is not None:
            picture = await self._reader.locate(picture)
        else:
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
        """Return a picture with its session; if `picture` is None, the one whose file has the SHA-256 `digest`.

        The result is None if the catalogue has no such picture.
        """

        def look_up(unit: UnitOfWork) -> KnownPicture | None:
            known = picture or unit.pictures.by_content(digest)
            if known is None:
                return None
            position = known.record.position
            return KnownPicture(known, unit.sessions.get(position.session_id) if position else None)

        return await self._writer.read(look_up)

    async def picture(self, picture_id: str) -> Picture | None:
        """Return a picture by its id."""
        return await self._writer.read(lambda unit: unit.pictures.get(picture_id))

    async def session(self, session_id: str) -> Session | None:
        """Return a session by its id, active or not."""
        return await self._writer.read(lambda unit: unit.sessions.get(session_id))

    async def picture_ids(self, start: str, limit: int) -> list[str]:
        """Return the newest `limit` picture ids that begin with `start`."""
        return await self._writer.read(lambda unit: unit.pictures.ids_like(start, limit))

    async def session_ids(self, start: str, limit: int) -> list[str]:
        """Return the `limit` most recently used session ids that begin with `start`."""
        return await self._writer.read(lambda unit: unit.sessions.ids_like(start, limit))

    async def read_bytes(self, picture: Picture) -> bytes:
        """Read a picture's file, wherever it was moved by hand.

        Raises:
            UnreadableSource: the file is missing or was changed.

        """
        here = await self._reader.locate(picture)
        return await anyio.to_thread.run_sync(self._reader.read_saved_bytes, here)

    async def rebuild(self, folders: Sequence[str], *, on_progress: CountCallback | None = None) -> "RebuildResult":
        """Add the records in folders and the folders below them to the catalogue (see `rebuild`).

        A picture whose file is missing, and was moved there without its record, is found by its bytes.

        Raises:
            GptImageError: a folder does not exist or may not be read, or there is no catalogue.

        """
        from . import rebuild as rebuild_module
        from .scan import MAX_ENTRIES

        self.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        scanned = await anyio.to_thread.run_sync(partial(self._scan, real, deep=True))
        result = await rebuild_module.rebuild(
            scanned, writer=self._writer, read=self._sources.read_saved, sandbox=self._sandbox, on_progress=on_progress
        )
        missing = [picture async for batch in self.batches() for picture in batch if not exists(picture.path)]
        result.moved += len(await self._reader.locate_in(missing, real, entries=MAX_ENTRIES))
        return result

    async def rescue(self, paths: Sequence[str] = ()) -> "RescueResult":
        """Save the pictures that are found in raw answers: in files and folders, or in all folders of jobs.

        Raises:
            GptImageError: a path does not exist or may not be read.

        """
        from . import rescue as rescue_module

        if paths:
            real = [await anyio.to_thread.run_sync(self._readable, path) for path in paths]
        else:
            known = {picture.path.parent: None async for batch in self.batches() for picture in batch}
            # No picture is in the folder of a job that failed.
            known |= dict.fromkeys(await self._writer.read(lambda unit: unit.jobs.folders()))
            known |= dict.fromkeys([*self._output_dirs.own(), *private_folders()])
            real = [folder for folder in known if exists(folder)]
        policy = self._output_dirs.policy
        return await rescue_module.rescue(real, policy=policy, writer=self._writer, sandbox=self._sandbox)

    def _readable(self, path: str) -> Path:
        """The real path of a file or folder that may be read."""
        expanded = self._sources.expand(path)
        if not is_file(expanded):
            return self._sources.readable_folder(path)
        self._sources.readable_folder(str(expanded.parent))
        return real_path(expanded)

    async def check(self, folders: Sequence[str] = (), *, on_progress: CountCallback | None = None) -> "CheckResult":
        """Compare the catalogue with the disk: all of it, or only the pictures in `folders`.

        Raises:
            GptImageError: a folder does not exist or may not be read, or there is no catalogue.

        """
        from . import check as check_module

        self.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        result = check_module.CheckResult()
        known: dict[str, Path] = {}
        async for batch in self.batches():
            known |= {picture.id: picture.path for picture in batch}
            pictures = [p for p in batch if not real or any(p.path.is_relative_to(folder) for folder in real)]
            for picture in pictures:
                await anyio.to_thread.run_sync(
                    partial(check_module.check_picture, picture, read=self._reader.read_saved_bytes, result=result)
                )
                if on_progress:
                    on_progress(result.pictures, None)
        known |= await check_module.find_damaged(self._writer, real, result=result)
        scan = partial(self._scan, real or self._folders_to_check(known), deep=bool(real))
        scanned = await anyio.to_thread.run_sync(scan)
        result.notes = scanned.notes
        find = partial(check_module.find_unknown, known=known, exports=self._exports, result=result)
        await anyio.to_thread.run_sync(find, scanned.pictures)
        return result

    async def forgettable(self, reference: str) -> PictureRow:
        """The row of a picture by its id or the path of its file; see `find_row`, which raises BadRequest."""
        from .forget import find_row

        return await find_row(reference, writer=self._writer, expand=self._sources.expand)

    async def forget(self, row: PictureRow) -> None:
        """Remove a picture from the catalogue, with its record and its thumbnail; its file stays.

        Raises:
            CannotSave: the record cannot be removed, and nothing is.

        """
        from .forget import forget

        await forget(row, writer=self._writer, output_dirs=self._output_dirs, cache=self._cache)

    async def movable(self, reference: str) -> Picture:
        """The picture of the catalogue by its id or the path of its file; see `find_row`, which raises BadRequest."""
        row = await self.forgettable(reference)
        picture = await self.picture(row.id)
        if picture is None:
            raise BadRequest(f"The row of {row.id} cannot be read; `gpt-image-2-mcp library forget` removes it.")
        return await self._reader.locate(picture)

    async def move(self, picture: Picture, folder: str) -> Notes:
        """Move a picture with its record into a folder; see `move_picture`, which raises BadRequest and CannotSave."""
        from .move import move_picture

        return await move_picture(
            picture, folder, reader=self._reader, output_dirs=self._output_dirs, writer=self._writer
        )

    async def delete(self, picture: Picture) -> None:
        """Move a picture to the trash and forget it; see `trash_picture` and `forget`, which raise CannotSave."""
        from .move import trash_picture

        policy = self._output_dirs.policy
        await anyio.to_thread.run_sync(partial(trash_picture, picture, reader=self._reader, policy=policy))
        await self.forget(await self.forgettable(picture.id))

    async def export(
        self, folder: str, query: SearchQuery = ALL_PICTURES, *, on_progress: CountCallback | None = None
    ) -> "ExportResult":
        """Copy pictures with their records into a folder, which is created if necessary.

        Raises:
            BadRequest: the folder may not be written.
            CannotSave: writing it failed.

        """
        from . import export as export_module

        target = await anyio.to_thread.run_sync(self._output_dirs.prepare, folder)
        result = export_module.ExportResult(target)
        async for batch in self.batches(query):
            for picture in batch:
                copy = partial(
                    export_module.export_picture,
                    picture,
                    read=self._reader.read_saved_bytes,
                    policy=self._output_dirs.policy,
                    result=result,
                )
                await anyio.to_thread.run_sync(copy)
                if on_progress:
                    on_progress(result.copied + result.already_there + len(result.notes), None)
        return result

    async def gallery(
        self, file: str | None, query: SearchQuery = ALL_PICTURES, *, on_progress: CountCallback | None = None
    ) -> tuple[Path, int]:
        """Write one HTML page with all pictures; return its path and how many it shows. An older gallery is replaced.

        Without `file`, it goes into the output folder, named by the words of the search, beside any other file there.

        Raises:
            BadRequest: the page may not be written there, or another file is there.
            CannotSave: writing it failed.

        """
        from .gallery.file import draw_gallery, free_gallery_path, resolve_gallery_path

        policy, default = self._output_dirs.policy, self._output_dirs.default()
        if file is None:
            words = [query.project, query.text, query.session_id, query.model]
            path = await self._output_dirs.in_time(None, partial(free_gallery_path, default, words, policy=policy))
        else:
            named = self._sources.expand(file)
            path = await anyio.to_thread.run_sync(partial(resolve_gallery_path, named, policy=policy))
        pictures = [picture async for batch in self.batches(query) for picture in batch]
        draw = partial(draw_gallery, path, pictures, policy=policy, on_progress=on_progress)
        number = await anyio.to_thread.run_sync(partial(draw, read=self._reader.read_saved_bytes, cache=self._cache))
        return path, number

    def _folders_to_check(self, known: Mapping[str, Path]) -> list[Path]:
        """Return the folders of all pictures in the catalogue, and the one for new pictures."""
        return list(dict.fromkeys([*(path.parent for path in known.values()), self._output_dirs.default()]))

    def _scan(self, folders: Sequence[Path], *, deep: bool) -> "ScanResult":
        """Scan those of the folders that exist and may be read; `deep` includes the folders below them. Blocks."""
        from .scan import MAX_DEPTH, scan

        real = dict.fromkeys(real_path(folder) for folder in folders if self._sources.is_readable(folder))
        there = [folder for folder in real if exists(folder)]
        return scan(there, may_enter=self._sources.is_readable, depth=MAX_DEPTH if deep else 0)
