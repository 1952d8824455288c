"""One limit of pictures a minute for all replicas: a row in PostgreSQL, by the clock of the database."""

import subprocess
import sys
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from time import monotonic
from typing import Any

import anyio.to_thread
import psycopg
import pytest
from patience import PATIENCE_S
from postgres_server import Server
from promises import promise

from gpt_image_2_mcp.database.lazy_store import LazyStore
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.openai_api import shared_pace
from gpt_image_2_mcp.openai_api.shared_pace import SharedPace

pytestmark = pytest.mark.anyio

RATE = 1200
"""Pictures a minute: twenty a second."""
STARTS = 60

REPLICA = """\
import sys
import anyio
from gpt_image_2_mcp.database.lazy_store import LazyStore
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.openai_api.rate_limiter import RateLimiter
from gpt_image_2_mcp.openai_api.request_status import RequestStatus
from gpt_image_2_mcp.openai_api.shared_pace import SharedPace

url, per_minute, starts = sys.stdin.readline().split()

async def main():
    database = LazyStore(PostgresUrl(url), connections=4)
    limiter = RateLimiter(100, SharedPace(database, int(per_minute)))
    database.of()

    async def ask():
        status = RequestStatus()
        async with limiter.slot(status) as slot, limiter.wait_to_start(slot, status):
            pass

    print("ready", flush=True)
    sys.stdin.readline()
    async with anyio.create_task_group() as tasks:
        for _ in range(int(starts)):
            tasks.start_soon(ask)
    database.close()

anyio.run(main)
"""

Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def query(postgres: PostgresUrl) -> Iterator[Query]:
    """Runs a statement past our own code, and gives its rows."""
    with closing(psycopg.connect(postgres.text, autocommit=True)) as connection:
        yield lambda statement: connection.execute(statement.encode()).fetchall()


@asynccontextmanager
async def opened(url: PostgresUrl, per_minute: int | None = None) -> AsyncGenerator[SharedPace]:
    """The pace of one replica."""
    database = LazyStore(url, connections=2)
    try:
        yield SharedPace(database, per_minute)
    finally:
        await anyio.to_thread.run_sync(database.close)


def most_above(times: list[float], per_second: float) -> float:
    """By how many starts the busiest stretch of time, of whatever length, is above the rate."""
    return max(
        later - earlier + 1 - per_second * (times[later] - times[earlier])
        for earlier in range(len(times))
        for later in range(earlier, len(times))
    )


def passed(query: Query, seconds: float) -> None:
    """Have so much time pass for the pace."""
    query(f"UPDATE pace SET tat = tat - {seconds}, held_until = held_until - {seconds} RETURNING 1")  # noqa: S608 - a number


def waiting_replica(url: PostgresUrl) -> "subprocess.Popen[str]":
    """A process that begins with the next line of its stdin."""
    pipe = subprocess.PIPE
    replica = subprocess.Popen([sys.executable, "-c", REPLICA], stdin=pipe, stdout=pipe, text=True)
    assert replica.stdin
    assert replica.stdout
    replica.stdin.write(f"{url.text} {RATE} {STARTS // 2}\n")
    replica.stdin.flush()
    assert replica.stdout.readline() == "ready\n"
    return replica


WATCHED = """
    CREATE TABLE allowed (at float8);
    CREATE FUNCTION note() RETURNS trigger LANGUAGE plpgsql AS
        'BEGIN INSERT INTO allowed VALUES (extract(epoch FROM clock_timestamp())); RETURN NULL; END';
    CREATE TRIGGER note AFTER UPDATE OF tat ON pace FOR EACH ROW EXECUTE FUNCTION note();
"""
"""Notes when a request is allowed to start."""


@pytest.mark.thorough
@promise("Several replicas", "Together they start no more pictures a minute than the limit, in any stretch of time")
async def test_two_replicas_together_start_no_more_than_the_limit_in_any_window(
    postgres: PostgresUrl, query: Query
) -> None:
    async with opened(postgres, RATE) as pace:
        assert await pace.ask(1, is_paced=True) == 0
    replicas = [waiting_replica(postgres) for _ in range(2)]
    # The minute's pictures are gone, so that only what comes back is left.
    query("UPDATE pace SET tat = extract(epoch FROM clock_timestamp()) + 60 RETURNING 1")
    with psycopg.connect(postgres.text, autocommit=True) as connection:
        connection.execute(WATCHED.encode())
    for replica in replicas:
        assert replica.stdin
        replica.stdin.write("\n")
        replica.stdin.flush()
    for replica in replicas:
        replica.communicate(timeout=PATIENCE_S)
        assert replica.returncode == 0
    times = sorted(at for (at,) in query("SELECT at FROM allowed"))
    assert len(times) == STARTS
    # One at the beginning, and one of each replica that was allowed a moment before it was noted.
    assert most_above(times, RATE / 60) <= 3, times


async def test_three_hundred_starts_at_sixty_a_minute_take_four_minutes(postgres: PostgresUrl, query: Query) -> None:
    """On a clock that is put forward by every wait."""
    async with opened(postgres, 60) as one, opened(postgres, 60) as other:
        began = monotonic()
        waited = 0.0
        for number in range(300):
            replica = (one, other)[number % 2]
            while wait := await replica.ask(1, is_paced=False):
                passed(query, wait)
                waited += wait
        # The first sixty at once; what passes for the machine, passes for the pace.
        assert 240 - (monotonic() - began) - 1 <= waited <= 240


async def test_a_429_that_one_replica_gets_holds_all_and_its_limit_counts_for_all(
    postgres: PostgresUrl, query: Query
) -> None:
    async with opened(postgres, 100) as one, opened(postgres, 100) as other, opened(postgres) as guessing:
        for replica in (one, other, guessing):
            assert await replica.ask(1, is_paced=True) == 0
        await one.note_refusal("Rate limit: images per min: Limit 30, Used 30.", hold_s=1000)
        for replica in (other, guessing):
            assert 900 < await replica.ask(1, is_paced=False) <= 1000
        passed(query, 1000)
        for replica in (other, guessing):
            assert await replica.ask(1, is_paced=False) == 0
            assert round(30 * replica.minutes_for(60)) > 30, "at 30 a minute"
        # An account may get a higher limit: what was named counts for an hour.
        query("UPDATE pace SET named_until = 0, tat = 0 RETURNING 1")
        assert await other.ask(100, is_paced=True) == 0


async def test_a_request_larger_than_the_limit_waits_for_a_full_minute(postgres: PostgresUrl) -> None:
    async with opened(postgres, 5) as pace:
        assert await pace.ask(1, is_paced=False) == 0
        assert 11 < await pace.ask(10, is_paced=False) <= 12


async def test_a_single_picture_does_not_wait_for_a_guess_and_headers_of_one_replica_tell_all(
    postgres: PostgresUrl,
) -> None:
    async with opened(postgres) as one, opened(postgres) as other:
        for _ in range(20):
            assert await one.ask(1, is_paced=False) == 0
        assert await other.ask(1, is_paced=True) > 30, "at the lowest tier's five a minute"
        one.learn_from_headers({"x-ratelimit-limit-images": "250"})
        assert await one.ask(1, is_paced=False) > 0, "what was taken before counts"
        assert await other.ask(1, is_paced=False) > 0


async def test_without_the_database_each_replica_keeps_to_the_limit_by_itself(
    postgres: PostgresUrl, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shared_pace, "RETRY_S", 0.0)
    async with opened(postgres, 60) as one, opened(postgres, 60) as other:
        for replica in (one, other):
            assert await replica.ask(20, is_paced=False) == 0
        await anyio.to_thread.run_sync(postgres_server.stop)
        try:
            allowed = [sum([await replica.ask(1, is_paced=False) == 0 for _ in range(70)]) for replica in (one, other)]
        finally:
            await anyio.to_thread.run_sync(postgres_server.start)
        assert 40 <= allowed[0] <= 50, "a minute's pictures without those that this one knows of"
        assert 20 <= allowed[1] <= 30
        assert await one.ask(60, is_paced=False) > 0, "the database counts what it knows"


@pytest.mark.thorough
async def test_a_replica_that_is_stopped_while_it_asks_does_not_hold_up_the_others(postgres: PostgresUrl) -> None:
    async with opened(postgres, 60) as pace:
        assert await pace.ask(1, is_paced=False) == 0
        with psycopg.connect(postgres.text) as connection:
            connection.execute("SELECT * FROM pace FOR UPDATE")
            began = monotonic()
            assert await pace.ask(1, is_paced=False) == 0, "by itself"
            assert monotonic() - began < PATIENCE_S / 2
