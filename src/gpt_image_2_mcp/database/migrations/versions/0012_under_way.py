"""On PostgreSQL, indexes of what is under way, and a full-text index that a search does not read from end to end."""

from alembic import op

revision = "0012"
down_revision = "0011"


def upgrade() -> None:
    """Create the indexes, and empty the list of words that wait for the full-text index, which has none from now on."""
    if op.get_context().dialect.name != "postgresql":
        return
    # First, since it takes a second or more, and locks nobody out.
    op.execute("SELECT gin_clean_pending_list('picture_words_words')")
    op.execute("CREATE INDEX jobs_under_way ON jobs (state, owner) WHERE state IN ('queued', 'sent', 'lost')")
    op.execute("CREATE INDEX batches_open ON batches (person, owner) WHERE state <> 'ended'")
    op.execute("CREATE INDEX sessions_open ON sessions (person, updated_us) WHERE active")
    op.execute("ALTER INDEX picture_words_words SET (fastupdate = off)")
