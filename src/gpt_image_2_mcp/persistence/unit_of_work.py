"""Transactions over all tables.

There are two groups of tables: the ledger (money), and the catalogue (pictures, sessions, jobs). Both are in one
database, so that `Repositories.transaction` writes to both or to neither. If the user wants no history, the catalogue
is in memory instead; the ledger stays in the database, since budgets hold across processes. What cannot be written
waits in the `Spool`.

All access goes through `WriterThread`. A database is opened at its first use, and SQLAlchemy is imported then.
"""

import logging
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property, partial
from pathlib import Path
from time import monotonic
from typing import TYPE_CHECKING, Any

from ..database.lazy_store import LazyStore
from ..database.people import EVERYONE, LOCAL
from ..database.retry import next_try, retry_undone
from ..database.url import Address, PostgresUrl
from ..errors import GptImageError, TransactionUndone
from .spool import Spool

if TYPE_CHECKING:
    from ..billing.ledger import Ledger
    from ..catalogue.batch_table import BatchTable
    from ..catalogue.job_table import JobRow, JobTable
    from ..catalogue.picture_table import PictureTable
    from ..catalogue.queue_table import QueueTable
    from ..catalogue.search_query import Overview, SearchQuery, SearchResult
    from ..catalogue.session_table import SessionLimits, SessionTable
    from ..catalogue.stored_file_table import StoredFileTable
    from ..database.store import Store

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class UnitOfWork:
    """One transaction over the catalogue: all of it is written, or nothing.

    `Repositories.unit_of_work` opens it, and commits it at the end of the `with` block, or rolls back if that raises.
    """

    pictures: "PictureTable"
    sessions: "SessionTable"
    jobs: "JobTable"
    batches: "BatchTable"
    now: datetime
    """When the transaction began: everything that it writes has this time."""

    @property
    def stored_files(self) -> "StoredFileTable":
        """What is in the picture store of a server."""
        from ..catalogue.stored_file_table import StoredFileTable

        return StoredFileTable(self.pictures.connection)

    @property
    def queue(self) -> "QueueTable":
        """The jobs that replicas of a server pass to each other."""
        from ..catalogue.queue_table import QueueTable

        return QueueTable(self.pictures.connection, self.now)

    def search(self, wanted: "SearchQuery") -> "SearchResult":
        """Find pictures by their words and facts."""
        from ..catalogue.queries import search

        return search(self.pictures.connection, wanted)

    def overview(self) -> "Overview":
        """What there is, for one who found nothing."""
        from ..catalogue.queries import overview

        return overview(self.pictures.connection)


class Repositories:
    """All tables as one person sees them, in one database or two.

    Not thread-safe: only functions that `WriterThread` runs may use it, except `has_dead_owners`, which reads files
    only.
    """

    def __init__(
        self,
        database: Address | LazyStore,
        *,
        keeps_history: bool,
        person: str = LOCAL,
        session_max: int = 0,
        session_ttl_ms: int = 0,
        spool: Spool | None = None,
    ) -> None:
        """Use the database at the address `database`, or one in memory if that is None; nothing is opened yet.

        With a `LazyStore`, which its owner closes, it is the one that this has.
        `spool` is where waits what could not be written; `replay_line` has to be set then.
        `session_max` is the number of edit sessions that stay active, 0 for no limit, and `session_ttl_ms` the
        milliseconds after which an unused one ends, 0 for never.
        """
        self._is_shared = isinstance(database, LazyStore)
        self._opener = database if isinstance(database, LazyStore) else LazyStore(database)
        self._person = person
        self.database = self._opener.at
        self.keeps_history = keeps_history and self.database is not None
        self._session_max = session_max
        self._session_ttl_ms = session_ttl_ms
        self.spool = spool
        self.replay_line: Callable[[Repositories, dict[str, Any]], None] | None = None
        """Writes a line of the spool; raises DatabaseUnusable if it has to wait, and anything else if it never can."""
        self.substituted: GptImageError | None = None
        """Why the catalogue is in memory although history is kept; None if it is not."""
        self._memory: Store | None = None
        self._replay_at = 0.0
        self._is_replaying = False

    @property
    def is_of_one_of_several(self) -> bool:
        """Whether these are the tables as one person of several sees them, on a server for a team."""
        return self._person not in (LOCAL, EVERYONE) and isinstance(self.database, PostgresUrl)

    @cached_property
    def ledger_store(self) -> "Store":
        """The database with the ledger, opened at the first use; raises DatabaseUnusable."""
        return self._opener.of(self._person)

    @property
    def catalogue_store(self) -> "Store":
        """The database with the catalogue, opened at the first use.

        If that fails, it is one in memory until the database can be opened (`prepare`), which is logged.
        """
        from ..database.store import open_store

        if self._is_replaying or (self.keeps_history and self._memory is None):
            try:
                return self.ledger_store
            except GptImageError as error:
                if self._is_replaying:
                    raise
                logger.warning("history is not kept yet: %s", error)
                self.substituted = error
        if self._memory is None:
            self._memory = open_store(None)
        return self._memory

    @property
    def catalogue_is_in_memory(self) -> bool:
        """Whether what is written into the catalogue now is gone with this process."""
        return self._memory is not None

    def prepare(self) -> None:
        """Open the database if that has failed before, and replay the spool, before each function. Raises nothing."""
        if self.substituted is not None:
            try:
                _ = self.ledger_store
            except GptImageError:
                return
            if self._memory is not None:
                self._memory.close()
            self._memory = self.substituted = None
            self._replay_at = 0.0
        if monotonic() >= self._replay_at:
            with suppress(GptImageError):
                self.replay()

    def replay(self) -> None:
        """Write what waits in the spool: not within a transaction. Raises DatabaseUnusable, and tries again at once."""
        # Before the database is opened, the catalogue in memory has what this process has made.
        if self.spool is None or self.replay_line is None or self.substituted or self.spool.is_empty:
            return
        began = monotonic()
        # Also where this process keeps no history: another one has written the lines that are there.
        self._is_replaying = True
        try:
            self.spool.replay(partial(self.replay_line, self))
        except (GptImageError, OSError) as error:
            logger.info("the spool is not written into the database yet: %s", error)
            self._replay_at = next_try(began)
            # A transaction that is undone says nothing about the next one.
            if isinstance(error, GptImageError) and not isinstance(error, TransactionUndone):
                raise
        finally:
            self._is_replaying = False

    @cached_property
    def ledger(self) -> "Ledger":
        """The ledger; raises DatabaseUnusable."""
        from ..billing.ledger import Ledger

        return Ledger(self.ledger_store)

    @contextmanager
    def transaction(self) -> Generator[None]:
        """Join the transactions within the `with` block: ledger and catalogue are both written, or neither.

        The calls of `ledger` and `unit_of_work` within it take part in it instead of committing on their own. If the
        catalogue is in memory, the ledger is a different database and commits by itself.
        """
        with self.catalogue_store.database.transaction():
            yield

    @contextmanager
    def unit_of_work(self, *, read_only: bool = False) -> Generator[UnitOfWork]:
        """Open a transaction over the catalogue; with `read_only` it waits for no other process.

        Raises:
            DatabaseUnusable: the database cannot be read or written.

        """
        from ..catalogue.batch_table import BatchTable
        from ..catalogue.job_table import JobTable
        from ..catalogue.picture_table import PictureTable
        from ..catalogue.session_table import SessionTable

        database = self.catalogue_store.database
        with database.reading() if read_only else database.transaction() as connection:
            now = datetime.now(UTC)
            sessions = SessionTable(connection, self._limits, now)
            jobs, batches = JobTable(connection, now), BatchTable(connection, now)
            yield UnitOfWork(PictureTable(connection), sessions, jobs, batches, now)

    def has_dead_owners(self) -> bool:
        """Whether a process may have been killed and have left something unfinished: whether to call `recover`.

        Reads the liveness files beside a database file and no database. For a database server, where there are no such
        files, it is always True; but for one person of several, since that is done for `EVERYONE` at once.
        """
        if self.is_of_one_of_several:
            return False
        if not isinstance(self.database, Path):
            return self.database is not None
        from ..database.liveness import has_dead_owners, liveness_folder

        return has_dead_owners(liveness_folder(self.database))

    @retry_undone
    def recover(self) -> "tuple[list[str], list[JobRow]]":
        """Settle what killed processes left unfinished, in one transaction.

        Their charges are released, or counted as spent if a request was sent. Their jobs are marked as lost if a
        request was sent, and deleted otherwise; so are jobs that have ended long ago. Gives sentences for the log about
        the charges, and the lost jobs.
        """
        with self.transaction():
            sentences = self.ledger.recover()
            with self.unit_of_work() as unit:
                under_way = unit.jobs.unfinished()
                dead = self.catalogue_store.dead_owners({job.owner for job in under_way})
                left = [job for job in under_way if job.owner in dead]
                lost = [job for job in left if job.state == "sent" and unit.jobs.mark_lost(job.id)]
                for job in left:
                    unit.jobs.delete_queued(job.id)
                unit.jobs.delete_old()
        # After the commit: without these liveness files no process would know that there is something to recover.
        self.ledger_store.remove_dead()
        return sentences, lost

    @retry_undone
    def recover_again_in(self) -> float | None:
        """Seconds after which it shows of every process with unfinished work whether it was killed; None if it does."""
        with self.unit_of_work(read_only=True) as unit:
            owners = {job.owner for job in unit.jobs.unfinished()}
        return self.ledger_store.seconds_left(owners | self.ledger.unfinished_owners())

    def close(self) -> None:
        """Close the databases that were opened."""
        if self.spool is not None:
            self.spool.save()
        if not self._is_shared:
            self._opener.close()
        if self._memory is not None:
            self._memory.close()

    @cached_property
    def _limits(self) -> "SessionLimits":
        from ..catalogue.session_table import SessionLimits

        idle = timedelta(milliseconds=self._session_ttl_ms) if self._session_ttl_ms else None
        return SessionLimits(self._session_max, idle)
