"""`PersonDesk`: keeps what `last` and numbers of pictures mean in the database, for the other replicas of a server.

On a server for several people, `laid_out` is around each call of a person. It raises nothing: a database that is away
makes no picture fail, and without it no `last` is found in any case. Elsewhere it does nothing.
"""

import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

import anyio

from ..errors import GptImageError
from ..inputs.references import References
from ..persistence.unit_of_work import UnitOfWork
from ..persistence.writer_thread import WriterThread

if TYPE_CHECKING:
    from ..catalogue.desk_table import DeskTable

logger = logging.getLogger(__name__)

OLD: Final = timedelta(minutes=30)
"""After this time, an answer says which picture `last` or a number was: it may be of another chat."""


class PersonDesk:
    """The desk of one person in one process."""

    def __init__(self, writer: WriterThread, references: References) -> None:
        """Keep what `references` remembers."""
        self._writer = writer
        self._references = references
        self._version: datetime | None = None
        """Of the row that was read or written last."""
        self._known = references.remembered()
        """What that row says."""

    @asynccontextmanager
    async def laid_out(self) -> AsyncGenerator[None]:
        """Load what other replicas have written, for a call, and save what it has changed, also if it is cancelled."""
        if not self._writer.repositories.is_of_one_of_several:
            yield
            return
        await self._load()
        try:
            yield
        finally:
            with anyio.CancelScope(shield=True):
                await self._save()

    async def _load(self) -> None:
        """Take over what another replica has written, unless this process has something newer that is not saved yet."""
        if self._references.remembered() != self._known:
            return
        try:
            row = await self._writer.read(lambda unit: _table(unit).load())
        except GptImageError as error:
            logger.info("what `last` means to a person could not be read: %s", error)
            return
        if row is None or self._references.remembered() != self._known:
            return
        if row.changed != self._version:
            self._references.recall({"last": row.last, "answer": row.answer, "sheet": row.sheet})
            self._version, self._known = row.changed, self._references.remembered()
        self._references.is_old = row.age > OLD

    async def _save(self) -> None:
        """Write what has changed since it was loaded or saved."""
        remembered = self._references.remembered()
        if remembered == self._known:
            return
        try:
            self._version = await self._writer.in_transaction(lambda unit: _table(unit).save(remembered))
        except GptImageError as error:
            logger.info("what `last` means to a person could not be written: %s", error)
        else:
            self._known = remembered

    def reminder(self) -> str | None:
        """A sentence for the answer if the call meant an old picture by `last` or a number; None the second time."""
        found, self._references.reminder = self._references.reminder, None
        return found


def _table(unit: UnitOfWork) -> "DeskTable":
    from ..catalogue.desk_table import DeskTable

    return DeskTable(unit.pictures.connection)
