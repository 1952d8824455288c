"""The record beside each picture: the JSON file `.gpt-image-2/<id>.json` in the picture's folder.

The catalogue can be rebuilt from these files alone. Another program may have written or changed them, so reading one
checks everything.
"""

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, cast

from pydantic import ValidationError

from ..errors import UnreadableSource
from ..paths.policy import WritePolicy
from ..paths.safe_open import open_regular
from ..storage.atomic_write import write_file
from ..storage.local_folder import SIDE_FOLDER, open_side_folder
from .picture_record import Picture, PictureRecord

FORMAT: Final = "gpt-image-2-mcp/picture"
VERSION: Final = 1
MAX_BYTES: Final = 1_000_000
"""The largest record that is read: a prompt of 32,000 characters takes 200 kB at six bytes each, a path 4 kB."""


MAX_AHEAD: Final = timedelta(days=1)
"""How far a record may be ahead of this computer's clock."""


def sidecar_of(path: Path) -> Path:
    """The path of the record of the picture at `path`."""
    return path.parent / SIDE_FOLDER / f"{path.stem}.json"


def write_sidecar(picture: Picture, policy: WritePolicy) -> None:
    """Write a picture's record beside it, in place of an older one; `policy` checks the folder again.

    Raises:
        OSError: the record cannot be written.
        BadRequest: the folder is a link now, or may not be written any longer.

    """
    path = sidecar_of(picture.path)
    head = {"record": FORMAT, "version": VERSION, "file": picture.path.name}
    body: dict[str, Any] = head | picture.record.model_dump(mode="json", exclude_defaults=True)
    with open_side_folder(picture.path.parent, policy) as side:
        write_file([json.dumps(body, ensure_ascii=False, indent=1).encode()], [path], folder=side, replace=True)


def restore_sidecar(picture: Picture, policy: WritePolicy) -> bool:
    """Write the record of a picture whose file is there, if it is missing or lacks the position in the session.

    Returns whether it was written; raises as `write_sidecar` does. A record that cannot be read stays as it is.
    """
    path = sidecar_of(picture.path)
    if not picture.path.is_file():
        return False
    if path.exists():
        if picture.record.position is None:
            return False
        try:
            if read_sidecar(path)[0].position is not None:
                return False
        except UnreadableSource:
            return False
    write_sidecar(picture, policy)
    return True


def read_sidecar(path: Path) -> tuple[PictureRecord, str]:
    """Read a record and the name of its picture's file, which is checked to be a name without folders.

    Raises:
        UnreadableSource: the file cannot be read, or is no valid record.

    """
    try:
        with open_regular(path, most=MAX_BYTES) as file:
            body: object = json.loads(file.read(MAX_BYTES))
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
    if record.made > datetime.now(UTC) + MAX_AHEAD:
        # It would be the newest picture of every list for as long.
        raise UnreadableSource(f"The record {path} says that its picture will be made in the future: made.")
    if not isinstance(name, str) or Path(name).name != name or Path(name).stem != record.id:
        raise UnreadableSource(f"The record {path} is damaged: file.")
    return record, name
