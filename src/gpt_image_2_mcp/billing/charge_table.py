"""`ChargeTable`: the SQL statements on the `charges` table. `ledger` decides when a charge changes its state.

Arguments and results are dollars; the rows hold whole nano-dollars. Days are ISO dates. A charge counts at its cost
once that is known, and at its estimate before; a released charge does not count.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any, Final, get_args

import sqlalchemy as sa

from ..database.database import as_everyone
from ..database.schema import TOKENS_EACH, ChargeState, charges
from .budgets import NANO_USD, ChargeEntry, DayTotal, ModelSpending, round_up_to_nano
from .tokens import Usage

_OPEN_STATES: Final[tuple[ChargeState, ...]] = ("reserved", "sent")
_SPENT_STATES: Final[tuple[ChargeState, ...]] = ("settled", "unknown")

_output_tokens_each: Final = sa.literal_column(TOKENS_EACH, sa.BigInteger())
_max_output_tokens: Final = (
    # Ordered and limited rather than `max()`, so that the database reads one entry of the index and not all charges.
    sa.select(_output_tokens_each)
    .select_from(charges)
    .where(
        *(charges.c[name] == sa.bindparam(name) for name in ("model", "size", "quality")),
        _output_tokens_each.is_not(None),
    )
    .order_by(_output_tokens_each.desc())
    .limit(1)
)
_insert: Final = sa.insert(charges)
_update: Final = sa.update(charges).where(
    charges.c.id == sa.bindparam("of"), charges.c.state.in_(sa.bindparam("if_in", expanding=True))
)
"""All built once, at import, since every paid request runs them."""
BATCHES: Final = "batches"
"""The owner of the charges of submitted batches, which are no process's: they are settled when the results are there,
by whichever process runs then."""
_amount: Final = sa.func.coalesce(charges.c.nano_usd, charges.c.estimate_nano_usd)


@dataclass(frozen=True, slots=True)
class UnfinishedCharge:
    """A charge that is reserved or sent; `usd` is its estimate, None if the price is not known."""

    id: int
    owner: str
    state: ChargeState
    day: str
    usd: Decimal | None


@dataclass(frozen=True, slots=True)
class ChargeTable:
    """The `charges` table within one transaction."""

    connection: sa.Connection

    def insert(
        self,
        entry: ChargeEntry,
        *,
        estimate: Decimal | None,
        day: str,
        reserved_at: int,
        owner: str,
        state: ChargeState = "reserved",
    ) -> int:
        """Insert a charge that is reserved, or sent already; returns its id."""
        row = asdict(entry) | {
            "day": day,
            "reserved_at": reserved_at,
            "owner": owner,
            "state": state,
            "estimate_nano_usd": _to_nano_usd(estimate),
        }
        key = self.connection.execute(_insert, row).inserted_primary_key
        assert key is not None
        return key[0]

    def update(self, charge: int, *, if_in: Sequence[ChargeState], to: ChargeState, **values: Any) -> bool:
        """Change the state of a charge to `to` if it is one of `if_in` now; otherwise change nothing, and return False.

        Columns in `values` are written with it; None leaves a column as it is.

        Raises:
            LookupError: there is no charge of this id.

        """
        known = {name: value for name, value in values.items() if value is not None}
        # In one statement: another process may change the state at this moment.
        if self.connection.execute(_update, {"of": charge, "if_in": if_in, "state": to, **known}).rowcount:
            return True
        if self.connection.scalar(sa.select(charges.c.id).where(charges.c.id == charge)) is None:
            raise LookupError(f"there is no charge {charge}")
        return False

    def find(self, job: str) -> int | None:
        """The id of a job's charge, if it has one. Reads the whole table."""
        return self.connection.scalar(sa.select(charges.c.id).where(charges.c.job == job))

    def was_sent(self, job: str, *, besides: int | None) -> bool:
        """Whether a charge of a job was sent, other than `besides`. Reads the whole table."""
        query = sa.select(charges.c.id).where(charges.c.job == job, charges.c.state.in_(("sent", "settled", "unknown")))
        return any(found != besides for found in self.connection.scalars(query))

    def delete(self, charge: int) -> None:
        """Delete a charge."""
        self.connection.execute(sa.delete(charges).where(charges.c.id == charge))

    def settle(self, charge: int, *, usage: Usage | None, usd: Decimal | None, request_id: str | None) -> None:
        """Change a charge from any state to settled, with its tokens and cost as far as they are known.

        Raises:
            LookupError: there is no charge of this id.

        """
        tokens: dict[str, int] = {}
        if usage is not None:
            tokens = {
                "input_text_tokens": usage.input_tokens - usage.image_tokens,
                "input_image_tokens": usage.image_tokens,
                "output_tokens": usage.output_tokens,
            }
        self.update(
            charge,
            if_in=get_args(ChargeState),
            to="settled",
            nano_usd=_to_nano_usd(usd),
            request_id=request_id,
            **tokens,
        )

    def mark_unknown(self, charge: int, *, usd: Decimal | None) -> None:
        """Change a charge that is not settled to unknown, with its cost if that is known; raises as `settle` does."""
        before: tuple[ChargeState, ...] = ("reserved", "sent", "released", "unknown")
        self.update(charge, if_in=before, to="unknown", nano_usd=_to_nano_usd(usd))

    def total(self, day: str) -> DayTotal:
        """The dollars of `day`: those of settled charges and of unknown outcome, and those of charges under way."""
        spent, under_way = (
            sa.func.sum(sa.case((charges.c.state.in_(states), _amount), else_=0))
            for states in (_SPENT_STATES, _OPEN_STATES)
        )
        found = self.connection.execute(sa.select(spent, under_way).where(charges.c.day == day)).one()
        return DayTotal(*(_from_nano_usd(nano or 0) for nano in found))

    def unfinished(self) -> list[UnfinishedCharge]:
        """All charges that are reserved or sent, of every process and day; those of batches are not among them."""
        columns = charges.c.id, charges.c.owner, charges.c.state, charges.c.day, charges.c.estimate_nano_usd
        query = sa.select(*columns).where(charges.c.state.in_(_OPEN_STATES), charges.c.owner != BATCHES)
        query = query.order_by(charges.c.id)
        return [
            UnfinishedCharge(charge, owner, state, day, None if nano is None else _from_nano_usd(nano))
            for charge, owner, state, day, nano in self.connection.execute(query)
        ]

    def by_model(self, *, since: str, until: str) -> tuple[ModelSpending, ...]:
        """What was spent from `since` to `until`, both included, the most expensive model first."""
        spent = sa.func.coalesce(sa.func.sum(_amount), 0)
        query = (
            sa.select(
                charges.c.model,
                sa.func.count(),
                sa.func.sum(charges.c.pictures),
                spent,
                sa.func.sum(sa.case((_amount.is_(None), 1), else_=0)),
                sa.func.sum(sa.case((charges.c.state == "unknown", 1), else_=0)),
            )
            .where(charges.c.day.between(since, until), charges.c.state.in_(_SPENT_STATES))
            .group_by(charges.c.model)
            .order_by(spent.desc(), charges.c.model)
        )
        return tuple(
            ModelSpending(model, int(requests), int(pictures), _from_nano_usd(usd), int(unpriced), int(unknown))
            for model, requests, pictures, usd, unpriced, unknown in self.connection.execute(query)
        )

    def job_cost(self, job: str) -> Decimal:
        """What a job cost in dollars, or its estimate as long as the cost is not known."""
        return _from_nano_usd(self.connection.scalar(sa.select(sa.func.sum(_amount)).where(charges.c.job == job)) or 0)

    def batch_cost(self, start: str, *, since: str) -> Decimal:
        """The same for jobs from the day `since` on whose ids begin with `start`; what was released counts nothing."""
        own = charges.c.job.startswith(start, autoescape=True)
        counts = (own, charges.c.day >= since, charges.c.state != "released")
        return _from_nano_usd(self.connection.scalar(sa.select(sa.func.sum(_amount)).where(*counts)) or 0)

    def max_output_tokens(self, *, model: str, size: str, quality: str) -> int | None:
        """The most output tokens of one picture for exactly this model, size and quality; None if there was none."""
        # Of all people: what a picture takes tells nothing of its prompt.
        with as_everyone(self.connection):
            return self.connection.scalar(_max_output_tokens, {"model": model, "size": size, "quality": quality})


def _to_nano_usd(usd: Decimal | None) -> int | None:
    return None if usd is None else int(round_up_to_nano(usd) / NANO_USD)


def _from_nano_usd(nano: int | Decimal) -> Decimal:
    # The driver for PostgreSQL returns the sum of a BIGINT column as a Decimal.
    return int(nano) * NANO_USD
