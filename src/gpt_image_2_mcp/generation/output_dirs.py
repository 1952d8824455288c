"""Output folders: the default one, and the one that a call names in `output_dir`; resolved before anything is paid."""

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
"""Characters of an output folder's path: an answer repeats it for every file."""


class OutputDirs:
    """The output folders of one user."""

    def __init__(self, settings: Settings, *, working_dir: Path, home: Path) -> None:
        """Resolve relative folders against `working_dir`, and `~` as `home`."""
        self._settings = settings
        self._working_dir = working_dir
        self._home = home

    def default(self) -> Path:
        """The folder for calls without `output_dir`; the built-in sandbox has a subfolder `sandbox` in it."""
        if self._settings.output_dir is None:
            folder = default_folder(working_dir=self._working_dir, home=self._home)
        else:
            folder = expand_path(self._settings.output_dir, working_dir=self._working_dir, home=self._home)
        return folder / "sandbox" if self._settings.sandbox else folder

    @property
    def policy(self) -> WritePolicy:
        """The policy that says which folders may be written."""
        return WritePolicy(
            working_dir=self._working_dir,
            home=self._home,
            allowed_dirs=self._settings.allowed_folders(self._working_dir, self._home),
            own_dirs=(self.default(),),
            allow_unsafe=self._settings.allow_unsafe_output_dir,
        )

    def resolve(self, output_dir: str | None) -> Path:
        """The real path of a call's output folder, which need not exist yet. Blocks: call it in a thread.

        Raises:
            BadRequest: it may not be written, or its path is too long.

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
        """Resolve a call's output folder, make it, and recover what a killed process left in it. Blocks.

        Raises:
            BadRequest: it may not or cannot be written, or its path is too long.

        """
        folder = self.resolve(output_dir)
        ensure_folder(folder)
        for sentence in recover_parts(folder):
            logger.warning("%s", sentence)
        return folder

    def recover(self, folders: Iterable[Path]) -> list[str]:
        """Recover half-written pictures in the default folder and in `folders`; gives a sentence for each. Blocks.

        A folder that may not be written any longer, or has become a link, is left as it is.
        """
        found: list[str] = []
        # A sandbox at OPENAI_BASE_URL shows only in its answers: its pictures were then saved in the subfolder.
        own = [] if self._settings.problems else [self.default(), self.default() / "sandbox"]
        for folder in dict.fromkeys([*own, *folders]):
            with suppress(BadRequest):
                real = self.policy.resolve_writable(folder)
                found += recover_parts(real) if real == folder or folder in own else []
        return found
