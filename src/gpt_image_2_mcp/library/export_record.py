"""The record of an exported file: which bytes were written where, and from which picture.

By it a file that was not changed since may be replaced, and a picture that is shown by its path is known. The records
are in the data folder, and not beside the files: what lies in a folder of pictures may come with a stranger's
repository, and a record there would let a person's own file be replaced.
"""

import hashlib
import json
import re
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Final, cast

from ..paths.safe_open import open_regular
from ..storage.atomic_write import write_file

FORMAT: Final = "gpt-image-2-mcp/export"
_MAX_BYTES: Final = 100_000
_SHA256: Final = re.compile(r"[0-9a-f]{64}")


class ExportRecords:
    """The records of all files that this user has exported on this computer."""

    def __init__(self, folder: Path | None) -> None:
        """Keep them in `folder`, which is made when it is needed; None keeps them in memory."""
        self.folder: Final = folder
        self._in_memory: dict[str, dict[str, Any]] = {}

    def write(self, facts: dict[str, Any]) -> None:
        """Write the record of a file, whose `facts` have its `sha256`. Blocks; raises OSError."""
        body = {"record": FORMAT, "version": 1, "made": datetime.now(UTC).isoformat(), **facts}
        if self.folder is None:
            self._in_memory.setdefault(facts["sha256"], body)
            return
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        data = json.dumps(body, ensure_ascii=False, indent=1).encode("utf-8", "replace")
        # A record that is there already says the same of the bytes.
        with suppress(FileExistsError):
            write_file([data], [_path(self.folder, facts["sha256"])])

    def find(self, sha256: str) -> dict[str, Any] | None:
        """The record of a file with this hash; None if there is none. Blocks."""
        if self.folder is None or _SHA256.fullmatch(sha256) is None:
            return self._in_memory.get(sha256)
        try:
            with open_regular(_path(self.folder, sha256)) as file:
                body: object = json.loads(file.read(_MAX_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        found = cast("dict[str, Any]", body) if isinstance(body, dict) else {}
        return found if (found.get("record"), found.get("sha256")) == (FORMAT, sha256) else None

    def is_export(self, path: Path) -> bool:
        """Whether a file is as an export wrote it. Blocks."""
        try:
            with open_regular(path) as file:
                sha256 = hashlib.sha256()
                while part := file.read(1 << 20):
                    sha256.update(part)
        except OSError:
            return False
        return self.find(sha256.hexdigest()) is not None

    def parent_of(self, sha256: str) -> str | None:
        """The id of the picture from which a file with this hash was exported; None if it is not known. Blocks."""
        parent: object = (self.find(sha256) or {}).get("parent")
        picture_id = cast("dict[str, object]", parent).get("id") if isinstance(parent, dict) else None
        return picture_id if isinstance(picture_id, str) else None


def _path(folder: Path, sha256: str) -> Path:
    return folder / f"{sha256}.json"
