"""The ledger: what each request to the API may cost or did cost."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Create `charges`."""
    op.create_table(
        "charges",
        sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
        sa.Column("day", sa.String(10), nullable=False),
        sa.Column("reserved_at", sa.BigInteger, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("job", sa.String),
        sa.Column("request_id", sa.String),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("size", sa.String, nullable=False),
        sa.Column("quality", sa.String, nullable=False),
        sa.Column("pictures", sa.Integer, nullable=False),
        sa.Column("estimate_nano_usd", sa.BigInteger),
        sa.Column("nano_usd", sa.BigInteger),
        sa.Column("input_text_tokens", sa.BigInteger),
        sa.Column("input_image_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.CheckConstraint("state IN ('reserved', 'sent', 'settled', 'unknown', 'released')", name="charges_state"),
    )
    op.create_index("ix_charges_day", "charges", ["day"])
