"""The tables of the database as they are today; `migrations` brings the tables of an older database to this form.

The column types are those that SQLite and PostgreSQL share. Money is in whole nano-dollars (10⁻⁹ USD): prices are
quoted per million tokens, so every price that was published so far is exact, and 64 bits hold nine billion dollars.
Days are ISO dates of the local calendar, since the person who sets a budget per day counts them so.
"""

import re
from typing import Final, Literal

import sqlalchemy as sa
from sqlalchemy import event

from .audit import AUDIT
from .pace_table import PACE
from .people import FENCE

ChargeState = Literal["reserved", "sent", "settled", "unknown", "released"]
"""A charge is reserved, then sent; it ends settled, unknown (both are spent) or released (nothing was billed)."""

VERSION: Final = 13
"""The number of the last file in `migrations/versions`; a database of this version needs no migration."""

TOKENS_EACH: Final = "(output_tokens + pictures - 1) / nullif(pictures, 0)"
"""The output tokens of each picture of a charge, rounded up; NULL for one without a picture, as a search by a mask's
words. A query that says the same uses `charges_dearest`."""
NOT_ASCII: Final = "prompt GLOB '*[\u0080-\U0010ffff]*'"
"""SQLite's condition for a prompt that is not ASCII. A query that says the same uses `pictures_not_ascii`."""

metadata: Final = sa.MetaData()


class StorableText(sa.TypeDecorator[str]):
    """Text in which U+FFFD replaces what databases refuse: NUL and unpaired surrogates."""

    impl = sa.String
    cache_ok = True

    def process_bind_param(self, value: str | None, dialect: sa.Dialect) -> str | None:
        """Replace what databases refuse."""
        del dialect
        return None if value is None else re.sub("[\0\ud800-\udfff]", "\ufffd", value)


schema_version: Final = sa.Table(
    "schema_version", metadata, sa.Column("version", sa.Integer, nullable=False), info={"since": 0}
)
"""One row with the version of this database.

`info["since"]` of every table is the version that has created it, by which a database of another program is told.
"""

charges: Final = sa.Table(
    "charges",
    metadata,
    # SQLite assigns ids by itself only in a column of the type INTEGER.
    sa.Column("id", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=True),
    sa.Column("day", StorableText(10), nullable=False, index=True),
    sa.Column("reserved_at", sa.BigInteger, nullable=False),
    sa.Column("owner", StorableText(40), nullable=False),
    sa.Column("state", StorableText(8), nullable=False),
    sa.Column("job", StorableText),
    sa.Column("request_id", StorableText),
    sa.Column("model", StorableText, nullable=False),
    sa.Column("size", StorableText, nullable=False),
    sa.Column("quality", StorableText, nullable=False),
    sa.Column("pictures", sa.Integer, nullable=False),
    sa.Column("estimate_nano_usd", sa.BigInteger),
    sa.Column("nano_usd", sa.BigInteger),
    sa.Column("input_text_tokens", sa.BigInteger),
    sa.Column("input_image_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.CheckConstraint("state IN ('reserved', 'sent', 'settled', 'unknown', 'released')", name="charges_state"),
    sa.Index("charges_dearest", "model", "size", "quality", sa.text(f"({TOKENS_EACH})")),
    info={"since": 1},
)
"""One row a request that may be billed; it holds no prompt. `reserved_at` is in seconds since 1970, UTC. `owner` is the
name of the process that sent the request (`Store.owner`)."""

# Of very few rows: `Lease` looks for those of its process every few seconds. A `sa.Index` with `postgresql_where` would
# load the dialect for PostgreSQL in every process.
event.listen(
    charges,
    "after_create",
    sa.DDL("CREATE INDEX charges_under_way ON charges (owner) WHERE state IN ('reserved', 'sent')").execute_if(
        dialect="postgresql"
    ),
)


pictures: Final = sa.Table(
    "pictures",
    metadata,
    # As the primary key it is SQLite's rowid: every query reads rows in its order, which is by time.
    sa.Column("number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False),
    sa.Column("id", StorableText(140), nullable=False, unique=True),
    sa.Column("path", StorableText, nullable=False, index=True),
    sa.Column("sha256", StorableText(64), nullable=False),
    sa.Column("size_bytes", sa.BigInteger, nullable=False),
    sa.Column("format", StorableText(8), nullable=False),
    sa.Column("width", sa.Integer, nullable=False),
    sa.Column("height", sa.Integer, nullable=False),
    sa.Column("kind", StorableText(8), nullable=False),
    sa.Column("model", StorableText, nullable=False),
    sa.Column("prompt", StorableText, nullable=False),
    sa.Column("parameters", sa.JSON, nullable=False),
    sa.Column("applied", sa.JSON, nullable=False),
    sa.Column("input_tokens", sa.BigInteger),
    sa.Column("image_tokens", sa.BigInteger),
    sa.Column("output_tokens", sa.BigInteger),
    sa.Column("nano_usd", sa.BigInteger),
    sa.Column("parents", sa.JSON, nullable=False),
    sa.Column("made_us", sa.BigInteger, nullable=False),
    sa.Column("client", StorableText),
    sa.Column("project", StorableText),
    sa.Column("session_id", StorableText(40)),
    sa.Column("turn", sa.Integer),
    sa.Column("parent_turn", sa.Integer),
    sa.Column("late", sa.Boolean, nullable=False, default=False),
    sa.Column("asked", sa.Boolean, nullable=False, default=False),
    sa.Column("job_id", StorableText),
    sa.Column("request_id", StorableText),
    sa.Column("sandbox", sa.Boolean, nullable=False, default=False),
    sa.Index("pictures_turn", "session_id", "turn", unique=True),
    sa.Index("pictures_project", "project", "number"),
    sa.Index("pictures_content", "sha256"),
    sa.Index("pictures_model", "model", "number"),
    # Much narrower than the rows: counting the rows and skipping pages of results read it instead of them.
    sa.Index("pictures_number", "number"),
    info={"since": 2},
)
"""One row a picture; the turns of a session are its pictures. `number` is `made_us`, microseconds since 1970, UTC, or
the next number that is free. `nano_usd` is what this picture cost."""

# As a statement: `sqlite_where` would load SQLite and its dialect in a process that uses a PostgreSQL server.
event.listen(
    pictures,
    "after_create",
    sa.DDL(f"CREATE INDEX pictures_not_ascii ON pictures (number, prompt) WHERE {NOT_ASCII}").execute_if(
        dialect="sqlite"
    ),
)
# `picture_words` is the full-text index of prompts and names, which SQLite and PostgreSQL have in different forms.
# `PictureTable.add` writes each row's words (`words_of_picture`) into it.
event.listen(
    pictures,
    "after_create",
    sa.DDL(
        "CREATE VIRTUAL TABLE picture_words USING fts5(words, tokenize='unicode61 remove_diacritics 0', columnsize=0)"
    ).execute_if(dialect="sqlite"),
)
event.listen(
    pictures,
    "after_create",
    sa.DDL(
        "CREATE TABLE picture_words"
        " (number bigint PRIMARY KEY REFERENCES pictures ON DELETE CASCADE, words tsvector NOT NULL)"
    ).execute_if(dialect="postgresql"),
)
# New words go into the index at once. By default they wait in a list, which each search reads from end to end, and the
# insertion that finds it full spends a second or more on emptying it.
event.listen(
    pictures,
    "after_create",
    sa.DDL("CREATE INDEX picture_words_words ON picture_words USING gin (words) WITH (fastupdate = off)").execute_if(
        dialect="postgresql"
    ),
)

sessions: Final = sa.Table(
    "sessions",
    metadata,
    sa.Column("id", StorableText(40), primary_key=True),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("updated_us", sa.BigInteger, nullable=False),
    sa.Column("folder", StorableText, nullable=False),
    sa.Column("head", sa.Integer, nullable=False),
    sa.Column("active", sa.Boolean, nullable=False, index=True),
    info={"since": 2},
)
"""One row an edit session. `head` is the turn that the next turn is made from. The row of a session that has ended
stays, for its tree of turns; `active` is false then."""

jobs: Final = sa.Table(
    "jobs",
    metadata,
    sa.Column("id", StorableText(40), primary_key=True),
    sa.Column("key", StorableText(64), nullable=False, index=True),
    sa.Column("tool", StorableText, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("folder", StorableText, nullable=False),
    sa.Column("stem", StorableText, nullable=False),
    sa.Column("owner", StorableText(40), nullable=False),
    sa.Column("state", StorableText(8), nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False, index=True),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("given_up", sa.Boolean, nullable=False),
    sa.Column("fetched", sa.Boolean, nullable=False),
    sa.Column("outcome", sa.JSON),
    sa.CheckConstraint("state IN ('queued', 'sent', 'done', 'failed', 'lost')", name="jobs_state"),
    sa.Index("jobs_ended", "ended_us"),
    info={"since": 2},
)
"""One row a job whose request was sent, or whose id was given to a caller. `owner` is the name of the process that runs
it (`Store.owner`); `outcome` is the report of a job that is done, or the message of one that failed."""

batches: Final = sa.Table(
    "batches",
    metadata,
    sa.Column("id", StorableText(40), primary_key=True),
    sa.Column("key", StorableText(64), nullable=False, index=True),
    sa.Column("owner", StorableText(40), nullable=False),
    sa.Column("state", StorableText(10), nullable=False, index=True),
    sa.Column("cheap", sa.Boolean, nullable=False),
    sa.Column("cancelled", sa.Boolean, nullable=False),
    sa.Column("created_us", sa.BigInteger, nullable=False),
    sa.Column("ended_us", sa.BigInteger),
    sa.Column("total", sa.Integer, nullable=False),
    sa.Column("details", sa.JSON, nullable=False),
    sa.Column("parts", sa.JSON, nullable=False),
    sa.CheckConstraint("state IN ('preparing', 'open', 'ended')", name="batches_state"),
    info={"since": 6},
)
"""One row a batch. `owner` is the process that works on it now; another one takes it over when that one is gone.
`parts` are what was submitted to OpenAI's Batch API for it, each with the mark by which it is found there."""

batch_lines: Final = sa.Table(
    "batch_lines",
    metadata,
    sa.Column("batch_id", StorableText(40), primary_key=True),
    sa.Column("number", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", StorableText, nullable=False),
    sa.Column("tool", StorableText, nullable=False),
    sa.Column("request", sa.JSON, nullable=False),
    sa.Column("sent", sa.JSON),
    info={"since": 6},
)
"""One row a line of a batch. How a line ended is in `jobs`, as of every other job: its id there is that of the batch
with the line's number. `sent` is what is known of a line that is submitted: its part, its charge, its inputs."""

stored_files: Final = sa.Table(
    "stored_files",
    metadata,
    sa.Column("key", StorableText(250), primary_key=True),
    sa.Column("path", StorableText, nullable=False, index=True),
    sa.Column("sha256", StorableText(64), nullable=False),
    sa.Column("on_disk_only", sa.Boolean, nullable=False, index=True),
    info={"since": 8},
)
"""One row a file in the picture store of a server (`picture_store`): a picture, or the original of a session. `path` is
where the replica that saved it had it, as the catalogue says too; with `on_disk_only` it is there alone."""

outbox: Final = sa.Table(
    "outbox",
    metadata,
    sa.Column("key", StorableText(250), primary_key=True),
    sa.Column("data", sa.LargeBinary, nullable=False),
    sa.Column("made_us", sa.BigInteger, nullable=False, index=True),
    info={"since": 8},
)
"""One row a file that could not be put into the picture store yet. Only PostgreSQL's has any: beside an SQLite file
the file itself is as safe."""

# `leases` is on PostgreSQL alone: one row a process that has written lately, see `leases.Lease`. Beside a
# file, liveness files say the same.
event.listen(
    jobs,
    "after_create",
    sa.DDL("CREATE TABLE leases (owner varchar(40) PRIMARY KEY, expires timestamp with time zone NOT NULL)").execute_if(
        dialect="postgresql"
    ),
)

# For the replicas of a server. `handover` is what another one needs to make a job that is queued, see
# `catalogue.queue_table`, and `wish` the request that it is of; the index has very few rows, which every replica looks
# through.
for _statement in (
    PACE,
    "ALTER TABLE jobs ADD COLUMN handover json",
    "ALTER TABLE jobs ADD COLUMN wish text",
    "CREATE INDEX jobs_queued ON jobs (created_us) WHERE state = 'queued'",
):
    event.listen(jobs, "after_create", sa.DDL(_statement).execute_if(dialect="postgresql"))

# Of the few rows that are looked for again and again: what is under way, and which batches and sessions are open.
UNDER_WAY: Final = (
    "CREATE INDEX jobs_under_way ON jobs (state, owner) WHERE state IN ('queued', 'sent', 'lost')",
    "CREATE INDEX batches_open ON batches (person, owner) WHERE state <> 'ended'",
    "CREATE INDEX sessions_open ON sessions (person, updated_us) WHERE active",
)

# On PostgreSQL, where a team shares a database, each row belongs to a person: see `people`.
for _statement in (*FENCE, *AUDIT, *UNDER_WAY):
    event.listen(metadata, "after_create", sa.DDL(_statement).execute_if(dialect="postgresql"))
