"""The tables of the audit, on PostgreSQL: the database itself refuses to change or delete a line."""

from typing import Final

from .people import OWN_OR_EVERYONES

_PERSON: Final = "coalesce(current_setting('gpt_image_2.person', true), '')"

AUDIT: Final = (
    (
        "CREATE TABLE audit_people (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        f" person text NOT NULL UNIQUE DEFAULT {_PERSON} CONSTRAINT audit_people_person CHECK (person <> '*'))"
    ),
    "ALTER TABLE audit_people ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE audit_people FORCE ROW LEVEL SECURITY",
    f"CREATE POLICY person ON audit_people USING ({OWN_OR_EVERYONES})",
    # No foreign key: the lines of a person who is forgotten stay.
    (
        "CREATE TABLE audit (number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,"
        " at timestamp with time zone NOT NULL DEFAULT now(), person bigint NOT NULL, client text, tool text NOT NULL,"
        " job text, model text NOT NULL, estimate_nano_usd bigint, nano_usd bigint, outcome text NOT NULL,"
        " request_id text, prompt text, CONSTRAINT audit_once UNIQUE (job, outcome))"
    ),
    "CREATE INDEX audit_at ON audit (at)",
    "ALTER TABLE audit ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE audit FORCE ROW LEVEL SECURITY",
    "CREATE POLICY added ON audit FOR INSERT WITH CHECK (true)",
    "CREATE POLICY read ON audit FOR SELECT USING (current_setting('gpt_image_2.person', true) = '*')",
    (
        "CREATE FUNCTION refuse_to_change_audit() RETURNS trigger LANGUAGE plpgsql AS"
        " 'BEGIN RAISE EXCEPTION ''lines of the audit are added, and never changed or deleted''; END'"
    ),
    (
        "CREATE TRIGGER append_only BEFORE UPDATE OR DELETE OR TRUNCATE ON audit"
        " FOR EACH STATEMENT EXECUTE FUNCTION refuse_to_change_audit()"
    ),
)
"""The statements that make them. `audit_people` says whose number a line has: see `billing.audit_table`."""
