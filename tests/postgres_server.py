"""A PostgreSQL server for the tests: on loopback, in a temporary folder, as a user without rights."""

import os
import secrets
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Generator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest
from psycopg import sql

from gpt_image_2_mcp.database.url import PostgresUrl

PASSWORD = "s3cret/pass@word"
QUOTED = "s3cret%2Fpass%40word"

GUARD = """\
import subprocess, sys, threading
server = subprocess.Popen(sys.argv[2:], user=sys.argv[1] or None, cwd="/")
threading.Timer(1800, server.terminate).start()
sys.stdin.read()
server.terminate()
server.wait(20)
import os; os._exit(0)
"""
"""Ends the server when its own stdin ends, which it does however the tests end; after half an hour in any case."""


@dataclass(frozen=True)
class Server:
    """A running server, and whoever may do anything on it."""

    port: int

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
        self.run(f"CREATE DATABASE {name}")
        return self.url(name)

    def drop(self, url: PostgresUrl) -> None:
        self.run(f"DROP DATABASE IF EXISTS {url.parts.path[1:]} WITH (FORCE)")


def _binaries() -> Path | None:
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), reverse=True)
    return next((folder for folder in folders if (folder / "postgres").exists()), None)


def _user() -> str | None:
    """Who it runs as: it refuses to run as root."""
    import pwd

    if os.getuid():
        return None
    names = {entry.pw_name for entry in pwd.getpwall()}
    return next((name for name in ("postgres", "nobody") if name in names), None)


@contextmanager
def running_server() -> Generator[Server]:
    """Start one, or skip where it is not installed."""
    binaries = None if sys.platform == "win32" else _binaries()
    if binaries is None:
        pytest.skip("PostgreSQL's initdb and postgres are not installed")
    user = _user()
    folder = Path(tempfile.mkdtemp(prefix="pg"))
    try:
        (folder / "password").write_text(PASSWORD, encoding="utf-8")
        if user:
            shutil.chown(folder, user)
            shutil.chown(folder / "password", user)
        data = str(folder / "data")
        initdb = [binaries / "initdb", "-D", data, "-U", "owner", "--pwfile", folder / "password", "--no-sync"]
        options = ["--auth=scram-sha-256", "--encoding=UTF8", "--locale=C"]
        subprocess.run([*initdb, *options], check=True, capture_output=True, user=user, cwd="/", timeout=60)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port: int = free.getsockname()[1]
        command = [str(binaries / "postgres"), "-D", data, "-p", str(port), "-h", "127.0.0.1", "-k", ""]
        with (folder / "log").open("wb") as log:
            guard = subprocess.Popen(
                [sys.executable, "-c", GUARD, user or "", *command, "-c", "fsync=off"],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )
        try:
            server = Server(port)
            _wait_for(server, guard)
            yield server
        finally:
            assert guard.stdin
            guard.stdin.close()
            guard.wait(30)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _wait_for(server: Server, guard: "subprocess.Popen[bytes]") -> None:
    for _ in range(300):
        with suppress(psycopg.OperationalError):
            server.connect().close()
            return
        assert guard.poll() is None, "the server ended"
        Event().wait(0.1)
    pytest.fail("the server did not start within half a minute")
