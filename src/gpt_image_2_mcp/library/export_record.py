"""The record of an exported file: which bytes were written where, and from which picture.

It stands in the side folder of the output folder, named by the file's hash, so that nothing but the file itself is left
in the folder of a project. By it a file that was not changed since may be replaced, and a picture that is shown by its
path is known.
"""

import hashlib
import json
import os
from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from ..paths.policy import WritePolicy
from ..paths.safe_open import is_regular, open_no_follow
from ..storage.local_folder import SIDE_FOLDER, save_beside

FORMAT: Final = "gpt-image-2-mcp/export"
PREFIX: Final = "export-"
"""How the names of these records begin; those of pictures are their ids."""
_DIGITS: Final = 40
_MAX_BYTES: Final = 100_000


def record_name(sha256: str) -> str:
    """The name of the record of a file with this hash."""
    return f"{PREFIX}{sha256[:_DIGITS]}.json"


def write_export_record(facts: dict[str, Any], *, folder: Path, policy: WritePolicy) -> None:
    """Write the record of a file, whose `facts` have its `sha256`, into the side folder of `folder`. Blocks.

    Raises:
        OSError: it cannot be written.
        BadRequest: the folder leads to another place now.

    """
    body = {"record": FORMAT, "version": 1, "made": datetime.now(UTC).isoformat(), **facts}
    data = json.dumps(body, ensure_ascii=False, indent=1).encode()
    save_beside(data, record_name(facts["sha256"]), folder=folder, policy=policy)


def find_export_record(sha256: str, folders: Iterable[Path]) -> dict[str, Any] | None:
    """The record of a file with this hash in the side folders of `folders`; None if there is none. Blocks."""
    for folder in folders:
        try:
            path = folder / SIDE_FOLDER / record_name(sha256)
            with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
                body: object = json.loads(file.read(_MAX_BYTES)) if is_regular(file) else None
        except (OSError, ValueError, RecursionError):
            continue
        if isinstance(body, dict):
            found = cast("dict[str, Any]", body)
            if (found.get("record"), found.get("sha256")) == (FORMAT, sha256):
                return found
    return None


def is_export(path: Path, folders: Iterable[Path]) -> bool:
    """Whether a file is as an export wrote it, by the records in the side folders of `folders`. Blocks."""
    try:
        with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
            sha256 = hashlib.file_digest(file, "sha256").hexdigest() if is_regular(file) else None
    except OSError:
        return False
    return sha256 is not None and find_export_record(sha256, folders) is not None


def parent_of(sha256: str, folders: Iterable[Path]) -> str | None:
    """The id of the picture from which a file with this hash was exported; None if it is not known. Blocks."""
    parent: object = (find_export_record(sha256, folders) or {}).get("parent")
    picture_id = cast("dict[str, object]", parent).get("id") if isinstance(parent, dict) else None
    return picture_id if isinstance(picture_id, str) else None
