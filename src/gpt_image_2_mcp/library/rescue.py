"""Rescues pictures out of raw answers: those that were kept because no picture could be found in them at the time.

An answer that broke off, or that a later version of this program reads better, may have one all the same. A picture
that is found is saved beside the side folder in which the answer lies, with a record, and added to the catalogue. What
it was asked for with is not known any more: its record has no prompt.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Final

import anyio.to_thread

from ..catalogue.picture_record import Picture
from ..catalogue.sidecar import write_sidecar
from ..errors import BadRequest, GptImageError
from ..generation.record_builder import found_record
from ..images import EXTENSION, SHOWN, identify
from ..images.formats import name_format
from ..images.preview import check_decodes
from ..openai_api.loose_parser import find_pictures
from ..paths.policy import WritePolicy
from ..paths.safe_open import is_file
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import RAW_PREFIX, RAW_SUFFIX, SIDE_FOLDER, Name, save_image
from .progress import Notes

MAX_RAW_BYTES: Final = 1_000_000_000
"""The largest raw answer that is read: ten pictures at 4K in base64 are 200 MB."""
DONE: Final = "rescued-"
"""How the name of a raw answer begins whose pictures were saved, in place of `RAW_PREFIX`."""


@dataclass(slots=True)
class RescueResult:
    """What was found in the raw answers."""

    pictures: list[Picture] = field(default_factory=list[Picture])
    """The pictures that were saved."""
    without: list[Path] = field(default_factory=list[Path])
    """Raw answers without a complete picture; they stay."""
    notes: Notes = field(default_factory=Notes)
    """A sentence for each file that could not be read, saved or renamed."""


def raw_answers(paths: Sequence[Path]) -> list[Path]:
    """The raw answers among `paths`: files by themselves, and those in folders or in their side folders. Blocks."""
    found: list[Path] = []
    for path in paths:
        if is_file(path):
            found.append(path)
            continue
        for folder in (path, path / SIDE_FOLDER):
            # A link in a stranger's folder would have a picture of the person copied to where the stranger looks.
            files = (file for file in folder.glob(f"{RAW_PREFIX}*{RAW_SUFFIX}") if not file.is_symlink())
            found += sorted(file for file in files if is_file(file))
    return list(dict.fromkeys(found))


async def rescue(paths: Sequence[Path], *, policy: WritePolicy, writer: WriterThread, sandbox: bool) -> RescueResult:
    """Save the pictures of all raw answers among `paths`, and add them to the catalogue."""
    result = RescueResult()
    keep = partial(
        _rescue_answer,
        policy=policy,
        sandbox=sandbox,
        with_record=writer.repositories.keeps_history,
        result=result,
    )
    for raw in await anyio.to_thread.run_sync(raw_answers, paths):
        await anyio.to_thread.run_sync(keep, raw)
    pictures = result.pictures
    try:
        await writer.in_transaction(lambda unit: [unit.pictures.add(picture) for picture in pictures])
    except GptImageError as error:
        result.notes.add(f"{error} The pictures are saved; `gpt-image-2-mcp library rebuild` lists them later.")
    return result


def _rescue_answer(raw: Path, *, policy: WritePolicy, sandbox: bool, with_record: bool, result: RescueResult) -> None:
    """Save the pictures of one raw answer, and rename it, so that they are not saved twice. Blocks.

    `with_record` writes a record beside each of them.
    """
    try:
        if raw.stat().st_size > MAX_RAW_BYTES:
            result.notes.add(f"{raw} is larger than {MAX_RAW_BYTES:,} bytes, the most that is read.")
            return
        made = datetime.fromtimestamp(raw.stat().st_mtime).astimezone()
        pictures = find_pictures(raw.read_bytes())
    except OSError as error:
        result.notes.add(f"{raw} cannot be read ({error.strerror}).")
        return
    if not pictures:
        result.without.append(raw)
        return
    folder = raw.parent.parent if raw.parent.name == SIDE_FOLDER else raw.parent
    name = Name.new("image", "rescued")
    try:
        for number, data in enumerate(pictures, 1):
            picture = _save(data, folder, name, number, made, policy=policy, sandbox=sandbox, notes=result.notes)
            result.pictures.append(picture)
            if with_record:
                _write_record(picture, policy, result)
        raw.rename(raw.with_name(DONE + raw.name.removeprefix(RAW_PREFIX)))
    except (OSError, GptImageError) as error:
        result.notes.add(f"{raw}: {error}")


def _save(
    data: bytes,
    folder: Path,
    name: Name,
    number: int,
    made: datetime,
    *,
    policy: WritePolicy,
    sandbox: bool,
    notes: Notes,
) -> Picture:
    kind = name_format(data) or "bin"
    path, _ = save_image(data, extension=EXTENSION[kind], name=name, number=number, folders=(folder,), policy=policy)
    facts, broken = identify(data)
    if kind in SHOWN:
        try:
            check_decodes(data, facts)
        except ValueError:
            broken = True
        except MemoryError as error:
            notes.add(f"{path} is saved; whether it is whole is not known. {error}")
    record = found_record(path, data, facts, broken=broken, kind="image", made=made.astimezone(UTC), sandbox=sandbox)
    return Picture(path=path, record=record)


def _write_record(picture: Picture, policy: WritePolicy, result: RescueResult) -> None:
    try:
        write_sidecar(picture, policy)
    except (OSError, BadRequest) as error:
        result.notes.add(f"{picture.path} is saved, but its record cannot be written ({error}).")
