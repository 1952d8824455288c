"""Opens a database on a PostgreSQL server, which a team shares.

A transaction that reads locks nothing, waits for none, and sees the database as it was at one moment. One that writes
locks the rows that it changes, and waits for another one only where both change the same row. Two things are done by
one process at a time, in the order of the `QUEUE_LOCK`: reserving money under a budget, and changing the tables. If a
process is stopped within a transaction, the server undoes that after `IDLE_SECONDS`, and the process runs it again when
it goes on (`TransactionUndone`).

A process has one connection, which all its threads share, also the one that renews its lease (`leases.Lease`). The
connection holds an advisory lock with the `presence_key` of the process, by which others, also those of earlier
versions, see that it is connected. A connection pooler that gives one connection to several clients in turn (PgBouncer
in transaction mode) cannot be used, since the lock and the session's settings would pass to another client with the
connection.
"""

from contextlib import closing, suppress
from typing import Any, Final
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import event, exc

from ..errors import DatabaseUnusable, GptImageError
from .connection_guard import ANSWER_SECONDS, ConnectionGuard
from .database import Database, mode_of
from .leases import Lease, presence_key
from .retry import retry_undone
from .upgrade import create_or_upgrade
from .url import PostgresUrl

CONNECT_SECONDS: Final = 5
"""Seconds that the server may take to accept a connection."""

IDLE_SECONDS: Final = 4
"""Seconds after which the server undoes a transaction whose process does nothing: others may wait for it."""

LOCK_SECONDS: Final = 10
"""Seconds that a statement waits for the transactions of other processes: longer than one of them can be stopped."""

QUEUE_LOCK: Final = int.from_bytes(b"gpt-img2")
"""The key of an advisory lock, a number that other programs hardly use. Earlier versions took it in every transaction,
so what is queued here excludes what they do."""

EXCLUSIVE_SECONDS: Final = 300
"""Seconds that a statement of a migration may take, and wait."""

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
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
    "SET statement_timeout = '30s'",
    # The server ends the connection of a computer that has vanished after a minute.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)

_EXPLANATIONS: Final = {
    "25006": "can only be read there. Name the server that is written to",
    "23505": "was changed by others at the same time. Try again",
    "25P": "has ended a transaction that did nothing for some seconds. Try again",
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


_UNDONE: Final = ("23505", "25P", "40", "57P01", "57P02")
"""SQLSTATEs, or their beginnings, with which the server ends a transaction that can be run again.

A unique key that is taken is among them: another process has just written the same, and the next run sees that.
"""


def open_postgres(url: PostgresUrl, lease: Lease) -> Database:
    """Connect, and create the tables or bring them up to date; `lease` is that of this process.

    Raises:
        DatabaseUnusable: the server cannot be reached or used, the database belongs to another program or to a later
            version of this one, or the driver is not installed.

    """
    guard = ConnectionGuard()

    def explain(error: exc.DBAPIError) -> str | None:
        if guard.is_silent:
            return f"has not answered for {guard.limit:.0f} s. Look whether its server and that one's disk answer"
        code: str | None = getattr(error.orig, "sqlstate", None)
        words = str(error.orig).splitlines()[0].removeprefix("connection failed: ").rstrip(".")
        # There is no SQLSTATE for a connection that could not be made, or that broke.
        lost = isinstance(error, (exc.OperationalError, exc.InterfaceError)) or words.startswith("invalid connection")
        if code is None and lost:
            return f"cannot be used: {url.redact(words)}. Check GPT_IMAGE_2_DATABASE_URL and whether the server is up"
        return next((text for start, text in _EXPLANATIONS.items() if code and code.startswith(start)), None)

    def is_undone(error: exc.DBAPIError) -> bool:
        if guard.is_silent:
            # It may be as silent again.
            return False
        code: str | None = getattr(error.orig, "sqlstate", None)
        return error.connection_invalidated or (code or "").startswith(_UNDONE)

    try:
        engine = _engine(url, lease, guard)
    except ImportError as error:
        raise DatabaseUnusable(
            url,
            "needs a driver that is not installed. Install gpt-image-2-mcp[postgres]:"
            " uvx --from 'gpt-image-2-mcp[postgres]' gpt-image-2-mcp",
        ) from error
    database = lease.database = Database(engine, url, guard, explain, is_undone)
    try:
        retry_undone(create_or_upgrade)(database)
    except GptImageError:
        database.close()
        raise
    return database


def join_queue(connection: sa.Connection) -> None:
    """Wait until no other transaction is in the queue, and be in it until the end of this one.

    On SQLite, a transaction that writes is alone in any case.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({QUEUE_LOCK})")


def _engine(url: PostgresUrl, lease: Lease, guard: ConnectionGuard) -> sa.Engine:
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
        # The default of a server may be a level at which a transaction sees a row as it was before it got its lock.
        isolation_level="READ COMMITTED",
        pool_size=1,
        max_overflow=0,
        # A connection that broke between two transactions is made again.
        pool_pre_ping=True,
        hide_parameters=True,
    )

    def configure(connection: Any, _record: object) -> None:
        guard.connection = connection
        with closing(connection.cursor()) as cursor:
            for statement in _SESSION_SETTINGS:
                cursor.execute(statement)
            # Shared, since the server may not have noticed yet that this process's earlier connection, which holds the
            # same lock, is broken.
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (presence_key(lease.name),))
        connection.commit()

    def unlock(connection: Any, _record: object) -> None:
        # The server would release the lock some milliseconds after the end of the connection, too late for a process
        # that is started right after this one.
        with suppress(engine.dialect.loaded_dbapi.Error), closing(connection.cursor()) as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.commit()

    def begin(connection: sa.Connection) -> None:
        match mode_of(connection):
            case "read":
                connection.exec_driver_sql("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY")
            case "write":
                lease.renew(connection)
            case "exclusive":
                # A migration may take minutes, and importing Alembic for it takes a while on a slow machine.
                guard.limit = EXCLUSIVE_SECONDS + ANSWER_SECONDS
                for name in ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout"):
                    connection.exec_driver_sql(f"SET LOCAL {name} = '{EXCLUSIVE_SECONDS}s'")
                join_queue(connection)

    def note_statement(*_: object) -> None:
        guard.note_statement()

    event.listen(engine, "before_cursor_execute", note_statement)
    event.listen(engine, "commit", note_statement)
    event.listen(engine, "connect", configure)
    event.listen(engine, "close", unlock)
    event.listen(engine, "begin", begin)
    return engine
