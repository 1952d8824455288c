"""A server for several people has a pool of connections: one person's transaction holds up no other's."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from decimal import Decimal
from threading import Barrier, Thread
from typing import Any

import pytest
from patience import PATIENCE_S
from postgres_server import broken_off, expired

from gpt_image_2_mcp.billing.budgets import ChargeEntry
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database import connection_guard
from gpt_image_2_mcp.database import postgres as on_postgres
from gpt_image_2_mcp.database.database import as_everyone
from gpt_image_2_mcp.database.store import Store, open_store
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable

from .people import ALICE, BOB

CHARGE = ChargeEntry("gpt-image-2", "1024x1024", "low")
PRICE = Decimal("0.1")

Open = Callable[[int], Store]


@pytest.fixture
def opened(team_database: PostgresUrl) -> Iterator[Open]:
    """Opens stores with so many connections, which are closed in the end."""
    with ExitStack() as stack:

        def open_one(connections: int) -> Store:
            store = open_store(team_database, connections=connections)
            stack.callback(store.close)
            return store

        yield open_one


def side_by_side(*works: Callable[[], object]) -> list[Exception | None]:
    """Run each in a thread of its own, and give what it raised."""
    raised: list[Exception | None] = [None for _ in works]

    def run(number: int) -> None:
        try:
            works[number]()
        except Exception as error:  # noqa: BLE001 - the test looks at it
            raised[number] = error

    threads = [Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return raised


def test_several_people_are_in_transactions_at_once_and_each_sees_their_own(opened: Open) -> None:
    store = opened(4)
    people = [f"token|{number}" for number in range(4)]
    inside, found = Barrier(4, timeout=PATIENCE_S), dict[str, Any]()

    def work(person: str) -> None:
        ledger = Ledger(store.of(person))
        with store.of(person).database.transaction():
            ledger.reserve(CHARGE, estimate=PRICE)
            inside.wait()
        found[person] = ledger.summary(with_team=True)

    assert side_by_side(*[lambda person=person: work(person) for person in people]) == [None] * 4
    assert {summary.reserved for summary in found.values()} == {PRICE}
    assert found[people[0]].team.reserved <= 4 * PRICE


def test_what_a_person_writes_waits_for_no_transaction_of_another_in_the_same_process(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The lease, which each of them could renew, is one row of the process."""
    monkeypatch.setattr(on_postgres, "_SESSION_SETTINGS", ("SET lock_timeout = '50ms'",))
    store = opened(2)
    alice, bob = Ledger(store.of(ALICE)), Ledger(store.of(BOB))
    with store.of(ALICE).database.transaction():
        alice.reserve(CHARGE, estimate=PRICE)
        assert side_by_side(lambda: bob.reserve(CHARGE, estimate=PRICE)) == [None]
    assert bob.summary().reserved == PRICE


def test_a_transaction_waits_for_a_connection_for_a_bounded_time(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_postgres, "POOL_SECONDS", 0.1)
    store = opened(1)
    with store.of(ALICE).database.reading():
        (error,) = side_by_side(lambda: Ledger(store.of(BOB)).summary())
    assert isinstance(error, DatabaseUnusable)
    assert "no connection of this process became free" in str(error)
    assert Ledger(store.of(BOB)).summary().spent == 0


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")
def test_a_silent_connection_ends_the_transaction_of_its_person_alone(
    opened: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connection_guard, "ANSWER_SECONDS", 0.5)
    store = opened(2)
    inside, stopped = Barrier(2, timeout=PATIENCE_S), Barrier(2, timeout=PATIENCE_S)

    def alice() -> None:
        with store.of(ALICE).database.transaction() as connection:
            pid = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
            inside.wait()
            os.kill(pid, signal.SIGSTOP)
            try:
                stopped.wait()
                connection.exec_driver_sql("SELECT 1")
            finally:
                os.kill(pid, signal.SIGCONT)

    def bob() -> None:
        with store.of(BOB).database.transaction():
            inside.wait()
            stopped.wait()
            Ledger(store.of(BOB)).reserve(CHARGE, estimate=PRICE)

    error, nothing = side_by_side(alice, bob)
    assert isinstance(error, DatabaseUnusable)
    assert "has not answered for" in str(error)
    assert nothing is None
    assert Ledger(store.of(BOB)).summary().reserved == PRICE
    assert Ledger(store.of(ALICE)).summary().reserved == 0


def test_a_process_is_alive_as_long_as_one_of_its_connections_is(team_database: PostgresUrl, opened: Open) -> None:
    one, other = opened(2), opened(1)
    with one.of(ALICE).database.transaction():
        side_by_side(lambda: Ledger(one.of(BOB)).reserve(CHARGE, estimate=PRICE))
        expired(team_database)
        assert other.dead_owners({one.owner}) == set()
    broken_off(team_database)
    assert other.dead_owners({one.owner}) == {one.owner}
    Ledger(one.of(BOB)).summary()
    assert other.dead_owners({one.owner}) == set()


def test_a_person_is_a_person_again_after_all_people_were_looked_at(opened: Open) -> None:
    store = opened(1)
    Ledger(store.of(BOB)).reserve(CHARGE, estimate=PRICE)
    count = "SELECT count(*) FROM charges"
    with store.of(ALICE).database.transaction() as connection:
        with as_everyone(connection):
            assert connection.exec_driver_sql(count).scalar_one() == 1
        assert connection.exec_driver_sql(count).scalar_one() == 0
    with store.database.reading() as connection:
        assert connection.exec_driver_sql(count).scalar_one() == 0, "the connection is another person's now"
    with pytest.raises(RuntimeError, match="one person cannot be joined"), store.of(ALICE).database.transaction():
        Ledger(store.of(BOB)).summary()
