"""Opens a database on a PostgreSQL server, which a team shares.

A transaction that reads locks nothing, waits for none, and sees the database as it was at one moment. One that writes
locks the rows that it changes, and waits for another one only where both change the same row. Two things are done by
one process at a time, in the order of the `QUEUE_LOCK`: reserving money under a budget, and changing the tables. If a
process is stopped within a transaction, the server undoes that after `IDLE_SECONDS`, and the process runs it again when
it goes on (`TransactionUndone`).

A process has one connection, which all its threads share, also the one that renews its lease (`leases.Lease`); one that
serves several people has a pool of them. Each connection holds an advisory lock with the `presence_key` of the process,
by which others, also those of earlier versions, see that it is connected. A connection pooler that gives one connection
to several clients in turn (PgBouncer in transaction mode) cannot be used, since the lock and the session's settings
would pass to another client with the connection.
"""

from collections.abc import Sequence
from contextlib import closing, suppress
from functools import partial
from time import monotonic, sleep
from typing import TYPE_CHECKING, Any, Final, cast
from urllib.parse import unquote

import sqlalchemy as sa
from sqlalchemy import event, exc

from ..errors import DatabaseUnusable, GptImageError
from .connection_guard import ANSWER_SECONDS, ConnectionGuard
from .database import Database, mode_of, person_of
from .leases import Lease, presence_key
from .people import set_person
from .postgres_errors import explain, is_locked_out, is_undone
from .retry import retry_undone
from .upgrade import create_or_upgrade
from .url import SANDBOX_SCHEMA, PostgresUrl

if TYPE_CHECKING:
    import psycopg

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

TABLE_SECONDS: Final = 2
"""Seconds that a migration waits for those who read or write a table that it changes.

All others wait behind it, also those who only read, and a backup may read for minutes. So it gives up, lets the others
go on for `OTHERS_SECONDS`, and tries again.
"""
OTHERS_SECONDS: Final = 5.0

POOL_SECONDS: Final = ANSWER_SECONDS + CONNECT_SECONDS
"""Seconds that a transaction waits for a connection: as long as one is busy whose server does not answer."""

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

_OF_PEOPLE: Final = "SET plan_cache_mode = force_custom_plan"
"""How the rows of one person are best found is not how those of another are, who has many more or fewer of them."""

_MAKE_SCHEMA: Final = (
    f"DO $$ BEGIN IF to_regnamespace('{SANDBOX_SCHEMA}') IS NULL THEN CREATE SCHEMA {SANDBOX_SCHEMA}; END IF;"
    " EXCEPTION WHEN duplicate_schema OR unique_violation THEN NULL; END $$"
)
"""With `IF NOT EXISTS`, the right to make schemas would be needed where it is there too."""

_SESSION_SETTINGS: Final = (
    f"SET lock_timeout = '{LOCK_SECONDS}s'",
    f"SET idle_in_transaction_session_timeout = '{IDLE_SECONDS}s'",
    "SET statement_timeout = '30s'",
    # A search takes milliseconds; compiling it, which a large table is reason enough for, takes longer than that.
    "SET jit = off",
    # The server ends the connection of a computer that has vanished after a minute.
    "SET tcp_keepalives_idle = 30",
    "SET tcp_keepalives_interval = 10",
    "SET tcp_keepalives_count = 3",
)


def open_postgres(url: PostgresUrl, lease: Lease, *, connections: int = 1) -> Database:
    """Connect, and create the tables or bring them up to date; `lease` is that of this process.

    As many transactions as there are `connections` can be open at once; others wait.

    Raises:
        DatabaseUnusable: the server cannot be reached or used, the database belongs to another program or to a later
            version of this one, or the driver is not installed.

    """
    guard = ConnectionGuard()
    try:
        engine = _engine(url, lease, guard, connections)
    except ImportError as error:
        raise DatabaseUnusable(
            url,
            "needs a driver that is not installed. Install gpt-image-2-mcp[postgres]:"
            " uvx --from 'gpt-image-2-mcp[postgres]' gpt-image-2-mcp",
        ) from error
    database = lease.database = Database(
        engine,
        url,
        guard,
        explain=partial(explain, url=url, guard=guard),
        is_undone=partial(is_undone, guard=guard),
        before_writing=lease.keep,
    )
    try:
        _bring_up_to_date(database)
    except GptImageError:
        database.close()
        raise
    return database


def _bring_up_to_date(database: Database) -> None:
    """Create the tables, or migrate them as soon as nobody reads for long what is to be changed; raises as they do."""
    give_up_at = monotonic() + EXCLUSIVE_SECONDS
    while True:
        try:
            retry_undone(create_or_upgrade)(database)
        except DatabaseUnusable as error:
            if not is_locked_out(error) or monotonic() > give_up_at:
                raise
        else:
            return
        sleep(OTHERS_SECONDS)


def join_queue(connection: sa.Connection) -> None:
    """Wait until no other transaction is in the queue, and be in it until the end of this one.

    On SQLite, a transaction that writes is alone in any case.
    """
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({QUEUE_LOCK})")


def _engine(url: PostgresUrl, lease: Lease, guard: ConnectionGuard, connections: int) -> sa.Engine:
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
        pool_size=connections,
        max_overflow=0,
        pool_timeout=POOL_SECONDS,
        # So that those that were needed at one moment only are not kept busy in turn.
        pool_use_lifo=True,
        hide_parameters=True,
    )

    own = [_OF_PEOPLE] if connections > 1 else []
    own += [_MAKE_SCHEMA] if url.is_for_sandbox else []
    _listen_to_connections(engine, lease, guard, (*_SESSION_SETTINGS, *own))
    _listen_to_transactions(engine, guard)
    return engine


def _listen_to_connections(
    engine: sa.Engine, lease: Lease, guard: ConnectionGuard, session_settings: Sequence[str]
) -> None:
    def configure(connection: Any, record: Any) -> None:
        guard.use(connection)
        record.info["is_new"] = True
        with closing(connection.cursor()) as cursor:
            for statement in session_settings:
                cursor.execute(statement)
            # Shared, since the server may not have noticed yet that this process's earlier connection, which holds the
            # same lock, is broken.
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (presence_key(lease.name),))
        connection.commit()

    def check(connection: Any, record: Any, _proxy: object) -> None:
        """Have a connection that broke between two transactions made again: `pool_pre_ping`, but guarded."""
        guard.use(connection)
        if record.info.pop("is_new", False):
            return
        try:
            engine.dialect.do_ping(connection)
        except engine.dialect.loaded_dbapi.Error as error:
            raise exc.InvalidatePoolError from error

    def unlock(connection: Any, _record: object) -> None:
        # The server would release the lock some milliseconds after the end of the connection, too late for a process
        # that is started right after this one.
        with suppress(engine.dialect.loaded_dbapi.Error), closing(connection.cursor()) as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.commit()

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkout", check)
    event.listen(engine, "close", unlock)


def _listen_to_transactions(engine: sa.Engine, guard: ConnectionGuard) -> None:
    # Not before: without the driver, there is no engine, and a sentence that says so.
    from psycopg import IsolationLevel

    def begin(connection: sa.Connection) -> None:
        mode, driver = mode_of(connection), cast("psycopg.Connection[Any]", connection.connection.dbapi_connection)
        only_reads = True if mode == "read" else None
        if driver.read_only != only_reads:
            # The driver says both together with BEGIN, which it sends before the first statement.
            driver.read_only = only_reads
            driver.isolation_level = IsolationLevel.REPEATABLE_READ if only_reads else IsolationLevel.READ_COMMITTED
        if mode == "exclusive":
            # A migration may take minutes, and importing Alembic for it takes a while on a slow machine.
            guard.limit = EXCLUSIVE_SECONDS + ANSWER_SECONDS
            for name in ("lock_timeout", "idle_in_transaction_session_timeout", "statement_timeout"):
                connection.exec_driver_sql(f"SET LOCAL {name} = '{EXCLUSIVE_SECONDS}s'")
            join_queue(connection)
            connection.exec_driver_sql(f"SET LOCAL lock_timeout = '{TABLE_SECONDS}s'")
        set_person(connection, person_of(connection))

    def note_statement(*_: object) -> None:
        guard.note_statement()

    event.listen(engine, "before_cursor_execute", note_statement)
    event.listen(engine, "commit", note_statement)
    event.listen(engine, "begin", begin)
