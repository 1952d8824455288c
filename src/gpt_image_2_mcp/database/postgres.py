"""Opens a database on a PostgreSQL server, which a team shares.

Every transaction first takes one advisory lock of the whole database, as every transaction on SQLite takes the lock of
the file: what a transaction reads cannot change before it has written. A process has one connection, which all its
threads share. That connection holds another advisory lock, the `LivenessLock`, and the server releases it however the
process ends. When the connection breaks, the process counts as dead until its next transaction, which connects again
and takes the same lock. If another process has marked its jobs as lost meanwhile, that is corrected at their end: the
result of a job and the cost of a request are written whatever state the row is in.

A connection pooler that gives one connection to several clients in turn (PgBouncer in transaction mode) cannot be used,
since the lock would pass to another client with the connection.
"""

from collections.abc import Collection
from contextlib import closing, suppress
from dataclasses import dataclass, field
from hashlib import sha256
from threading import Lock
from typing import Any, Final
from urllib.parse import unquote
from uuid import uuid4

import sqlalchemy as sa
from sqlalchemy import event, exc

from ..errors import DatabaseUnusable, GptImageError
from .database import BUSY_SECONDS, Database
from .upgrade import create_or_upgrade
from .url import PostgresUrl

CONNECT_SECONDS: Final = 5
"""Seconds that the server may take to accept a connection."""

TRANSACTION_LOCK: Final = int.from_bytes(b"gpt-img2")
"""The key of the advisory lock that every transaction holds: a number that other programs hardly use."""

_CONNECT_ARGS: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "gpt-image-2-mcp",
    # By default Linux waits a quarter of an hour for a server that has vanished.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""Parameters for libpq, which options of the URL override; in seconds, but `tcp_user_timeout` in milliseconds."""

_SESSION_SETTINGS: Final = (
    f"SET lock_timeout = '{BUSY_SECONDS:.0f}s'",
    # A transaction takes milliseconds. A process that was suspended within one must not block all others.
    "SET idle_in_transaction_session_timeout = '5min'",
    # The server ends the connection of a computer that has vanished after a minute, and its process counts as dead.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)

_EXPLANATIONS: Final = {
    "25006": "can only be read there. Name the server that is written to",
    "28": "refuses the user or the password. Correct GPT_IMAGE_2_DATABASE_URL",
    "3D": "does not exist. Create it, or correct GPT_IMAGE_2_DATABASE_URL",
    "3F": "has no schema for its tables. Create the schema `public`, or set the user's search_path",
    "40": "was changed by others at the same time. Try again",
    "42501": "does not give this user enough rights. Let it create and change tables: make it the database's owner",
    "53100": "cannot grow: the server's disk is full. Make room and try again",
    "53": "cannot be used: the server has no memory or connections left. Try again, or raise its limits",
    "55P03": "is held by another process. Try again; if it goes on, end the other servers of this kind",
    "57014": "took too long, and the server broke off. Try again",
    "57": "cannot be used: the server is starting or ending. Try again",
    "58": "cannot be read or written: the server's disk reports an error. Check that disk",
    "XX": "is damaged. Look at the server's log",
}
"""What `DatabaseUnusable` says for an SQLSTATE, or for all that begin so, if a person can do something about it.

The codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. The first entry that matches is used.
"""


@dataclass(frozen=True, slots=True)
class LivenessLock:
    """The name of an advisory lock that this process's connection holds as long as the process is alive."""

    name: str = field(default_factory=lambda: uuid4().hex)


def open_postgres(url: PostgresUrl, liveness: LivenessLock) -> Database:
    """Connect, take the liveness lock, and create the tables or bring them up to date.

    Raises:
        DatabaseUnusable: the server cannot be reached or used, the database belongs to another program or to a later
            version of this one, or the driver is not installed.

    """

    def explain(error: exc.DBAPIError) -> str | None:
        code: str | None = getattr(error.orig, "sqlstate", None)
        words = str(error.orig).splitlines()[0].removeprefix("connection failed: ").rstrip(".")
        # There is no SQLSTATE for a connection that could not be made, or that broke.
        lost = isinstance(error, (exc.OperationalError, exc.InterfaceError)) or words.startswith("invalid connection")
        if code is None and lost:
            return f"cannot be used: {url.redact(words)}. Check GPT_IMAGE_2_DATABASE_URL and whether the server is up"
        return next((text for start, text in _EXPLANATIONS.items() if code and code.startswith(start)), None)

    try:
        engine = _engine(url, liveness)
    except ImportError as error:
        raise DatabaseUnusable(
            url,
            "needs a driver that is not installed. Install gpt-image-2-mcp[postgres]:"
            " uvx --from 'gpt-image-2-mcp[postgres]' gpt-image-2-mcp",
        ) from error
    # All threads share the one connection, so each transaction needs it to itself.
    database = Database(engine, url, Lock(), explain)
    try:
        with database.transaction() as connection:
            create_or_upgrade(connection, url)
    except GptImageError:
        database.close()
        raise
    return database


def dead_owners(connection: sa.Connection, owners: Collection[str]) -> set[str]:
    """Give those of `owners` whose liveness lock is free.

    The lock is taken until the end of this transaction: meanwhile none of these processes can come back to life.
    """
    return {
        owner for owner in owners if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_lock_key(owner))))
    }


def _engine(url: PostgresUrl, liveness: LivenessLock) -> sa.Engine:
    parts = url.parts
    engine = sa.create_engine(
        sa.URL.create(
            "postgresql+psycopg",
            username=None if parts.username is None else unquote(parts.username),
            password=url.password,
            host=parts.hostname,
            port=parts.port,
            database=unquote(parts.path[1:]),
        ),
        connect_args=_CONNECT_ARGS | url.options,
        # The default of a server may be a level at which a transaction sees the data as it was before it got its lock.
        isolation_level="READ COMMITTED",
        pool_size=1,
        max_overflow=0,
        # A connection that broke between two transactions is made again.
        pool_pre_ping=True,
        hide_parameters=True,
    )

    def configure(connection: Any, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            for statement in _SESSION_SETTINGS:
                cursor.execute(statement)
            # Shared, since the server may not have noticed yet that this process's earlier connection, which holds the
            # same lock, is broken.
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (_lock_key(liveness.name),))
        connection.commit()

    def unlock(connection: Any, _record: object) -> None:
        # The server would release the lock some milliseconds after the end of the connection, too late for a process
        # that is started right after this one.
        with suppress(engine.dialect.loaded_dbapi.Error), closing(connection.cursor()) as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.commit()

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TRANSACTION_LOCK})")

    event.listen(engine, "connect", configure)
    event.listen(engine, "close", unlock)
    event.listen(engine, "begin", begin)
    return engine


def _lock_key(name: str) -> int:
    """Derive the key of an advisory lock, which is a number of 64 bits, from the name of a `LivenessLock`."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
