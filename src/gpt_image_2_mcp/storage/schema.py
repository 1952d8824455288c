"""What the database file holds: its tables, and the steps from one version of them to the next.

Only types that SQLite and PostgreSQL both have. Money is whole nano-dollars: prices are quoted per million tokens, so a
nano-dollar is a tenth of a cent of such a price, and every price published so far comes out exact; 64 bits of them
are nine billion dollars. Days are ISO dates of the local calendar, as whoever sets a budget counts them.
"""

from collections.abc import Callable, Sequence
from typing import Final, Literal

import sqlalchemy as sa

State = Literal["reserved", "sent", "settled", "unknown", "released"]
"""A charge is reserved, then sent; it ends settled, unknown (both are spent) or released (nothing was billed)."""

metadata: Final = sa.MetaData()

schema_version: Final = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))
"""One row: how many of `MIGRATIONS` this file has been through."""

charges: Final = sa.Table(
    "charges",
    metadata,
    # SQLite counts up by itself only in a column of exactly this type.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("day", sa.String(10), nullable=False, index=True),
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
"""One row a request that may be billed, and no prompt. `reserved_at` is in seconds since 1970, in UTC."""


def _create_charges(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=[charges])


MIGRATIONS: Final[Sequence[Callable[[sa.Connection], None]]] = (_create_charges,)
"""Each takes a file one version further, inside the transaction that also writes the version.

A step that changes a table comes with that table's older form frozen in the step that made it.
"""
