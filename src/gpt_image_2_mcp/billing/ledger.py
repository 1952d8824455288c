"""The ledger: money is reserved before a request is sent, and settled when the answer says what it cost.

All server processes of a user or a team share one database, so that a budget holds across them. A request that may have
been billed counts as spent; one that certainly was not billed is free again. A charge counts on the local day that it
was reserved on, also when its answer comes after midnight.

The methods block for milliseconds, or for as long as another process reserves money, so an event loop calls them from a
thread. Importing this module imports SQLAlchemy, which takes about half a second: `persistence.unit_of_work` does that
when the ledger is first needed.
"""

from collections.abc import Callable, Collection, Generator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, timedelta
from decimal import Decimal

from ..database.database import as_everyone, person_of
from ..database.postgres import join_queue
from ..database.schema import ChargeState
from ..database.store import Store
from ..database.url import PostgresUrl
from ..errors import JobLost
from .audit_table import AuditTable
from .budgets import (
    NO_BUDGETS,
    PER_CALL,
    PER_DAY,
    PER_PERSON,
    Budgets,
    ChargeEnd,
    ChargeEntry,
    DayTotal,
    SpendingSummary,
    local_now,
    no_price_error,
    over_budget_error,
    round_up_to_nano,
)
from .charge_table import BATCHES, ChargeTable, UnfinishedCharge
from .prices import Offer, dollars
from .tokens import Usage


class Ledger:
    """The charges in an open `Store`. Safe to use from several threads.

    Every method raises `DatabaseUnusable` when the database cannot be read or written, and `LookupError` for a charge
    id that is not in the table.
    """

    def __init__(self, store: Store, *, clock: Callable[[], datetime] = local_now) -> None:
        """Keep the store, which its owner closes; `clock` gives the local time, whose date is a charge's day."""
        self.store = store
        self._clock = clock

    def reserve(
        self,
        entry: ChargeEntry,
        *,
        estimate: Decimal | None,
        budgets: Budgets = NO_BUDGETS,
        cheaper: Callable[[Decimal], Offer | None] | None = None,
        is_sent: bool = False,
        again: bool = False,
    ) -> int:
        """Reserve `estimate` dollars for a call if all `budgets` allow it; returns the id of the new charge.

        `cheaper` finds a request that costs at most so many dollars; its offer goes into the error. With `is_sent` the
        charge starts as sent, as if `mark_sent` had been called in the same transaction. With `again` the call was made
        before, and it is not known whether its transaction was written: if it was, that charge is returned.

        Raises:
            NoPrice: `estimate` is None, and there is a budget.
            OverBudget: the estimate does not fit a budget.

        """
        limits = budgets.limits
        if estimate is None and limits:
            raise no_price_error(entry, tuple(limits))
        needed = Decimal(0) if estimate is None else round_up_to_nano(estimate)
        with self._transaction() as charges:
            if limits:
                # What fits a budget depends on the charges of all processes, so they are reserved one after another.
                join_queue(charges.connection)
            written = charges.find(entry.job) if again and entry.job else None
            if written is not None:
                return written
            now = self._clock()
            used = _used(charges, now, limits)
            exceeded = _exceeded(used, limits, needed)
            if exceeded is None:
                state: ChargeState = "sent" if is_sent else "reserved"
                return _insert(charges, entry, estimate, now, owner=self.store.owner, state=state)
            is_team = person_of(charges.connection) is not None
        # After the transaction: finding an offer takes time, and other processes wait in the queue meanwhile.
        fits = (
            cheaper(min(limits[name] - used[name].spent - used[name].reserved for name in limits)) if cheaper else None
        )
        raise over_budget_error(
            estimate=needed,
            limit=limits[exceeded],
            variable=exceeded,
            used=used[exceeded],
            fits=fits,
            is_team=is_team,
        )

    def reserve_all(
        self, entries: Sequence[tuple[ChargeEntry, Decimal | None]], *, budgets: Budgets = NO_BUDGETS
    ) -> list[int]:
        """Reserve the estimates of all lines of a batch, which is one call, or none; returns the ids of the charges.

        They belong to no process. Raises as `reserve` does.
        """
        limits = budgets.limits
        for entry, estimate in entries:
            if estimate is None and limits:
                raise no_price_error(entry, tuple(limits))
        needed = sum((round_up_to_nano(estimate) for _, estimate in entries if estimate is not None), Decimal(0))
        with self._transaction() as charges:
            if limits:
                join_queue(charges.connection)
            now = self._clock()
            used = _used(charges, now, limits)
            exceeded = _exceeded(used, limits, needed)
            if exceeded is not None:
                raise over_budget_error(
                    estimate=needed,
                    limit=limits[exceeded],
                    variable=exceeded,
                    used=used[exceeded],
                    fits=None,
                    is_team=person_of(charges.connection) is not None,
                )
            return [_insert(charges, entry, estimate, now, owner=BATCHES) for entry, estimate in entries]

    def delete(self, charge: int) -> None:
        """Delete a charge, as if it had never been reserved."""
        with self._transaction() as charges:
            charges.delete(charge)

    def mark_sent(self, charge: int) -> None:
        """Record that the request is about to be sent: if its outcome stays unknown, it counts as spent."""
        with self._transaction() as charges:
            # From "released" too: another process may have taken this one for dead and released its charges.
            charges.update(charge, if_in=("reserved", "released"), to="sent")

    @contextmanager
    def sent_once(self, job: str, charge: int | None) -> Generator[None]:
        """Begin a transaction in which a job's charge becomes sent; `charge` is its id, if it has a row.

        Raises JobLost if another charge of the job was sent: without history, nothing else tells of it.
        """
        with self._transaction() as charges:
            # Another process may do the same at this moment, for a row of its own.
            join_queue(charges.connection)
            if charges.was_sent(job, besides=charge):
                raise JobLost(
                    f"{job} was sent before, by another process or an earlier run of this server, so it is not sent"
                    " again. Its picture is not known here, since GPT_IMAGE_2_HISTORY is off: look into the output"
                    " folder before you ask for it once more."
                )
            yield

    def settle(self, charge: int, *, usage: Usage | None, usd: Decimal | None, request_id: str | None = None) -> None:
        """Record what the answer says: `usd` is the cost in dollars; with None the charge counts at its estimate.

        This works from any state, since a cost that the API reported is more certain than what was assumed before.
        """
        with self._transaction() as charges:
            charges.settle(charge, usage=usage, usd=usd, request_id=request_id)

    def release(self, charge: int) -> None:
        """Free the reserved money: nothing was sent, or the API refused the request without billing it."""
        with self._transaction() as charges:
            charges.update(charge, if_in=("reserved", "sent"), to="released")

    def mark_unknown(self, charge: int, *, usd: Decimal | None = None) -> None:
        """Record that there is no picture, and that one may have been billed: it counts as spent.

        It counts at `usd` dollars, which an answer without a usable picture named, or with None at its estimate.
        """
        with self._transaction() as charges:
            charges.mark_unknown(charge, usd=usd)

    def end(self, end: ChargeEnd, *, charge: int | None) -> None:
        """Record how a charge ended; doing it twice changes nothing.

        Where its id `charge` is not known, the charge of its job is looked for. If there is none, it is inserted,
        unless nothing was billed.
        """
        with self._transaction() as charges:
            if charge is None and end.entry.job:
                charge = charges.find(end.entry.job)
            if charge is None:
                if end.state == "released":
                    return
                charge = charges.insert(
                    end.entry,
                    estimate=end.estimate and round_up_to_nano(end.estimate),
                    day=end.reserved.date().isoformat(),
                    reserved_at=int(end.reserved.timestamp()),
                    owner=self.store.owner,
                    state="sent",
                )
            match end.state:
                case "settled":
                    self.settle(charge, usage=end.usage, usd=end.usd, request_id=end.request_id)
                case "unknown":
                    self.mark_unknown(charge, usd=end.usd)
                case "released":
                    # From "unknown" too: another process may have taken this one for dead, and this one knows better.
                    charges.update(charge, if_in=("reserved", "sent", "unknown"), to="released")
            if end.audit:
                AuditTable(charges.connection).add(end)

    def summary(self, *, days: int = 30, with_team: bool = False) -> SpendingSummary:
        """Sum up what was spent today, and in the last `days` days including today.

        `with_team` asks for the sums of all people too, which reads what each of them was charged today.
        """
        today = self._clock().date()
        since = today - timedelta(days=days - 1)
        first, last = since.isoformat(), today.isoformat()
        with self._reading() as charges:
            own = charges.total(last)
            team = None
            if with_team and person_of(charges.connection) is not None:
                with as_everyone(charges.connection):
                    team = charges.total(last)
            return SpendingSummary(
                day=today,
                since=since,
                spent=own.spent,
                reserved=own.reserved,
                today=charges.by_model(since=last, until=last),
                period=charges.by_model(since=first, until=last),
                team=team,
            )

    def max_output_tokens(self, *, model: str, size: str, quality: str) -> int | None:
        """The most output tokens of one picture for exactly this model, size and quality; None if there was none.

        This is the `max_tokens_seen` of `pricing.estimate`.
        """
        with self._reading() as charges:
            return charges.max_output_tokens(model=model, size=size, quality=quality)

    def job_cost(self, job: str) -> Decimal:
        """What a job cost in dollars, or its estimate as long as the cost is not known."""
        with self._reading() as charges:
            return charges.job_cost(job)

    def batch_cost(self, start: str, *, since: date) -> Decimal:
        """The same for all jobs from the day `since` on whose ids begin with `start`: the lines of a batch."""
        with self._reading() as charges:
            return charges.batch_cost(start, since=since.isoformat())

    def recover(self) -> list[str]:
        """Finish the charges of processes that have ended; returns sentences for the log.

        A charge that was not sent is released; one that was sent counts as spent at its estimate, on the day it was
        reserved on. Charges of processes that still run are left alone.
        """
        with self._transaction() as charges:
            unfinished = charges.unfinished()
            dead = self.store.dead_owners({charge.owner for charge in unfinished})
            left = [
                charge
                for charge in unfinished
                if charge.owner in dead
                and charges.update(
                    charge.id, if_in=(charge.state,), to="released" if charge.state == "reserved" else "unknown"
                )
            ]
            if isinstance(self.store.database.at, PostgresUrl):
                AuditTable(charges.connection).add_lost([charge.id for charge in left if charge.state == "sent"])
        return _describe_recovered(left)

    def unfinished_owners(self) -> set[str]:
        """The processes whose charges are reserved or sent."""
        with self._reading() as charges:
            return {charge.owner for charge in charges.unfinished()}

    @contextmanager
    def _transaction(self) -> Generator[ChargeTable]:
        """Open the table in one transaction that writes."""
        with self.store.database.transaction() as connection:
            yield ChargeTable(connection)

    @contextmanager
    def _reading(self) -> Generator[ChargeTable]:
        """Open the table in one transaction that only reads."""
        with self.store.database.reading() as connection:
            yield ChargeTable(connection)


def _insert(
    charges: ChargeTable,
    entry: ChargeEntry,
    estimate: Decimal | None,
    now: datetime,
    *,
    owner: str,
    state: ChargeState = "reserved",
) -> int:
    return charges.insert(
        entry,
        estimate=None if estimate is None else round_up_to_nano(estimate),
        day=now.date().isoformat(),
        reserved_at=int(now.timestamp()),
        owner=owner,
        state=state,
    )


def _used(charges: ChargeTable, now: datetime, limits: Collection[str]) -> dict[str, DayTotal]:
    """What counts against each of the budgets `limits`. The sums are read only where a budget needs them."""
    day, used = now.date().isoformat(), {PER_CALL: DayTotal()}
    if PER_PERSON in limits:
        used[PER_PERSON] = charges.total(day)
    if PER_DAY in limits:
        with as_everyone(charges.connection):
            used[PER_DAY] = charges.total(day)
    return used


def _exceeded(used: Mapping[str, DayTotal], limits: Mapping[str, Decimal], needed: Decimal) -> str | None:
    """The first budget that `needed` dollars do not fit."""
    return next(
        (name for name, limit in limits.items() if used[name].spent + used[name].reserved + needed > limit), None
    )


def _describe_recovered(left: Sequence[UnfinishedCharge]) -> list[str]:
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
