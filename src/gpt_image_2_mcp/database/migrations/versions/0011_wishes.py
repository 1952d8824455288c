"""The request that a job is of, by which two replicas know that they have got the same one."""

from alembic import op

revision = "0011"
down_revision = "0010"


def upgrade() -> None:
    """Add `wish` to `jobs`."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("ALTER TABLE jobs ADD COLUMN wish text")
