"""Checks of what lies on the disk: the folder of the pictures, the data folder, and their room."""

import shutil
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Final

from ..errors import GptImageError
from ..generation.output_dirs import OutputDirs
from ..paths.safe_open import exists
from ..settings import Settings
from .finding import Finding, green, red, yellow

PICTURE_BYTES: Final = 25_000_000
"""A picture in 4K takes about this much."""
LITTLE_ROOM_BYTES: Final = 1_000_000_000
LITTLE_DATA_ROOM_BYTES: Final = 100_000_000
"""The catalogue of some 100,000 pictures takes this much, and where no other folder takes a picture, it lies there."""
FOLDER_TIMEOUT_S: Final = 30.0


def check_disk(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """The folder of the pictures, its room, and the data folder."""
    folders = OutputDirs(settings, working_dir=Path.cwd(), home=Path.home())
    found: list[Finding] = []
    # On a network drive that is gone, every system call blocks.
    thread = Thread(target=lambda: found.extend(_check_folder(folders)), daemon=True)
    thread.start()
    thread.join(FOLDER_TIMEOUT_S)
    if thread.is_alive():
        what = f"{folders.default()} does not answer: it may be on a network drive that is gone"
        found = [red("folder", what, "Connect it again, or name another folder in GPT_IMAGE_2_OUTPUT_DIR.")]
    yield from found
    yield _check_data_folder(data_dir)


def _check_folder(folders: OutputDirs) -> Iterator[Finding]:
    way_out = "Name another folder in GPT_IMAGE_2_OUTPUT_DIR."
    try:
        folder = folders.resolve(None)
    except (GptImageError, OSError) as error:
        yield red("folder", str(error), way_out)
        return
    try:
        free = _free_bytes(folder)
    except OSError as error:
        yield red("folder", f"{folder} cannot be written ({error.strerror})", way_out)
        return
    yield green("folder", f"pictures are saved in {folder}")
    if free >= LITTLE_ROOM_BYTES:
        yield green("room", f"{free / 1e9:,.0f} GB are free")
        return
    what = f"{free / 1e6:,.0f} MB are free, and a picture in 4K takes 25"
    level = red if free < PICTURE_BYTES else yellow
    yield level("room", what, "Make room, or name a folder on another disk in GPT_IMAGE_2_OUTPUT_DIR.")


def _check_data_folder(data_dir: Path) -> Finding:
    """The folder of the catalogue, the ledger and what waits for them."""
    try:
        free = _free_bytes(data_dir)
    except OSError as error:
        way_out = "Let this user write it: the catalogue and what was spent are kept there."
        return red("data folder", f"{data_dir} cannot be written ({error.strerror})", way_out)
    if free < LITTLE_DATA_ROOM_BYTES:
        what = f"{free / 1e6:,.0f} MB are free on the disk of {data_dir}"
        return yellow(
            "data folder", what, "Make room: without it, pictures are made and do not come into the catalogue."
        )
    return green("data folder", f"{data_dir}")


def _free_bytes(folder: Path) -> int:
    """What is free on the disk of a folder, which may not be there yet; raises OSError if it cannot be written."""
    existing = next((one for one in (folder, *folder.parents) if exists(one)), folder)
    with TemporaryFile(dir=existing) as file:
        file.write(b"?")
    return shutil.disk_usage(existing).free
