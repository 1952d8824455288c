"""Leases, by which processes that share a PostgreSQL server see that another one is alive."""

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Create `leases`, and the index by which a process finds its own charges that are under way."""
    if op.get_context().dialect.name == "postgresql":
        op.execute("CREATE TABLE leases (owner varchar(40) PRIMARY KEY, expires timestamp with time zone NOT NULL)")
        under_way = sa.text("state IN ('reserved', 'sent')")
        op.create_index("charges_under_way", "charges", ["owner"], postgresql_where=under_way)
