"""Checks of the database, of the processes that use it, and of what became of the calls of the last days."""

import json
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

import sqlalchemy as sa

from ..database import schema
from ..database.liveness import holders, liveness_folder
from ..database.store import open_store
from ..database.url import PostgresUrl
from ..errors import GptImageError
from ..persistence.spool import Spool
from ..settings import Settings
from ..shared_parts import database_of
from .configuration import end_with_client
from .finding import Finding, green, red, yellow
from .troubles import trouble_of

LOOKED_BACK: Final = timedelta(days=7)
MOST_KINDS: Final = 5
MOST_AHEAD: Final = timedelta(minutes=5)
OVERDUE: Final = timedelta(minutes=20)
"""A picture that was sent so long ago comes no more."""

_CALLS: Final = sa.text(
    "SELECT state, outcome, created_us FROM jobs WHERE created_us > :since AND state IN ('failed', 'lost', 'sent')"
)
_JOBS_SINCE: Final = 2
"""The version of the tables that brought `jobs`."""
_NEWEST: Final = sa.text("SELECT max(created_us) FROM jobs")
_AT_WORK: Final = sa.text("SELECT count(*) FROM leases WHERE expires > clock_timestamp()")


def check_database(settings: Settings, data_dir: Path) -> Iterator[Finding]:
    """The database, what waits for it, who uses it, and what became of the latest calls."""
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
                at_work = connection.scalar(_AT_WORK)
                newest = connection.scalar(_NEWEST)
        finally:
            store.close()
    except (GptImageError, OSError) as error:
        yield red("database", settings.redact(str(error)), "Correct GPT_IMAGE_2_DATABASE_URL, or start the server.")
        return
    yield green("database", f"PostgreSQL, version {schema.VERSION} of the tables; processes at work: {at_work}")
    yield from _check_times(newest)
    yield from _check_calls(settings, calls)


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
            newest = connection.execute(str(_NEWEST)).fetchone()[0] if version >= _JOBS_SINCE else None
    except sqlite3.OperationalError as error:
        if "no such table" in str(error):
            yield red("database", f"{path} belongs to another program", "Move it elsewhere, and a new one is made.")
        else:
            way_out = "If it stays so, restart the clients, or end the processes."
            yield yellow("database", f"{path}: {error}; {_used_by(path)}", way_out)
        return
    except (sqlite3.DatabaseError, TypeError):
        yield red("database", f"{path} is damaged or is not a database", again)
        return
    if version > schema.VERSION:
        what = f"{path} is of version {version}; this program knows {schema.VERSION}"
        yield red("database", what, "Run `uvx gpt-image-2-mcp@latest install`.")
        return
    yield green("database", f"{path}: sound, version {version}, {_used_by(path)}")
    yield from _check_times(newest)
    yield from _check_calls(settings, calls)


def _used_by(path: Path) -> str:
    """Which processes use a database file."""
    processes = holders(liveness_folder(path))
    if not processes:
        return "in use by no server"
    known = ", ".join(str(process) for process in processes if process is not None)
    count = "one server" if len(processes) == 1 else f"{len(processes)} servers"
    return f"in use by {count}" + (f" (process {known})" if known else "")


def _check_times(newest_us: int | None) -> Iterator[Finding]:
    """Whether the newest call is of the future: then this clock goes wrong, or another one that was used."""
    ahead = timedelta(microseconds=newest_us) - timedelta(seconds=time.time()) if newest_us else timedelta()
    if ahead > MOST_AHEAD:
        what = f"the newest call is {ahead / timedelta(minutes=1):,.0f} minutes in the future"
        yield yellow(
            "clock", what, "Set the clock right: budgets count by the day, and what is newest goes by the time."
        )


def _check_calls(settings: Settings, calls: list[tuple[str, Any, int]]) -> Iterator[Finding]:
    """What went wrong in the last days, a line for each kind with what to do about it, the most frequent first."""
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
        yield green("calls", f"none failed in the last {LOOKED_BACK.days} days")
    for (what, way_out), count in seen.most_common(MOST_KINDS):
        times = "once" if count == 1 else f"{count} times"
        yield yellow("calls", f"{times} in the last {LOOKED_BACK.days} days: {what}", way_out)
