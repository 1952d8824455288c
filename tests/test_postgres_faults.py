"""A PostgreSQL server that restarts, and processes that stop, sleep or are killed.

Other processes wait for five seconds at most, a paid picture is neither lost nor paid twice, and what the server has
undone is written again.
"""

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Generator, Iterator
from contextlib import ExitStack, closing, contextmanager
from decimal import Decimal
from pathlib import Path
from time import monotonic
from typing import Any

import anyio.to_thread
import httpx2
import psycopg
import pytest
import sqlalchemy as sa
from fault_proxy import Unmarked, paying, until
from patience import MOMENT_S, PATIENCE_S, rounds
from postgres_server import Server, broken_off, expired
from sqlalchemy import event
from stdio_bench import calls, fetched, handed, job_of, listed, reached, stands
from workbench import SMALL, Bench, Benches, said

from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database import connection_guard, leases
from gpt_image_2_mcp.database import postgres as on_postgres
from gpt_image_2_mcp.database.leases import presence_key
from gpt_image_2_mcp.database.retry import TRIES, retry_undone
from gpt_image_2_mcp.database.store import Store, open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable, TransactionUndone
from gpt_image_2_mcp.persistence.unit_of_work import Repositories

pytestmark = pytest.mark.anyio

URL = "GPT_IMAGE_2_DATABASE_URL"
SHORT_WAIT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05"}
BUDGET = "GPT_IMAGE_2_BUDGET_PER_DAY_USD"
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}
CHARGE = ChargeEntry("gpt-image-2", "1024x1024", "high")
PRICE = Decimal("0.2")

Open = Callable[[], Store]
Query = Callable[[str], list[tuple[Any, ...]]]


@pytest.fixture
def opened(postgres: PostgresUrl) -> Iterator[Open]:
    """Opens stores that are closed in the end."""
    with ExitStack() as stack:

        def open_one() -> Store:
            store = open_store(postgres)
            stack.callback(store.close)
            return store

        yield open_one


@pytest.fixture
def query(postgres: PostgresUrl) -> Iterator[Query]:
    """Runs a statement past our own code, and gives its rows."""
    with closing(psycopg.connect(postgres.text, autocommit=True)) as connection:
        yield lambda statement: connection.execute(statement.encode()).fetchall()


def sent(store: Store) -> Callable[[], None]:
    """Send a request that costs money; what is given settles it."""
    ledger = Ledger(store)
    charge = ledger.reserve(CHARGE, estimate=PRICE, is_sent=True)
    return lambda: ledger.settle(charge, usage=None, usd=Decimal("0.1"))


# Leases.


def test_a_lease_runs_on_when_the_connection_breaks_and_ends_with_the_process(
    postgres: PostgresUrl, opened: Open
) -> None:
    one, other = opened(), opened()
    sent(one)
    assert other.dead_owners({one.owner, other.owner, "never"}) == {"never"}
    broken_off(postgres)
    assert other.dead_owners({one.owner}) == set()
    assert 0 < (other.seconds_left({one.owner}) or 0) <= leases.LEASE_SECONDS
    expired(postgres, one.owner)
    assert other.dead_owners({one.owner}) == {one.owner}
    sent(one)
    assert other.dead_owners({one.owner}) == set(), "as of a computer that has woken"
    one.close()
    assert other.dead_owners({one.owner}) == {one.owner}


def test_a_lease_that_has_expired_does_not_make_a_process_dead_that_is_connected(
    postgres: PostgresUrl, opened: Open
) -> None:
    one, other = opened(), opened()
    sent(one)
    expired(postgres)
    assert other.dead_owners({one.owner}) == set()


def test_a_server_of_an_earlier_version_lives_as_long_as_its_connection(postgres: PostgresUrl, opened: Open) -> None:
    store = opened()
    with closing(psycopg.connect(postgres.text)) as connection:
        connection.execute("SELECT pg_advisory_lock_shared(%s)", (presence_key("old"),))
        assert store.dead_owners({"old", "gone"}) == {"gone"}
    until(lambda: store.dead_owners({"old"}) == {"old"})


def test_a_lease_is_renewed_while_work_is_under_way_and_not_for_longer(
    opened: Open, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 0.3)
    store = opened()
    settle = sent(store)
    seen = set[Any]()

    def renewed() -> bool:
        seen.update(query("SELECT expires FROM leases"))
        return len(seen) > 3

    until(renewed)
    settle()
    until(lambda: query("SELECT expires < clock_timestamp() FROM leases") == [(True,)])
    seen.clear()
    sent(store)
    until(renewed)


# Locks.


def test_reading_waits_for_no_process_and_writing_only_for_one_that_writes_the_same(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(on_postgres, "_SESSION_SETTINGS", ("SET lock_timeout = '50ms'",))
    first, second = opened(), opened()
    ledger = Ledger(second)
    with first.database.transaction():
        held = Ledger(first).reserve(CHARGE, estimate=PRICE, budgets=Budgets(per_day=Decimal(5)))
        assert ledger.summary().reserved == 0
        opened()
        other = ledger.reserve(CHARGE, estimate=PRICE)
        with pytest.raises(DatabaseUnusable, match="held by another process"):
            ledger.reserve(CHARGE, estimate=PRICE, budgets=Budgets(per_day=Decimal(5)))
    with first.database.transaction():
        Ledger(first).settle(held, usage=None, usd=PRICE)
        ledger.settle(other, usage=None, usd=PRICE)
        with pytest.raises(DatabaseUnusable, match="held by another process"):
            ledger.settle(held, usage=None, usd=PRICE)
    assert ledger.summary().spent == 2 * PRICE


def test_a_transaction_that_only_reads_cannot_write(opened: Open) -> None:
    store = opened()
    with pytest.raises(RuntimeError, match="only reads"), store.database.reading(), store.database.transaction():
        pass
    with pytest.raises(DatabaseUnusable), store.database.reading() as connection:
        connection.exec_driver_sql("DELETE FROM jobs")


STOPPED = """\
import sys
from decimal import Decimal
from pathlib import Path

from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.database.retry import retry_undone

url, connections, person = sys.stdin.readline().split()
store = open_store(PostgresUrl(url), connections=int(connections)).of(person.strip("-"))
ledger = Ledger(store)

@retry_undone
def reserve():
    with store.database.transaction():
        entry, budgets = ChargeEntry("m", "s", "q"), Budgets(per_day=Decimal(1))
        charge = ledger.reserve(entry, estimate=Decimal("0.2"), budgets=budgets)
        print("reserved", flush=True)
        sys.stdin.readline()
        ledger.mark_sent(charge)

reserve()
print("written", flush=True)
sys.stdin.readline()
"""


@contextmanager
def stopped(url: PostgresUrl, connections: int, person: str) -> Generator["subprocess.Popen[str]"]:
    """A process that is stopped in the middle of a transaction in which it reserves money for a person."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", STOPPED], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        try:
            process.stdin.write(f"{url.text} {connections} {person or '-'}\n")
            process.stdin.flush()
            assert process.stdout.readline() == "reserved\n"
            process.send_signal(signal.SIGSTOP)
            yield process
        finally:
            process.kill()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
@pytest.mark.parametrize(("connections", "person", "other"), [(1, "", ""), (8, "token|alice", "token|bob")])
def test_a_process_that_is_stopped_within_a_transaction_holds_up_others_for_five_seconds_and_writes_later(
    postgres: PostgresUrl, opened: Open, query: Query, connections: int, person: str, other: str
) -> None:
    ledger = Ledger(opened().of(other))
    with stopped(postgres, connections, person) as process:
        assert process.stdin
        assert process.stdout
        began = monotonic()
        assert ledger.summary().reserved == 0
        read = monotonic() - began
        ledger.reserve(CHARGE, estimate=PRICE, budgets=Budgets(per_day=Decimal(5)))
        waited = monotonic() - began
        assert read < waited / 2
        # Five seconds, or more on a slow machine.
        assert waited < 4 + 2 * MOMENT_S
        process.send_signal(signal.SIGCONT)
        for _ in range(2):
            process.stdin.write("\n")
            process.stdin.flush()
        assert process.stdout.readline() == "reserved\n", "again"
        assert process.stdout.readline() == "written\n"
        assert query("SELECT state FROM charges ORDER BY state") == [("reserved",), ("sent",)]


# A restart of the server while pictures are made.


@contextmanager
def restarted(server: Server) -> Generator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


def outlast_leases(url: PostgresUrl) -> None:
    """Have every lease expire as it does when the server was down for longer than that."""
    with closing(psycopg.connect(url.text, autocommit=True)) as connection:
        connection.execute("UPDATE leases SET expires = pg_postmaster_start_time()")


async def team(benches: Benches, url: PostgresUrl, **more: str) -> tuple[Bench, Bench]:
    """Two servers of a team, whose pictures cost money and whose calls are answered with a job's id."""
    environ = {URL: url.text, **SHORT_WAIT, **more}
    return await benches.open(environ, wrap=Unmarked), await benches.open(environ, wrap=Unmarked)


async def test_a_restart_while_a_picture_is_made_loses_and_repeats_nothing(
    benches: Benches, postgres_server: Server, postgres: PostgresUrl, query: Query
) -> None:
    one, other = await team(benches, postgres, GPT_IMAGE_2_MAX_CONCURRENCY="1")
    await listed(other, "no")
    one.knobs.hold()
    first = await handed(one, "generate_image", **FOX)
    await reached(one, 1)
    second = await handed(one, "generate_image", prompt="an owl", size=SMALL)
    until_both = "SELECT count(*) FROM jobs WHERE given_up"
    await anyio.to_thread.run_sync(until, lambda: query(until_both) == [(2,)])
    with restarted(postgres_server):
        pass
    await anyio.to_thread.run_sync(outlast_leases, postgres)
    assert "Rendering" in said(await other.call("get_image_job", job_id=first))
    assert "Queued" in said(await other.call("get_image_job", job_id=second))
    again = job_of(await other.call("generate_image", **FOX))
    await stands(other, again, first)
    one.knobs.release()
    for job_id in (first, second):
        answer = await fetched(other, job_id)
        assert not answer.is_error, said(answer)
    assert (one.knobs.paid, other.knobs.paid) == (2, 0)
    with closing(psycopg.connect(postgres.text)) as connection:
        assert connection.execute("SELECT DISTINCT state FROM charges").fetchall() == [("settled",)]
        assert connection.execute("SELECT DISTINCT state FROM jobs").fetchall() == [("done",)]


async def test_a_call_that_waits_for_a_job_of_another_server_outlasts_a_restart(
    benches: Benches, postgres_server: Server, postgres: PostgresUrl, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "gpt_image_2_mcp.jobs")
    one, other = await team(benches, postgres, GPT_IMAGE_2_MAX_WAIT_S=str(PATIENCE_S))
    one.knobs.hold()
    async with calls(one) as first, calls(other) as second:
        made = first.start("generate_image", **FOX)
        text = await listed(other, ": rendering")
        job_id = text[text.index("job-") :].partition(":")[0]
        asked = second.start("get_image_job", job_id=job_id)
        await asked.told(lambda message: "Rendering" in message)
        with restarted(postgres_server):
            await anyio.to_thread.run_sync(until, lambda: f"{job_id} cannot be read at present" in caplog.text)
        one.knobs.release()
        for pending in (made, asked):
            answer = await pending.answer()
            assert not answer.is_error, said(answer)


async def test_a_job_that_was_declared_lost_is_done_when_its_picture_comes(
    benches: Benches, postgres: PostgresUrl, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As of a computer that slept: no lease and no connection, until it has the picture."""
    # So that it renews nothing by itself, however slow the test is.
    monkeypatch.setattr(leases, "LEASE_SECONDS", 100 * PATIENCE_S)
    one = await benches.open({URL: postgres.text, **SHORT_WAIT}, wrap=Unmarked)
    other = await benches.open({URL: postgres.text, "GPT_IMAGE_2_MAX_WAIT_S": "0.000001"}, wrap=Unmarked)
    await listed(other, "no")
    one.knobs.hold()
    job_id = await handed(one, "generate_image", **FOX)
    await reached(one, 1)
    await anyio.to_thread.run_sync(until, lambda: query("SELECT given_up FROM jobs") == [(True,)])
    joined = job_of(await other.call("generate_image", **FOX))
    # The id is that of the call itself, which had not joined the other job yet when it was answered.
    await stands(other, joined, job_id)
    broken_off(postgres)
    expired(postgres)
    for asked in (job_id, joined):
        text = await stands(other, asked, "is lost")
        assert "may still come: call get_image_job again before you pay once more" in text
    third = Repositories(postgres, keeps_history=True)
    sentences, lost = third.recover()
    assert ("may have been billed" in sentences[0], [job.id for job in lost]) == (True, [job_id])
    assert third.ledger.summary().spent > 0
    third.close()
    one.knobs.release()
    for asked in (job_id, joined):
        # Lost at first, then under way again.
        await stands(other, asked, "Made: ")
    assert (one.knobs.paid, other.knobs.paid) == (1, 0)
    with closing(psycopg.connect(postgres.text)) as connection:
        assert connection.execute("SELECT state FROM charges UNION ALL SELECT state FROM jobs").fetchall() == [
            ("settled",),
            ("done",),
        ]


async def test_a_job_declared_lost_in_its_row_goes_on_when_its_process_shows_again(
    benches: Benches, postgres: PostgresUrl, query: Query
) -> None:
    one, other = await team(benches, postgres)
    one.knobs.hold()
    job_id = await handed(one, "generate_image", **FOX)
    await listed(other, f"{job_id}: rendering")
    query("UPDATE jobs SET state = 'lost', ended_us = created_us RETURNING id")
    assert "Rendering" in said(await other.call("get_image_job", job_id=job_id))
    one.knobs.release()
    assert not (await fetched(other, job_id)).is_error


# Processes that are killed.

KILLED = """\
import sys
from decimal import Decimal
from pathlib import Path

from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database import connection_guard, leases
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import PostgresUrl

leases.LEASE_SECONDS = 1.5
store = open_store(PostgresUrl(sys.stdin.readline().strip()))
Ledger(store).reserve(ChargeEntry("m", "s", "q"), estimate=Decimal("0.2"), is_sent=True)
print("sent", flush=True)
sys.stdin.readline()
"""


def killed(url: PostgresUrl) -> None:
    """Have a process killed that has sent a request."""
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", KILLED], stdin=pipe, stdout=pipe, text=True) as process:
        assert process.stdin
        assert process.stdout
        process.stdin.write(f"{url.text}\n")
        process.stdin.flush()
        assert process.stdout.readline() == "sent\n"
        process.kill()


async def test_a_server_that_starts_right_after_a_kill_settles_what_was_left_when_the_lease_is_over(
    benches: Benches, postgres: PostgresUrl, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "LEASE_SECONDS", 1.5)
    await anyio.to_thread.run_sync(killed, postgres)
    bench = await benches.open({URL: postgres.text})
    await bench.call("image_costs")
    await anyio.to_thread.run_sync(until, lambda: query("SELECT state FROM charges") == [("unknown",)])


# A connection that breaks anywhere.


class Breaker:
    """Breaks the connection of this process when it has counted as many moments of a kind as `left` says."""

    def __init__(self, moment: str) -> None:
        self.moment = moment
        self.step = rounds(3, 1) if moment == "before a statement" else 1
        self.left = -1

    def __call__(self, connection: sa.Connection, *_: object) -> None:
        self.left -= 1
        if self.left == 0:
            driver: Any = connection.connection.driver_connection
            if self.moment == "after the commit":
                driver.commit()
            driver.close()


@pytest.fixture(params=["before a statement", "before the commit", "after the commit"])
def breaker(request: pytest.FixtureRequest) -> Iterator[Breaker]:
    breaker = Breaker(request.param)
    moment = "before_cursor_execute" if request.param == "before a statement" else "commit"
    event.listen(sa.Engine, moment, breaker)
    yield breaker
    event.remove(sa.Engine, moment, breaker)


@pytest.mark.thorough
async def test_a_connection_that_breaks_anywhere_costs_no_record_and_writes_nothing_twice(
    benches: Benches, postgres: PostgresUrl, query: Query, breaker: Breaker
) -> None:
    under_way = list[Any]()

    class Looked(Unmarked):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            under_way.extend(query("SELECT count(*) FROM charges WHERE state = 'sent'"))
            return await super().handle_async_request(request)

    bench = await benches.open({URL: postgres.text, BUDGET: "1000"}, wrap=Looked)
    photo = str(bench.photo())
    broken = 0
    while broken == 0 or breaker.left <= 0:
        broken += 1
        breaker.left = broken * breaker.step
        made = await bench.made("start_edit_session", prompt="bluer", images=[photo], size=SMALL)
        assert "could not be written" not in made.text
        await bench.made("continue_edit_session", prompt="greener", session_id=made.session_id, size=SMALL)
        paid = bench.knobs.paid
        assert paid == 2 * broken
        assert query("SELECT state, count(*) FROM charges GROUP BY state") == [("settled", paid)]
        assert query("SELECT count(*), count(DISTINCT session_id) FROM pictures") == [(paid, broken)]
        assert query("SELECT state, count(*) FROM jobs GROUP BY state") == [("done", paid)]
    assert under_way == [(1,)] * bench.knobs.paid, "written before it is sent"
    assert broken > 4, "there were moments to break it in"


# A server that takes everything and answers nothing.


@contextmanager
def silent(query: Query, *, at_commit: bool) -> Generator[None]:
    """The server's side of our connection is stopped, now or at the next commit: it takes all, and answers nothing."""
    ours = "SELECT pid FROM pg_stat_activity WHERE application_name = 'gpt-image-2-mcp'"
    stopped = list[int]()

    def stop(*_: object) -> None:
        if not stopped:
            stopped.extend(pid for (pid,) in query(ours))
            for pid in stopped:
                os.kill(pid, signal.SIGSTOP)

    if at_commit:
        event.listen(sa.Engine, "commit", stop)
    else:
        stop()
    try:
        yield
        assert stopped
    finally:
        if at_commit:
            event.remove(sa.Engine, "commit", stop)
        for pid in stopped:
            os.kill(pid, signal.SIGCONT)


@pytest.mark.parametrize("at_commit", [False, True])
async def test_a_server_that_never_answers_holds_up_no_picture_and_costs_no_record(
    tmp_path: Path, postgres: PostgresUrl, query: Query, monkeypatch: pytest.MonkeyPatch, *, at_commit: bool
) -> None:
    monkeypatch.setattr(connection_guard, "ANSWER_SECONDS", 0.5)
    async with paying(tmp_path, {URL: postgres.text}) as bench:
        await bench.made("generate_image", **FOX)
        bench.knobs.hold()
        async with calls(bench) as started:
            with silent(query, at_commit=at_commit):
                call = started.start("generate_image", **FOX)
                await reached(bench, 2)
            with silent(query, at_commit=at_commit):
                bench.knobs.release()
                text = said(await call.answer())
        assert "Made: 1 picture" in text
        # Between two transactions, the silence is noticed before anything is written, and another connection is made.
        assert ("is not in the catalogue yet" in text) is at_commit
        assert ("has not answered for" in text) is at_commit
        assert said(await bench.call("list_images")).startswith("2 pictures")
        assert query("SELECT state, count(*) FROM charges GROUP BY state") == [("settled", 2)]
        assert query("SELECT state, count(*) FROM jobs GROUP BY state") == [("done", 2)]


def test_a_transaction_that_is_undone_again_and_again_is_told(postgres: PostgresUrl) -> None:
    tries = list[int]()

    @retry_undone
    def work() -> None:
        tries.append(1)
        raise TransactionUndone(postgres, "was changed")

    with pytest.raises(TransactionUndone, match="was changed"):
        work()
    assert len(tries) == TRIES
