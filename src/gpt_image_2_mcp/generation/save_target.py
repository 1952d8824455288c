"""`SaveTarget`: where the pictures of one job are saved."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from ..errors import CannotSave
from ..paths.policy import WritePolicy
from ..storage.local_folder import Name, save_image
from ..telemetry import UNMEASURED, Steps


@dataclass(frozen=True, slots=True)
class SaveTarget:
    """Where the pictures of one job are saved: in the first of `folders` (real paths) that can be written.

    `sandbox_folders` maps a folder to the one that is used instead if a sandbox answered, which shows in the answer
    only. `policy` checks a folder again at the moment of writing, when it may have become a link.
    """

    name: Name
    folders: tuple[Path, ...]
    sandbox_folders: Mapping[Path, Path]
    policy: WritePolicy
    known: tuple[Path, ...] = ()
    """Files in which a process that was killed may have saved the pictures: one with the same bytes is taken."""
    steps: Steps = UNMEASURED
    """What measures the steps of the job."""
    off_disk: Callable[[Path, bytes], str | None] | None = None
    """On a server, puts a picture that no folder takes where it is safe without the disk, under the path that it would
    have had. Gives a sentence that says so, None if that cannot be done either. Blocks."""

    def save(
        self,
        data: bytes,
        *,
        extension: str,
        name: Name,
        number: int | None,
        folders: tuple[Path, ...],
        meanwhile: Callable[[], object] = lambda: None,
    ) -> tuple[Path, str | None]:
        """Save a picture as `save_image` does, or on a server off the disk if that fails; raises CannotSave."""
        try:
            return save_image(
                data,
                extension=extension,
                name=name,
                number=number,
                folders=folders,
                policy=self.policy,
                meanwhile=meanwhile,
            )
        except CannotSave:
            path = next(name.paths(folders[0], number, extension))
            sentence = self.off_disk(path, data) if self.off_disk else None
            if sentence is None:
                raise
            return path, sentence
