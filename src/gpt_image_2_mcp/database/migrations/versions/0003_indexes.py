"""Indexes, so that no query that every call makes looks at every row."""

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Create the indexes."""
    tokens_each = sa.text("((output_tokens + pictures - 1) / pictures)")
    op.create_index("charges_dearest", "charges", ["model", "size", "quality", tokens_each])
    op.create_index("jobs_ended", "jobs", ["ended_us"])
    op.create_index("pictures_content", "pictures", ["sha256"])
    op.create_index("pictures_model", "pictures", ["model", "number"])
    op.create_index("pictures_number", "pictures", ["number"])
    if op.get_context().dialect.name == "sqlite":
        not_ascii = sa.text("prompt GLOB '*[\u0080-\U0010ffff]*'")
        op.create_index("pictures_not_ascii", "pictures", ["number", "prompt"], sqlite_where=not_ascii)
