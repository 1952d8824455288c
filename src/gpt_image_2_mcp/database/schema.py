"""What the database file holds: its tables, and the steps from one version of them to the next.

Only types that SQLite and PostgreSQL both have. Money is whole nano-dollars: prices are quoted per million tokens, so a
nano-dollar is a tenth of a cent of such a price, and every price published so far comes out exact; 64 bits of them
are nine billion dollars. Days are ISO dates of the local calendar, as whoever sets a budget counts them.
"""

import re
from collections.abc import Callable, Sequence
from typing import Final, Literal

import sqlalchemy as sa

State = Literal["reserved", "sent", "settled", "unknown", "released"]
"""A charge is reserved, then sent; it ends settled, unknown (both are spent) or released (nothing was billed)."""

metadata: Final = sa.MetaData()


class Plain(sa.TypeDecorator[str]):
    """Text; what databases refuse in it (NUL, halves of surrogate pairs) comes back as the replacement character."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """The text without it."""
        del dialect
        return None if value is None else re.sub("[\0\ud800-\udfff]", "\ufffd", value)


schema_version: Final = sa.Table("schema_version", metadata, sa.Column("version", sa.Integer, nullable=False))
"""One row: how many of `MIGRATIONS` this file has been through."""

charges: Final = sa.Table(
    "charges",
    metadata,
    # SQLite counts up by itself only in a column of exactly this type.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("day", Plain(10), nullable=False, index=True),
    sa.Column("reserved_at", sa.BigInteger, nullable=False),
    sa.Column("owner", Plain(40), nullable=False),
    sa.Column("state", Plain(8), nullable=False),
    sa.Column("job", Plain),
    sa.Column("request_id", Plain),
    sa.Column("model", Plain, nullable=False),
    sa.Column("size", Plain, nullable=False),
    sa.Column("quality", Plain, nullable=False),
    sa.Column("pictures", sa.Integer, nullable=False),
    sa.Column("estimate_nano_usd", sa.BigInteger),
    sa.Column("nano_usd", sa.BigInteger),
    sa.Column("input_text_tokens", sa.BigInteger),
    sa.Column("input_image_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.CheckConstraint("state IN ('reserved', 'sent', 'settled', 'unknown', 'released')", name="charges_state"),
)
"""One row a request that may be billed, and no prompt. `reserved_at` is in seconds since 1970, in UTC."""


pictures: Final = sa.Table(
    "pictures",
    metadata,
    # The newest first is then the order of the rows, for every query.
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", Plain(140), nullable=False, unique=True),
    sa.Column("path", Plain, nullable=False, index=True),
    sa.Column("sha256", Plain(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("format", Plain(8), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("kind", Plain(8), nullable=False),
    sa.Column("model", Plain, nullable=False),
    sa.Column("prompt", Plain, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("applied", sa.JSON, nullable=False),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("image_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("nano_usd", sa.BigInteger),
    sa.Column("parents", sa.JSON, nullable=False),
    sa.Column("made_us", sa.BigInteger, nullable=False),
    sa.Column("client", Plain),
    sa.Column("project", Plain),
    sa.Column("session_id", Plain(40)),
    sa.Column("turn", sa.Integer),
    sa.Column("parent_turn", sa.Integer),
    sa.Column("late", sa.Boolean, nullable=False, default=False),
    sa.Column("asked", sa.Boolean, nullable=False, default=False),
    sa.Column("job_id", Plain),
    sa.Column("request_id", Plain),
    sa.Column("sandbox", sa.Boolean, nullable=False, default=False),
    sa.Index("pictures_turn", "session_id", "turn", unique=True),
    sa.Index("pictures_project", "project", "number"),
)
"""One row a picture; the turns of a session are its pictures. `number` is `made_us`, microseconds since 1970 in UTC, or
the next one that is free."""

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", Plain(40), primary_key=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
    sa.Column("folder", Plain, nullable=False),
    sa.Column("head", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, index=True),
)
"""One row an edit session. `head` is the turn that the next one is made from; one that ended stays, for its tree."""

jobs: Final = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", Plain(40), primary_key=True),
    sa.Column("key", Plain(64), nullable=False, index=True),
    sa.Column("tool", Plain, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("folder", Plain, nullable=False),
    sa.Column("stem", Plain, nullable=False),
    sa.Column("owner", Plain(40), nullable=False),
    sa.Column("state", Plain(8), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False, index=True),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("given_up", sa.Boolean, nullable=False),
    sa.Column("fetched", sa.Boolean, nullable=False),
    sa.Column("outcome", sa.JSON),
    sa.CheckConstraint("state IN ('queued', 'sent', 'done', 'failed', 'lost')", name="jobs_state"),
)
"""One row a job that was sent, or that somebody was told of. `outcome` is its report, or the words it failed with."""


TABLES: Final[Sequence[Sequence[sa.Table]]] = ((charges,), (pictures, sessions, jobs))
"""What each of `MIGRATIONS` makes; a file of a version holds the tables of all up to it."""


def _create_charges(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=TABLES[0])


def _create_catalogue(connection: sa.Connection) -> None:
    metadata.create_all(connection, tables=TABLES[1])
    if connection.dialect.name == "sqlite":
        connection.exec_driver_sql(
            "CREATE VIRTUAL TABLE picture_words USING fts5"
            "(prompt, content='pictures', content_rowid='number', tokenize='unicode61 remove_diacritics 2')"
        )
    else:
        connection.exec_driver_sql(
            "CREATE TABLE picture_words"
            " (number bigint PRIMARY KEY REFERENCES pictures ON DELETE CASCADE, words tsvector NOT NULL)"
        )
        connection.exec_driver_sql("CREATE INDEX picture_words_words ON picture_words USING gin (words)")


def _create_indexes(connection: sa.Connection) -> None:
    """Have nothing that is asked on every call look at every row."""
    statements = [
        f"CREATE INDEX charges_dearest ON charges (model, size, quality, ({TOKENS_EACH}))",
        "CREATE INDEX jobs_ended ON jobs (ended_us)",
        "CREATE INDEX pictures_content ON pictures (sha256)",
        "CREATE INDEX pictures_model ON pictures (model, number)",
        # Much narrower than the rows, for whoever turns many pages.
        "CREATE INDEX pictures_number ON pictures (number)",
    ]
    if connection.dialect.name == "sqlite":
        statements.append(f"CREATE INDEX pictures_not_ascii ON pictures (number, prompt) WHERE {NOT_ASCII}")
    for statement in statements:
        connection.exec_driver_sql(statement)


TOKENS_EACH: Final = "(output_tokens + pictures - 1) / pictures"
"""The output tokens of each picture of a charge, rounded up, as its index has them; a query has to say the same."""
NOT_ASCII: Final = "prompt GLOB '*[\u0080-\U0010ffff]*'"
"""SQLite's condition for prompts that are looked through letter by letter, as their index has it."""

MIGRATIONS: Final[Sequence[Callable[[sa.Connection], None]]] = (_create_charges, _create_catalogue, _create_indexes)
"""Each takes a file one version further, inside the transaction that also writes the version.

A step that changes a table comes with that table's older form frozen in the step that made it.
"""
