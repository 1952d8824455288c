"""A charge without a picture can be settled: PostgreSQL refused to divide by their number, for an index."""

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0012"


def upgrade() -> None:
    """Make `charges_dearest` anew."""
    op.drop_index("charges_dearest", "charges")
    tokens_each = sa.text("((output_tokens + pictures - 1) / nullif(pictures, 0))")
    op.create_index("charges_dearest", "charges", ["model", "size", "quality", tokens_each])
