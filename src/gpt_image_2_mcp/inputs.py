"""The pictures that an edit starts from: a call's arguments, or the last turn of a session."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

import anyio
import anyio.to_thread

from .errors import GptImageError, SessionError
from .library import read_back
from .pictures import judge
from .sessions import Session
from .sources import InputImage, Sources


@dataclass(frozen=True, slots=True)
class Inputs:
    """Checked pictures of an edit; none of them for a picture made from words alone."""

    images: Sequence[InputImage] = ()
    mask: InputImage | None = None

    @property
    def all(self) -> Sequence[InputImage]:
        """The pictures, and the mask if there is one."""
        return [*self.images, self.mask] if self.mask else self.images

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each picture, in pixels."""
        return [(image.width, image.height) for image in self.images]

    @property
    def mask_size(self) -> tuple[int, int] | None:
        """Width and height of the mask, in pixels; None where there is none."""
        return (self.mask.width, self.mask.height) if self.mask else None

    @property
    def changes(self) -> list[str]:
        """What was done to them before they are sent."""
        return [image.change for image in self.all if image.change]


async def read_inputs(sources: Sources, references: Sequence[str], mask: str | None) -> Inputs:
    """Read all inputs side by side.

    Raises:
        GptImageError: the first that cannot be read, with its number where there are several.

    """
    images: dict[int, InputImage] = {}
    failures: dict[int, GptImageError] = {}

    async def read(index: int, reference: str) -> None:
        try:
            images[index] = await sources.image(reference)
        except GptImageError as error:
            failures[index] = error

    async with anyio.create_task_group() as readers:
        for index, reference in enumerate(references):
            readers.start_soon(read, index, reference)
    if failures:
        raise failures[min(failures)]
    found = [images[index] for index in sorted(images)]
    return Inputs(found, await sources.mask(mask, first=found[0]) if mask else None)


async def read_head(session: Session) -> Inputs:
    """Read the picture that the next turn of a session is made from.

    Raises:
        SessionError: it is gone or was changed.

    """
    turn = session.head
    try:
        data = await anyio.to_thread.run_sync(read_back, turn.path, turn.sha256)
    except SessionError as error:
        raise SessionError(
            f"{error} It was turn {turn.number} of session {session.id}, which the next turn builds on. Put it back,"
            " or start anew with start_edit_session from another picture."
        ) from None
    judged = await anyio.to_thread.run_sync(partial(judge, data, name=f"Turn {turn.number}"))
    image = InputImage(
        data=judged.data,
        format=judged.facts.format,
        width=judged.facts.width,
        height=judged.facts.height,
        sha256=turn.sha256,
        name=f"turn-{turn.number}{turn.path.suffix}",
        source=turn.path.name,
        path=turn.path,
        change=judged.change,
    )
    return Inputs([image])
