"""The one database of a person, as a file: who may read it, how it is opened, and what its failures mean to a reader.

Every transaction takes SQLite's write lock at its start (`BEGIN IMMEDIATE`), so what one reads stays true until it has
written. One connection is kept, since making one takes as long as reading a row does; it holds no lock between two
transactions, and is made anew where the path leads to another file by then, and after every failure. Whoever puts other
bytes into the same file has to end the servers first. A killed process leaves at most a journal, which the next one
rolls back.

The journal is a rollback journal whatever the version of SQLite: before 3.51.3 several writers can damage a file in WAL
mode (https://sqlite.org/wal.html#walresetbug), and one mode has to do for all processes: an older one could not take
the file out of WAL while others keep their connections.
"""

import os
import sqlite3
import stat
from collections.abc import Callable
from contextlib import closing, nullcontext, suppress
from functools import partial
from pathlib import Path
from threading import Lock
from time import monotonic, sleep
from typing import Any, Final

import sqlalchemy as sa
from sqlalchemy import event, exc
from sqlalchemy.pool import QueuePool, StaticPool

from ..errors import DatabaseUnusable, GptImageError
from .database import BUSY_SECONDS, Database
from .upgrade import create_or_upgrade

JOURNAL_BYTES: Final = 1_048_576
"""What a journal keeps of the disk between two transactions."""

_EXPLANATIONS: Final = {
    sqlite3.SQLITE_NOTADB: "is not a database. Move it elsewhere, and a new one is made",
    sqlite3.SQLITE_CORRUPT: "is damaged. Move it elsewhere, and a new one is made: what was spent so far counts anew",
    sqlite3.SQLITE_FULL: "cannot grow: the disk is full. Make room and try again",
    sqlite3.SQLITE_READONLY: "cannot be written. Allow this user to write the file and its folder",
    sqlite3.SQLITE_PERM: "cannot be opened. Allow this user to read and write the file and its folder",
    sqlite3.SQLITE_CANTOPEN: "cannot be opened. Allow this user to read and write the file and its folder",
    sqlite3.SQLITE_BUSY: "is held by another process. Try again; if it goes on, end the other servers of this kind",
    sqlite3.SQLITE_IOERR: "cannot be read or written: the disk reports an error. Check the disk and its free space",
}
"""SQLite's primary result codes that a person can do something about."""

_GONE: Final = (
    "is gone. Restart the server, which makes a new one; `gpt-image-2-mcp library rebuild FOLDER` then brings the"
    " pictures back, and what was spent so far counts anew"
)
_REPLACED: Final = "was emptied or exchanged while it was open. Restart the server"


def open_database(path: Path | None, *, busy_seconds: float = BUSY_SECONDS) -> Database:
    """Open the file at `path`, making it and its folder where there is none, and bring its tables up to date.

    The file is readable by its owner alone, and so is a folder made here; a folder that was there stays as it is. None
    is a database in memory.

    Raises:
        DatabaseUnusable: the file is damaged, foreign, from a later version of this program, or cannot be written.

    """
    if path is not None:
        _create_file(path)
    database = Database(
        _engine_in_memory() if path is None else _engine(path, busy_seconds),
        path,
        # The one connection to a database in memory is everybody's.
        nullcontext() if path else Lock(),
        partial(_explain, path),
    )
    try:
        with database.transaction() as connection:
            create_or_upgrade(connection, path)
    except GptImageError:
        database.close()
        raise
    return database


def _create_file(path: Path) -> None:
    """Make an empty file for its owner alone, if there is none."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # Only a file that is new is opened here: closing another one would drop the locks SQLite has on it.
            os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))
        found = path.stat()
        if not stat.S_ISREG(found.st_mode):
            raise DatabaseUnusable(path, "is not a file. Move it elsewhere, and a new one is made")
        if stat.S_IMODE(found.st_mode) & 0o077:
            with suppress(PermissionError):
                path.chmod(0o600)
    except OSError as error:
        raise DatabaseUnusable(
            path, f"cannot be made: {error.strerror}. Allow this user to write the folder, or name another one"
        ) from error


def _engine_in_memory() -> sa.Engine:
    return _engine_of(partial(sqlite3.connect, ":memory:", check_same_thread=False), poolclass=StaticPool)


def _engine(path: Path, busy_seconds: float) -> sa.Engine:
    # A file that is gone is not made anew, which would be an empty one that everybody may read.
    name = f"{path.absolute().as_uri()}?mode=rw"
    connect = partial(sqlite3.connect, name, uri=True, timeout=busy_seconds, check_same_thread=False)
    engine = _engine_of(connect, poolclass=QueuePool, pool_size=1, max_overflow=-1)

    def configure(connection: Any, record: Any) -> None:
        record.info["file"] = _file_identity(path)
        with closing(connection.cursor()) as cursor:
            _leave_wal(cursor, busy_seconds)
            # As safe as deleting the journal after each transaction, and a third quicker.
            cursor.execute("PRAGMA journal_mode = PERSIST")
            cursor.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
            cursor.execute("PRAGMA synchronous = FULL")

    def check(_connection: object, record: Any, _proxy: object) -> None:
        if record.info["file"] != _file_identity(path):
            raise exc.DisconnectionError

    def drop(failure: sa.ExceptionContext) -> None:
        # Whatever it was, the next transaction looks at the file with fresh eyes: the descriptor may have gone bad.
        failure.is_disconnect = True

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkout", check)
    event.listen(engine, "handle_error", drop)
    return engine


def _engine_of(connect: Callable[[], sqlite3.Connection], **pool: Any) -> sa.Engine:
    # Parameters hold prompts, and an error may be logged.
    engine = sa.create_engine("sqlite://", creator=connect, hide_parameters=True, **pool)

    def leave_transactions(connection: Any, _record: object) -> None:
        # Python's own begin with the first write; ours begin before the first read.
        connection.isolation_level = None

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_transactions)
    event.listen(engine, "begin", begin)
    return engine


def _file_identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, whatever the file is called."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _leave_wal(cursor: sqlite3.Cursor, busy_seconds: float) -> None:
    """Bring a file that an earlier version of this program has made back to a rollback journal, for good."""
    deadline = monotonic() + busy_seconds
    while cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        try:
            cursor.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            # It needs the file to itself, and SQLite does not wait for that.
            if monotonic() > deadline:
                raise
            sleep(0.01)


def _explain(path: Path | None, error: exc.DBAPIError) -> str | None:
    if str(error.orig).startswith(("no such table", "no such column")):
        return _REPLACED
    # The low byte is the primary code; the rest says more than a reader needs.
    code = getattr(error.orig, "sqlite_errorcode", -1) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN and path is not None and _is_gone(path):
        return _GONE
    return _EXPLANATIONS.get(code)


def _is_gone(path: Path) -> bool:
    """Whether there is no such file; one in a folder that is closed to this user may well be there."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False
