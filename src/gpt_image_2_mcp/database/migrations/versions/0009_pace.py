"""One limit of pictures a minute for all replicas, and jobs in the queue that any of them can make."""

from alembic import op

revision = "0009"
down_revision = "0008"


def upgrade() -> None:
    """Create `pace`, and add what another process needs to make a job that is in the queue."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE TABLE pace (bucket text PRIMARY KEY, tat double precision NOT NULL DEFAULT 0,"
        " held_until double precision NOT NULL DEFAULT 0, named integer,"
        " named_until double precision NOT NULL DEFAULT 0)"
    )
    op.execute("ALTER TABLE jobs ADD COLUMN handover json")
    op.execute("CREATE INDEX jobs_queued ON jobs (created_us) WHERE state = 'queued'")
