"""What the tests of the ledger have other processes do: apart from them, so that such a process starts quickly."""

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from decimal import Decimal
from multiprocessing.connection import Connection
from multiprocessing.synchronize import Barrier
from pathlib import Path

from gpt_image_2_mcp.billing.budgets import Budgets, ChargeEntry, local_now
from gpt_image_2_mcp.billing.charge_table import ChargeTable
from gpt_image_2_mcp.billing.ledger import Ledger
from gpt_image_2_mcp.database.store import open_store
from gpt_image_2_mcp.database.url import Address
from gpt_image_2_mcp.errors import OverBudget

HIGH = ChargeEntry("gpt-image-2", "1024x1024", "high")
HERE = timezone(timedelta(hours=-8))
NOON = datetime(2026, 11, 22, 12, tzinfo=HERE)


class Clock:
    """A clock that stands until it is set."""

    def __init__(self, now: datetime = NOON) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now


def open_ledger(at: Address, *, clock: Callable[[], datetime] = local_now) -> Ledger:
    return Ledger(open_store(at), clock=clock)


def write_many(ledger: Ledger, count: int) -> None:
    """Write charges in one transaction, so many that they take several pages of the file."""
    with ledger.store.database.transaction() as connection:
        for _ in range(count):
            ChargeTable(connection).insert(
                HIGH, estimate=Decimal(1), day="2026-11-22", reserved_at=0, owner=ledger.store.owner
            )


def spend(path: Address, together: Barrier, answers: Connection) -> None:
    """Reserve 20 times."""
    together.wait()
    ledger = open_ledger(path, clock=Clock())
    got = 0
    for _ in range(20):
        try:
            ledger.mark_sent(ledger.reserve(HIGH, estimate=Decimal("0.0527"), budgets=Budgets(per_day=Decimal(1))))
        except OverBudget:
            continue
        got += 1
    answers.send(got)
    ledger.store.close()


def die(path: Address, ready: Connection) -> None:
    """Leave one charge of every kind behind and stop in the middle of writing."""
    ledger = open_ledger(path, clock=Clock())
    charges = [ledger.reserve(HIGH, estimate=Decimal("0.1")) for _ in range(3)]
    ledger.mark_sent(charges[1])
    ledger.mark_sent(charges[2])
    ledger.settle(charges[2], usage=None, usd=Decimal("0.09"))
    ready.send("reserved, sent, settled")
    ready.recv()
    with ledger.store.database.transaction() as connection:
        write_many(ledger, 500)
        if isinstance(path, Path):
            connection.exec_driver_sql("PRAGMA cache_spill = 1")
        ready.send("writing")
        ready.recv()
