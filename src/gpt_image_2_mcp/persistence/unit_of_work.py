"""Everything that is written down: the money that was spent, the pictures, the sessions and the jobs.

Money and history lie in one database, unless history is not to be kept: then it is in memory, and the money in the
database all the same, since budgets hold across processes. One thread, the clerk, works in them, in the order in which
it is told to; nothing is opened before it is needed, and SQLAlchemy is not imported before that.
"""

import asyncio
import logging
from collections.abc import Callable, Generator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, TypeVar

import anyio

from ..database.url import Address, PostgresUrl
from ..errors import GptImageError

if TYPE_CHECKING:
    from ..billing.ledger import Ledger
    from ..catalogue.job_table import JobRow, JobTable
    from ..catalogue.picture_table import PictureTable
    from ..catalogue.search import Found, Search
    from ..catalogue.session_table import SessionLimits, SessionTable
    from ..database.store import Store

logger = logging.getLogger(__name__)

RETRY_SECONDS = 30.0
"""A server that could not be reached is not waited for again before: one picture asks several times."""

ResultT = TypeVar("ResultT")


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """The history within one transaction."""

    pictures: "PictureTable"
    sessions: "SessionTable"
    jobs: "JobTable"
    now: datetime
    """When it began: what is written on one page has one time."""

    def search(self, wanted: "Search") -> "Found":
        """Find pictures."""
        from ..catalogue.queries import search

        return search(self.pictures.connection, wanted)


class Repositories:
    """Money and history; for the clerk's thread, apart from `any_dead`."""

    def __init__(
        self, database: Address, *, keeps_history: bool, session_max: int = 0, session_ttl_ms: int = 0
    ) -> None:
        """Keep them at the address `database`, in memory where that is None; nothing is opened yet."""
        self.database = database
        self.keeps_history = keeps_history and database is not None
        self._session_max = session_max
        self._session_ttl_ms = session_ttl_ms
        self._out_of_reach: GptImageError | None = None
        self._retry_at = 0.0

    @cached_property
    def ledger_store(self) -> "Store":
        """Where the ledger is; raises DatabaseUnusable."""
        from ..database.store import open_store

        if self._out_of_reach is not None and monotonic() < self._retry_at:
            raise self._out_of_reach
        try:
            return open_store(self.database)
        except GptImageError as error:
            if isinstance(self.database, PostgresUrl):
                self._out_of_reach, self._retry_at = error, monotonic() + RETRY_SECONDS
            raise

    @cached_property
    def catalogue_store(self) -> "Store":
        """Where pictures, sessions and jobs are: in memory where the database cannot be used."""
        from ..database.store import open_store

        if self.keeps_history:
            try:
                return self.ledger_store
            except GptImageError as error:
                logger.warning("history is not kept: %s", error)
        return open_store(None)

    @cached_property
    def ledger(self) -> "Ledger":
        """What was spent; raises DatabaseUnusable."""
        from ..billing.ledger import Ledger

        return Ledger(self.ledger_store)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Write money and history at once, or nothing, where they lie in one database."""
        with self.catalogue_store.database.transaction():
            yield

    @contextmanager
    def unit_of_work(self) -> Generator[UnitOfWork]:
        """Read or write history, all of it or nothing; raises DatabaseUnusable."""
        from ..catalogue.job_table import JobTable
        from ..catalogue.picture_table import PictureTable
        from ..catalogue.session_table import SessionTable

        with self.catalogue_store.database.transaction() as connection:
            now = datetime.now(UTC)
            yield UnitOfWork(
                PictureTable(connection), SessionTable(connection, self._limits, now), JobTable(connection, now), now
            )

    def has_dead_owners(self) -> bool:
        """Whether a process may have ended without saying goodbye. Looks at files only: of a server nobody knows."""
        if not isinstance(self.database, Path):
            return self.database is not None
        from ..database.liveness import has_dead_owners, signs_of

        return has_dead_owners(signs_of(self.database))

    def recover(self) -> "tuple[list[str], list[JobRow]]":
        """Bring to an end what dead processes left: sentences on the money, and the jobs that were sent and lost."""
        with self.transaction():
            sentences = self.ledger.mend()
            with self.unit_of_work() as unit:
                under_way = unit.jobs.under_way()
                dead = self.catalogue_store.dead({job.owner for job in under_way})
                left = [job for job in under_way if job.owner in dead]
                lost = [job for job in left if job.state == "sent"]
                for job in left:
                    (unit.jobs.lose if job in lost else unit.jobs.forget)(job.id)
        # Only now: without their signs nobody would look for what they left.
        self.ledger_store.tidy()
        return sentences, lost

    def close(self) -> None:
        """Let go of what was opened."""
        opened = {
            id(store): store
            for name in ("ledger_store", "catalogue_store")
            if (store := self.__dict__.get(name)) is not None
        }
        for store in opened.values():
            store.close()

    @cached_property
    def _limits(self) -> "SessionLimits":
        from ..catalogue.session_table import SessionLimits

        idle = timedelta(milliseconds=self._session_ttl_ms) if self._session_ttl_ms else None
        return SessionLimits(self._session_max, idle)


class WriterThread:
    """The one thread that works in the books."""

    def __init__(self, repositories: Repositories) -> None:
        """Begin with nothing to do."""
        self.repositories = repositories
        self._thread = ThreadPoolExecutor(1, "writer")

    async def run(self, work: Callable[[Repositories], ResultT]) -> ResultT:
        """Run `work` in the writer thread and give its result; raises what it raises.

        Work that was submitted is done even if the caller is cancelled: cancellation is held back until its end.
        """
        doing = self._thread.submit(work, self.repositories)
        with anyio.CancelScope(shield=True):
            await asyncio.wrap_future(doing)
        return doing.result()

    async def in_transaction(self, work: Callable[[UnitOfWork], ResultT]) -> ResultT:
        """Have something done in the history, all of it or nothing; raises DatabaseUnusable."""

        def turn_to(repositories: Repositories) -> ResultT:
            with repositories.unit_of_work() as unit:
                return work(unit)

        return await self.run(turn_to)

    def submit(self, work: Callable[[Repositories], object]) -> None:
        """Run `work` in the writer thread without waiting for it; a failure is logged."""
        self._thread.submit(work, self.repositories).add_done_callback(_log_failure)

    async def close(self) -> None:
        """Let go of the books, once all is done."""
        await self.run(lambda repositories: repositories.close())


def _log_failure(doing: "Future[object]") -> None:
    error = doing.exception()
    if isinstance(error, GptImageError):
        logger.warning("not written down: %s", error)
    elif error is not None:
        logger.error("not written down", exc_info=error)
