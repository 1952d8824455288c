"""What is in the picture store, and what waits to be put there."""

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"

SETTING = "current_setting('gpt_image_2.person', true)"
PERSON = f"coalesce({SETTING}, '')"
OWN_OR_EVERYONES = f"person = {PERSON} OR person >= CASE WHEN {SETTING} = '*' THEN '' END"


def upgrade() -> None:
    """Create `stored_files` and `outbox`; on PostgreSQL their rows belong to people."""
    op.create_table(
        "stored_files",
        sa.Column("key", sa.String(250), primary_key=True),
        sa.Column("path", sa.String, nullable=False, index=True),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("on_disk_only", sa.Boolean, nullable=False, index=True),
    )
    op.create_table(
        "outbox",
        sa.Column("key", sa.String(250), primary_key=True),
        sa.Column("data", sa.LargeBinary, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False, index=True),
    )
    if op.get_context().dialect.name != "postgresql":
        return
    for table in ("stored_files", "outbox"):
        person = f"text NOT NULL DEFAULT {PERSON} CONSTRAINT {table}_person CHECK (person <> '*')"
        op.execute(f"ALTER TABLE {table} ADD COLUMN person {person}")
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
        op.execute(f"CREATE POLICY person ON {table} USING ({OWN_OR_EVERYONES})")
    op.execute("CREATE INDEX stored_files_of_person ON stored_files (person, path)")
