"""Moves pictures to another folder or to the system's trash, and lets the catalogue follow.

Each step leaves the picture in the catalogue with a file, or in the trash: a process that is killed between two of them
loses nothing, and the same command does the rest.
"""

from contextlib import suppress
from functools import partial
from pathlib import Path

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.sidecar import sidecar_of
from ..errors import BadRequest, CannotSave, GptImageError
from ..generation.output_dirs import OutputDirs
from ..inputs.reader import InputReader
from ..paths.policy import WritePolicy
from ..paths.safe_open import exists
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import SIDE_FOLDER, open_side_folder
from ..storage.open_folder import open_resolved
from .export import ExportResult, export_picture
from .progress import Notes


async def move_picture(
    picture: Picture, folder: str, *, reader: InputReader, output_dirs: OutputDirs, writer: WriterThread
) -> Notes:
    """Move a picture's file and record into a folder, which is created if necessary.

    The copy is on the disk before the catalogue names it, and the catalogue names it before the old file goes. Gives a
    sentence for what could not be done.

    Raises:
        BadRequest: the folder may not be written.
        CannotSave: writing it failed.

    """
    target = await anyio.to_thread.run_sync(output_dirs.prepare, folder)
    result, policy = ExportResult(target), output_dirs.policy
    if picture.path.parent == target:
        return result.notes
    copy = partial(export_picture, picture, read=reader.read_saved_bytes, policy=policy, result=result)
    await anyio.to_thread.run_sync(copy)
    if len(result.notes):
        # It is not there with its record, so both stay where they are.
        return result.notes
    await writer.in_transaction(lambda unit: unit.pictures.set_path(picture.id, target / picture.path.name))
    try:
        await anyio.to_thread.run_sync(_remove_files, picture.path, policy)
    except (OSError, BadRequest) as error:
        result.notes.add(f"{picture.path} was copied to {target} and could not be removed: {error}.")
    return result.notes


def _remove_files(path: Path, policy: WritePolicy) -> None:
    """Delete a picture's file and its record. Blocks."""
    with open_resolved(path.parent, policy) as folder:
        folder.unlink(path.name)
    record = sidecar_of(path)
    if exists(record):
        with open_side_folder(path.parent, policy) as side:
            side.unlink(record.name)


def trash_picture(picture: Picture, *, reader: InputReader, policy: WritePolicy) -> None:
    """Move a picture's file and its record to the system's trash, if they are there. Blocks.

    Raises:
        CannotSave: there is no trash that takes them, or the picture was changed since it was made; nothing is removed.

    """
    from send2trash import send2trash

    path = picture.path
    if not exists(path):
        return
    try:
        reader.read_saved_bytes(picture)
        if policy.resolve_writable(path.parent) != path.parent:
            raise CannotSave(f"The folder of {path} is a link now, so the picture stays.")
        send2trash(str(path))
    except GptImageError as error:
        raise CannotSave(f"{error} The picture stays; remove it by hand.") from None
    except OSError as error:
        raise CannotSave(
            f"{path} cannot be moved to the trash ({error.strerror or error}), so it stays. Delete it by hand; then"
            f" `gpt-image-2-mcp library forget {picture.id}` removes it from the catalogue."
        ) from None
    record = path.parent / SIDE_FOLDER / sidecar_of(path).name
    if exists(record):
        # What is left is removed by `forget`.
        with suppress(OSError, BadRequest), open_side_folder(path.parent, policy):
            send2trash(str(record))
