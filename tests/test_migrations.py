"""Databases of earlier versions: one process migrates them, they keep every row, and they become like new ones.

`compatibility/version-*.sql` were made by the releases that had these versions.
"""

import shutil
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

import psycopg
import pytest
from alembic.script import ScriptDirectory
from fault_proxy import DATABASE, paying, until
from patience import PATIENCE_S, rounds
from psycopg import sql
from sqlalchemy import exc
from workbench import SMALL

from gpt_image_2_mcp.database import migrations, schema
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import Address, PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable
from gpt_image_2_mcp.paths.data_folder import data_folder

VERSIONS = Path(__file__).with_name("compatibility")
NOTHING = "CREATE TABLE schema_version (version INTEGER NOT NULL); INSERT INTO schema_version VALUES (0);"
"""What every revision is run on, the first included."""

Rows = dict[str, list[tuple[Any, ...]]]


def script(name: str) -> str:
    return NOTHING if name == "nothing" else (VERSIONS / f"{name}.sql").read_text(encoding="utf-8")


def old_file(path: Path, version: str = "version-1") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if version == "version-3":
        shutil.copy(VERSIONS / "previous" / "gpt-image-2.db", path)
        return path
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script(version))
    return path


def old_server(url: PostgresUrl, version: str = "version-2-postgresql") -> PostgresUrl:
    with closing(psycopg.connect(url.text)) as connection, connection:
        connection.execute(sql.SQL(script(version)))  # pyright: ignore[reportArgumentType] - a file of the tests
    return url


@pytest.fixture(params=["file", "postgres"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Path | PostgresUrl:
    """The oldest database that there was of each kind."""
    if request.param == "file":
        return old_file(tmp_path / "old.db")
    return old_server(request.getfixturevalue("postgres"))


Query = Callable[[str], list[tuple[Any, ...]]]


@contextmanager
def queries(at: Address) -> Generator[Query]:
    """Runs a statement past our own code, and gives its rows."""
    connection: Any = psycopg.connect(at.text) if isinstance(at, PostgresUrl) else sqlite3.connect(str(at))
    with closing(connection):
        yield lambda statement: connection.execute(statement).fetchall()


def rows(at: Address) -> Rows:
    """All rows of the tables of `schema`, but for the version."""
    found: Rows = {}
    with queries(at) as query:
        names = {name for (name,) in query(TABLES if isinstance(at, PostgresUrl) else "SELECT name FROM sqlite_master")}
        for table in schema.metadata.sorted_tables:
            if table.name in names - {"schema_version"}:
                columns = ", ".join(f'"{column.name}"' for column in table.columns)
                order = ", ".join(f'"{column.name}"' for column in table.primary_key.columns)
                found[table.name] = [
                    tuple(map(str, row))
                    for row in query(f"SELECT {columns} FROM {table.name} ORDER BY {order}")  # noqa: S608 - names of our own
                ]
    return found


TABLES = "SELECT tablename::text FROM pg_tables WHERE schemaname = 'public'"
LAYOUT = (
    """SELECT table_name, column_name, data_type, character_maximum_length, is_nullable, column_default
    FROM information_schema.columns WHERE table_schema = 'public'""",
    "SELECT indexname, indexdef FROM pg_indexes WHERE schemaname = 'public'",
    # A check that pg_dump wrote down comes back with its casts at other places.
    r"""SELECT conrelid::regclass::text, conname,
    regexp_replace(pg_get_constraintdef(oid), '::(character varying|text)(\[\])?|[()]', '', 'g')
    FROM pg_constraint WHERE connamespace = 'public'::regnamespace""",
    "SELECT tgrelid::regclass::text, tgname, pg_get_triggerdef(oid) FROM pg_trigger WHERE NOT tgisinternal",
    "SELECT tablename::text, policyname::text, permissive, roles::text, cmd, qual, with_check FROM pg_policies",
    """SELECT relname::text, relrowsecurity, relforcerowsecurity FROM pg_class
    WHERE relnamespace = 'public'::regnamespace AND relkind = 'r'""",
)


def layout(at: Address) -> set[tuple[str, ...]]:
    """Tables, columns, types, constraints, indexes, full-text tables, triggers and policies, in whatever order."""
    found: list[tuple[Any, ...]] = []
    with queries(at) as query:
        if isinstance(at, PostgresUrl):
            for statement in LAYOUT:
                found += query(statement)
        else:
            for kind, name, statement in query("SELECT type, name, sql FROM sqlite_master"):
                text = " ".join((statement or "").split())
                if kind != "table" or text.startswith("CREATE VIRTUAL"):
                    found.append((kind, name, text))
                    continue
                found += [(name, *column) for _, *column in query(f"PRAGMA table_xinfo({name})")]
                found += [(name, *key) for key in query(f"PRAGMA foreign_key_list({name})")]
                # What no pragma tells stands in brackets, behind the word.
                found += [(name, part.partition(")")[0]) for part in text.split("CHECK")[1:]]
    return {tuple(map(str, part)) for part in found}


def version(at: Address) -> list[int]:
    with queries(at) as query:
        return [found for (found,) in query("SELECT version FROM schema_version")]


def new(at: Address, request: pytest.FixtureRequest, tmp_path: Path) -> set[tuple[str, ...]]:
    """The layout of a new database of the same kind."""
    if not isinstance(at, PostgresUrl):
        open_store(tmp_path / "new.db").close()
        return layout(tmp_path / "new.db")
    server = request.getfixturevalue("postgres_server")
    other = server.database()
    open_store(other).close()
    found = layout(other)
    server.drop(other)
    return found


@pytest.mark.parametrize(
    "name", ["nothing", "version-1", "version-2", "version-3", "postgres: nothing", "version-2-postgresql"]
)
def test_an_older_database_keeps_its_rows_and_becomes_like_a_new_one(
    name: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    at = (
        old_server(request.getfixturevalue("postgres"), name.removeprefix("postgres: "))
        if "postgres" in name
        else old_file(tmp_path / "old.db", name)
    )
    before = rows(at)
    open_store(at).close()
    after = rows(at)
    assert {table: after[table] for table in before} == before
    assert version(at) == [schema.VERSION]
    layout_of_new = new(at, request, tmp_path)
    if name == "version-2":
        # The first files of this version called the text of a prompt otherwise; it is the same to SQLite.
        layout_of_new = {
            (*column[:2], "TEXT", *column[3:]) if column[:2] == ("pictures", "prompt") else column
            for column in layout_of_new
        }
    assert layout(at) == layout_of_new


def test_the_rows_of_the_older_databases_are_many() -> None:
    """The test above compares nothing otherwise."""
    assert [script(f"version-{name}").count("INSERT INTO") for name in ("1", "2", "2-postgresql")] == [8, 27, 33]


def test_the_last_revision_is_the_version_of_the_tables() -> None:
    scripts = ScriptDirectory(str(Path(migrations.__file__).parent))
    assert [script.revision for script in scripts.walk_revisions()] == [
        f"{number:04}" for number in range(schema.VERSION, 0, -1)
    ]


@pytest.mark.thorough
def test_alembic_is_imported_for_an_older_database_alone() -> None:
    """It takes as long to import as everything else of a call."""

    def imported() -> set[str]:
        command = ["generate", "A fox", "--size", SMALL, "--quality", "low", "--sandbox"]
        done = subprocess.run(
            [sys.executable, "-X", "importtime", "-m", "gpt_image_2_mcp", *command],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=True,
        )
        return {line.rpartition("|")[2].strip() for line in done.stderr.splitlines()}

    for _ in range(2):
        found = imported()
        assert "sqlalchemy" in found
        assert "alembic" not in found
    path = data_folder() / DATABASE.replace(".db", "-sandbox.db")
    path.unlink()
    old_file(path)
    assert "alembic" in imported()
    assert "alembic" not in imported()


@pytest.mark.anyio
async def test_a_server_works_on_with_a_file_of_the_first_version(tmp_path: Path) -> None:
    path = old_file(tmp_path / "data" / DATABASE)
    before = rows(path)["charges"]
    async with paying(tmp_path) as bench:
        made = await bench.made("generate_image", prompt="a fox", size=SMALL, quality="low")
    after = rows(path)
    assert after["charges"][: len(before)] == before
    assert len(after["charges"]) == len(before) + 1
    assert [row[1] for row in after["pictures"]] == [made.path.stem]


OPEN = """\
import sys
from pathlib import Path

import sqlalchemy as sa

from gpt_image_2_mcp.database.schema import charges
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl

print("ready", flush=True)
text = sys.stdin.readline().strip()
store = open_store(PostgresUrl(text) if text.startswith("postgres") else Path(text))
with store.database.transaction() as connection:
    row = dict.fromkeys(("model", "size", "quality", "owner"), "x")
    row |= {"day": "2026-11-22", "reserved_at": 0, "state": "sent", "pictures": 1}
    connection.execute(sa.insert(charges), row)
print("alembic" in sys.modules, flush=True)
"""


@pytest.mark.thorough
def test_of_several_processes_that_open_an_older_database_at_once_one_migrates_it(
    old: Path | PostgresUrl, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    before = rows(old)["charges"]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen([sys.executable, "-c", OPEN], stdin=pipe, stdout=pipe, text=True) for _ in range(4)]
    for process in processes:
        assert process.stdout
        assert process.stdout.readline() == "ready\n"
    address = old.text if isinstance(old, PostgresUrl) else str(old)
    for process in processes:
        assert process.stdin
        process.stdin.write(f"{address}\n")
        process.stdin.flush()
    said = [process.communicate(timeout=PATIENCE_S)[0] for process in processes]
    assert sorted(said) == ["False\n"] * 3 + ["True\n"]
    after = rows(old)["charges"]
    assert after[: len(before)] == before
    assert len(after) == len(before) + len(processes)
    assert layout(old) == new(old, request, tmp_path)


THREADS = """\
import sys
import threading
from pathlib import Path

from gpt_image_2_mcp.database.store import open_store

files = sys.argv[1:]
start = threading.Barrier(len(files))

def open_one(path):
    start.wait()
    open_store(path).close()

for path in files:
    threading.Thread(target=open_one, args=(Path(path),)).start()
"""


def test_threads_of_one_process_migrate_their_databases_one_after_the_other(
    request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`alembic.op` is one for the whole process: each would work on the database of another, and wait for ever."""
    files = [old_file(tmp_path / f"{number}.db") for number in range(6)]
    done = subprocess.run(
        [sys.executable, "-c", THREADS, *files], capture_output=True, text=True, timeout=PATIENCE_S, check=True
    )
    assert done.stderr == ""
    wanted = new(files[0], request, tmp_path)
    assert all(layout(path) == wanted for path in files)


KILLED = """\
import os
import shutil
import signal
import sys
from pathlib import Path

import sqlalchemy as sa

from gpt_image_2_mcp.database import migrations
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl

def kill(*_):
    global left
    left -= 1
    if left < 0:
        os.kill(os.getpid(), signal.SIGKILL)

for line in sys.stdin:
    text, left = line.split()
    left = int(left)
    child = os.fork()
    if child == 0:
        sa.event.listen(sa.Engine, "before_cursor_execute", kill)
        sa.event.listen(sa.Engine, "commit", kill)
        open_store(PostgresUrl(text) if text.startswith("postgres") else Path(text)).close()
        os._exit(0)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""
"""Opens a database and is killed before its statement of that number, or before it commits."""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")
@pytest.mark.slow
@pytest.mark.parametrize("kind", ["file", "postgres"])
def test_a_process_that_is_killed_while_it_migrates_leaves_the_old_version_or_the_new_one(
    kind: str, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pipe = subprocess.PIPE
    kills = 0
    wanted: set[tuple[str, ...]] = set()
    with subprocess.Popen([sys.executable, "-c", KILLED], stdin=pipe, stdout=pipe, text=True) as driver:
        assert driver.stdin
        assert driver.stdout
        code = -signal.SIGKILL
        while code == -signal.SIGKILL:
            at: Path | PostgresUrl
            if kind == "file":
                at = old_file(tmp_path / f"{kills}.db")
            else:
                at = old_server(request.getfixturevalue("postgres_server").database())
            wanted = wanted or new(at, request, tmp_path)
            before, layout_before = rows(at), layout(at)
            driver.stdin.write(f"{at.text if isinstance(at, PostgresUrl) else at} {kills}\n")
            driver.stdin.flush()
            code = int(driver.stdout.readline())
            if version(at) == [schema.VERSION]:
                assert layout(at) == wanted
            else:
                assert (rows(at), layout(at)) == (before, layout_before)
            open_store(at).close()
            after = rows(at)
            assert {table: after[table] for table in before} == before
            assert (version(at), layout(at)) == ([schema.VERSION], wanted)
            if isinstance(at, PostgresUrl):
                request.getfixturevalue("postgres_server").drop(at)
            kills += rounds(3, 1)
        driver.stdin.close()
    assert code == 0
    assert kills > 10, "there were moments to be killed in"


@pytest.mark.thorough
def test_while_a_backup_reads_what_a_migration_changes_others_go_on(postgres: PostgresUrl) -> None:
    """PostgreSQL has all others wait behind a change of a table, also those who only read."""
    at = old_server(postgres)
    read, waiting = "SELECT count(*) FROM pictures", "SELECT 1 FROM pg_locks WHERE NOT granted AND relation IS NOT NULL"
    connect = partial(psycopg.connect, at.text, autocommit=True)
    migrating = Thread(target=lambda: open_store(at).close())
    with connect() as backup, connect() as person:
        person.execute("SET statement_timeout = '20s'")
        with backup.transaction():
            backup.execute(read)
            migrating.start()
            for _ in range(2):
                until(lambda: person.execute(waiting).fetchone() is not None, alive=migrating.is_alive)
                person.execute(read)
            assert version(at) == [2]
    migrating.join(PATIENCE_S)
    assert version(at) == [schema.VERSION]


def test_a_migration_that_fails_leaves_the_database_as_it_was(tmp_path: Path) -> None:
    """Here somebody has made one of the indexes by hand."""
    path = old_file(tmp_path / "old.db", "version-2")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE INDEX pictures_number ON pictures (number)")
    before = rows(path), layout(path)
    with pytest.raises(exc.OperationalError, match="pictures_number already exists"):
        open_store(path)
    assert (rows(path), layout(path)) == before
    assert version(path) == [2]


@pytest.mark.parametrize("table", ["charges", "pictures", "jobs", "sessions"])
def test_a_database_without_a_table_of_its_version_is_another_programs(tmp_path: Path, table: str) -> None:
    path = old_file(tmp_path / "old.db", "version-2")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"DROP TABLE {table}")
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match="belongs to another program"):
        open_store(path)
    assert path.read_bytes() == before
