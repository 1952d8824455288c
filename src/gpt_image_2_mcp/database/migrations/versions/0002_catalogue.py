"""The catalogue: pictures with a full-text index of their prompts, edit sessions, and jobs."""

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Create `pictures`, `sessions`, `jobs` and `picture_words`."""
    op.create_table(
        "pictures",
        sa.Column(
            "number", sa.BigInteger().with_variant(sa.Integer(), "sqlite"), primary_key=True, autoincrement=False
        ),
        sa.Column("id", sa.String(140), nullable=False, unique=True),
        sa.Column("path", sa.String, nullable=False),
        sa.Column("sha256", sa.String(64), nullable=False),
        sa.Column("size_bytes", sa.BigInteger, nullable=False),
        sa.Column("format", sa.String(8), nullable=False),
        sa.Column("width", sa.Integer, nullable=False),
        sa.Column("height", sa.Integer, nullable=False),
        sa.Column("kind", sa.String(8), nullable=False),
        sa.Column("model", sa.String, nullable=False),
        sa.Column("prompt", sa.String, nullable=False),
        sa.Column("parameters", sa.JSON, nullable=False),
        sa.Column("applied", sa.JSON, nullable=False),
        sa.Column("input_tokens", sa.BigInteger),
        sa.Column("image_tokens", sa.BigInteger),
        sa.Column("output_tokens", sa.BigInteger),
        sa.Column("nano_usd", sa.BigInteger),
        sa.Column("parents", sa.JSON, nullable=False),
        sa.Column("made_us", sa.BigInteger, nullable=False),
        sa.Column("client", sa.String),
        sa.Column("project", sa.String),
        sa.Column("session_id", sa.String(40)),
        sa.Column("turn", sa.Integer),
        sa.Column("parent_turn", sa.Integer),
        sa.Column("late", sa.Boolean, nullable=False),
        sa.Column("asked", sa.Boolean, nullable=False),
        sa.Column("job_id", sa.String),
        sa.Column("request_id", sa.String),
        sa.Column("sandbox", sa.Boolean, nullable=False),
    )
    op.create_index("ix_pictures_path", "pictures", ["path"])
    op.create_index("pictures_turn", "pictures", ["session_id", "turn"], unique=True)
    op.create_index("pictures_project", "pictures", ["project", "number"])
    op.create_table(
        "sessions",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("updated_us", sa.BigInteger, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("head", sa.Integer, nullable=False),
        sa.Column("active", sa.Boolean, nullable=False),
    )
    op.create_index("ix_sessions_active", "sessions", ["active"])
    op.create_table(
        "jobs",
        sa.Column("id", sa.String(40), primary_key=True),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("tool", sa.String, nullable=False),
        sa.Column("request", sa.JSON, nullable=False),
        sa.Column("folder", sa.String, nullable=False),
        sa.Column("stem", sa.String, nullable=False),
        sa.Column("owner", sa.String(40), nullable=False),
        sa.Column("state", sa.String(8), nullable=False),
        sa.Column("created_us", sa.BigInteger, nullable=False),
        sa.Column("ended_us", sa.BigInteger),
        sa.Column("given_up", sa.Boolean, nullable=False),
        sa.Column("fetched", sa.Boolean, nullable=False),
        sa.Column("outcome", sa.JSON),
        sa.CheckConstraint("state IN ('queued', 'sent', 'done', 'failed', 'lost')", name="jobs_state"),
    )
    op.create_index("ix_jobs_created_us", "jobs", ["created_us"])
    op.create_index("ix_jobs_key", "jobs", ["key"])
    if op.get_context().dialect.name == "sqlite":
        op.execute(
            "CREATE VIRTUAL TABLE picture_words USING fts5"
            "(prompt, content='pictures', content_rowid='number', tokenize='unicode61 remove_diacritics 2')"
        )
    else:
        op.execute(
            "CREATE TABLE picture_words"
            " (number bigint PRIMARY KEY REFERENCES pictures ON DELETE CASCADE, words tsvector NOT NULL)"
        )
        op.execute("CREATE INDEX picture_words_words ON picture_words USING gin (words)")
