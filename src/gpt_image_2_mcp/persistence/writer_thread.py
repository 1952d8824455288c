"""The one thread that uses the database: `await writer.read(lambda unit: unit.pictures.get(picture_id))`."""

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from time import monotonic
from typing import TypeVar

import anyio

from ..database.retry import retry_undone
from ..errors import DatabaseUnusable, GptImageError
from .unit_of_work import Repositories, UnitOfWork

logger = logging.getLogger(__name__)

STUCK_SECONDS = 60.0
"""Seconds after which what the writer thread does is told as stuck: the longest wait for a lock is much shorter."""

READ_SECONDS = 45.0
"""Seconds that a caller waits for what it reads: most clients give up a call after 60."""

ResultT = TypeVar("ResultT")


class WriterThread:
    """The one thread that uses the database, so that the event loop never waits for it and SQLite has one connection.

    Functions run one after another in the order in which they were submitted. A function that was submitted runs to
    its end whatever happens to the caller: it may settle money for a picture that is made.
    """

    def __init__(self, repositories: Repositories) -> None:
        """Serve `repositories`; the thread starts with the first function."""
        self.repositories = repositories
        self._executor = ThreadPoolExecutor(1, "writer")
        self._began: float | None = None
        """When the function began that is running, by `time.monotonic`."""
        self.has_waiting = False
        """Whether something waited in the spool when the last function ended, and is in no list."""

    async def run(self, work: Callable[[Repositories], ResultT]) -> ResultT:
        """Run `work` in the writer thread and return its result; raises what it raises.

        A cancellation of the caller is held back until `work` has ended.
        """
        future = self._submit(work)
        with anyio.CancelScope(shield=True):
            await asyncio.wrap_future(future)
        return future.result()

    async def in_transaction(self, work: Callable[[UnitOfWork], ResultT]) -> ResultT:
        """Run `work` in one transaction over the catalogue, and return its result; raises DatabaseUnusable as well."""
        return await self.run(self._in_unit(work, read_only=False))

    async def read(self, work: Callable[[UnitOfWork], ResultT]) -> ResultT:
        """Run `work`, which only reads, in one transaction over the catalogue.

        Raises:
            DatabaseUnusable: the database cannot be read, or has not answered for `READ_SECONDS`.

        """
        future = self._submit(self._in_unit(work, read_only=True))
        with anyio.move_on_after(READ_SECONDS):
            return await asyncio.wrap_future(future)
        raise self._unanswered()

    def read_from_thread(self, work: Callable[[UnitOfWork], ResultT]) -> ResultT:
        """Do as `read` does, for a caller in another thread, which is blocked meanwhile."""
        future = self._submit(self._in_unit(work, read_only=True))
        try:
            return future.result(READ_SECONDS)
        except TimeoutError:
            if future.done():
                raise
            raise self._unanswered() from None

    def _unanswered(self) -> DatabaseUnusable:
        return DatabaseUnusable(
            self.repositories.database,
            f"has not answered for {READ_SECONDS:.0f} s. If this goes on, look whether its disk or server answers, and"
            " restart this server",
        )

    def _in_unit(self, work: Callable[[UnitOfWork], ResultT], *, read_only: bool) -> Callable[[Repositories], ResultT]:
        @retry_undone
        def run_in_unit(repositories: Repositories) -> ResultT:
            if not read_only:
                repositories.replay()
            with repositories.unit_of_work(read_only=read_only) as unit:
                return work(unit)

        return run_in_unit

    def submit(self, work: Callable[[Repositories], object]) -> None:
        """Run `work` in the writer thread without waiting for it; a failure is logged."""
        self._submit(work).add_done_callback(_log_failure)

    async def close(self) -> None:
        """Close the databases, after everything that was submitted has run."""
        await self.run(lambda repositories: repositories.close())

    @property
    def stuck(self) -> str | None:
        """A sentence for the user if the function that is running has not ended for `STUCK_SECONDS`."""
        began = self._began
        if began is None or (seconds := monotonic() - began) < STUCK_SECONDS:
            return None
        return (
            f"The database has not answered for {seconds:.0f} s. Pictures are saved all the same; what is asked of the"
            " catalogue waits. If this goes on, look whether its disk or server answers, and restart this server."
        )

    def _submit(self, work: Callable[[Repositories], ResultT]) -> "Future[ResultT]":
        return self._executor.submit(partial(self._call, work))

    def _call(self, work: Callable[[Repositories], ResultT]) -> ResultT:
        self._began = monotonic()
        try:
            self.repositories.prepare()
            return work(self.repositories)
        finally:
            self._began = None
            self.has_waiting = not (self.repositories.spool is None or self.repositories.spool.is_empty)


def _log_failure(future: "Future[object]") -> None:
    error = future.exception()
    if isinstance(error, GptImageError):
        logger.warning("the database was not updated: %s", error)
    elif error is not None:
        logger.error("the database was not updated", exc_info=error)
