"""Opens a database in a file or in memory with SQLite, and explains SQLite's errors.

A transaction that writes takes the write lock of the file at its start (`BEGIN IMMEDIATE`): what it reads cannot change
before it has written. One that only reads waits at most for the moment in which another one commits. One connection is
kept between transactions, since opening one takes as long as reading a row; it holds no lock meanwhile. It is replaced
after every error, and when the path leads to another file than before. That does not notice when another program writes
over the bytes of the file itself: the servers have to be ended before. A process that is killed leaves at most a
journal, which the next process rolls back.

The journal is a rollback journal whatever the version of SQLite: before 3.51.3 several writers can damage a file in WAL
mode (https://sqlite.org/wal.html#walresetbug). All processes have to use the same mode, since one with an older SQLite
could not take the file out of WAL while others have it open.
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
from .database import BUSY_SECONDS, Database, mode_of
from .upgrade import create_or_upgrade

JOURNAL_BYTES: Final = 1_048_576
"""To how many bytes the journal file is cut after a transaction."""

IMPATIENT_SECONDS: Final = 10.0
"""How long a process that has waited for another one in vain waits only `SHORT_BUSY_SECONDS` in each transaction.

One call has several transactions, and its request is not sent before them. The first one that works ends it.
"""
SHORT_BUSY_SECONDS: Final = 0.1

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
"""What `DatabaseUnusable` says for a primary result code of SQLite, if a person can do something about it."""

_GONE: Final = (
    "is gone. Restart the server, which makes a new one; `gpt-image-2-mcp library rebuild FOLDER` then brings the"
    " pictures back, and what was spent so far counts anew"
)
_REPLACED: Final = "was emptied or exchanged while it was open. Restart the server"


_BAD_DESCRIPTOR: Final = frozenset(
    {
        sqlite3.SQLITE_READONLY,
        sqlite3.SQLITE_IOERR,
        sqlite3.SQLITE_CORRUPT,
        sqlite3.SQLITE_CANTOPEN,
        sqlite3.SQLITE_NOTADB,
    }
)
"""Primary result codes after which the file is opened again: it may have been moved, replaced or lost."""


def open_database(path: Path | None, *, busy_seconds: float | None = None) -> Database:
    """Open the file at `path`, or a database in memory for None, and create its tables or bring them up to date.

    A missing file is created, and a missing folder. Only their owner can read them; the mode of a folder that exists
    stays. `busy_seconds` is how long a transaction waits for those of other processes, by default `BUSY_SECONDS`.

    Raises:
        DatabaseUnusable: the file is damaged, belongs to another program or to a later version of this one, or cannot
            be written.

    """
    if path is not None:
        _create_file(path)
    database = Database(
        _engine_in_memory() if path is None else _engine(path, BUSY_SECONDS if busy_seconds is None else busy_seconds),
        path,
        # All threads share the one connection to a database in memory; a file has a connection for each.
        nullcontext() if path else Lock(),
        partial(_explain, path),
    )
    try:
        create_or_upgrade(database)
    except GptImageError:
        database.close()
        raise
    return database


def _create_file(path: Path) -> None:
    """Create an empty file with the mode 0o600, if there is none."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            # A file that exists must not be opened here: closing it would release SQLite's locks on it, which POSIX
            # ties to the process and not to the descriptor.
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
    # `mode=rw`: SQLite must not create a file that is gone, since that would be empty and readable by other users.
    name = f"{path.absolute().as_uri()}?mode=rw"
    connect = partial(sqlite3.connect, name, uri=True, timeout=busy_seconds, check_same_thread=False)
    engine = _engine_of(connect, poolclass=QueuePool, pool_size=1, max_overflow=-1)
    impatient_until = 0.0

    def configure(connection: Any, record: Any) -> None:
        record.info["file"] = _file_identity(path)
        with closing(connection.cursor()) as cursor:
            _leave_wal(cursor, busy_seconds)
            # As safe as DELETE, which removes the journal after each transaction, and a third faster.
            cursor.execute("PRAGMA journal_mode = PERSIST")
            cursor.execute(f"PRAGMA journal_size_limit = {JOURNAL_BYTES}")
            cursor.execute("PRAGMA synchronous = FULL")
            # On macOS, what is synced otherwise may still be in the drive's own memory; elsewhere it means nothing.
            cursor.execute("PRAGMA fullfsync = ON")

    def check(connection: sqlite3.Connection, record: Any, _proxy: object) -> None:
        if record.info["file"] != _file_identity(path):
            raise exc.DisconnectionError
        seconds = min(SHORT_BUSY_SECONDS, busy_seconds) if monotonic() < impatient_until else busy_seconds
        if record.info.get("busy_seconds", busy_seconds) != seconds:
            connection.execute(f"PRAGMA busy_timeout = {seconds * 1000:.0f}")
        record.info["busy_seconds"] = seconds

    def become_patient(connection: sa.Connection) -> None:
        nonlocal impatient_until
        if mode_of(connection) != "read":
            impatient_until = 0.0

    def drop(failure: sa.ExceptionContext) -> None:
        """Open the file again for the next transaction where the descriptor may be bad.

        Any other failure, such as a broken constraint, is rolled back and the connection kept. A dropped connection is
        rolled back first: the error holds its statement, and with it SQLite's lock on the file for all processes.
        """
        nonlocal impatient_until
        code = getattr(failure.original_exception, "sqlite_errorcode", 0) & 0xFF
        if code == sqlite3.SQLITE_BUSY:
            impatient_until = monotonic() + IMPATIENT_SECONDS
        failure.is_disconnect = code in _BAD_DESCRIPTOR
        if failure.is_disconnect and failure.connection is not None:
            with suppress(sqlite3.Error):
                failure.connection.connection.rollback()

    event.listen(engine, "connect", configure)
    event.listen(engine, "checkout", check)
    # After the listener that begins the transaction, which waits for the lock.
    event.listen(engine, "begin", become_patient)
    event.listen(engine, "handle_error", drop)
    return engine


def _engine_of(connect: Callable[[], sqlite3.Connection], **pool: Any) -> sa.Engine:
    # The parameters of statements hold prompts, and errors are logged.
    engine = sa.create_engine("sqlite://", creator=connect, hide_parameters=True, **pool)

    def leave_transactions(connection: Any, _record: object) -> None:
        # `sqlite3` would begin a transaction before the first write; `begin` does so before anything is read.
        connection.isolation_level = None

    def begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if mode_of(connection) == "read" else "BEGIN IMMEDIATE")

    event.listen(engine, "connect", leave_transactions)
    event.listen(engine, "begin", begin)
    return engine


def _file_identity(path: Path) -> tuple[int, int] | None:
    """The device and inode of the file that `path` leads to; None if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def _leave_wal(cursor: sqlite3.Cursor, busy_seconds: float) -> None:
    """Switch a file that an earlier release has put into WAL mode back to a rollback journal, for good."""
    deadline = monotonic() + busy_seconds
    while cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",):
        try:
            cursor.execute("PRAGMA journal_mode = DELETE")
        except sqlite3.OperationalError:
            # SQLite refuses while another process has the file open, and does not wait for it as it does for a lock.
            if monotonic() > deadline:
                raise
            sleep(0.01)


def _explain(path: Path | None, error: exc.DBAPIError) -> str | None:
    if str(error.orig).startswith(("no such table", "no such column")):
        return _REPLACED
    # The low byte is the primary result code.
    code = getattr(error.orig, "sqlite_errorcode", -1) & 0xFF
    if code == sqlite3.SQLITE_CANTOPEN and path is not None and _is_gone(path):
        return _GONE
    return _EXPLANATIONS.get(code)


def _is_gone(path: Path) -> bool:
    """Whether there is no file at `path`; False if this user may not look into its folder."""
    try:
        path.stat()
    except OSError as error:
        return isinstance(error, FileNotFoundError | NotADirectoryError)
    return False
