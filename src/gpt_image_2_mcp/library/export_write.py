"""Writes exported files under their exact names: over nothing but what an export wrote, and that goes to the trash."""

import hashlib
import os
from collections.abc import Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any, NamedTuple

from ..errors import BadRequest, CannotSave
from ..images.written_formats import MAX_FILE_BYTES
from ..paths.policy import WritePolicy
from ..storage.local_folder import save_copy
from ..storage.open_folder import open_if_there, open_resolved
from .export_record import ExportRecords
from .progress import Notes


class _Old(NamedTuple):
    """A file that is there already, and its status when it was read."""

    data: bytes
    status: os.stat_result


class ExportWriter:
    """Writes the files of one export, into folders that `policy` has resolved."""

    def __init__(self, policy: WritePolicy, exports: ExportRecords, *, replaces: bool) -> None:
        """`replaces` says that files of earlier exports may be replaced, if they were not changed since."""
        self._policy = policy
        self._exports = exports
        self._replaces = replaces
        self.notes = Notes()
        """Sentences about records that could not be written."""

    def check(self, paths: Iterable[Path]) -> None:
        """Check that files may be written under these paths, before anything is made. Blocks.

        Raises:
            BadRequest: a file is there that may not be replaced, or a folder leads to another place now.

        """
        for path in paths:
            self._check_old(path, None)

    def write(self, path: Path, data: bytes, facts: dict[str, Any]) -> str:
        """Write a file and its record; gives what became of one that was there before. Blocks.

        Raises:
            BadRequest: a file is there that may not be replaced, or the folder leads to another place now.
            CannotSave: it cannot be written, or the old one cannot be moved to the trash.

        """
        old = self._check_old(path, data)
        if old is not None and old.data == data:
            return "there already with the same bytes"
        if old is not None:
            self._to_trash(path, old.status)
        gone = "" if old is None else " The file that was there is in the trash: a person can put it back."
        try:
            is_written = save_copy(data, path, policy=self._policy)
        except CannotSave as error:
            raise CannotSave(f"{error}{gone}") from None
        if not is_written:
            raise BadRequest(f"{path} was made by another program meanwhile, and is not replaced.{gone}")
        try:
            self._exports.write(facts)
        except OSError as error:
            self.notes.add(f"The record of {path} could not be written, so `replace` will not replace it: {error}.")
        return "" if old is None else "the old file is in the trash"

    def _check_old(self, path: Path, data: bytes | None) -> _Old | None:
        """The file that is there and may be replaced, or has `data` already; None if nothing has that name."""
        is_there, old = self._read(path)
        if not is_there:
            return None
        if old is not None and data is not None and old.data == data:
            return old
        is_ours = old is not None and self._exports.find(hashlib.sha256(old.data).hexdigest()) is not None
        # With `data` None it may still turn out to be the same.
        if is_ours and (self._replaces or data is None):
            return old
        if not self._replaces:
            raise BadRequest(
                f"{path} is there already, and nothing is replaced. With `replace`, an unchanged file of an earlier"
                " export is; or give another name or folder."
            )
        raise BadRequest(
            f"{path} is there already, and is no file that an export from this computer wrote, or was changed since: it"
            " stays. Give another name, or move it away."
        )

    def _read(self, path: Path) -> tuple[bool, _Old | None]:
        """Whether anything has this name, and its bytes: None of a link, and of what is no file or larger than any."""
        try:
            with open_if_there(path.parent, self._policy) or nullcontext() as folder:
                if folder is None or folder.stat(path.name) is None:
                    return False, None
                with folder.read(path.name, most=MAX_FILE_BYTES) as file:
                    # It may grow meanwhile.
                    return True, _Old(file.read(MAX_FILE_BYTES), os.fstat(file.fileno()))
        except BadRequest as error:
            raise BadRequest(f"{path} is not written: {error}") from None
        except OSError:
            return True, None

    def _to_trash(self, path: Path, status: os.stat_result) -> None:
        """Move a file to the trash that has been read, and had this status then."""
        from send2trash import send2trash

        try:
            with open_resolved(path.parent, self._policy) as folder:
                now = folder.stat(path.name)
                if now is None or _identity(now) != _identity(status):
                    raise BadRequest(f"{path} was changed by another program meanwhile, and is not replaced.")
                send2trash(str(path))
        except OSError as error:
            raise CannotSave(f"{path} cannot be moved to the trash ({error}), so it stays. Move it away.") from None


def _identity(status: os.stat_result) -> tuple[int, ...]:
    """What differs in the status of another file, and of the same one once it was written to."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns
