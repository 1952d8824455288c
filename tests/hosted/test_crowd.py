"""What a person asks for does not go through the rows of all others: the database server counts what it reads.

Nor does what a replica does every few seconds. `make bench-hosting` measures the same as times.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path

import psycopg
import pytest
from postgres_server import Server

from gpt_image_2_mcp.database.url import PostgresUrl

from .crowd import Crowd, fill
from .rows_read import Counted, counting
from .scale import OF_A_PERSON, OF_A_REPLICA, Ask, Place, opened

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

CROWD = Crowd(people=400, pictures=40_000)
OWN = 15 * CROWD.each
"""Rows that a statement may read: the turns of each of 13 sessions are looked for among a person's pictures."""


@pytest.fixture(scope="module")
def crowded(postgres_server: Server) -> Iterator[PostgresUrl]:
    """A database with the work of many people."""
    url = postgres_server.team_database()
    fill(url, CROWD)
    yield url
    postgres_server.drop(url)


async def counted(place: Place, asked: Mapping[str, Ask]) -> dict[str, Counted]:
    """The statement of each question that reads most rows."""
    found: dict[str, Counted] = {}
    for name, ask in asked.items():
        await ask(place)
        with counting(place.shared.database.of().database.engine) as statements:
            await ask(place)
        assert statements, name
        found[name] = max(statements, key=lambda one: one.rows)
    return found


async def test_what_a_person_asks_reads_no_rows_of_the_others(crowded: PostgresUrl, tmp_path: Path) -> None:
    async with opened(crowded, tmp_path) as place:
        found = await counted(place, OF_A_PERSON)
    assert {name: one for name, one in found.items() if one.rows > OWN} == {}


async def test_what_a_replica_looks_for_again_and_again_reads_what_is_under_way(
    crowded: PostgresUrl, tmp_path: Path
) -> None:
    async with opened(crowded, tmp_path) as place:
        found = await counted(place, OF_A_REPLICA)
    assert {name: one for name, one in found.items() if one.rows > 10} == {}


async def test_a_search_reads_nothing_that_waits_for_the_index(crowded: PostgresUrl, tmp_path: Path) -> None:
    """By default PostgreSQL has a list of new words beside it, of all people, which each search goes through."""

    async def pages() -> int:
        with counting(place.shared.database.of().database.engine) as statements:
            await OF_A_PERSON["list: a word that is nowhere"](place)
        return sum(one.pages for one in statements if "picture_words" in one.statement)

    again = """
        WITH new AS (DELETE FROM picture_words WHERE number IN
            (SELECT number FROM picture_words ORDER BY number LIMIT 1000) RETURNING *)
        INSERT INTO picture_words SELECT * FROM new
    """
    async with opened(crowded, tmp_path) as place:
        before = await pages()
        with psycopg.connect(crowded.text) as connection:
            connection.execute(again)
        assert await pages() <= before + 20


async def test_each_list_of_the_crowd_has_pictures(crowded: PostgresUrl, tmp_path: Path) -> None:
    """Without them, what is counted here would be nothing."""
    lists = {name: ask for name, ask in OF_A_PERSON.items() if name.startswith("list") and "nowhere" not in name}
    async with opened(crowded, tmp_path) as place:
        told = {name: str(await ask(place)) for name, ask in lists.items()}
    assert [name for name, text in told.items() if "image-2" not in text and "session-2" not in text] == []
