"""`Library`: the operations on the pictures that were made here, for tools, resources and the command line.

It finds, shows and copies pictures. The long operations have modules of their own (`export`, `gallery`), which are
imported when they are needed. What puts the catalogue and the files in order is in `maintenance`.
"""

import hashlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.search_query import ALL_PICTURES, Overview, SearchQuery, SearchResult
from ..catalogue.session import Session
from ..errors import BadRequest, NotConfigured, shown
from ..generation.output_dirs import OutputDirs
from ..inputs import Sources
from ..inputs.reader import InputReader
from ..inputs.references import References
from ..persistence.unit_of_work import UnitOfWork
from ..persistence.writer_thread import WriterThread
from .given import given_of
from .progress import CountCallback

if TYPE_CHECKING:
    from .export import ExportResult


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
        *,
        cache: Path | None = None,
    ) -> None:
        """Use the parts of an `ImageService`; `cache` is the folder for thumbnails, None to keep none."""
        self._writer = writer
        self._reader = reader
        self._references = references
        self._sources = sources
        self._output_dirs = output_dirs
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

    async def find_given(self, query: SearchQuery) -> SearchResult:
        """As `find`, without the model's own pictures of which others were made for the same call.

        So a page may have fewer pictures than others. Each picture has the cost of those that it stands for.
        """

        def look_up(unit: UnitOfWork) -> SearchResult:
            found = unit.search(query)
            given = {picture.id: picture for picture in given_of(unit.pictures.of_calls(found.pictures)).pictures}
            return replace(found, pictures=tuple(given[p.id] for p in found.pictures if p.id in given))

        return await self._writer.read(look_up)

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
