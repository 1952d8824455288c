"""On PostgreSQL each row belongs to a person, and row-level security fences it; the rows of before belong to ''."""

from alembic import op

revision = "0007"
down_revision = "0006"

SETTING = "current_setting('gpt_image_2.person', true)"
PERSON = f"coalesce({SETTING}, '')"
OWN = f"person = {PERSON}"
OWN_OR_EVERYONES = f"{OWN} OR person >= CASE WHEN {SETTING} = '*' THEN '' END"


def fence(table: str, condition: str, order: str | None) -> None:
    """Give the rows of a table to people; `order` is that in which a person's rows are mostly read."""
    if table != "desks":
        person = f"text NOT NULL DEFAULT {PERSON} CONSTRAINT {table}_person CHECK (person <> '*')"
        op.execute(f"ALTER TABLE {table} ADD COLUMN person {person}")
    if order is not None:
        op.execute(f"CREATE INDEX {table}_of_person ON {table} (person, {order})")
    op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
    op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    op.execute(f"CREATE POLICY person ON {table} USING ({condition})")


def upgrade() -> None:
    """Add the columns with their indexes and policies, and `desks`."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        f"CREATE TABLE desks (person text PRIMARY KEY DEFAULT {PERSON}"
        " CONSTRAINT desks_person CHECK (person <> '*'),"
        " last text, answer json NOT NULL, sheet json NOT NULL, changed timestamp with time zone NOT NULL)"
    )
    fence("pictures", OWN, "number")
    fence("sessions", OWN, "updated_us")
    fence("jobs", OWN_OR_EVERYONES, "created_us")
    fence("charges", OWN_OR_EVERYONES, "day")
    fence("batches", OWN_OR_EVERYONES, "created_us")
    fence("batch_lines", OWN_OR_EVERYONES, None)
    fence("desks", OWN, None)
