"""`Leftovers`: puts in order what killed processes have left of one person on the disk of a replica.

Lines that waited for the database are written. A picture that was saved and is in no list is put into the picture store
and listed, and its job is done: it was paid for. What such a job has cost is not known, so its estimate counts.
"""

import logging
from collections.abc import Collection, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, cast

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..errors import GptImageError
from ..generation.output_dirs import OutputDirs
from ..generation.record_builder import find_lost_pictures, found_record
from ..generation.recorder import restore_records
from ..images import identify
from ..images.headers import Facts
from ..jobs.report import Report
from ..jobs.serialization import is_readable, request_of, stored_report
from ..persistence.unit_of_work import Repositories, UnitOfWork
from ..persistence.writer_thread import WriterThread
from ..settings import Settings
from ..storage.local_folder import Kind, SavedImage

if TYPE_CHECKING:
    from ..catalogue.job_table import JobRow
    from ..picture_store.keeper import PictureKeeper

logger = logging.getLogger(__name__)

FOUND_LATER: Final = (
    "The server was ended after it had saved this picture, and before it had answered: what it has cost is not known,"
    " and its estimate counts."
)
RESCUED: Final = "*-rescued.*"
"""The names of pictures that were written whole when a process was killed, and had no name yet."""


class Leftovers:
    """What is left of one person on this disk."""

    def __init__(
        self, settings: Settings, writer: WriterThread, output_dirs: OutputDirs, keeper: "PictureKeeper"
    ) -> None:
        """Use the parts of the person's service."""
        self._settings = settings
        self._writer = writer
        self._output_dirs = output_dirs
        self._keeper = keeper

    async def put_in_order(self, gone: Collection[str]) -> None:
        """Write what waits here, and list what processes that are gone had saved; raises DatabaseUnusable."""
        await self._writer.run(Repositories.prepare)
        lost = await self._writer.read(lambda unit: unit.jobs.lost_of(gone))
        if not lost:
            return
        for sentence in await self._output_dirs.recover([]):
            logger.warning("%s", sentence)
        nameless: list[JobRow] = []
        for row in filter(is_readable, lost):
            pictures = await anyio.to_thread.run_sync(self._saved_of, row)
            if pictures:
                await self._list(pictures, row)
            else:
                nameless.append(row)
        for picture in await self._rescued():
            # Nothing in it says of which job it is: where there is one only, it is that.
            row = nameless[0] if len(nameless) == 1 and picture.record.made >= nameless[0].created else None
            await self._list([_of_job(picture, row) if row else picture], row)

    def _saved_of(self, row: "JobRow") -> list[Picture]:
        """The pictures that a lost job had saved. Blocks."""
        found: list[Picture] = []
        # A sandbox that is reached by HTTP has its pictures in a folder of their own.
        for folder, is_sandbox in ((row.folder, self._settings.sandbox), (row.folder / "sandbox", True)):
            try:
                found += find_lost_pictures(replace(row, folder=folder), self._output_dirs.policy, sandbox=is_sandbox)
            except (OSError, GptImageError) as error:
                logger.warning("the pictures of %s cannot be looked for in %s: %s", row.id, folder, error)
        return found

    async def _rescued(self) -> list[Picture]:
        """The pictures that have got a name after a kill, and are in no list."""
        paths = await anyio.to_thread.run_sync(lambda: sorted(self._output_dirs.default().glob(f"**/{RESCUED}")))
        known = await self._writer.read(lambda unit: unit.pictures.by_ids([path.stem for path in paths]))
        new = [path for path in paths if path.stem not in known]
        found = partial(_found, is_sandbox=self._settings.sandbox)
        return [await anyio.to_thread.run_sync(found, path) for path in new]

    async def _list(self, pictures: Sequence[Picture], row: "JobRow | None") -> None:
        kept = await self._keeper.keep([(picture.path, picture.record.sha256) for picture in pictures])
        report = self._report_of(pictures, row, kept.warnings) if row else None

        def write(unit: UnitOfWork) -> None:
            new = [picture for picture in pictures if unit.pictures.add(picture)]
            unit.stored_files.add([file for file in kept.files if Path(file.path) in {each.path for each in new}])
            there = unit.jobs.get(row.id) if row else None
            if there and report and there.state == "lost":
                unit.jobs.end(there.id, "done", stored_report(report), fetched=there.fetched, given_up=True)

        await self._writer.in_transaction(write)
        await anyio.to_thread.run_sync(restore_records, pictures, self._output_dirs.policy)
        names = ", ".join(picture.id for picture in pictures)
        logger.warning("%s was saved by a process that was killed, and is listed now", names)

    def _report_of(self, pictures: Sequence[Picture], row: "JobRow", warnings: Sequence[str]) -> Report:
        request = request_of(row)
        images = [_saved(picture) for picture in pictures]
        # What was made of another one is what the person asked for.
        images.sort(key=lambda image: image.made_from is None)
        first = images[0].facts
        size = f"{first.width}x{first.height}" if first.width else None
        return Report(
            kind=cast("Kind", row.stem.partition("-")[0]),
            model=self._settings.model_for(request),
            prompt=request.prompt,
            requested={
                "size": request.size,
                "quality": request.quality,
                "n": request.count,
                "format": request.output_format,
                "background": request.background,
            },
            applied={"size": size, "quality": None, "n": len(images), "format": first.format, "background": None},
            images=tuple(images),
            usage=None,
            cost=None,
            request_id=None,
            warnings=(FOUND_LATER, *warnings),
            sandbox=pictures[0].record.sandbox,
        )


def _of_job(picture: Picture, row: "JobRow") -> Picture:
    """A picture of which only the file was known, with what its job asked for."""
    told = {"job_id": row.id, "prompt": request_of(row).prompt, "kind": row.stem.partition("-")[0]}
    return picture.model_copy(update={"record": picture.record.model_copy(update=told)})


def _found(path: Path, *, is_sandbox: bool) -> Picture:
    data = path.read_bytes()
    facts, broken = identify(data)
    made = datetime.fromtimestamp(path.stat().st_mtime).astimezone()
    record = found_record(path, data, facts, broken=broken, kind="image", made=made, sandbox=is_sandbox)
    return Picture(path=path, record=record)


def _saved(picture: Picture) -> SavedImage:
    record = picture.record
    facts = Facts(record.format, record.width, record.height, alpha=False)
    parent = next((origin.id for origin in record.parents), None)
    broken = "broken" in record.applied
    return SavedImage(picture.path, facts, record.size_bytes, record.sha256, broken, made_from=parent)
