"""Whose rows a transaction sees: on PostgreSQL each row belongs to a person, and its row-level security fences them.

The setting `gpt_image_2.person` of a transaction names the person. Without it the person is `LOCAL`, who is the only
one where processes of one computer share a database, and to whom the rows of earlier versions belong. No query says
whose rows it means, so none can forget to.

With `EVERYONE` as the person, a transaction sees the work and the money of all people: sums of the team, and what a
process that was killed has left. Pictures, sessions and what is on a desk are never seen so.

`picture_words` has no fence of its own: it is read together with `pictures` only, and each of its words has a mark of
the person. A fence would keep a search from using its index, since full-text search is not leakproof.
"""

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import sqlalchemy as sa

LOCAL: Final = ""
"""The person of all processes that serve their own user, as over stdio."""
EVERYONE: Final = "*"
"""In place of a person: the work and the money of all people."""

_SETTING: Final = "current_setting('gpt_image_2.person', true)"
_PERSON: Final = f"coalesce({_SETTING}, '')"

OWN: Final = f"person = {_PERSON}"
"""The condition of rows that only their person sees."""
OWN_OR_EVERYONES: Final = f"{OWN} OR person >= CASE WHEN {_SETTING} = '*' THEN '' END"
"""The condition of rows that `EVERYONE` sees too: comparisons of the column, so that indexes can be used."""

FENCED: Final = {
    "pictures": (OWN, "number"),
    "sessions": (OWN, "updated_us"),
    "jobs": (OWN_OR_EVERYONES, "created_us"),
    "charges": (OWN_OR_EVERYONES, "day"),
    "batches": (OWN_OR_EVERYONES, "created_us"),
    "batch_lines": (OWN_OR_EVERYONES, None),
    "desks": (OWN, None),
    "stored_files": (OWN_OR_EVERYONES, "path"),
    "outbox": (OWN_OR_EVERYONES, None),
}
"""Whose rows are seen, and in which order a person's rows are mostly read."""


def _fence(table: str, condition: str, order: str | None) -> list[str]:
    person = f"text NOT NULL DEFAULT {_PERSON} CONSTRAINT {table}_person CHECK (person <> '*')"
    statements = [f"ALTER TABLE {table} ADD COLUMN person {person}"] if table != "desks" else []
    if order is not None:
        statements.append(f"CREATE INDEX {table}_of_person ON {table} (person, {order})")
    return [
        *statements,
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        # For the owner of the table too, which this program mostly is.
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY person ON {table} USING ({condition})",
    ]


DESKS: Final = (
    "CREATE TABLE desks ("
    f"person text PRIMARY KEY DEFAULT {_PERSON} CONSTRAINT desks_person CHECK (person <> '*'), "
    "last text, answer json NOT NULL, sheet json NOT NULL, changed timestamp with time zone NOT NULL)"
)
"""One row a person on a server for several people: what `last` and the numbers of the last answers mean."""

FENCE: Final = (
    DESKS,
    *[statement for table, (how, order) in FENCED.items() for statement in _fence(table, how, order)],
)
"""The statements that make the columns, indexes and policies, after the tables."""


def set_person(connection: "sa.Connection", person: str | None) -> None:
    """Have the rest of the transaction of a PostgreSQL `connection` see the rows of `person`; None changes nothing."""
    if person is not None:
        connection.exec_driver_sql("SELECT set_config('gpt_image_2.person', %s, true)", (person,))
