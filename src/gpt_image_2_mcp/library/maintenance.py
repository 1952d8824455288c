"""`Maintenance`: the operations that put the catalogue and the files in order, for the command line.

It compares the catalogue with the files or makes it again from them, saves what is found in raw answers, and forgets,
moves and deletes pictures. The long operations have modules of their own (`check`, `rebuild`, `rescue`), which are
imported when they are needed.
"""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..catalogue.picture_record import Picture, PictureRow
from ..errors import BadRequest
from ..generation.output_dirs import OutputDirs
from ..inputs import Sources
from ..inputs.reader import InputReader
from ..paths.policy import real_path
from ..paths.safe_open import exists, is_file
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import private_folders
from .library import Library
from .progress import CountCallback, Notes

if TYPE_CHECKING:
    from .check import CheckResult
    from .export_record import ExportRecords
    from .rebuild import RebuildResult
    from .rescue import RescueResult
    from .scan import ScanResult


class Maintenance:
    """The upkeep of one user's pictures; an `ImageService` has one."""

    def __init__(
        self,
        library: Library,
        writer: WriterThread,
        reader: InputReader,
        sources: Sources,
        output_dirs: OutputDirs,
        exports: "ExportRecords",
        *,
        sandbox: bool,
        cache: Path | None = None,
    ) -> None:
        """Use the parts of an `ImageService`; `sandbox` says whether the catalogue is the sandbox's.

        `cache` is the folder for thumbnails, None where none are kept.
        """
        self._library = library
        self._writer = writer
        self._reader = reader
        self._sources = sources
        self._output_dirs = output_dirs
        self._exports = exports
        self._sandbox = sandbox
        self._cache = cache

    async def rebuild(self, folders: Sequence[str], *, on_progress: CountCallback | None = None) -> "RebuildResult":
        """Add the records in folders and the folders below them to the catalogue (see `rebuild`).

        A picture whose file is missing, and was moved there without its record, is found by its bytes.

        Raises:
            GptImageError: a folder does not exist or may not be read, or there is no catalogue.

        """
        from . import rebuild as rebuild_module
        from .scan import MAX_ENTRIES

        self._library.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        scanned = await anyio.to_thread.run_sync(partial(self._scan, real, deep=True))
        result = await rebuild_module.rebuild(
            scanned, writer=self._writer, read=self._sources.read_saved, sandbox=self._sandbox, on_progress=on_progress
        )
        missing = [picture async for batch in self._library.batches() for picture in batch if not exists(picture.path)]
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
            known = {picture.path.parent: None async for batch in self._library.batches() for picture in batch}
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

        self._library.require_catalogue()
        real = [await anyio.to_thread.run_sync(self._sources.readable_folder, folder) for folder in folders]
        result = check_module.CheckResult()
        known: dict[str, Path] = {}
        async for batch in self._library.batches():
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
        picture = await self._library.picture(row.id)
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

    def _folders_to_check(self, known: Mapping[str, Path]) -> list[Path]:
        """Return the folders of all pictures in the catalogue, and the one for new pictures."""
        return list(dict.fromkeys([*(path.parent for path in known.values()), self._output_dirs.default()]))

    def _scan(self, folders: Sequence[Path], *, deep: bool) -> "ScanResult":
        """Scan those of the folders that exist and may be read; `deep` includes the folders below them. Blocks."""
        from .scan import MAX_DEPTH, scan

        real = dict.fromkeys(real_path(folder) for folder in folders if self._sources.is_readable(folder))
        there = [folder for folder in real if exists(folder)]
        return scan(there, may_enter=self._sources.is_readable, depth=MAX_DEPTH if deep else 0)
