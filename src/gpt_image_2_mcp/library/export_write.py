"""Writes exported files under their exact names: over nothing but what an export wrote, and that goes to the trash."""

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from ..errors import BadRequest, CannotSave
from ..generation.output_dirs import OutputDirs
from ..images.deriving import MAX_FILE_BYTES
from ..paths.safe_open import is_regular, open_no_follow
from ..storage.local_folder import save_copy
from ..storage.open_folder import open_resolved
from .export_record import find_export_record, write_export_record
from .progress import Notes


class ExportWriter:
    """Writes the files of one export."""

    def __init__(self, output_dirs: OutputDirs, *, replaces: bool) -> None:
        """`replaces` says that files of earlier exports may be replaced, if they were not changed since."""
        self._output_dirs = output_dirs
        self._replaces = replaces
        self.notes = Notes()
        """Sentences about records that could not be written."""

    def check(self, paths: Iterable[Path]) -> None:
        """Check that files may be written under these paths, before anything is made. Blocks.

        Raises:
            BadRequest: a file is there that may not be replaced.

        """
        for path in paths:
            self._check_old(path, None)

    def write(self, path: Path, data: bytes, facts: dict[str, Any]) -> str:
        """Write a file and its record; gives what became of one that was there before. Blocks.

        Raises:
            BadRequest: a file is there that may not be replaced.
            CannotSave: it cannot be written, or the old one cannot be moved to the trash.

        """
        policy = self._output_dirs.policy
        found = self._check_old(path, data)
        if found == data:
            return "there already with the same bytes"
        if found is not None:
            self._to_trash(path)
        if not save_copy(data, path, policy=policy):
            raise BadRequest(f"{path} was made by another program meanwhile, and is not replaced.")
        try:
            write_export_record(facts, folder=policy.resolve_writable(self._output_dirs.default()), policy=policy)
        except (OSError, BadRequest) as error:
            self.notes.add(f"The record of {path} could not be written, so `replace` will not replace it: {error}.")
        return "" if found is None else "the old file is in the trash"

    def _check_old(self, path: Path, data: bytes | None) -> bytes | None:
        """The bytes of the file that is there and may be replaced, or is `data` already; None if there is none."""
        if not os.path.lexists(path):
            return None
        found = _read(path)
        if data is not None and found == data:
            return found
        if not self._replaces:
            # With `data` None it may still turn out to be the same.
            if data is None and found is not None and self._is_ours(found):
                return found
            raise BadRequest(
                f"{path} is there already, and nothing is replaced. With `replace`, an unchanged file of an earlier"
                " export is; or give another name or folder."
            )
        if found is None or not self._is_ours(found):
            raise BadRequest(
                f"{path} is there already, and is no file that an export wrote, or was changed since: it stays. Give"
                " another name, or move it away."
            )
        return found

    def _is_ours(self, data: bytes) -> bool:
        return find_export_record(hashlib.sha256(data).hexdigest(), self._output_dirs.own()) is not None

    def _to_trash(self, path: Path) -> None:
        from send2trash import send2trash

        try:
            # The folder may have become a link since it was resolved.
            with open_resolved(path.parent, self._output_dirs.policy):
                send2trash(str(path))
        except (OSError, BadRequest) as error:
            raise CannotSave(f"{path} cannot be moved to the trash ({error}), so it stays. Move it away.") from None


def _read(path: Path) -> bytes | None:
    """The bytes of a file; None if it is a link, no file, larger than any export, or cannot be read."""
    try:
        with os.fdopen(open_no_follow(path, os.O_RDONLY), "rb") as file:
            if not is_regular(file) or os.fstat(file.fileno()).st_size > MAX_FILE_BYTES:
                return None
            # It may grow meanwhile.
            return file.read(MAX_FILE_BYTES)
    except OSError:
        return None
