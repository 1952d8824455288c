"""`AnswerLinks`: gives the answers of a server links in place of paths, which mean nothing on a person's computer."""

import io
import logging
import re
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Final

import anyio
import anyio.to_thread

from ..batches.batch import BatchStatus
from ..catalogue.picture_record import Picture
from ..jobs.report import Report
from ..library.exporter import ExportedFile, ExportOutcome
from ..library.viewer import AnswerSheet, Listing, View
from ..paths.other_computer import operators_part, reworded
from ..picture_store.keeper import PictureKeeper
from ..picture_store.store import StoreUnusable
from ..storage.link import Link

logger = logging.getLogger(__name__)

MAX_LINKS: Final = 5
"""Exported files that have a link each: of more there is one archive."""


_OF_REPLICAS: Final = r"(?:/[^/\s\"'`(),;]+)*/people/[0-9a-f]{32}"
"""The folder of a person on any replica, in a text."""


class AnswerLinks:
    """Links in the answers of one person's service."""

    def __init__(self, keeper: PictureKeeper, folder: Path) -> None:
        """Link to what `keeper` has; `folder` is the person's data folder on this replica."""
        self._keeper = keeper
        self._folders = re.compile(rf"(?:{re.escape(str(folder))}|{_OF_REPLICAS})/(?:[\w.-]+/)*")

    def told(self, text: str) -> str:
        """A text of this program for the person, who is at another computer.

        Their files have their names alone, by which other tools know a picture too, and it names no way by a path.
        """
        return reworded(self._folders.sub("", text))

    def told_error(self, text: str) -> str:
        """The same for what went wrong, with whose business it is."""
        text = self.told(text)
        return " ".join(filter(None, [text, operators_part(text)]))

    def upload(self, *, size: int, media_type: str) -> tuple[str, Link]:
        """The id of a new upload, and the link to which its file is sent."""
        return self._keeper.upload_link(size=size, media_type=media_type)

    async def of_report(self, report: Report) -> Report:
        """The report with links to its pictures."""
        links = await self._keeper.links([(image.path, image.sha256) for image in report.images])
        return replace(report, links={i.id: links[i.path] for i in report.images if i.path in links})

    async def of_sheet(self, sheet: AnswerSheet | None) -> AnswerSheet | None:
        """The sheet with a link, if it can be put into the store now."""
        if sheet is None:
            return None
        return replace(sheet, path=None, link=await self._put(sheet.data, "sheet.jpg"))

    async def of_listing(self, listing: Listing) -> Listing:
        """The list with links to its pictures."""
        links = await self._of_pictures(listing.found.pictures)
        # What is not on this disk is in the store.
        return replace(listing, links=links, sheet_path=None, missing=listing.missing - links.keys())

    async def of_view(self, view: View) -> View:
        """The view with a link to its picture."""
        known = view.known
        return view if known is None else replace(view, links=await self._of_pictures([known.picture]))

    async def of_batch(self, status: BatchStatus) -> BatchStatus:
        """The state of a batch with links to its newest pictures."""
        return replace(status, links=await self._of_pictures(status.pictures))

    async def of_export(self, outcome: ExportOutcome) -> ExportOutcome:
        """The exported files with links; they are not kept on this server's disk."""
        if len(outcome.files) <= MAX_LINKS:
            linked = [replace(file, link=await self._shown(file.path)) for file in outcome.files]
            return replace(outcome, files=tuple(linked), sheet_path=None, is_linked=True)
        data = await anyio.to_thread.run_sync(_zipped, outcome.files)
        link = await self._put(data, "export.zip")
        for file in outcome.files:
            await anyio.to_thread.run_sync(partial(file.path.unlink, missing_ok=True))
        return replace(outcome, archive=link, sheet_path=None, is_linked=True)

    async def _of_pictures(self, pictures: Sequence[Picture]) -> Mapping[str, Link]:
        links = await self._keeper.links([(picture.path, picture.record.sha256) for picture in pictures])
        return {picture.id: links[picture.path] for picture in pictures if picture.path in links}

    async def _shown(self, path: Path) -> Link | None:
        """Put a file that was made for an answer into the store, and remove it here; None if that cannot be done."""
        link = await self._put(await anyio.to_thread.run_sync(path.read_bytes), path.name)
        await anyio.to_thread.run_sync(partial(path.unlink, missing_ok=True))
        return link

    async def _put(self, data: bytes, name: str) -> Link | None:
        try:
            return await self._keeper.show(data, name)
        except StoreUnusable as error:
            logger.warning("%s has no link: %s", name, error)
            return None


def _zipped(files: Sequence[ExportedFile]) -> bytes:
    """The files in one archive, below the folder that all of them are in."""
    top = Path(*_common([file.path.parts for file in files]))
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_STORED) as archive:
        for file in files:
            archive.write(file.path, file.path.relative_to(top).as_posix())
    return out.getvalue()


def _common(paths: Sequence[tuple[str, ...]]) -> list[str]:
    shared: list[str] = []
    for parts in zip(*(path[:-1] for path in paths), strict=False):
        if len(set(parts)) > 1:
            break
        shared.append(parts[0])
    return shared
