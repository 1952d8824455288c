"""Output folders: the default one, and the one that a call names in `output_dir`; resolved before anything is paid."""

import asyncio
import logging
import re
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import TypeVar
from weakref import WeakValueDictionary

import anyio

from ..errors import BadRequest, shown
from ..paths.other_computer import folder_refusal
from ..paths.policy import WritePolicy, expand_path, real_path
from ..paths.project import default_folder
from ..paths.written_folder import check_written_folder, unquoted_folder
from ..settings import Settings
from ..storage.local_folder import ensure_writable
from ..storage.recovery import recover_parts
from ..storage.time_limit import run_in_time_async

logger = logging.getLogger(__name__)

MAX_FOLDER_PATH = 500
"""Characters of an output folder's path: an answer repeats it for every file."""


ResultT = TypeVar("ResultT")


class OutputDirs:
    """The output folders of one user."""

    def __init__(
        self,
        settings: Settings,
        *,
        working_dir: Path,
        home: Path,
        spare: Path | None = None,
        data_folders: Sequence[Path] = (),
    ) -> None:
        """Resolve relative folders against `working_dir`, and `~` as `home`.

        `spare` is the folder for pictures that neither their own folder nor the default one takes. `data_folders` have
        this program's other files, and what killed processes have left of them.
        """
        self._settings = settings
        self._data_folders = data_folders
        self._spare = spare
        self._working_dir = working_dir
        self._home = home
        self._looked_through: set[Path] = set()
        """The folders in which half-written pictures were looked for: reading the names of all files takes time."""
        self._locks: WeakValueDictionary[Path, asyncio.Lock] = WeakValueDictionary()
        """The locks of the folders that are in use at this moment."""

    def default(self) -> Path:
        """The folder for calls without `output_dir`; the built-in sandbox has a subfolder `sandbox` in it."""
        if self._settings.output_dir is None:
            folder = default_folder(working_dir=self._working_dir, home=self._home)
        else:
            folder = expand_path(self._settings.output_dir, working_dir=self._working_dir, home=self._home)
        return folder / "sandbox" if self._settings.sandbox else folder

    @property
    def is_sandbox(self) -> bool:
        """Whether all pictures are the built-in sandbox's."""
        return self._settings.sandbox

    def own(self) -> tuple[Path, ...]:
        """The default folder and the spare one, in which every picture may be saved."""
        return (self.default(), self._spare) if self._spare else (self.default(),)

    @property
    def policy(self) -> WritePolicy:
        """The policy that says which folders may be written."""
        return WritePolicy(
            working_dir=self._working_dir,
            home=self._home,
            allowed_dirs=self._settings.allowed_folders(self._working_dir, self._home),
            own_dirs=self.own(),
            allow_unsafe=self._settings.allow_unsafe_output_dir,
        )

    def check_named(self, output_dir: str | None) -> None:
        """Check that a call may name a folder at all; raises BadRequest if the person is at another computer."""
        if output_dir and self._settings.hosted:
            raise BadRequest(folder_refusal(output_dir))

    def resolve(self, output_dir: str | None) -> Path:
        """The real path of a call's output folder, which need not exist yet. Blocks: call it in a thread.

        Raises:
            BadRequest: it may not be written, or its path is too long.

        """
        self.check_named(output_dir)
        if output_dir and re.match(r"(?!file:)[A-Za-z][A-Za-z0-9+.-]+:/", output_dir):
            raise BadRequest(f"`output_dir` is a folder on this computer; got the address {shown(output_dir)}.")
        named = None
        if output_dir:
            text = unquoted_folder(output_dir)
            named = expand_path(text, working_dir=self._working_dir, home=self._home)
            check_written_folder(text, named)
        folder = self.policy.resolve_writable(named or self.default())
        if len(str(folder)) > MAX_FOLDER_PATH:
            raise BadRequest(
                f"The output folder's path has {len(str(folder)):,} characters and may have {MAX_FOLDER_PATH}:"
                f" {shown(str(folder))}. Choose a shorter `output_dir`."
            )
        return folder

    def prepare(self, output_dir: str | None) -> Path:
        """Resolve a call's output folder, and see that it can be written; it is made when it is needed. Blocks.

        In the first call for one of the user's own folders, what killed processes left in it is recovered. Another
        folder may come with a repository, and so may files in it that only look like that: it is looked through at the
        start, if a job in the database was lost there.

        Raises:
            BadRequest: it may not or cannot be written, or its path is too long.

        """
        folder = self.resolve(output_dir)
        ensure_writable(folder)
        if folder not in self._looked_through and folder in map(real_path, self._own_folders()):
            for sentence in self._look_through(folder):
                logger.warning("%s", sentence)
        return folder

    async def in_time(self, output_dir: Path | str | None, work: Callable[[], ResultT]) -> ResultT:
        """Run `work`, which reads and writes in an output folder, in a thread and with a time limit.

        One at a time for each folder: side by side, threads could finish in another order than that in which the calls
        arrived. A folder that does not answer holds up only the calls that name it.

        Raises:
            BadRequest: the folder does not answer.

        """
        folder = Path(output_dir or self._settings.output_dir or "Pictures")
        try:
            async with self._locks.setdefault(folder, asyncio.Lock()):
                return await run_in_time_async(folder, work)
        except TimeoutError as error:
            raise BadRequest(
                f"The folder {str(folder)!r} cannot be used: {error.strerror}. Nothing was sent or paid. Choose another"
                " one with `output_dir` or GPT_IMAGE_2_OUTPUT_DIR."
            ) from None

    async def recover(self, folders: Iterable[Path]) -> list[str]:
        """Recover half-written files in the own folders and in `folders`; gives a sentence for each picture.

        A folder that may not be written any longer, has become a link or does not answer is left as it is.
        """
        found: dict[Path | None, list[str]] = {folder: [] for folder in (None, *folders)}

        async def recover_one(folder: Path | None) -> None:
            with suppress(BadRequest):
                found[folder] = await self.in_time(folder, partial(self._recover, folder))

        async with anyio.create_task_group() as tasks:
            for folder in found:
                tasks.start_soon(recover_one, folder)
        return [sentence for sentences in found.values() for sentence in sentences]

    def _recover(self, folder: Path | None) -> list[str]:
        """Recover in a folder that jobs wrote to; None stands for the own ones."""
        if folder is not None:
            return self._look_through(folder) if self.policy.resolve_writable(folder) == folder else []
        if self._settings.problems:
            return []
        places = [*map(self.policy.resolve_writable, self._own_folders()), *self._data_folders]
        return [sentence for place in places for sentence in self._look_through(place)]

    def _own_folders(self) -> tuple[Path, ...]:
        # A sandbox at OPENAI_BASE_URL shows only in its answers: its pictures were then saved in the subfolder.
        return (*self.own(), self.default() / "sandbox")

    def _look_through(self, folder: Path) -> list[str]:
        self._looked_through.add(folder)
        return recover_parts(folder)
