"""Removes a picture from the catalogue, with all that would bring it back or show it; its file stays."""

import re
from collections.abc import Callable
from functools import partial
from pathlib import Path

import anyio.to_thread

from ..catalogue.picture_record import PICTURE_ID, PictureRow
from ..catalogue.sidecar import sidecar_of
from ..errors import BadRequest, CannotSave, shown
from ..generation.output_dirs import OutputDirs
from ..paths.policy import WritePolicy, real_path
from ..paths.safe_open import exists
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import open_side_folder
from .sheet_files import remove_sheets
from .thumbnails import remove_cached


async def find_row(reference: str, *, writer: WriterThread, expand: Callable[[str], Path]) -> PictureRow:
    """The row of a picture by its id, or by the path of its file, which need not be there.

    Raises:
        BadRequest: the catalogue has no such picture.

    """
    named = None if re.fullmatch(PICTURE_ID, reference) else expand(reference)
    picture_id = reference if named is None else named.stem
    row = await writer.read(lambda unit: unit.pictures.row(picture_id))
    if row is None or (named is not None and row.path not in (named, real_path(named))):
        raise BadRequest(
            f"The picture {shown(reference)} is not in the catalogue: give an id, as `gpt-image-2-mcp library list`"
            " and `check` show it, or the path of its file."
        )
    return row


async def forget(row: PictureRow, *, writer: WriterThread, output_dirs: OutputDirs, cache: Path | None) -> None:
    """Remove a picture's record, its row and its thumbnail.

    Raises:
        CannotSave: the record cannot be removed, and nothing is.

    """
    folder = row.path.parent
    known = await writer.read(lambda unit: unit.pictures.get(row.id))
    try:
        # First: with the record alone, `rebuild` would bring the picture back.
        await output_dirs.in_time(folder, partial(_remove_record, row.path, output_dirs.policy))
    except (OSError, BadRequest) as error:
        raise CannotSave(f"The record of {row.path} cannot be removed, so the picture stays: {error}") from None
    await writer.in_transaction(lambda unit: unit.pictures.remove(row))
    if known is None or cache is None:
        return
    digest = known.record.sha256
    if await writer.read(lambda unit: unit.pictures.by_content(digest)) is None:
        await anyio.to_thread.run_sync(remove_cached, digest, cache)
        await anyio.to_thread.run_sync(remove_sheets, cache)


def _remove_record(path: Path, policy: WritePolicy) -> None:
    record = sidecar_of(path)
    if not exists(record):
        return
    if policy.resolve_writable(path.parent) != path.parent:
        raise BadRequest("its folder is a link now")
    with open_side_folder(path.parent, policy) as side:
        side.unlink(record.name)
