"""Budgets hold across processes, and nothing that may have been billed is lost: not even to `kill -9`."""

import errno
import gc
import multiprocessing
import os
import shutil
import sqlite3
import stat
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa
from fault_proxy import until
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)
from inline_snapshot import snapshot
from ledger_processes import HERE, HIGH, NOON, Clock, die, open_ledger, spend, write_many
from patience import PATIENCE_S, rounds
from postgres_server import expired
from promises import promise
from sqlalchemy import exc
from sqlalchemy.dialects import postgresql
from sqlalchemy.exc import DBAPIError
from sqlalchemy.schema import CreateIndex, CreateTable

from gpt_image_2_mcp.billing.budgets import PER_CALL, PER_DAY, Budgets, ChargeEntry, ModelSpending, local_now
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.billing.prices import Offer
from gpt_image_2_mcp.billing.tokens import Usage
from gpt_image_2_mcp.database import liveness, schema
from gpt_image_2_mcp.database import sqlite as database
from gpt_image_2_mcp.database.leases import Lease
from gpt_image_2_mcp.database.liveness import (
    LivenessFile,
    create_liveness_file,
    has_dead_owners,
    is_alive,
    remove_dead_files,
)
from gpt_image_2_mcp.database.sqlite import open_database
from gpt_image_2_mcp.database.url import Address, PostgresUrl
from gpt_image_2_mcp.errors import DatabaseUnusable, NoPrice, OverBudget

Open = Callable[..., Ledger]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "gpt-image-2.db"


@pytest.fixture
def opened(path: Path) -> Iterator[Open]:
    """Open ledgers that are closed in the end; in the file `path` unless told otherwise."""
    ledgers: list[Ledger] = []

    def open_one(where: Address = path, **options: Any) -> Ledger:
        given: dict[str, Any] = {"clock": Clock()} | options
        ledgers.append(open_ledger(where, **given))
        return ledgers[-1]

    yield open_one
    for ledger in ledgers:
        ledger.store.close()


@pytest.fixture(params=["file", "postgres"])
def place(request: pytest.FixtureRequest, path: Path) -> Address:
    """Where processes share a ledger."""
    return path if request.param == "file" else request.getfixturevalue("postgres")


@pytest.fixture(params=["file", "memory", "postgres"])
def ledger(request: pytest.FixtureRequest, opened: Open) -> Ledger:
    match request.param:
        case "file":
            return opened()
        case "memory":
            return opened(None)
        case _:
            return opened(request.getfixturevalue("postgres"))


def totals(ledger: Ledger) -> tuple[Decimal, Decimal]:
    found = ledger.summary()
    return found.spent, found.reserved


def states(path: Address) -> list[tuple[str, str]]:
    if isinstance(path, PostgresUrl):
        with closing(psycopg.connect(path.text)) as connection:
            return connection.execute("SELECT state, day FROM charges ORDER BY id").fetchall()
    assert path
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        return connection.execute("SELECT state, day FROM charges ORDER BY id").fetchall()


# --- Budgets


def test_a_request_over_the_budget_per_call_is_refused_with_the_amounts(ledger: Ledger) -> None:
    with pytest.raises(OverBudget) as refused:
        ledger.reserve(HIGH, estimate=Decimal("0.2107"), budgets=Budgets(per_call=Decimal("0.1"), per_day=Decimal(5)))
    assert str(refused.value) == snapshot(
        "This would cost about $0.2107, more than the $0.1000 that GPT_IMAGE_2_BUDGET_PER_CALL_USD allows "
        "one call. Nothing was sent. Ask for less, raise GPT_IMAGE_2_BUDGET_PER_CALL_USD."
    )
    assert (refused.value.variable, refused.value.left) == (PER_CALL, Decimal("0.1"))
    assert totals(ledger) == (0, 0)


def test_a_request_over_what_is_left_of_the_day_is_refused_with_what_would_fit(ledger: Ledger) -> None:
    limits: list[Decimal] = []

    def cheaper(limit: Decimal) -> Offer:
        limits.append(limit)
        return Offer((1024, 1024), "medium", Decimal("0.0527"))

    first = ledger.reserve(HIGH, estimate=Decimal("0.5"), budgets=Budgets(per_day=Decimal(1)))
    ledger.mark_sent(first)
    ledger.settle(first, usage=None, usd=Decimal("0.4"))
    ledger.reserve(HIGH, estimate=Decimal("0.5"), budgets=Budgets(per_day=Decimal(1)))
    with pytest.raises(OverBudget) as refused:
        ledger.reserve(
            HIGH,
            estimate=Decimal("0.2107"),
            budgets=Budgets(per_call=Decimal("0.3"), per_day=Decimal(1)),
            cheaper=cheaper,
        )
    assert str(refused.value) == snapshot(
        "This would cost about $0.2107, and $0.1000 is left of today's $1.00 "
        "(GPT_IMAGE_2_BUDGET_PER_DAY_USD): $0.4000 is spent and $0.5000 under way. Nothing was sent. Quality "
        "'medium' at size '1024x1024' would fit, at about $0.0527."
    )
    assert limits == [Decimal("0.1")], "what is offered has to fit both budgets"
    error = refused.value
    assert (error.estimate, error.limit, error.spent, error.reserved, error.left) == tuple(
        map(Decimal, ("0.2107", "1", "0.4", "0.5", "0.1"))
    )


def test_a_budget_can_be_used_up_to_its_last_cent(ledger: Ledger) -> None:
    for _ in range(10):
        ledger.reserve(HIGH, estimate=Decimal("0.1"), budgets=Budgets(per_call=Decimal("0.1"), per_day=Decimal(1)))
    with pytest.raises(OverBudget):
        ledger.reserve(HIGH, estimate=Decimal("1E-30"), budgets=Budgets(per_day=Decimal(1)))


@pytest.mark.parametrize(
    ("budgets", "variables"),
    [
        ({"per_call": Decimal(1)}, (PER_CALL,)),
        ({"per_day": Decimal(0)}, (PER_DAY,)),
        ({"per_call": Decimal(1), "per_day": Decimal(1)}, (PER_CALL, PER_DAY)),
    ],
)
def test_a_model_without_a_price_is_refused_while_a_budget_is_set(
    ledger: Ledger, budgets: dict[str, Any], variables: tuple[str, ...]
) -> None:
    with pytest.raises(NoPrice) as refused:
        ledger.reserve(ChargeEntry("my-deployment", "auto", "auto"), estimate=None, budgets=Budgets(**budgets))
    assert refused.value.variables == variables
    assert all(name in str(refused.value) for name in ("my-deployment", *variables))


def test_a_model_without_a_price_is_counted_apart_where_no_budget_is_set(ledger: Ledger) -> None:
    """Its requests must not look as if they had been free."""
    charge = ledger.reserve(ChargeEntry("my-deployment", "auto", "auto", pictures=2), estimate=None)
    ledger.mark_sent(charge)
    ledger.settle(charge, usage=Usage(10, 10, 0, 7024), usd=None)
    assert ledger.summary().period == (ModelSpending("my-deployment", 1, 2, Decimal(0), unpriced=1, unknown=0),)


# --- What becomes of a charge


def test_a_charge_counts_with_its_estimate_until_its_price_is_known(ledger: Ledger) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.2107"))
    assert totals(ledger) == (0, Decimal("0.2107"))
    ledger.mark_sent(charge)
    assert totals(ledger) == (0, Decimal("0.2107"))
    ledger.settle(charge, usage=Usage(10, 10, 0, 6000), usd=Decimal("0.18005"), request_id="req_1")
    assert totals(ledger) == (Decimal("0.18005"), 0)


def test_a_charge_settled_without_usage_counts_at_its_estimate(ledger: Ledger) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.2107"))
    ledger.settle(charge, usage=None, usd=None)
    assert totals(ledger) == (Decimal("0.2107"), 0)


@pytest.mark.parametrize("was_sent", [False, True])
def test_a_released_charge_is_free_again(ledger: Ledger, was_sent: bool) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.2107"))
    if was_sent:
        ledger.mark_sent(charge)
    ledger.release(charge)
    assert totals(ledger) == (0, 0)


def test_an_unknown_outcome_is_spent_at_its_estimate_until_more_is_known(ledger: Ledger) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.2107"))
    ledger.mark_sent(charge)
    ledger.mark_unknown(charge)
    assert totals(ledger) == (Decimal("0.2107"), 0)
    assert ledger.summary().today[0].unknown == 1
    ledger.settle(charge, usage=None, usd=Decimal("0.2"))
    assert totals(ledger) == (Decimal("0.2"), 0)


@pytest.mark.parametrize("end", ["settle", "unknown"])
def test_what_is_spent_cannot_be_released(ledger: Ledger, end: str) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.2107"))
    ledger.mark_sent(charge)
    if end == "settle":
        ledger.settle(charge, usage=None, usd=Decimal("0.2"))
        ledger.mark_unknown(charge)
    else:
        ledger.mark_unknown(charge)
    ledger.release(charge)
    ledger.mark_sent(charge)
    assert totals(ledger) == (Decimal("0.2" if end == "settle" else "0.2107"), 0)


def test_a_charge_that_there_is_not_is_a_bug_and_says_so(ledger: Ledger) -> None:
    with pytest.raises(LookupError):
        ledger.mark_sent(7)


def test_no_fraction_of_a_nano_dollar_is_rounded_down(ledger: Ledger) -> None:
    charge = ledger.reserve(HIGH, estimate=Decimal("0.0000000001"))
    assert totals(ledger) == (0, Decimal("0.000000001"))
    ledger.settle(charge, usage=None, usd=Decimal("0.2000000001"))
    assert totals(ledger) == (Decimal("0.200000001"), 0)


def test_rows_hold_what_was_asked_and_used_and_no_prompt(opened: Open, path: Path) -> None:
    ledger = opened()
    charge = ledger.reserve(ChargeEntry("gpt-image-2", "auto", "high", 2, job="job-1"), estimate=Decimal("0.5"))
    ledger.settle(charge, usage=Usage(1510, 10, 1500, 14000), usd=Decimal("0.43205"), request_id="req_1")
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        row = dict(connection.execute("SELECT * FROM charges").fetchone())
    del row["owner"]
    assert row == snapshot(
        {
            "id": 1,
            "day": "2026-11-22",
            "reserved_at": 1795377600,
            "state": "settled",
            "job": "job-1",
            "request_id": "req_1",
            "model": "gpt-image-2",
            "size": "auto",
            "quality": "high",
            "pictures": 2,
            "estimate_nano_usd": 500000000,
            "nano_usd": 432050000,
            "input_text_tokens": 10,
            "input_image_tokens": 1500,
            "output_tokens": 14000,
        }
    )


def test_the_dearest_answer_seen_is_per_picture_and_for_exactly_what_was_asked(ledger: Ledger) -> None:
    asked = {"model": "gpt-image-2", "size": "auto", "quality": "auto"}
    assert ledger.max_output_tokens(**asked) is None
    for pictures, tokens in ((1, 7024), (2, 18001), (1, 196)):
        charge = ledger.reserve(ChargeEntry(**asked, pictures=pictures), estimate=None)
        ledger.settle(charge, usage=Usage(10, 10, 0, tokens), usd=None)
    assert ledger.max_output_tokens(**asked) == 9001
    assert ledger.max_output_tokens(**asked | {"quality": "low"}) is None


# --- Days


def test_days_are_local_and_a_charge_stays_on_its_own(opened: Open) -> None:
    """In UTC both sides of this midnight are the same day."""
    clock = Clock(datetime(2026, 11, 22, 23, 59, tzinfo=HERE))
    ledger = opened(clock=clock)
    per_day = Decimal(1)
    late = ledger.reserve(HIGH, estimate=per_day, budgets=Budgets(per_day=per_day))
    ledger.mark_sent(late)
    with pytest.raises(OverBudget):
        ledger.reserve(HIGH, estimate=Decimal("0.1"), budgets=Budgets(per_day=per_day))
    clock.now += timedelta(minutes=2)
    ledger.reserve(HIGH, estimate=Decimal("0.1"), budgets=Budgets(per_day=per_day))
    ledger.settle(late, usage=None, usd=Decimal("0.9"))
    found = ledger.summary()
    assert (found.day, found.spent, found.reserved) == (date(2026, 11, 23), 0, Decimal("0.1"))
    assert found.left(Budgets(per_day=per_day))[PER_DAY] == Decimal("0.9")
    assert found.period == (ModelSpending("gpt-image-2", 1, 1, Decimal("0.9"), unpriced=0, unknown=0),)


def test_a_summary_reaches_back_thirty_days_by_model(opened: Open) -> None:
    """And not ahead of today, where a clock that was wrong may have written."""
    clock = Clock()
    ledger = opened(clock=clock)
    for back, model, usd in (
        (-1, "ahead", "9"),
        (30, "old", "9"),
        (29, "edge", "1"),
        (1, "gpt-image-2", "2"),
        (0, "gpt-image-2", "3"),
    ):
        clock.now = NOON - timedelta(days=back)
        ledger.settle(ledger.reserve(ChargeEntry(model, "auto", "auto"), estimate=None), usage=None, usd=Decimal(usd))
    found = ledger.summary()
    assert [(row.model, row.requests, row.usd) for row in found.period] == [("gpt-image-2", 2, 5), ("edge", 1, 1)]
    assert [(row.model, row.usd) for row in found.today] == [("gpt-image-2", 3)]
    assert found.since == date(2026, 10, 24)
    assert found.left(Budgets(per_day=Decimal(2))) == {PER_DAY: 0}, "never less than nothing"
    assert [row.model for row in ledger.summary(days=31).period] == ["old", "gpt-image-2", "edge"]


def test_the_clock_of_a_ledger_is_local_time() -> None:
    assert local_now().tzinfo is not None
    assert local_now().utcoffset() == datetime.now().astimezone().utcoffset()


# --- The law


class Budget(RuleBasedStateMachine):
    """Two processes and one database: what the ledger says is what happened, and never more than the budget."""

    per_day = Decimal(1)
    amounts = st.decimals("0", "0.6", places=11)
    server: PostgresUrl | None = None

    @initialize()
    def start(self) -> None:
        self.folder = Path(tempfile.mkdtemp())
        self.clock = Clock()
        self.ledgers = [self._open(), self._open()]
        self.open: dict[int, tuple[int, str, date, Decimal]] = {}
        self.spent: dict[date, Decimal] = {}

    def _open(self) -> Ledger:
        return open_ledger(self.server or self.folder / "ledger.db", clock=self.clock)

    def _reserved(self) -> Decimal:
        return sum((usd for _, _, day, usd in self.open.values() if day == self.clock.now.date()), Decimal(0))

    def _left(self) -> Decimal:
        return self.per_day - self._reserved() - self.spent.get(self.clock.now.date(), Decimal(0))

    @rule(who=st.integers(0, 1), estimate=amounts)
    def reserve(self, who: int, estimate: Decimal) -> None:
        up = estimate.quantize(Decimal("1E-9"), "ROUND_CEILING")
        try:
            charge = self.ledgers[who].reserve(HIGH, estimate=estimate, budgets=Budgets(per_day=self.per_day))
        except OverBudget:
            assert up > self._left()
        else:
            assert up <= self._left()
            self.open[charge] = who, "reserved", self.clock.now.date(), up

    @precondition(lambda self: self.open)
    @rule(data=st.data(), end=st.sampled_from(["sent", "settle", "release", "unknown"]))
    def go_on(self, data: st.DataObject, end: str) -> None:
        charge = data.draw(st.sampled_from(sorted(self.open)))
        who, _, day, usd = self.open[charge]
        ledger = self.ledgers[who]
        if end == "sent":
            ledger.mark_sent(charge)
            self.open[charge] = who, "sent", day, usd
            return
        del self.open[charge]
        if end == "settle":
            usd = data.draw(st.sampled_from([usd, usd / 2])).quantize(Decimal("1E-9"), "ROUND_CEILING")
            ledger.settle(charge, usage=None, usd=usd)
        elif end == "unknown":
            ledger.mark_unknown(charge)
        else:
            ledger.release(charge)
            usd = Decimal(0)
        self.spent[day] = self.spent.get(day, Decimal(0)) + usd

    @rule(who=st.integers(0, 1))
    def die_and_start_again(self, who: int) -> None:
        sign = self.ledgers[who].store.liveness
        # What the operating system does for a process that is killed.
        if isinstance(sign, LivenessFile):
            sign.file.close()
        if isinstance(sign, Lease):
            sign.stop()
        self.ledgers[who].store.database.close()
        if self.server:
            expired(self.server, self.ledgers[who].store.owner)
        self.ledgers[who] = self._open()
        left = [(charge, found) for charge, found in self.open.items() if found[0] == who]
        assert len(self.ledgers[who].recover()) == len({state for _, (_, state, _, _) in left})
        for charge, (_, state, day, usd) in left:
            del self.open[charge]
            if state == "sent":
                self.spent[day] = self.spent.get(day, Decimal(0)) + usd
        assert self.ledgers[who].recover() == []

    @rule()
    def sleep_over_it(self) -> None:
        self.clock.now += timedelta(days=1)

    @invariant()
    def nothing_is_lost_and_nothing_is_over(self) -> None:
        if not hasattr(self, "ledgers"):
            return
        found = self.ledgers[0].summary(days=10_000)
        assert found.spent == self.spent.get(found.day, 0)
        assert found.reserved == self._reserved()
        assert sum(row.usd for row in found.period) == sum(self.spent.values())
        assert found.spent + found.reserved <= self.per_day

    def teardown(self) -> None:
        if hasattr(self, "ledgers"):
            with self.ledgers[0].store.database.transaction() as connection:
                connection.execute(sa.delete(schema.charges))
            for ledger in self.ledgers:
                ledger.store.close()
            shutil.rmtree(self.folder)


TestBudget = pytest.mark.slow(Budget.TestCase)
TestBudget.settings = settings(
    max_examples=rounds(8, 25), stateful_step_count=20, suppress_health_check=[HealthCheck.too_slow]
)


@pytest.mark.slow
def test_budget_on_postgresql(postgres: PostgresUrl) -> None:
    class OnServer(Budget):
        server = postgres

    run_state_machine_as_test(OnServer, settings=settings(TestBudget.settings, max_examples=rounds(3, 10)))  # pyright: ignore[reportUnknownMemberType]


# --- Several processes


def left_alone(url: PostgresUrl) -> None:
    """Wait until the server has seen that a killed process is gone, and only one is left."""
    count = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'gpt-image-2-mcp' AND datname = %s"
    with closing(psycopg.connect(url.text, autocommit=True)) as connection:
        until(lambda: connection.execute(count, (url.parts.path[1:],)).fetchone() == (1,))


@pytest.mark.slow
def test_racing_processes_never_pass_the_budget(place: Address) -> None:
    """18 times $0.0527 fit into $1; each process asks 20 times, and all of them make the file at the same time."""
    spawn = multiprocessing.get_context("spawn")
    together = spawn.Barrier(4)
    pipes = [spawn.Pipe(duplex=False) for _ in range(4)]
    processes = [spawn.Process(target=spend, args=(place, together, answers), daemon=True) for _, answers in pipes]
    for process in processes:
        process.start()
    got = [results.recv() if results.poll(PATIENCE_S) else None for results, _ in pipes]
    for process in processes:
        process.join(PATIENCE_S)
        assert process.exitcode == 0
        process.close()
    assert None not in got
    assert sum(count or 0 for count in got) == 18
    assert [state for state, _ in states(place)] == ["sent"] * 18


def test_what_a_killed_process_leaves_behind_is_mended_and_what_lives_is_not_touched(
    opened: Open, place: Address
) -> None:
    spawn = multiprocessing.get_context("spawn")
    here, there = spawn.Pipe()
    process = spawn.Process(target=die, args=(place, there), daemon=True)
    process.start()
    assert here.poll(PATIENCE_S)
    assert here.recv() == "reserved, sent, settled"
    clock = Clock()
    ledger = opened(place, clock=clock)
    mine = ledger.reserve(HIGH, estimate=Decimal("0.2"))
    assert ledger.recover() == [], "the other process lives"
    assert [state for state, _ in states(place)] == ["reserved", "sent", "settled", "reserved"]

    here.send("go on")
    assert here.poll(PATIENCE_S)
    assert here.recv() == "writing"
    process.kill()
    process.join(PATIENCE_S)
    process.close()
    clock.now += timedelta(days=1)
    if isinstance(place, PostgresUrl):
        left_alone(place)
        expired(place)
    assert ledger.recover() == snapshot(
        [
            (
                "Left by a process that ended: 1 request ($0.1000, 2026-11-22), never sent: what was set aside for "
                "it is free again."
            ),
            (
                "Left by a process that ended: 1 request ($0.1000, 2026-11-22), under way: it may have been billed, "
                "and counts as spent."
            ),
        ]
    )
    assert states(place) == [
        ("released", "2026-11-22"),
        ("unknown", "2026-11-22"),
        ("settled", "2026-11-22"),
        ("reserved", "2026-11-22"),
    ]
    assert ledger.recover() == []
    ledger.store.remove_dead()
    if isinstance(place, Path):
        assert len(list(place.with_name(f"{place.name}-alive").iterdir())) == 1, "the dead leave no files"
    ledger.release(mine)


def test_a_process_taken_for_dead_that_sends_after_all_is_counted(opened: Open, path: Path) -> None:
    """Somebody may tidy away the file that its life shows in."""
    one, other = opened(), opened()
    charges = [one.reserve(HIGH, estimate=Decimal("0.1")) for _ in range(2)]
    assert isinstance(one.store.liveness, LivenessFile)
    (path.with_name(f"{path.name}-alive") / f"{one.store.liveness.name}.alive").unlink()
    assert len(other.recover()) == 1
    assert totals(other) == (0, 0)
    one.mark_sent(charges[0])
    one.mark_unknown(charges[1])
    assert totals(other) == (Decimal("0.1"), Decimal("0.1"))


def test_a_dead_process_that_owes_nothing_leaves_no_file_either(opened: Open, path: Path) -> None:
    ledger = opened()
    dead = path.with_name(f"{path.name}-alive") / "dead.alive"
    dead.touch()
    assert ledger.recover() == []
    ledger.store.remove_dead()
    assert not dead.exists()


def test_reading_waits_for_no_process_that_writes(opened: Open, place: Address) -> None:
    one, other = opened(place, clock=Clock()), opened(place, clock=Clock())
    with one.store.database.transaction():
        one.reserve(HIGH, estimate=Decimal("0.1"), budgets=Budgets(per_day=Decimal(1)))
        assert totals(other) == (0, 0)
        assert opened(place, clock=Clock()).store.owner != other.store.owner, "nor does the start of a process"
    assert totals(other) == (0, Decimal("0.1"))


def test_a_ledger_that_was_closed_leaves_its_charges_to_the_next_start(opened: Open, place: Address) -> None:
    one = opened(place, clock=Clock())
    one.mark_sent(one.reserve(HIGH, estimate=Decimal("0.1")))
    one.store.close()
    assert len(opened(place).recover()) == 1


def test_there_is_nothing_to_mend_in_memory(opened: Open) -> None:
    ledger = opened(None)
    ledger.mark_sent(ledger.reserve(HIGH, estimate=Decimal("0.1")))
    assert ledger.recover() == []
    assert totals(ledger) == (0, Decimal("0.1"))


def test_threads_share_a_ledger(ledger: Ledger) -> None:
    """The server calls it from worker threads; in memory there is only one connection for all of them."""
    refused: list[OverBudget] = []

    def spend_some() -> None:
        for _ in range(10):
            try:
                ledger.reserve(HIGH, estimate=Decimal("0.0527"), budgets=Budgets(per_day=Decimal(1)))
            except OverBudget as error:
                refused.append(error)

    threads = [threading.Thread(target=spend_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(refused) == 40 - 18
    assert totals(ledger) == (0, 18 * Decimal("0.0527"))


# --- Signs of life


def test_a_sign_lasts_until_it_is_withdrawn(tmp_path: Path) -> None:
    sign = create_liveness_file(tmp_path)
    assert is_alive(tmp_path, sign.name)
    remove_dead_files(tmp_path)
    assert is_alive(tmp_path, sign.name), "looking does not end it, nor does tidying up"
    sign.remove()
    assert not is_alive(tmp_path, sign.name)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_nobody_holds_is_no_sign_of_life(tmp_path: Path) -> None:
    """Whatever process has got the number of the one that died."""
    (tmp_path / "dead.alive").touch()
    assert not is_alive(tmp_path, "dead")
    assert has_dead_owners(tmp_path), "looking at it takes nothing away from whoever mends what it left"
    remove_dead_files(tmp_path)
    assert list(tmp_path.iterdir()) == []
    assert not has_dead_owners(tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no shared locks that Python can take")
def test_two_processes_that_look_at_once_do_not_take_each_other_for_the_owner(tmp_path: Path) -> None:
    """Otherwise the charges of a killed process stay open for good, if its jobs are settled a moment later."""
    (tmp_path / "dead.alive").touch()
    with (tmp_path / "dead.alive").open("rb") as looked_at:
        assert not liveness.is_locked(looked_at)
        assert not is_alive(tmp_path, "dead")
        assert has_dead_owners(tmp_path)


def test_a_file_that_cannot_be_looked_at_counts_as_alive(tmp_path: Path) -> None:
    (tmp_path / "odd.alive").mkdir()
    assert is_alive(tmp_path, "odd")


def test_a_sign_tidied_away_while_it_is_given_is_given_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Between the making of the file and its locking it looks like a dead one's."""
    made: list[str] = []
    real = os.open

    def tidied(path: Path, flags: int, mode: int = 0o777) -> int:
        descriptor = real(path, flags, mode)
        if flags & os.O_CREAT and not made:
            made.append(path.stem)
            remove_dead_files(tmp_path)
        return descriptor

    monkeypatch.setattr(os, "open", tidied)
    sign = create_liveness_file(tmp_path)
    assert made != [sign.name]
    assert is_alive(tmp_path, sign.name)
    sign.remove()


def test_a_file_system_without_locks_is_told(opened: Open, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without them nobody could tell the living from the dead."""

    def no_locks(_held: object) -> bool:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(liveness, "try_lock", no_locks)
    with pytest.raises(DatabaseUnusable, match="cannot hold a lock: No locks available"):
        opened()


# --- The file


@promise("Other users", "The ledger's folder and file are readable by you alone.")
def test_opening_makes_a_folder_and_file_for_the_owner_alone(opened: Open, path: Path) -> None:
    old = os.umask(0)
    try:
        opened()
    finally:
        os.umask(old)
    alive = path.with_name(f"{path.name}-alive")
    modes = {found.name: oct(stat.S_IMODE(found.stat().st_mode)) for found in (path.parent, alive, path)}
    assert modes == {"data": "0o700", f"{path.name}-alive": "0o700", path.name: "0o600"}
    assert {stat.S_IMODE(sign.stat().st_mode) for sign in alive.iterdir()} == {0o600}


def test_a_file_that_others_may_read_is_closed_to_them(opened: Open, path: Path) -> None:
    opened().store.close()
    path.chmod(0o644)
    opened()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def in_wal_mode(path: Path) -> None:
    """As earlier versions of this program made it where SQLite is new enough."""
    open_database(path).close()
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)


@pytest.mark.parametrize("before", [None, in_wal_mode])
def test_the_journal_is_one_that_every_sqlite_is_safe_with(
    opened: Open, path: Path, before: Callable[[Path], None] | None
) -> None:
    if before is not None:
        before(path)
    for ledger in (opened(), opened()):
        with ledger.store.database.transaction() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "persist"
            assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_a_file_in_wal_mode_is_waited_for_before_it_leaves_that(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    in_wal_mode(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnusable, match="held by another process"):
            open_database(path, busy_seconds=0.05)

        def let_go(_seconds: float) -> None:
            other.close()

        monkeypatch.setattr(database, "sleep", let_go)
        open_database(path).close()


def test_a_file_that_another_process_is_making_is_waited_for(path: Path) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(DatabaseUnusable, match="held by another process"):
            open_database(path, busy_seconds=0.05)


def test_a_connection_serves_one_transaction_after_another_and_holds_nothing_between(path: Path) -> None:
    kept = open_database(path)
    with kept.transaction() as connection:
        connection.exec_driver_sql("CREATE TEMPORARY TABLE mine (number)")
    with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
    with kept.transaction() as connection:
        assert connection.exec_driver_sql("SELECT * FROM mine").all() == []
    kept.close()


@promise("Database", "A statement that fails locks no other process out.")
@pytest.mark.parametrize(
    ("statement", "values"),
    [
        ("CREATE TABLE mine (number)", (2**63,)),
        ("CREATE TABLE mine (number UNIQUE)", (1,)),
        ("CREATE TABLE mine (number CHECK (number > 5))", (1,)),
        ("CREATE TABLE mine (number)", ("\ud800",)),
    ],
)
def test_a_statement_that_fails_leaves_no_lock(path: Path, statement: str, values: tuple[object, ...]) -> None:
    """Its error holds the statement, and the server's garbage collector runs rarely."""
    kept = open_database(path)

    def write() -> None:
        with kept.transaction() as connection:
            connection.exec_driver_sql(statement)
            for _ in range(2):
                connection.exec_driver_sql("INSERT INTO mine VALUES (?)", values)

    gc.disable()
    try:
        with pytest.raises((OverflowError, UnicodeError, DBAPIError, DatabaseUnusable)) as held:
            write()
        with closing(sqlite3.connect(path, timeout=0, isolation_level=None)) as other:
            other.execute("BEGIN EXCLUSIVE")
        assert held.value is not None
    finally:
        gc.enable()
    kept.close()


@pytest.mark.skipif(sys.platform != "linux", reason="it looks its own descriptors up")
def test_a_connection_that_has_gone_bad_is_made_anew(path: Path) -> None:
    """As that of a share that was away for a while; the path leads to the same file again."""
    kept = open_database(path)

    def count() -> int | None:
        with kept.transaction() as connection:
            return connection.scalar(sa.select(sa.func.count()).select_from(schema.charges))

    assert count() == 0
    ends = os.pipe()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            if descriptor.readlink() == path:
                os.dup2(ends[1], int(descriptor.name))
    with pytest.raises(DatabaseUnusable):
        count()
    assert count() == 0
    kept.close()
    for end in ends:
        os.close(end)


def test_a_file_held_by_another_process_is_waited_for_and_then_named(path: Path) -> None:
    first, second = open_database(path), open_database(path, busy_seconds=0.05)
    with first.transaction(), pytest.raises(DatabaseUnusable, match=r"gpt-image-2\.db' is held by another process"):  # noqa: SIM117 - the first is held while the second fails
        with second.transaction():
            pass
    first.close()
    second.close()


def test_a_file_that_is_no_database_is_named_and_kept(path: Path) -> None:
    path.parent.mkdir()
    path.write_text("not a database, but somebody's notes " * 40, encoding="utf-8")
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable) as refused:
        open_ledger(path)
    assert (
        str(refused.value) == f"The database {str(path)!r} is not a database. Move it elsewhere, and a new one is made."
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize(
    "script",
    [
        "CREATE TABLE notes (text)",
        "CREATE TABLE schema_version (number)",
        "CREATE TABLE schema_version (version)",
        "CREATE TABLE schema_version (version); INSERT INTO schema_version VALUES (1)",
        "CREATE TABLE schema_version (version); INSERT INTO schema_version VALUES ('one')",
    ],
)
def test_another_programs_database_is_named_and_kept(path: Path, script: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(script)
    before = path.read_bytes()
    with pytest.raises(DatabaseUnusable, match=r"gpt-image-2\.db' belongs to another program\. Move it elsewhere"):
        open_ledger(path)
    assert path.read_bytes() == before


def test_a_damaged_file_is_named_and_kept(opened: Open, path: Path) -> None:
    ledger = opened()
    write_many(ledger, 100)
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xa5" * (len(data) - 4096)
    path.write_bytes(data)
    with pytest.raises(DatabaseUnusable, match="is damaged"):
        opened().summary()
    assert path.read_bytes() == data


def test_a_file_from_a_later_version_is_not_opened(opened: Open, path: Path) -> None:
    opened().store.close()
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("UPDATE schema_version SET version = 99")
    with pytest.raises(
        DatabaseUnusable, match=rf"is of version 99, .* up to {schema.VERSION}\. Update gpt-image-2-mcp"
    ):
        open_ledger(path)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").touch()
    with pytest.raises(DatabaseUnusable, match=r"data.ledger\.db' cannot be made: .*\. Allow this user"):
        open_ledger(tmp_path / "data" / "ledger.db")


def test_a_folder_in_place_of_the_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(DatabaseUnusable, match="is not a file"):
        open_ledger(tmp_path)


def test_a_folder_without_locks_is_named(path: Path) -> None:
    path.parent.mkdir()
    path.with_name(f"{path.name}-alive").touch()
    with pytest.raises(DatabaseUnusable, match=r"-alive' cannot hold a lock: "):
        open_ledger(path)


@pytest.mark.parametrize(
    ("pragma", "hindering", "helping", "told"),
    [
        ("max_page_count", 1, 1_000_000, "cannot grow: the disk is full"),
        ("query_only", "ON", "OFF", "cannot be written"),
    ],
)
def test_a_full_or_read_only_disk_is_told_and_nothing_is_half_written(
    opened: Open, pragma: str, hindering: object, helping: object, told: str
) -> None:
    ledger = opened()

    def make(state: object) -> None:
        with closing(ledger.store.database.engine.raw_connection()) as connection:
            connection.cursor().execute(f"PRAGMA {pragma} = {state}").close()

    make(hindering)
    with pytest.raises(DatabaseUnusable, match=told):
        write_many(ledger, 200)
    make(helping)
    assert totals(ledger) == (0, 0)


def test_a_bug_in_a_statement_is_not_told_as_the_disks_fault(opened: Open) -> None:
    with pytest.raises(exc.OperationalError), opened().store.database.transaction() as connection:
        connection.exec_driver_sql("SELECT nothing FROM nowhere")


def test_postgresql_can_hold_the_tables() -> None:
    dialect = postgresql.dialect()
    for table in schema.metadata.sorted_tables:
        assert "CREATE TABLE" in str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            assert " INDEX " in str(CreateIndex(index).compile(dialect=dialect))
    assert "id BIGSERIAL NOT NULL" in str(CreateTable(schema.charges).compile(dialect=dialect))
