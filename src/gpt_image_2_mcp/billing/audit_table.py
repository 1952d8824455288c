"""`AuditTable`: who had what made, when, and what became of it; on PostgreSQL, for a server for a team.

Lines are added and never changed or deleted, which a trigger of the database refuses. A line names its person by a
number, and `audit_people` says whose number it is: a person is forgotten by deleting that row.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

import sqlalchemy as sa

from .budgets import NANO_USD, ChargeEnd, round_up_to_nano

_PERSON = "coalesce(current_setting('gpt_image_2.person', true), '')"
_NUMBER = sa.text(
    f"INSERT INTO audit_people (person) SELECT {_PERSON}"  # noqa: S608 - texts of this module
    f" WHERE NOT EXISTS (SELECT FROM audit_people WHERE person = {_PERSON}) ON CONFLICT DO NOTHING"
)
_ADD = sa.text(
    "INSERT INTO audit (person, client, tool, job, model, estimate_nano_usd, nano_usd, outcome, request_id, prompt)"  # noqa: S608
    " SELECT number, :client, :tool, :job, :model, :estimate, :usd, :outcome, :request_id, :prompt"
    f" FROM audit_people WHERE person = {_PERSON} ON CONFLICT DO NOTHING"
)
_NUMBER_LOST = sa.text(
    "INSERT INTO audit_people (person) SELECT DISTINCT person FROM charges WHERE id IN :charges AND person <> ''"
    " ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("charges", expanding=True))
_ADD_LOST = sa.text(
    "INSERT INTO audit (person, tool, job, model, estimate_nano_usd, nano_usd, outcome)"
    " SELECT known.number, coalesce(jobs.tool, ''), charges.job, charges.model, charges.estimate_nano_usd,"
    " charges.nano_usd, charges.state"
    " FROM charges JOIN audit_people AS known ON known.person = charges.person"
    " LEFT JOIN jobs ON jobs.id = charges.job WHERE charges.id IN :charges"
    " ON CONFLICT DO NOTHING"
).bindparams(sa.bindparam("charges", expanding=True))
_PAGE = sa.text(
    "SELECT audit.number AS line, audit.at, audit_people.person, audit.person AS number, client, tool, job, model,"
    " estimate_nano_usd, nano_usd, outcome, request_id, prompt FROM audit"
    " LEFT JOIN audit_people ON audit_people.number = audit.person"
    " WHERE audit.at >= :since AND (audit.at, audit.number) > (:since, :after) ORDER BY audit.at, audit.number"
    " LIMIT :limit"
)

Start = tuple[datetime, int]
"""A moment, and the number of a line of that moment, after which a page begins; 0 is before all lines."""


@dataclass(frozen=True, slots=True)
class AuditLine:
    """A line as it is read; amounts are dollars."""

    at: datetime
    person: str | None
    """None for a person who was forgotten."""
    number: int
    """The number of the person."""
    client: str | None
    tool: str
    job: str | None
    model: str
    estimate: Decimal | None
    usd: Decimal | None
    outcome: str
    """The state of the charge: `settled`, `unknown` (perhaps billed) or `released` (not billed)."""
    request_id: str | None
    prompt: str | None


@dataclass(frozen=True, slots=True)
class AuditTable:
    """The audit within one transaction."""

    connection: sa.Connection

    def add(self, end: ChargeEnd) -> None:
        """Add the line of a charge that has ended, for the person of the transaction; a second time it adds nothing."""
        note = end.audit
        if note is None:
            return
        self.connection.execute(_NUMBER)
        row = {
            "client": note.client,
            "tool": note.tool,
            "job": end.entry.job,
            "model": end.entry.model,
            "estimate": _nano(end.estimate),
            "usd": _nano(end.usd),
            "outcome": end.state,
            "request_id": end.request_id or note.request_id,
            "prompt": note.prompt,
        }
        self.connection.execute(_ADD, row)

    def add_lost(self, charges: Sequence[int]) -> None:
        """Add the lines of charges whose process was killed, but for those of the one person of a computer."""
        if charges:
            for statement in (_NUMBER_LOST, _ADD_LOST):
                self.connection.execute(statement, {"charges": list(charges)})

    def page(self, start: Start, limit: int) -> tuple[list[AuditLine], Start | None]:
        """At most `limit` lines from `start` on, the oldest first, and where the next page starts, if there is one.

        Only `people.EVERYONE` sees them.
        """
        since, after = start
        found = self.connection.execute(_PAGE, {"since": since, "after": after, "limit": limit + 1}).mappings().all()
        rows = found[:limit]
        next_start = (rows[-1]["at"], rows[-1]["line"]) if len(found) > limit else None
        return [_line({**row}) for row in rows], next_start


def _line(row: Mapping[str, Any]) -> AuditLine:
    values = {name: value for name, value in row.items() if name != "line"}
    estimate, usd = _dollars(values.pop("estimate_nano_usd")), _dollars(values.pop("nano_usd"))
    return AuditLine(**values, estimate=estimate, usd=usd)


def _nano(usd: Decimal | None) -> int | None:
    return None if usd is None else int(round_up_to_nano(usd) / NANO_USD)


def _dollars(nano: int | None) -> Decimal | None:
    return None if nano is None else nano * NANO_USD
