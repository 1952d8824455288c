"""Words for pictures that were made here: an id, `last`, or a number of the last contact sheet.

`last` and numbers mean what this process made and showed, so that another chat's picture is not edited by mistake. They
win over files of that name; `./7` is the file.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..catalogue.models import PICTURE_ID, Picture
from ..errors import BadRequest, shown
from ..persistence.unit_of_work import WriterThread

LAST = "last"
_NUMBER = re.compile(r"[0-9]{1,6}")
_ID = re.compile(PICTURE_ID)


@dataclass(slots=True)
class References:
    """What one process's words for pictures mean."""

    writer: WriterThread
    last_id: str | None = None
    """The id of the picture that was handed out last."""
    sheet_ids: Mapping[int, str] = field(default_factory=dict[int, str])
    """Number to id of the last contact sheet."""

    async def find(self, reference: str) -> Picture | None:
        """The picture that an argument names; None where it is a path or an address.

        Raises:
            BadRequest: it is a word for a picture that there is not.

        """
        word = reference.strip()
        picture_id = self._resolve_id(word)
        if picture_id is None:
            return None
        found = await self.writer.in_transaction(lambda unit: unit.pictures.get(picture_id))
        if found is None:
            raise BadRequest(
                f"There is no picture {shown(picture_id)} in the catalogue. list_images, or `gpt-image-2-mcp library"
                " list`, finds pictures; for a file, give its path."
            )
        return found

    def _resolve_id(self, word: str) -> str | None:
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
