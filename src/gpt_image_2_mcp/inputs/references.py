"""References to pictures that were made here: an id, `last`, or a number of the last contact sheet.

`last` and numbers refer to what this process made and showed, so that a picture of another chat is not edited by
mistake. They take precedence over files of the same name; `./7` is the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..catalogue.picture_record import PICTURE_ID, Picture
from ..errors import BadRequest, shown
from ..persistence.writer_thread import WriterThread

LAST = "last"
_NUMBER = re.compile(r"[0-9]{1,6}")
_ID = re.compile(PICTURE_ID)


@dataclass(slots=True)
class References:
    """Resolves references to pictures of the catalogue, for one process."""

    writer: WriterThread
    last_id: str | None = None
    """The id of the picture that an answer handed out last; None if there was none in this run."""
    sheet_ids: Mapping[int, str] = field(default_factory=dict[int, str])
    """The picture ids of the last contact sheet, by their numbers on it."""

    async def find(self, reference: str) -> Picture | None:
        """Find the picture that an argument refers to; None if it is a path or a URL.

        Raises:
            BadRequest: it is a reference, but there is no such picture.

        """
        word = reference.strip()
        picture_id = self._resolve_id(word)
        if picture_id is None:
            return None
        found = await self.writer.read(lambda unit: unit.pictures.get(picture_id))
        if found is None:
            raise BadRequest(
                f"There is no picture {shown(picture_id)} in the catalogue. list_images, or `gpt-image-2-mcp library"
                " list`, finds pictures; for a file, give its path."
            )
        return found

    def _resolve_id(self, word: str) -> str | None:
        """The id that a reference stands for; None if it is no reference."""
        if word.lower() == LAST:
            if self.last_id is None:
                raise BadRequest(
                    "There is no `last` picture: none was made in this run. list_images, or `gpt-image-2-mcp library"
                    " list`, finds earlier ones, to be named by their id; a file called last is './last'."
                )
            return self.last_id
        if _NUMBER.fullmatch(word):
            if int(word) not in self.sheet_ids:
                raise BadRequest(
                    f"There is no picture number {word}: {self._sheet_range()} A file of that name is './{word}'."
                )
            return self.sheet_ids[int(word)]
        return word if _ID.fullmatch(word) else None

    def _sheet_range(self) -> str:
        if not self.sheet_ids:
            return "no contact sheet was shown in this run (list_images with contact_sheet makes one)."
        return f"the last contact sheet has {min(self.sheet_ids)} to {max(self.sheet_ids)}."
