"""What killed processes left half-written in a folder: whole pictures get a name, and anything less is removed."""

import os
import secrets
import stat
from datetime import datetime
from pathlib import Path

from ..database.liveness import try_lock
from ..errors import UnreadableSource
from ..images import EXTENSION, validate
from ..paths.safe_open import open_no_follow
from .atomic_write import PART_SUFFIX, give_name
from .local_folder import PART_PREFIX, Name

MAX_BYTES = 200_000_000
"""Bytes of a part file that are read: ten times the largest picture that the model makes."""


def recover_parts(folder: Path) -> list[str]:
    """Give names to whole pictures that killed processes left in a folder; a sentence for each file found. Blocks.

    A picture that was written whole gets a name, since it was paid for; anything less is removed. A part file that a
    living process writes is locked, and stays.
    """
    found: list[str] = []
    try:
        parts = sorted(folder.glob(f"{PART_PREFIX}*{PART_SUFFIX}"))
    except OSError as error:
        return [f"The folder {folder} cannot be looked through ({error.strerror})."]
    for part in parts:
        try:
            with os.fdopen(open_no_follow(part, os.O_RDWR), "rb", buffering=0) as file:
                status = os.fstat(file.fileno())
                if not stat.S_ISREG(status.st_mode) or not try_lock(file):
                    continue
                if status.st_nlink > 1:
                    # The process was killed between the two steps of renaming: the picture has its name already.
                    part.unlink()
                    continue
                data = file.read(MAX_BYTES)
            found.append(_recover(part, data, datetime.fromtimestamp(status.st_mtime).astimezone()))
        except FileNotFoundError:
            # Another process recovered it meanwhile.
            continue
        except OSError as error:
            found.append(f"{part} was left by a killed process and cannot be put in order ({error.strerror}).")
    return found


def _recover(part: Path, data: bytes, made: datetime) -> str:
    try:
        what = validate(data).facts
    except UnreadableSource:
        part.unlink(missing_ok=True)
        return f"Removed {part.name}, a picture that a killed process had begun to write to {part.parent}."
    name = Name("image", made, "rescued", secrets.token_hex(3))
    path = give_name(part, name.paths(part.parent, None, EXTENSION[what.format]))
    part.unlink(missing_ok=True)
    return f"Rescued {path}, a picture that a killed process had written and not named."
