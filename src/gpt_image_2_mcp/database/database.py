"""`Database`: transactions in an open database, whose errors come out as `DatabaseUnusable`.

`sqlite.open_database` and `postgres.open_postgres` make it. The code above works with `sqlalchemy.Connection`s and does
not know which of the two it has, but for full-text search.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field, replace
from threading import local
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import DatabaseUnusable, TransactionUndone
from .people import EVERYONE, LOCAL, set_person
from .url import Address, PostgresUrl

BUSY_SECONDS: Final = 5.0
"""How long a transaction on SQLite waits for those of other processes; each of them takes milliseconds."""

MODE: Final = "transaction_mode"
"""The execution option with the `Mode` of a transaction, which the engine's listeners on `begin` read."""
Mode = Literal["read", "write", "exclusive"]


def mode_of(connection: sa.Connection) -> Mode:
    """The mode of the transaction that `connection` begins or is in."""
    return connection.get_execution_options()[MODE]


PERSON: Final = "transaction_person"
"""The execution option with the person whose rows a transaction sees; None where it sees those of `LOCAL`."""


def person_of(connection: sa.Connection) -> str | None:
    """The person whose transaction `connection` begins or is in; None if none was named."""
    return connection.get_execution_options().get(PERSON)


@contextmanager
def as_everyone(connection: sa.Connection) -> Generator[None]:
    """Have the statements in the block see the work and the money of all people, within a person's transaction.

    Nothing changes where no person is named, as over stdio: there all is one person's.
    """
    person = person_of(connection)
    if person in (None, EVERYONE):
        yield
        return
    set_person(connection, EVERYONE)
    yield
    # Not after an error: that undoes the transaction, and the setting with it.
    set_person(connection, person)


def _nothing() -> None:
    """Do nothing before a transaction that writes."""


def _is_never_undone(error: exc.DBAPIError) -> bool:
    """SQLite undoes a transaction on its own only where its disk fails."""
    del error
    return False


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Any thread may use it; each thread has transactions of its own."""

    engine: sa.Engine
    at: Address
    guard: AbstractContextManager[object]
    """Is entered for each transaction: a `threading.Lock` where all threads share one SQLite connection."""
    explain: Callable[[exc.DBAPIError], str | None]
    """Gives the `what` of `DatabaseUnusable` for a driver's error, or None where the error is a bug of this program."""
    is_undone: Callable[[exc.DBAPIError], bool] = _is_never_undone
    """Whether a driver's error says that the server has ended the transaction, and that it can be run again."""
    before_writing: Callable[[], None] = _nothing
    """Is called before each transaction that writes."""
    person: str | None = None
    """Whose rows are seen and written, on PostgreSQL: see `people`. None stands for `LOCAL`."""
    current: local = field(default_factory=local)
    """Holds the `connection` of the transaction that this thread is in."""

    def of(self, person: str) -> "Database":
        """The same database, as a person sees it; SQLite's and one in memory have one person."""
        return self if person == LOCAL or not isinstance(self.at, PostgresUrl) else replace(self, person=person)

    def transaction(self) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction that writes, which commits at the end of the block and rolls back when the block raises.

        On SQLite it takes the write lock of the file at its start. On PostgreSQL it locks the rows that it changes,
        each from its first change on, so where a row is read before it is changed, `SELECT … FOR UPDATE` reads it.
        Within another transaction of the same thread, it joins that one.

        Raises:
            DatabaseUnusable: the database cannot be read or written.
            TransactionUndone: the server has undone the transaction, which can be run again.

        """
        if getattr(self.current, "connection", None) is None:
            self.before_writing()
        return self._begin("write")

    def upkeep(self) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction as `transaction` does, for what `before_writing` itself writes."""
        return self._begin("write")

    def reading(self) -> AbstractContextManager[sa.Connection]:
        """Begin a transaction that only reads: it sees the database as it was at one moment, and locks nothing.

        Within another transaction of the same thread, it joins that one. Raises as `transaction` does.
        """
        return self._begin("read")

    def exclusive(self) -> AbstractContextManager[sa.Connection]:
        """Begin the transaction that creates or changes the tables: one process at a time. Raises as `transaction`."""
        return self._begin("exclusive")

    @contextmanager
    def _begin(self, mode: Mode) -> Generator[sa.Connection]:
        outer: sa.Connection | None = getattr(self.current, "connection", None)
        if outer is not None:
            if mode != "read" and mode_of(outer) == "read":
                raise RuntimeError("a transaction that only reads cannot be joined by one that writes")
            if self.person not in (None, person_of(outer)):
                raise RuntimeError("a transaction of one person cannot be joined by one of another")
            yield outer
            return
        engine = self.engine.execution_options(**{MODE: mode, PERSON: self.person})
        with self._readable_errors(), self.guard, engine.begin() as connection:
            self.current.connection = connection
            try:
                yield connection
            finally:
                self.current.connection = None

    @contextmanager
    def _readable_errors(self) -> Generator[None]:
        """Turn an error of the driver into `DatabaseUnusable` where a person can act on it."""
        try:
            yield
        except exc.DBAPIError as error:
            what = self.explain(error)
            if self.is_undone(error):
                raise TransactionUndone(self.at, what or "ended the transaction. Try again") from error
            if what is None:
                raise
            raise DatabaseUnusable(self.at, what) from error
        except exc.TimeoutError as error:
            raise DatabaseUnusable(
                self.at, "is in use: no connection of this process became free. Try again in a minute"
            ) from error

    def close(self) -> None:
        """Close the connections; a database in memory is gone then."""
        self.engine.dispose()
