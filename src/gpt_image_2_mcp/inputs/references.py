"""References to pictures that were made here: an id, `last`, or a number of the last sheet, of a list or an answer.

An id is also understood in the address of its resource and in the name of its file, and a part of it where one picture
alone has that part. `last` and numbers refer to what this process made and showed, so that a picture of another chat is
not edited by mistake. They take precedence over files of the same name; `./7` is the file.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote

from ..catalogue.picture_record import PICTURE_ID, Picture
from ..errors import BadRequest, shown
from ..persistence.writer_thread import WriterThread

_LAST = re.compile(
    r"(?:the )?(?:last|latest|newest|most recent)(?: (?:one|picture|image|photo|result))?", re.IGNORECASE
)
_NUMBER = re.compile(
    r"(?:(?:image|picture|photo|draft|option|variant|version)\s+)?"
    r"(?:#|\N{NUMERO SIGN}|(?:number|no\.?|nr\.?)(?=[\s0-9]))?\s*([0-9]{1,6})",
    re.IGNORECASE,
)
_ID = re.compile(PICTURE_ID)
_FILE_OF_ID = re.compile(rf"({PICTURE_ID})\.(?:png|jpe?g|webp)", re.IGNORECASE)
_ADDRESS = re.compile(r"gpt-image-2://pictures/", re.IGNORECASE)
_PART_OF_ID = re.compile(r"[\w-]{3,140}")
_MAX_LISTED = 5


@dataclass(slots=True)
class References:
    """Resolves references to pictures of the catalogue, for one process."""

    writer: WriterThread
    last_id: str | None = None
    """The id of the picture that an answer handed out last; None if there was none in this run."""
    sheet_ids: Mapping[int, str] = field(default_factory=dict[int, str])
    """The picture ids of the last contact sheet, by their numbers on it."""
    answer_ids: tuple[str, ...] = ()
    """The picture ids of the last answer with several pictures, if no contact sheet was shown after it."""
    is_old: bool = False
    """Whether all of this is from so long ago that it may be of another chat."""
    reminder: str | None = None
    """Which picture was found by a word or number that `is_old`."""

    def remembered(self) -> dict[str, Any]:
        """What `last` and numbers mean, as a JSON object for `recall`."""
        sheet = {str(number): picture for number, picture in self.sheet_ids.items()}
        return {"last": self.last_id, "answer": list(self.answer_ids), "sheet": sheet}

    def recall(self, remembered: Mapping[str, Any]) -> None:
        """Go on with what `remembered` gave in another process."""
        self.newest = remembered["last"], tuple(remembered.get("answer", ()))
        self.sheet_ids = {int(number): picture for number, picture in remembered["sheet"].items()}

    @property
    def newest(self) -> tuple[str | None, tuple[str, ...]]:
        """What `last` and the numbers of an answer refer to; to be set to an earlier value of it."""
        return self.last_id, self.answer_ids

    @newest.setter
    def newest(self, value: tuple[str | None, tuple[str, ...]]) -> None:
        self.last_id, self.answer_ids = value

    def note_answer(self, ids: Sequence[str]) -> None:
        """Note the pictures that an answer hands out: the last one is `last`, and of several each has its number."""
        self.last_id, self.is_old = ids[-1], False
        if len(ids) > 1:
            self.answer_ids = tuple(ids)

    def note_sheet(self, ids: Mapping[int, str]) -> None:
        """Note the numbers of a contact sheet that is shown: earlier ones mean nothing any more."""
        self.sheet_ids, self.answer_ids, self.is_old = ids, (), False

    async def find(self, reference: str) -> Picture | None:
        """Find the picture that an argument refers to; None if it is a path or a URL.

        Raises:
            BadRequest: it is a reference, but there is no such picture.

        """
        word = reference.strip()
        if address := _ADDRESS.match(word):
            word = unquote(word[address.end() :])
        picture_id = self._resolve_id(word)
        named_file = _FILE_OF_ID.fullmatch(word)
        if picture_id is None and named_file is None:
            # An address of this server is never a path, so a part of an id is all that can be left.
            return await self._of_address(word) if address else None
        wanted = picture_id or (named_file and named_file[1]) or ""
        found = await self.writer.read(lambda unit: unit.pictures.get(wanted))
        if found is None and picture_id is not None:
            raise BadRequest(
                f"There is no picture {shown(picture_id)} in the catalogue. list_images, or `gpt-image-2-mcp library"
                " list`, finds pictures; for a file, give its path."
            )
        if self.is_old and found is not None and picture_id not in (None, word):
            self.reminder = f"{shown(reference)} is {found.id}, the picture of {found.made:%Y-%m-%d %H:%M} UTC."
        return found

    async def find_by_part(self, reference: str) -> Picture | None:
        """Find the one picture whose id has this part, such as a word of its `filename_prefix`; None if there is none.

        Raises:
            BadRequest: several pictures have it.

        """
        word = reference.strip()
        if not _PART_OF_ID.fullmatch(word):
            return None
        ids = await self.writer.read(lambda unit: unit.pictures.ids_with(word, _MAX_LISTED + 1))
        if len(ids) > 1:
            more = ", …" if len(ids) > _MAX_LISTED else ""
            raise BadRequest(
                f"Several pictures have {shown(word)} in their id: {', '.join(ids[:_MAX_LISTED])}{more}. Give one of"
                " these ids."
            )
        return await self.find(ids[0]) if ids else None

    async def _of_address(self, word: str) -> Picture:
        """The picture of which an address of this server holds a part of the id; raises BadRequest if there is none."""
        picture = await self.find_by_part(word)
        if picture is None:
            raise BadRequest(
                f"There is no picture with the id {shown(word)}. list_images finds those that were made here."
            )
        return picture

    def _resolve_id(self, word: str) -> str | None:
        """The id that a reference stands for; None if it is no reference."""
        if _LAST.fullmatch(word):
            if self.last_id is None:
                raise BadRequest(
                    "No picture was made in this chat yet, so there is no `last`. list_images, or `gpt-image-2-mcp"
                    " library list`, finds earlier ones: give an id. A file called last is './last'."
                )
            return self.last_id
        if number := _NUMBER.fullmatch(word):
            return self._numbered(int(number[1]), word)
        return word if _ID.fullmatch(word) else None

    def _numbered(self, number: int, word: str) -> str:
        found = self._numbers.get(number)
        if found is None:
            raise BadRequest(
                f"There is no picture number {number}: {self._range()} For a file named {word}, write './{word}'."
            )
        return found

    @property
    def _numbers(self) -> Mapping[int, str]:
        """The ids by the numbers of the last sheet: an answer with several pictures has one, too."""
        return dict(enumerate(self.answer_ids, 1)) if self.answer_ids else self.sheet_ids

    def _range(self) -> str:
        if self.answer_ids:
            return f"the last answer with several pictures has 1 to {len(self.answer_ids)}."
        if not self.sheet_ids:
            return (
                "it would be one on a contact sheet, and none was shown in this chat. Call list_images with"
                " contact_sheet first."
            )
        return f"the last contact sheet has {min(self.sheet_ids)} to {max(self.sheet_ids)}."
