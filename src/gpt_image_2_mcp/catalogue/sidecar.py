"""The record beside each picture: `.gpt-image-2/<id>.json` in the picture's folder.

The catalogue is made again from these alone. They are read as what they are, files that anybody may have written.
"""

import json
import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from ..errors import UnreadableSource
from ..storage.local_folder import SIDE_FOLDER, open_as_is, ready_side_folder, regular_file
from .models import Picture, PictureRecord

FORMAT: Final = "gpt-image-2-mcp/picture"
VERSION: Final = 1
MAX_BYTES: Final = 1_000_000
"""Of a record: a prompt of 32,000 characters takes 200 kB at six bytes a character, a path 4 kB."""


def sidecar_of(path: Path) -> Path:
    """Where the record of the picture at `path` lies."""
    return path.parent / SIDE_FOLDER / f"{path.stem}.json"


def write_sidecar(picture: Picture, judge: Callable[[Path], Path]) -> None:
    """Write a picture's record beside it, if that is still the place that was checked; see `library.save`.

    Raises:
        OSError: it cannot be written.
        BadRequest: the folder leads to another place now.

    """
    path = sidecar_of(picture.path)
    ready_side_folder(picture.path.parent, judge)
    head = {"record": FORMAT, "version": VERSION, "file": picture.path.name}
    body: dict[str, Any] = head | picture.record.model_dump(mode="json", exclude_defaults=True)
    part = path.with_name(f"{secrets.token_hex(8)}.part")
    try:
        with part.open("x", encoding="utf-8") as file:
            json.dump(body, file, ensure_ascii=False, indent=1)
        os.replace(part, path)  # noqa: PTH105 - what stands there is an older record of the same picture
    finally:
        part.unlink(missing_ok=True)


def read_sidecar(path: Path) -> tuple[PictureRecord, str]:
    """Read a record, and the name of its picture's file, which is a plain name.

    Raises:
        UnreadableSource: it is no such record.

    """
    try:
        with os.fdopen(open_as_is(path, os.O_RDONLY), "rb") as file:
            data = file.read(MAX_BYTES + 1) if regular_file(file) else b""
        body: object = json.loads(data) if len(data) <= MAX_BYTES else None
    except (OSError, ValueError, RecursionError) as error:
        raise UnreadableSource(f"The record {path} cannot be read ({type(error).__name__}).") from None
    fields = cast("dict[str, object]", body) if isinstance(body, dict) else {}
    if fields.get("record") != FORMAT:
        raise UnreadableSource(f"{path} is no record of a picture.")
    if fields.get("version") != VERSION:
        raise UnreadableSource(f"The record {path} is of another version of this program: update it.")
    name = fields.get("file")
    try:
        record = PictureRecord.model_validate(fields)
    except ValidationError as error:
        wrong = ", ".join(sorted({str(finding["loc"][0]) for finding in error.errors() if finding["loc"]}))
        raise UnreadableSource(f"The record {path} is damaged: {wrong}.") from None
    if not isinstance(name, str) or Path(name).name != name or Path(name).stem != record.id:
        raise UnreadableSource(f"The record {path} is damaged: file.")
    return record, name
