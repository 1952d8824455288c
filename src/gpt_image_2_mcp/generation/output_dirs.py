"""Where a call's pictures go: the person's own folder or the one that the call names, judged before it is paid."""

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..errors import BadRequest, shown
from ..paths.policy import expand_path, resolve_writable
from ..settings import Settings
from ..storage.local_folder import default_folder, ready_folder
from ..storage.recovery import rescue

logger = logging.getLogger(__name__)

MAX_FOLDER_PATH = 500
"""Characters of an output folder's path: an answer names every file with it."""


class OutputDirs:
    """The output folders of one person."""

    def __init__(self, settings: Settings, *, working_dir: Path, home: Path) -> None:
        """Take relative folders as `working_dir`'s, and `~` as `home`."""
        self._settings = settings
        self._working_dir = working_dir
        self._home = home

    def own(self) -> Path:
        """Where pictures go unless a call says otherwise; the sandbox's have a folder of their own in there."""
        if self._settings.output_dir is None:
            folder = default_folder(working_dir=self._working_dir, home=self._home)
        else:
            folder = expand_path(self._settings.output_dir, working_dir=self._working_dir, home=self._home)
        return folder / "sandbox" if self._settings.sandbox else folder

    def recover(self, folders: Iterable[Path]) -> list[str]:
        """Put in order what killed processes left in a person's own folders and in `folders`, and say what. Blocks.

        A folder that may not be written any longer, or is a link now, is left as it is.
        """
        said: list[str] = []
        # Whether a backend is a sandbox shows in its answer only, so that folder may be in use as well.
        own = [] if self._settings.problems else [self.own(), self.own() / "sandbox"]
        for folder in dict.fromkeys([*own, *folders]):
            with suppress(BadRequest):
                real = self.resolve_writable(folder)
                said += rescue(real) if real == folder or folder in own else []
        return said

    def resolve_writable(self, folder: Path) -> Path:
        """The real path of a folder that may be written; raises BadRequest for any other."""
        return resolve_writable(
            folder,
            working_dir=self._working_dir,
            home=self._home,
            allowed_dirs=self._settings.allowed_folders(self._working_dir, self._home),
            own_dirs=(self.own(),),
            allow_unsafe=self._settings.allow_unsafe_output_dir,
        )

    def resolve(self, output_dir: str | None) -> Path:
        """The folder of a call, which need not exist yet. Blocks: call it in a thread.

        Raises:
            BadRequest: it may not be written.

        """
        if output_dir and re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/", output_dir):
            raise BadRequest(f"`output_dir` is a folder on this computer; got the address {shown(output_dir)}.")
        folder = self.resolve_writable(
            expand_path(output_dir, working_dir=self._working_dir, home=self._home) if output_dir else self.own()
        )
        if len(str(folder)) > MAX_FOLDER_PATH:
            raise BadRequest(
                f"The output folder's path has {len(str(folder)):,} characters and may have {MAX_FOLDER_PATH}:"
                f" {shown(str(folder))}. Choose a shorter `output_dir`."
            )
        return folder

    def prepare(self, output_dir: str | None) -> Path:
        """Judge the folder of a call, make it, and put in order what a killed process left in it. Blocks.

        Raises:
            BadRequest: it may not be written, or cannot be.

        """
        folder = self.resolve(output_dir)
        ready_folder(folder)
        for sentence in rescue(folder):
            logger.warning("%s", sentence)
        return folder
