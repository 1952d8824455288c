"""`Database`: transactions in an open database, whose errors come out as `DatabaseUnusable`.

`sqlite.open_database` and `postgres.open_postgres` make it. The code above works with `sqlalchemy.Connection`s and does
not know which of the two it has, but for full-text search.
"""

from collections.abc import Callable, Generator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from threading import local
from typing import Final

import sqlalchemy as sa
from sqlalchemy import exc

from ..errors import DatabaseUnusable
from .url import Address

BUSY_SECONDS: Final = 30.0
"""How long a transaction waits for the transactions of other processes; each of them takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Database:
    """An open database. Any thread may use it; each thread has transactions of its own."""

    engine: sa.Engine
    at: Address
    guard: AbstractContextManager[object]
    """Is entered for each transaction: a `threading.Lock` where all threads share one connection."""
    explain: Callable[[exc.DBAPIError], str | None]
    """Gives the `what` of `DatabaseUnusable` for a driver's error, or None where the error is a bug of this program."""
    current: local = field(default_factory=local)
    """Holds the `connection` of the transaction that this thread is in."""

    @contextmanager
    def transaction(self) -> Generator[sa.Connection]:
        """Begin a transaction, which commits at the end of the block and rolls back when the block raises.

        It takes the lock of the whole database at its start, so that other processes wait until it ends. Within another
        transaction of the same thread, it joins that one.

        Raises:
            DatabaseUnusable: the database cannot be read or written.

        """
        outer: sa.Connection | None = getattr(self.current, "connection", None)
        if outer is not None:
            yield outer
            return
        with self._readable_errors(), self.guard, self.engine.begin() as connection:
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
            if what is None:
                raise
            raise DatabaseUnusable(self.at, what) from error

    def close(self) -> None:
        """Close the connections; a database in memory is gone then."""
        self.engine.dispose()
