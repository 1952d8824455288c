"""What is asked often does not look at everything there is: SQLite says how it would find it."""

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from album import saved
from sqlalchemy import event

from gpt_image_2_mcp.catalogue.picture_record import SessionPosition
from gpt_image_2_mcp.catalogue.search_query import SearchQuery
from gpt_image_2_mcp.persistence.unit_of_work import Repositories, UnitOfWork

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
SESSION = "session-" + "a" * 24

NEWER = re.compile("charges_dearest|jobs_ended|pictures_(content|model|number|not_ascii)")
"""Indexes that version 3 has brought."""

Ask = Callable[[Repositories, UnitOfWork], object]

SEARCHES = {
    "newest": SearchQuery(page=3),
    "time": SearchQuery(since=NOW - timedelta(days=1), until=NOW),
    "project": SearchQuery(project="fox"),
    "session": SearchQuery(session_id=SESSION),
    "model": SearchQuery(model="gpt-image-3"),
    "word": SearchQuery(text="fox"),
    "words in time": SearchQuery(text="fox snow", since=NOW, until=NOW),
    "words in a project": SearchQuery(text="fox snow", project="fox"),
    "words in a session": SearchQuery(text="fox snow", session_id=SESSION),
    "words of a model": SearchQuery(text="fox", model="gpt-image-2"),
    "letters": SearchQuery(text="赤い狐"),
}
ASKED: dict[str, Ask] = {
    **{name: lambda _, page, wanted=wanted: page.search(wanted) for name, wanted in SEARCHES.items()},
    "by id": lambda _, page: page.pictures.get("image-20261122-140300-00000a"),
    "by content": lambda _, page: page.pictures.by_content("0" * 64),
    "active sessions": lambda _, page: page.sessions.active(),
    "one session": lambda _, page: page.sessions.get(SESSION),
    "a new session": lambda _, page: page.sessions.begin(SESSION, Path("/tmp")),  # noqa: S108 - a name
    "a repeated job": lambda _, page: page.jobs.unfetched("key", ended_after=NOW),
    "recent jobs": lambda _, page: page.jobs.recent(20),
    "the dearest": lambda repositories, _: repositories.ledger.max_output_tokens(
        model="gpt-image-2", size="auto", quality="low"
    ),
    "a new picture": lambda _, page: page.pictures.add(saved(Path(), None)),
}


@pytest.fixture
def repositories(tmp_path: Path) -> Generator[Repositories]:
    repositories = Repositories(tmp_path / "books.db", keeps_history=True, session_max=20, session_ttl_ms=1000)
    yield repositories
    repositories.close()


@contextmanager
def statements(repositories: Repositories) -> Generator[list[tuple[str, Any]]]:
    """What is executed inside the block, with its values."""
    found: list[tuple[str, Any]] = []

    def note(_: object, __: object, statement: str, values: Any, *___: object) -> None:
        found.append((statement, values))

    engine = repositories.catalogue_store.database.engine
    event.listen(engine, "before_cursor_execute", note)
    yield found
    event.remove(engine, "before_cursor_execute", note)


def plan(connection: sa.Connection, statement: str, values: Any) -> list[str]:
    return [row[-1] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {statement}", values)]


@pytest.mark.parametrize("asked", ASKED.values(), ids=ASKED)
def test_nothing_looks_at_every_row(repositories: Repositories, asked: Ask) -> None:
    with repositories.unit_of_work() as page:
        connection = page.pictures.connection
        with statements(repositories) as found:
            asked(repositories, page)
        plans = [plan(connection, *one) for one in found if re.match("SELECT|UPDATE|DELETE", one[0])]
    steps = [step for steps in plans for step in steps]
    assert steps
    # A scan of an index in its order ends as soon as a page is full.
    assert [step for step in steps if re.fullmatch(r"SCAN (pictures|charges|jobs|sessions)", step)] == []


@pytest.mark.parametrize("name", [name for name in SEARCHES if "session" not in name])
def test_a_page_is_found_in_order_and_not_sorted(repositories: Repositories, name: str) -> None:
    with repositories.unit_of_work() as page:
        with statements(repositories) as found:
            page.search(SEARCHES[name])
        plans = [plan(page.pictures.connection, *one) for one in found]
    assert [step for steps in plans for step in steps if "TEMP B-TREE" in step] == []


def test_many_sessions_take_no_more_statements_than_one(repositories: Repositories, tmp_path: Path) -> None:
    def listed() -> tuple[int, int]:
        with repositories.unit_of_work() as page, statements(repositories) as found:
            return len(page.sessions.active()), len(found)

    counts: list[tuple[int, int]] = []
    for number in range(3):
        with repositories.unit_of_work() as page:
            place = page.sessions.begin(f"session-{number:024x}", tmp_path)
            assert isinstance(place, SessionPosition)
            name = f"session-20261122-140300-{number:06x}"
            page.pictures.add(saved(tmp_path, None, name=name, place=place, kind="session"))
        counts.append(listed())
    assert [sessions for sessions, _ in counts] == [1, 2, 3]
    assert len({asked for _, asked in counts}) == 1


def test_a_file_from_before_the_indexes_gets_them_and_keeps_its_rows(
    repositories: Repositories, tmp_path: Path
) -> None:
    picture = saved(tmp_path, None)
    names = sa.text("SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL")
    with repositories.unit_of_work() as page:
        page.pictures.add(picture)
        connection = page.pictures.connection
        before = set(connection.scalars(names))
        for name in filter(NEWER.fullmatch, before):
            connection.exec_driver_sql(f"DROP INDEX {name}")
        for name in ("batch_lines", "batches", "outbox", "stored_files"):
            connection.exec_driver_sql(f"DROP TABLE {name}")
        connection.exec_driver_sql("UPDATE schema_version SET version = 2")
    repositories.close()
    later = Repositories(repositories.database, keeps_history=True)
    with later.unit_of_work() as page:
        assert set(page.pictures.connection.scalars(names)) == before
        assert page.pictures.get(picture.id) == picture
    later.close()
