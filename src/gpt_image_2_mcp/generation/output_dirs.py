"""Which folder a call's pictures go to: the user's own, or the one that the call names; resolved before it is paid."""

import logging
import re
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from ..errors import BadRequest, shown
from ..paths.policy import WritePolicy, expand_path
from ..paths.project import default_folder
from ..settings import Settings
from ..storage.local_folder import ensure_folder
from ..storage.recovery import recover_parts

logger = logging.getLogger(__name__)

MAX_FOLDER_PATH = 500
"""Characters of an output folder's path: an answer names every file with it."""


class OutputDirs:
    """The output folders of one user."""

    def __init__(self, settings: Settings, *, working_dir: Path, home: Path) -> None:
        """Resolve relative folders against `working_dir`, and `~` as `home`."""
        self._settings = settings
        self._working_dir = working_dir
        self._home = home

    def default(self) -> Path:
        """Where pictures go unless a call names a folder; the sandbox's go to a folder of their own in there."""
        if self._settings.output_dir is None:
            folder = default_folder(working_dir=self._working_dir, home=self._home)
        else:
            folder = expand_path(self._settings.output_dir, working_dir=self._working_dir, home=self._home)
        return folder / "sandbox" if self._settings.sandbox else folder

    @property
    def policy(self) -> WritePolicy:
        """Which folders may be written."""
        return WritePolicy(
            working_dir=self._working_dir,
            home=self._home,
            allowed_dirs=self._settings.allowed_folders(self._working_dir, self._home),
            own_dirs=(self.default(),),
            allow_unsafe=self._settings.allow_unsafe_output_dir,
        )

    def resolve(self, output_dir: str | None) -> Path:
        """The real path of a call's folder, which need not exist yet. Blocks: call it in a thread.

        Raises:
            BadRequest: it may not be written.

        """
        if output_dir and re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/", output_dir):
            raise BadRequest(f"`output_dir` is a folder on this computer; got the address {shown(output_dir)}.")
        named = expand_path(output_dir, working_dir=self._working_dir, home=self._home) if output_dir else None
        folder = self.policy.resolve_writable(named or self.default())
        if len(str(folder)) > MAX_FOLDER_PATH:
            raise BadRequest(
                f"The output folder's path has {len(str(folder)):,} characters and may have {MAX_FOLDER_PATH}:"
                f" {shown(str(folder))}. Choose a shorter `output_dir`."
            )
        return folder

    def prepare(self, output_dir: str | None) -> Path:
        """Resolve a call's folder, make it, and recover what a killed process left in it. Blocks.

        Raises:
            BadRequest: it may not be written, or cannot be.

        """
        folder = self.resolve(output_dir)
        ensure_folder(folder)
        for sentence in recover_parts(folder):
            logger.warning("%s", sentence)
        return folder

    def recover(self, folders: Iterable[Path]) -> list[str]:
        """Recover what killed processes left in the user's own folders and in `folders`; a sentence each. Blocks.

        A folder that may not be written any longer, or is a link now, is left as it is.
        """
        found: list[str] = []
        # Whether a backend is a sandbox shows in its answer only, so that folder may be in use as well.
        own = [] if self._settings.problems else [self.default(), self.default() / "sandbox"]
        for folder in dict.fromkeys([*own, *folders]):
            with suppress(BadRequest):
                real = self.policy.resolve_writable(folder)
                found += recover_parts(real) if real == folder or folder in own else []
        return found
