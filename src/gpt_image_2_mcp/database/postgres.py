"""The database on a PostgreSQL server, where a team shares it.

Every transaction takes one lock of the whole database first, as SQLite's do, so what one reads stays true until it has
written. A process has one connection, and its sign of life is a lock that this connection holds: the server lets go of
it however the process ends. Where the connection breaks off, the process counts as dead until its next transaction,
which connects anew and takes the sign again under the same name. What others have declared lost meanwhile is put right
when it ends: the end of a job and the price of a request are written whatever was thought before.

A pooler that hands a connection to others between transactions (PgBouncer's transaction mode) takes the sign away.
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
"""How long the server may take to answer a new connection."""

TRANSACTION_LOCK: Final = int.from_bytes(b"gpt-img2")
"""The key of the lock that every transaction holds; any number that other programs do not use."""

_CONNECT_ARGS: Final = {
    "connect_timeout": CONNECT_SECONDS,
    "application_name": "gpt-image-2-mcp",
    # Left alone, a system waits a quarter of an hour for a server that vanished.
    "tcp_user_timeout": 15_000,
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
}
"""What libpq is told, unless the address says otherwise; milliseconds in the timeout of TCP, seconds elsewhere."""

_SESSION_SETTINGS: Final = (
    f"SET lock_timeout = '{BUSY_SECONDS:.0f}s'",
    # A process that was stopped within a transaction, which takes milliseconds, must not hold up all others.
    "SET idle_in_transaction_session_timeout = '5min'",
    # A computer that vanished is dead after a minute, and so is its process.
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
"""PostgreSQL's codes and classes of codes that a person can do something about
(https://www.postgresql.org/docs/current/errcodes-appendix.html)."""


@dataclass(frozen=True, slots=True)
class LivenessLock:
    """A sign of life of this process: a lock that its connection holds, which is this process's alone."""

    name: str = field(default_factory=lambda: uuid4().hex)


def open_postgres(url: PostgresUrl, sign: LivenessLock) -> Database:
    """Open the database, give the sign, and bring the tables up to date.

    Raises:
        DatabaseUnusable: it cannot be reached or used, is another program's or from a later version of this one, or
            the driver is not installed.

    """

    def meaning(error: exc.DBAPIError) -> str | None:
        code: str | None = getattr(error.orig, "sqlstate", None)
        words = str(error.orig).splitlines()[0].removeprefix("connection failed: ").rstrip(".")
        # No code comes with a connection that was not made, or that broke off.
        lost = isinstance(error, (exc.OperationalError, exc.InterfaceError)) or words.startswith("invalid connection")
        if code is None and lost:
            return f"cannot be used: {url.redact(words)}. Check GPT_IMAGE_2_DATABASE_URL and whether the server is up"
        return next((text for start, text in _EXPLANATIONS.items() if code and code.startswith(start)), None)

    try:
        engine = _engine(url, sign)
    except ImportError as error:
        raise DatabaseUnusable(
            url,
            "needs a driver that is not installed. Install gpt-image-2-mcp[postgres]:"
            " uvx --from 'gpt-image-2-mcp[postgres]' gpt-image-2-mcp",
        ) from error
    # The one connection is all threads'.
    database = Database(engine, url, Lock(), meaning)
    try:
        with database.transaction() as connection:
            create_or_upgrade(connection, url)
    except GptImageError:
        database.close()
        raise
    return database


def dead_owners(connection: sa.Connection, owners: Collection[str]) -> set[str]:
    """Those of the owners whose sign nobody gives; none of them gives it again before this transaction is over."""
    return {
        owner for owner in owners if connection.scalar(sa.select(sa.func.pg_try_advisory_xact_lock(_lock_key(owner))))
    }


def _engine(url: PostgresUrl, sign: LivenessLock) -> sa.Engine:
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
        # A server's own default may be a level at which a transaction sees what was true before it got the lock.
        isolation_level="READ COMMITTED",
        pool_size=1,
        max_overflow=0,
        # What broke off between two transactions is connected anew.
        pool_pre_ping=True,
        hide_parameters=True,
    )

    def configure(connection: Any, _record: object) -> None:
        with closing(connection.cursor()) as cursor:
            for statement in _SESSION_SETTINGS:
                cursor.execute(statement)
            # Shared: a connection that broke off may still hold it on the server's side.
            cursor.execute("SELECT pg_advisory_lock_shared(%s)", (_lock_key(sign.name),))
        connection.commit()

    def withdraw(connection: Any, _record: object) -> None:
        # By the end of the connection alone, it would last for some milliseconds more.
        with suppress(engine.dialect.loaded_dbapi.Error), closing(connection.cursor()) as cursor:
            cursor.execute("SELECT pg_advisory_unlock_all()")
            connection.commit()

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({TRANSACTION_LOCK})")

    event.listen(engine, "connect", configure)
    event.listen(engine, "close", withdraw)
    event.listen(engine, "begin", begin)
    return engine


def _lock_key(name: str) -> int:
    """What stands for a sign among the server's locks, which have numbers of 64 bits."""
    return int.from_bytes(sha256(name.encode()).digest()[:8], signed=True)
