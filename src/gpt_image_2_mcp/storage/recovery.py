"""What killed processes left half-done in a folder: whole pictures get a name, and anything less is removed."""

import os
import secrets
import stat
from datetime import datetime
from pathlib import Path

from ..database.liveness import lock
from ..errors import UnreadableSource
from ..images import EXTENSION
from ..images import validate as judge_picture
from .local_folder import MAX_READ_BACK, PART_PREFIX, PART_SUFFIX, Name, named, open_as_is


def rescue(folder: Path) -> list[str]:
    """Put in order what killed processes left half-done in a folder, and say what that was. Blocks.

    A picture that was written whole gets a name, since it was paid for; anything less is removed. What a living
    process is writing is locked, and stays.
    """
    found: list[str] = []
    try:
        parts = sorted(folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"))
    except OSError as error:
        return [f"The folder {folder} cannot be looked through ({error.strerror})."]
    for part in parts:
        try:
            with os.fdopen(open_as_is(part, os.O_RDWR), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not lock(file):
                    continue
                if status.st_nlink > 1:
                    # It has its name already: only this other one was left.
                    part.unlink()
                    continue
                data = file.read(MAX_READ_BACK)
            found.append(_rescued(part, data, datetime.fromtimestamp(status.st_mtime).astimezone()))
        except FileNotFoundError:
            # Another start was faster.
            continue
        except OSError as error:
            found.append(f"{part} was left by a killed process and cannot be put in order ({error.strerror}).")
    return found


def _rescued(part: Path, data: bytes, made: datetime) -> str:
    try:
        what = judge_picture(data).facts
    except UnreadableSource:
        part.unlink(missing_ok=True)
        return f"Removed {part.name}, a picture that a killed process had begun to write to {part.parent}."
    name = Name("image", made, "rescued", secrets.token_hex(3))
    path = named(part, part.parent, name, None, EXTENSION[what.format])
    part.unlink(missing_ok=True)
    return f"Rescued {path}, a picture that a killed process had written and not named."
