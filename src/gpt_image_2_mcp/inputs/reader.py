"""`InputReader` reads the pictures that an edit starts from: those of its arguments, or of an earlier turn."""

import hashlib
import re
from collections.abc import Awaitable, Callable, Iterable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import anyio

from ..catalogue.picture_record import Origin, Picture
from ..catalogue.session import ORIGINALS, Session
from ..errors import BadRequest, GptImageError, SessionError, UnreadableSource, shown
from ..images.validate import Prepare, validate
from ..masks.found import Locator, Place, Wanted, choose, found_note, parse_find, suggest_find
from ..paths.read_policy import PrivateFile
from ..paths.safe_open import exists
from ..persistence.unit_of_work import UnitOfWork
from ..storage.time_limit import is_dead, run_in_time_async
from . import InputImage, Sources
from .inputs import Inputs
from .local_file import NoSuchFile, PathRefused
from .mask import laid_on, mask_in_words, mask_preparer, names_made
from .moved_file import MAX_ENTRIES, find_moved
from .references import References
from .url_policy import WEB_PORTS

ItemT = TypeVar("ItemT")

_NAMES_THING = re.compile(r"[\w' ,-]*[^\W\d]{2}[\w' ,-]*")
"""What may name a thing in the picture, and no file: it has letters, and no slash or dot."""

MAX_ROWS = 2_000
"""The newest pictures of the catalogue in whose folders a file that was moved is looked for."""


class InputReader:
    """Reads input pictures; one that was made here has to be unchanged since then."""

    def __init__(self, sources: Sources, references: References) -> None:
        """Create the reader; `sources` opens files and URLs, `references` finds pictures that were made here."""
        self._sources = sources
        self._references = references
        self.locator: Locator | None = None
        """What looks for what a mask names."""

    async def read(self, references: Sequence[str], mask: str | None, *, searches: bool = True) -> Inputs:
        """Read all pictures concurrently, then the mask; for `searches` see `mask`.

        Raises:
            GptImageError: a picture cannot be read; of several, the error of the first one is raised.

        """
        images = await _read_all(self._image, references)
        return Inputs(images, await self.mask(mask, images[0], searches=searches) if mask else None)

    async def read_turn(
        self,
        session: Session,
        number: int,
        references: Sequence[str],
        mask: str | None,
        *,
        extends: bool = False,
        searches: bool = True,
    ) -> Inputs:
        """Read what the next turn of a session is made from: the picture of turn `number`, and those of `references`.

        A mask is of the picture as it was delivered. So is the canvas where the turn `extends` it, which is made from
        the delivered picture then.

        Raises:
            SessionError: a picture of the session is gone or was changed.
            GptImageError: as in `read`.

        """
        delivered = None
        if number == ORIGINALS:
            images = await _read_all(self._original, session.originals)
        else:
            turn = session.turn(number)
            assert turn is not None, "`Session.parent_for` has checked that the turn exists"
            delivered = turn.delivered
            source = delivered if delivered and extends else turn.picture
            images = [await self._of_turn(source, number, session)]
        images += await _read_all(self._image, references)
        if delivered is None or extends:
            return Inputs(images, await self.mask(mask, images[0], searches=searches) if mask else None)
        drawn = None
        if mask:
            seen, size = await self._of_turn(delivered, number, session), (images[0].width, images[0].height)
            is_of_made = names_made(mask, (seen.width, seen.height), size)
            drawn = await self.mask(mask, images[0] if is_of_made else seen, searches=searches, made=size)
            drawn = await anyio.to_thread.run_sync(laid_on, drawn, size)
        return Inputs(images, drawn, delivered.record.asked_size)

    async def delivered(self, made: Sequence[Picture]) -> dict[str, Picture]:
        """What the person was given in place of pictures, in other sizes, by the ids of those pictures."""
        return await self._references.writer.read(lambda unit: unit.pictures.delivered(made))

    async def _of_turn(self, picture: Picture, number: int, session: Session) -> InputImage:
        try:
            return await self.read_saved(picture)
        except GptImageError as error:
            raise SessionError(
                f"{error} It was turn {number} of session {session.id}, which the next turn builds on. Put it back,"
                " or start anew with start_edit_session from another picture."
            ) from None

    async def read_saved(self, picture: Picture, *, prepare: Prepare = validate) -> InputImage:
        """Read a picture of the catalogue; see `Sources.image`.

        Raises:
            UnreadableSource: the file is gone, was changed since it was made, or may not be read.

        """
        path = picture.path
        try:
            image = await self._sources.image(str(path), prepare=prepare, is_known=True)
        except UnreadableSource as error:
            here = await self.locate(picture)
            if here.path != path:
                return await self.read_saved(here, prepare=prepare)
            raise _missing_error(path, error) from error
        return _with_id(image, picture)

    async def locate(self, picture: Picture) -> Picture:
        """The picture as it is or, if its file was moved by hand, with the new path, which the catalogue follows.

        A file with its bytes is looked for in the folders of other pictures and below them; it may have another name.
        """
        # On a server no person moves files, and what is not on this disk is in the store.
        if self._sources.store is not None or await self._is_there(picture.path):
            return picture
        folders = await self._references.writer.read(lambda unit: unit.pictures.folders(MAX_ROWS))
        return (await self.locate_in([picture], folders)).get(picture.id, picture)

    async def locate_in(
        self, missing: Sequence[Picture], folders: Sequence[Path], *, entries: int = MAX_ENTRIES
    ) -> dict[str, Picture]:
        """Find the files of pictures that are missing in folders and below, by their bytes; gives those found by id.

        The catalogue has their new paths then.
        """
        if not missing:
            return {}
        look = partial(
            find_moved,
            missing,
            [folder for folder in folders if not is_dead(folder)],
            read=self._sources.read_saved,
            may_enter=self._sources.is_readable,
            entries=entries,
        )
        found = await anyio.to_thread.run_sync(look, abandon_on_cancel=True)
        if found:

            def follow(unit: UnitOfWork) -> None:
                for picture_id, path in found.items():
                    unit.pictures.set_path(picture_id, path)

            await self._references.writer.in_transaction(follow)
        return {p.id: p.model_copy(update={"path": found[p.id]}) for p in missing if p.id in found}

    async def _is_there(self, path: Path) -> bool:
        """Whether a file is there, or its disk does not answer: then it is not looked for elsewhere."""
        try:
            return await run_in_time_async(path.parent, partial(exists, path))
        except TimeoutError:
            return True

    def read_saved_bytes(self, picture: Picture) -> bytes:
        """The bytes of a picture of the catalogue, as the API sent them. Blocks; raises as `read_saved` does."""
        return self.read_unchanged(picture.path, picture.record.sha256)

    def read_unchanged(self, path: Path, sha256: str) -> bytes:
        """The bytes of a picture that was saved as `path` with the hash `sha256`. Blocks.

        Raises:
            UnreadableSource: the file is gone, was changed since it was made, or may not be read.

        """
        try:
            data = self._sources.read_saved(path)
        except UnreadableSource as error:
            raise _missing_error(path, error) from error
        _require_unchanged(path, hashlib.sha256(data).hexdigest(), sha256)
        return data

    async def find(self, reference: str, *, prepare: Prepare = validate) -> Picture | InputImage:
        """The picture of the catalogue that an argument refers to; otherwise the image that it names, read.

        Raises:
            GptImageError: there is no such picture or file, or several could be meant, or it cannot be read.

        """
        picture = await self._references.find(reference)
        if picture is not None:
            return await self.locate(picture)
        try:
            return await self._sources.image(reference, prepare=prepare)
        except NoSuchFile as error:
            picture = await self._references.find_by_part(reference)
            if picture is None:
                raise _neither_error(reference, error) from None
            return await self.locate(picture)

    async def require(self, reference: str) -> None:
        """Check that an argument names a picture, without fetching it from the web or asking for the person's yes.

        Raises:
            GptImageError: as in `find`.

        """
        is_of_the_web = reference.strip().partition(":")[0].lower() in WEB_PORTS
        if not is_of_the_web and await self._sources.find_private(reference) is None:
            await self._image(reference)

    async def mask(
        self, text: str, first: InputImage, *, searches: bool = True, made: tuple[int, int] | None = None
    ) -> InputImage:
        """The mask that an argument describes or names, for the first picture.

        If that is the delivered one of a picture of the size `made`, a mask that is a picture may be of either.

        What `find` names is looked for, which costs a little. Without `searches` nothing is sent, and the middle of the
        picture stands in for it.

        Raises:
            BadRequest: the words are not understood, do not fit the picture, or name what is not there once.
            GptImageError: as in `find`; or the picture is no mask for that one.

        """
        size = (first.width, first.height)
        wanted = parse_find(text)
        if wanted is not None:
            place = await self._search(wanted, first) if searches else Place("", "box 25%,25% 50%x50%", 1)
            shape = wanted.shape(place.box)
            drawn = await anyio.to_thread.run_sync(mask_in_words, shape, first)
            assert drawn is not None, "the box is a shape"
            return replace(drawn, source=text.strip(), change=f"{drawn.change}{found_note(place, shape)}")
        drawn = await anyio.to_thread.run_sync(mask_in_words, text, first)
        if drawn is not None:
            return drawn
        prepare = mask_preparer(size, made)
        try:
            found = await self.find(text, prepare=prepare)
        except NoSuchFile:
            if not _NAMES_THING.fullmatch(text):
                raise
            raise BadRequest(
                f"The mask {shown(text)} is neither a shape nor a picture. To have a model look for it, for about a"
                f" cent: `{suggest_find(text)}`. Or look at the picture with show_image, free, and give a shape, such"
                " as `box 120,40 300x200 of 1024x683`."
            ) from None
        return found if isinstance(found, InputImage) else await self.read_saved(found, prepare=prepare)

    async def find_private(self, references: Sequence[str]) -> list[PrivateFile]:
        """The files among some arguments that are read only with the person's yes, which was not given yet."""
        found: dict[Path, PrivateFile] = {}
        for reference in references:
            private = await self._sources.find_private(reference)
            if private and await self._references.find(reference) is None:
                found[private.path] = private
        return list(found.values())

    def allow(self, files: Iterable[PrivateFile]) -> None:
        """Note that the person allows these files to be read."""
        for file in files:
            self._sources.allow(file.path)

    async def _image(self, reference: str) -> InputImage:
        found = await self.find(reference)
        return await self.read_saved(found) if isinstance(found, Picture) else found

    async def _search(self, wanted: Wanted, first: InputImage) -> Place:
        assert self.locator is not None, "the service sets it before it reads anything"
        search = await self.locator(wanted.words, first.data, first.sha256)
        place = choose(wanted, search)
        return replace(place, label=f"{place.label} by {search.by}")

    async def _original(self, origin: Origin) -> InputImage:
        if origin.path is None:
            raise SessionError(
                f"The session began with {origin.source}, which was not kept: name the picture once more in `images` of"
                " start_edit_session, or continue from a turn."
            )
        try:
            image = await self._sources.image(origin.path, is_known=True)
        except GptImageError as error:
            raise SessionError(
                f"{error} The session began with it. Put it back, continue from a turn, or start anew with"
                " start_edit_session."
            ) from None
        # Another version may have converted it to other bytes, and earlier ones sent and recorded files with metadata.
        if image.change is None and origin.sha256 not in (image.sha256, image.file_sha256):
            raise SessionError(f"The picture {origin.path}, with which the session began, was changed since then.")
        return replace(image, id=origin.id)


def _with_id(image: InputImage, picture: Picture) -> InputImage:
    """Add the picture's id to an image read from its file; raises UnreadableSource if the file was changed."""
    _require_unchanged(picture.path, image.file_sha256, picture.record.sha256)
    return replace(image, id=picture.id)


def _require_unchanged(path: Path, found: str, sha256: str) -> None:
    if found != sha256:
        raise UnreadableSource(f"The picture {path} was changed since it was made.")


def _neither_error(reference: str, error: NoSuchFile) -> UnreadableSource:
    """A clearer error where a word was given that may have been meant as an id; `error` itself for a path."""
    if isinstance(error, PathRefused) or re.search(r"[/\\.]", reference):
        return error
    return NoSuchFile(
        f"There is no picture with the id {shown(reference)}, and no file of that name. list_images finds pictures that"
        " were made here; for a file, give its full path. What was attached to the chat does not reach this server."
    )


def _missing_error(path: Path, error: UnreadableSource) -> UnreadableSource:
    """A clearer error for a picture whose file is gone; `error` itself if there is still a file."""
    if is_dead(path.parent) or exists(path):
        return error
    return UnreadableSource(
        f"The picture {path} is gone or cannot be read. If its folder was moved, `gpt-image-2-mcp library rebuild"
        " FOLDER` finds it again."
    )


async def _read_all(read: Callable[[ItemT], Awaitable[InputImage]], items: Sequence[ItemT]) -> list[InputImage]:
    """Read all items concurrently, and to the end, so that the error of the first item is raised each time.

    What is named several times is read once.
    """
    images: dict[int, InputImage] = {}
    failures: dict[int, GptImageError] = {}

    async def one(index: int, item: ItemT) -> None:
        try:
            images[index] = await read(item)
        except GptImageError as error:
            failures[index] = error

    async with anyio.create_task_group() as readers:
        for index, item in enumerate(items):
            if items.index(item) == index:
                readers.start_soon(one, index, item)
    if failures:
        raise failures[min(failures)]
    return [images[items.index(item)] for item in items]
