"""The audit, on PostgreSQL: who had what made; lines are added and never changed."""

from alembic import op

revision = "0010"
down_revision = "0009"

SETTING = "current_setting('gpt_image_2.person', true)"
PERSON = f"coalesce({SETTING}, '')"


def upgrade() -> None:
    """Create `audit` and `audit_people`."""
    if op.get_context().dialect.name != "postgresql":
        return
    op.execute(
        "CREATE TABLE audit_people (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" person text NOT NULL UNIQUE DEFAULT {PERSON} CONSTRAINT audit_people_person CHECK (person <> '*'))"
    )
    op.execute(
        "CREATE TABLE audit (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " at timestamp with time zone NOT NULL DEFAULT now(), person bigint NOT NULL, client text, tool text NOT NULL,"
        " job text, model text NOT NULL, estimate_nano_usd bigint, nano_usd bigint, outcome text NOT NULL,"
        " request_id text, prompt text, CONSTRAINT audit_once UNIQUE (job, outcome))"
    )
    op.execute("CREATE INDEX audit_at ON audit (at)")
    for table in ("audit_people", "audit"):
        op.execute(f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY")
        op.execute(f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY")
    own_or_everyones = f"person = {PERSON} OR person >= CASE WHEN {SETTING} = '*' THEN '' END"
    op.execute(f"CREATE POLICY person ON audit_people USING ({own_or_everyones})")
    op.execute("CREATE POLICY added ON audit FOR INSERT WITH CHECK (true)")
    op.execute(f"CREATE POLICY read ON audit FOR SELECT USING ({SETTING} = '*')")
    op.execute(
        "CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''lines of the audit are added, and never changed or deleted''; END'"
    )
    op.execute(
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit()"
    )
