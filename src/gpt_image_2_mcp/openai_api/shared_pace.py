"""`SharedPace`: one limit of pictures a minute for all replicas of a server, kept in PostgreSQL by its clock.

Every request of every replica asks the database before it starts (`database.pace_table`), and a 429 that one replica
gets holds all of them. While the database does not answer, each replica goes on at the same pace by itself: together
they ask for as many times the limit as there are replicas, and not for more.
"""

import logging
from collections.abc import Callable, Mapping
from functools import partial
from time import monotonic
from typing import Final, TypeVar

import anyio
import anyio.to_thread

from ..database.lazy_store import LazyStore
from ..database.pace_table import PaceTable
from ..database.retry import retry_undone
from ..errors import GptImageError
from .picture_pace import LOWEST_TIER, PicturePace, limit_in

logger = logging.getLogger(__name__)

ANSWER_S: Final = 3.0
"""Seconds that the database may take to answer: a process that is stopped holds the row for four at most."""
RETRY_S: Final = 5.0
"""Seconds after which it is asked again."""

ResultT = TypeVar("ResultT")


class SharedPace:
    """The pace of all replicas that use one PostgreSQL database."""

    is_shared = True

    def __init__(self, database: LazyStore, per_minute: int | None) -> None:
        """Keep `per_minute` pictures a minute; None stands for what answers name, and until then for a guess."""
        self._database = database
        self._setting = per_minute
        self._is_known = per_minute is not None
        self._alone = PicturePace(per_minute)
        """Stands as the database did at its last answer; the pace of this process while that does not answer."""
        self._retry_at = 0.0

    async def ask(self, pictures: int, *, is_paced: bool) -> float:
        """Take a request's pictures and give 0, or give the seconds after which to ask again."""
        answer = await self._run(
            partial(
                PaceTable.take,
                pictures=pictures,
                setting=self._setting,
                learned=self._alone.named,
                guess=LOWEST_TIER,
                is_paced=is_paced,
            )
        )
        if answer is None:
            return await self._alone.ask(pictures, is_paced=is_paced or self._is_known)
        self._is_known = answer.is_known
        self._alone.take_over(answer.per_minute, answer.remaining)
        return answer.wait_s

    async def note_refusal(self, message: str, *, hold_s: float) -> None:
        """Learn from a 429; no replica starts a request for `hold_s` seconds."""
        named = limit_in(message)
        if named is not None and self._setting is not None:
            named = min(named, self._setting)
        self._alone.learn_from_refusal(message)
        await self._run(partial(PaceTable.note_refusal, named=named, hold_s=hold_s))

    def learn_from_headers(self, headers: Mapping[str, str]) -> None:
        """Learn the limit from the headers of an answer, unless it is set. Called in any thread."""
        self._alone.learn_from_headers(headers)

    def minutes_for(self, pictures: int) -> float:
        """Minutes that so many pictures take at this pace, as the database stood when it was asked last."""
        return self._alone.minutes_for(pictures)

    async def _run(self, work: Callable[[PaceTable], ResultT]) -> ResultT | None:
        """Do `work` in a transaction; None if the database does not answer, or has not for a moment."""
        if monotonic() < self._retry_at:
            return None
        try:
            with anyio.fail_after(ANSWER_S):
                done = await anyio.to_thread.run_sync(partial(self._in_transaction, work), abandon_on_cancel=True)
        except (GptImageError, TimeoutError) as error:
            logger.warning("the pace of all replicas is not known, so this one keeps to it by itself: %s", error)
            self._retry_at = monotonic() + RETRY_S
            return None
        return done

    @retry_undone
    def _in_transaction(self, work: Callable[[PaceTable], ResultT]) -> ResultT:
        with self._database.of().database.transaction() as connection:
            return work(PaceTable(connection))
