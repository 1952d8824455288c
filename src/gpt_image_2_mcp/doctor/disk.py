"""Checks of what lies on the disk: the folder of the pictures, room, the database, and the calls of the last days."""

import json
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from tempfile import TemporaryFile
from threading import Thread
from typing import Any, Final

import sqlalchemy as sa

from ..app import database_of
from ..database import schema
from ..database.liveness import is_alive, liveness_folder
from ..database.store import open_store
from ..database.url import PostgresUrl
from ..errors import GptImageError
from ..generation.output_dirs import OutputDirs
from ..paths.safe_open import exists
from ..persistence.spool import Spool
from ..settings import Settings
from .configuration import end_with_client
from .finding import Finding, green, red, yellow
from .troubles import trouble_of

PICTURE_BYTES: Final = 25_000_000
"""A picture in 4K takes about this much."""
LITTLE_ROOM_BYTES: Final = 1_000_000_000
FOLDER_TIMEOUT_S: Final = 30.0
LOOKED_BACK: Final = timedelta(days=7)
OVERDUE: Final = timedelta(minutes=20)
"""A picture that was sent so long ago comes no more."""

_CALLS: Final = sa.text(
    "SELECT state, outcome, created_us FROM jobs WHERE created_us > :since AND state IN ('failed', 'lost', 'sent')"
)


def check_disk(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """The folder of the pictures, its room, the database, and what became of the latest calls."""
    folders = OutputDirs(settings, working_dir=Path.cwd(), home=Path.home())
    found: list[Finding] = []
    # On a network drive that is gone, every system call blocks.
    thread = Thread(target=lambda: found.extend(_check_folder(folders)), daemon=True)
    thread.start()
    thread.join(FOLDER_TIMEOUT_S)
    if thread.is_alive():
        what = f"{folders.default()} does not answer: it may be on a network drive that is gone"
        found = [red("folder", what, "Connect it again, or name another folder in GPT_IMAGE_2_OUTPUT_DIR.")]
    yield from found
    yield from _check_database(settings, data_dir)


def _check_folder(folders: OutputDirs) -> Iterator[Finding]:
    way_out = "Name another folder in GPT_IMAGE_2_OUTPUT_DIR."
    try:
        folder = folders.resolve(None)
    except (GptImageError, OSError) as error:
        yield red("folder", str(error), way_out)
        return
    existing = next((one for one in (folder, *folder.parents) if exists(one)), folder)
    try:
        with TemporaryFile(dir=existing) as file:
            file.write(b"?")
        free = shutil.disk_usage(existing).free
    except OSError as error:
        yield red("folder", f"{existing} cannot be written ({error.strerror})", way_out)
        return
    yield green("folder", f"pictures are saved in {folder}")
    if free >= LITTLE_ROOM_BYTES:
        yield green("room", f"{free / 1e9:,.0f} GB are free")
        return
    what = f"{free / 1e6:,.0f} MB are free, and a picture in 4K takes 25"
    level = red if free < PICTURE_BYTES else yellow
    yield level("room", what, "Make room, or name a folder on another disk in GPT_IMAGE_2_OUTPUT_DIR.")


def _check_database(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    address = database_of(settings, data_dir)
    if address is None:
        yield yellow("database", "in memory: nothing is kept", "Unset GPT_IMAGE_2_DATABASE_URL for a file.")
        return
    spool = Spool.of(address, data_dir)
    if spool is not None and not spool.is_empty:
        way_out = "Make room, or have the database run again; then make any call."
        yield yellow("database", f"what it could not take waits in {spool.path}", way_out)
    since = (datetime.now(UTC) - LOOKED_BACK).timestamp() * 1_000_000
    if isinstance(address, PostgresUrl):
        yield from _check_postgres(settings, address, since)
    else:
        yield from _check_file(settings, address, since)


def _check_postgres(settings: Settings, address: PostgresUrl, since: float) -> Iterator[Finding]:
    try:
        store = open_store(address)
        try:
            with store.database.reading() as connection:
                calls = [
                    (row.state, row.outcome, row.created_us) for row in connection.execute(_CALLS, {"since": since})
                ]
        finally:
            store.close()
    except (GptImageError, OSError) as error:
        yield red("database", settings.redact(str(error)), "Correct GPT_IMAGE_2_DATABASE_URL, or start the server.")
        return
    yield green("database", f"PostgreSQL, version {schema.VERSION} of the tables")
    yield _check_calls(settings, calls)


def _check_file(settings: Settings, path: Path, since: float) -> Iterator[Finding]:
    if not path.exists():
        yield green("database", f"{path} will be made with the first picture")
        return
    again = "Close all clients, move it elsewhere, and run `gpt-image-2-mcp library rebuild FOLDER`."
    try:
        # Read only: a check must not wait for the servers that use the file, nor change it.
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=10)) as connection:
            (verdict,) = connection.execute("PRAGMA quick_check(1)").fetchone()
            if verdict != "ok":
                yield red("database", f"{path} is damaged", again)
                return
            (version,) = connection.execute("SELECT version FROM schema_version").fetchone()
            calls = connection.execute(str(_CALLS), {"since": since}).fetchall() if version >= _JOBS_SINCE else []
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            yield red("database", f"{path} belongs to another program", "Move it elsewhere, and a new one is made.")
        else:
            yield yellow("database", f"{path}: {error}", "If it stays so, restart the clients.")
        return
    except (sqlite3.DatabaseError, TypeError):
        yield red("database", f"{path} is damaged or is not a database", again)
        return
    if version > schema.VERSION:
        what = f"{path} is of version {version}; this program knows {schema.VERSION}"
        yield red("database", what, "Run `install` of the newest version.")
        return
    alive = liveness_folder(path)
    holders = sum(is_alive(alive, one.stem) for one in alive.glob("*.alive"))
    used = {0: "in use by no server", 1: "in use by one server"}.get(holders, f"in use by {holders} servers")
    yield green("database", f"{path}: sound, version {version}, {used}")
    yield _check_calls(settings, calls)


_JOBS_SINCE: Final = 2
"""The version of the tables that brought `jobs`."""


def _check_calls(settings: Settings, calls: list[tuple[str, Any, int]]) -> Finding:
    """What went wrong in the last days, the most frequent first, with what to do about it."""
    seen: Counter[tuple[str, str]] = Counter()
    overdue = (datetime.now(UTC) - OVERDUE).timestamp() * 1_000_000
    for state, outcome, created in calls:
        if state == "lost":
            seen["a picture was lost when its server was ended", end_with_client(settings)] += 1
        elif state == "sent" and created < overdue:
            way_out = "ask the assistant to abandon it: `cancel_image_job` with `abandon`"
            seen["a picture does not come", way_out] += 1
        elif state == "failed":
            document: Any = json.loads(outcome) if isinstance(outcome, str) else outcome or {}
            error = str(document.get("error", ""))
            trouble = trouble_of(error)
            seen[trouble.seen if trouble else error.partition(". ")[0], trouble.way_out if trouble else error] += 1
    if not seen:
        return green("calls", f"none failed in the last {LOOKED_BACK.days} days")
    (what, way_out), count = seen.most_common(1)[0]
    total = seen.total()
    return yellow("calls", f"{total} failed in {LOOKED_BACK.days} days; most often ({count}): {what}", way_out)
