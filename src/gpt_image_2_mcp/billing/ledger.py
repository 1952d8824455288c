"""The ledger: money is set aside before a request is sent, and settled when its answer says what it cost.

All server processes of a person or a team share one database, so a budget holds across them. Whatever may have been
billed counts as spent; what certainly was not is free again. A charge counts on the local day it was reserved on, also
when its answer comes after midnight.

Importing this is cheap: SQLAlchemy comes with `open_ledger`. The methods block for milliseconds, or for as long as
another process writes, so an event loop calls them from a thread.
"""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING

from ..database.url import Address
from .budgets import PER_CALL, PER_DAY, Entry, SpendingSummary, no_price_error, over_budget_error, round_up_to_nano
from .pricing import Offer, dollars
from .tokens import Usage

if TYPE_CHECKING:
    from ..database.store import Store
    from .charge_table import UnfinishedCharge


def local_now() -> datetime:
    """The time here, with its zone."""
    return datetime.now().astimezone()


def open_ledger(
    at: Address,
    *,
    clock: Callable[[], datetime] = local_now,
) -> "Ledger":
    """Open the ledger in the database `at` a file's path, where it is made, or on a server; None is one in memory.

    `clock` gives the local time: its date is the day that a charge counts on. Beside the file, in a folder of its name
    with `-alive` behind it, every process that has it open keeps a sign of life; on a server, that is a lock.

    Raises:
        DatabaseUnusable: it is damaged, foreign, from a later version of this program, or cannot be reached or
            written.

    """
    from ..database.store import open_store

    return Ledger(open_store(at), clock=clock)


class Ledger:
    """The ledger in an open store. Safe to use from several threads.

    Every method raises `DatabaseUnusable` where the database cannot be read or written, and `LookupError` for a
    charge that there is not.
    """

    def __init__(self, store: "Store", *, clock: Callable[[], datetime] = local_now) -> None:
        from .charge_table import Book

        self.store = store
        self.book = Book(store.database)
        self._clock = clock

    def close(self) -> None:
        """Let go of the file; what is still under way is for the next start to mend."""
        self.store.close()

    def reserve(
        self,
        entry: Entry,
        *,
        estimate: Decimal | None,
        per_call: Decimal | None = None,
        per_day: Decimal | None = None,
        cheaper: Callable[[Decimal], Offer | None] | None = None,
        is_sent: bool = False,
    ) -> int:
        """Set `estimate` aside for one request, if both budgets allow it; the id of the charge.

        See `reserve_each`, which this is with one request.
        """
        (charge,) = self.reserve_each(
            entry,
            requests=1,
            estimate=estimate,
            per_call=per_call,
            per_day=per_day,
            cheaper=cheaper,
            is_sent=is_sent,
        )
        return charge

    def reserve_each(
        self,
        entry: Entry,
        *,
        requests: int,
        estimate: Decimal | None,
        per_call: Decimal | None = None,
        per_day: Decimal | None = None,
        cheaper: Callable[[Decimal], Offer | None] | None = None,
        is_sent: bool = False,
    ) -> tuple[int, ...]:
        """Set `estimate` aside for each of the `requests` of one call, or for none of them; the ids of the charges.

        `entry` says what each of them asks for. `per_call` and `per_day` are the budgets, None where there is none;
        the former is for all `requests` together. `cheaper` finds what costs at most so many dollars in all. `is_sent`
        writes down at once what `sent` would.

        Raises:
            NoPrice: `estimate` is None, and there is a budget.
            OverBudget: it does not fit one.

        """
        limits = [(name, limit) for name, limit in ((PER_CALL, per_call), (PER_DAY, per_day)) if limit is not None]
        if estimate is None and limits:
            raise no_price_error(entry, tuple(variable for variable, _ in limits))
        each = None if estimate is None else round_up_to_nano(estimate)
        needed = (each or Decimal(0)) * requests
        state = "sent" if is_sent else "reserved"
        with self.book.transaction() as charges:
            now = self._clock()
            day = now.date().isoformat()
            # Without a budget nobody asks for the sums.
            spent, reserved = (charges.spent(day), charges.reserved(day)) if limits else (Decimal(0), Decimal(0))
            used = {PER_CALL: Decimal(0), PER_DAY: spent + reserved}
            passed = [(variable, limit) for variable, limit in limits if used[variable] + needed > limit]
            if not passed:
                return tuple(
                    charges.insert(
                        entry,
                        estimate=each,
                        day=day,
                        reserved_at=int(now.timestamp()),
                        owner=self.store.owner,
                        state=state,
                    )
                    for _ in range(requests)
                )
        # Out of the transaction: finding an offer takes its time, and others wait.
        fits = cheaper(min(limit - used[variable] for variable, limit in limits)) if cheaper else None
        variable, limit = passed[0]
        raise over_budget_error(
            estimate=needed, limit=limit, variable=variable, spent=spent, reserved=reserved, fits=fits
        )

    def delete(self, charge: int) -> None:
        """Take back a charge as if it had never been."""
        with self.book.transaction() as charges:
            charges.delete(charge)

    def mark_sent(self, charge: int) -> None:
        """Say that the request is about to be sent: from now on it counts as spent where its outcome is not known."""
        with self.book.transaction() as charges:
            # Released: somebody may have mended what this process, taken for dead, is still about to send.
            charges.update(charge, if_in=("reserved", "released"), to="sent")

    def settle(self, charge: int, *, usage: Usage | None, usd: Decimal | None, request_id: str | None = None) -> None:
        """Write down what the answer says: `usd` is what it cost, its estimate where that is None.

        What is known to be spent is taken down whatever was thought before.
        """
        with self.book.transaction() as charges:
            charges.settle(charge, usage=usage, usd=usd, request_id=request_id)

    def release(self, charge: int, *, request_id: str | None = None) -> None:
        """Free what was set aside: nothing was sent, or it was refused without being billed."""
        with self.book.transaction() as charges:
            charges.update(charge, if_in=("reserved", "sent"), to="released", request_id=request_id)

    def mark_unknown(self, charge: int, *, request_id: str | None = None) -> None:
        """Say that the answer was lost: it may have been billed, and counts as spent, at its estimate."""
        with self.book.transaction() as charges:
            charges.update(charge, if_in=("reserved", "sent", "released"), to="unknown", request_id=request_id)

    def summary(self, *, days: int = 30) -> SpendingSummary:
        """What was spent today and in the last `days` days, today included."""
        today = self._clock().date()
        since = today - timedelta(days=days - 1)
        first, last = since.isoformat(), today.isoformat()
        with self.book.transaction() as charges:
            return SpendingSummary(
                day=today,
                since=since,
                spent=charges.spent(last),
                reserved=charges.reserved(last),
                today=charges.by_model(since=last, until=last),
                period=charges.by_model(since=first, until=last),
            )

    def max_output_tokens(self, *, model: str, size: str, quality: str) -> int | None:
        """The most output tokens a picture took when exactly this was asked for: `dearest_seen` of an estimate."""
        with self.book.transaction() as charges:
            return charges.max_output_tokens(model=model, size=size, quality=quality)

    def job_cost(self, job: str) -> Decimal:
        """What a job cost, or its estimate, in dollars."""
        with self.book.transaction() as charges:
            return charges.job_cost(job)

    def recover(self) -> list[str]:
        """Bring to an end what dead processes left behind, and say in sentences what that was.

        What was not sent is free again; what was sent counts as spent, at its estimate, on its own day. What living
        processes have under way is not touched.
        """
        with self.book.transaction() as charges:
            unfinished = charges.unfinished()
            dead = self.store.dead_owners({charge.owner for charge in unfinished})
            left = [charge for charge in unfinished if charge.owner in dead]
            for found in left:
                charges.update(
                    found.id, if_in=(found.state,), to="released" if found.state == "reserved" else "unknown"
                )
        return _describe_recovered(left)


def _describe_recovered(left: "Sequence[UnfinishedCharge]") -> list[str]:
    ends = (
        ("reserved", "never sent: what was set aside for it is free again"),
        ("sent", "under way: it may have been billed, and counts as spent"),
    )
    sentences: list[str] = []
    for state, what in ends:
        if found := [charge for charge in left if charge.state == state]:
            usd = dollars(sum((charge.usd or Decimal(0) for charge in found), Decimal(0)))
            days = ", ".join(sorted({charge.day for charge in found}))
            sentences.append(f"Left by a process that ended: {_count_requests(len(found))} ({usd}, {days}), {what}.")
    return sentences


def _count_requests(count: int) -> str:
    return "1 request" if count == 1 else f"{count} requests"
