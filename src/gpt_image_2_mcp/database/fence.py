"""Checks that PostgreSQL keeps the rows of people apart, before a server serves several of them."""

import sqlalchemy as sa

from ..errors import DatabaseUnusable
from .database import Database
from .people import FENCED

_ROLE = sa.text("SELECT rolname, rolsuper, rolbypassrls FROM pg_roles WHERE rolname = current_user")
_OPEN = sa.text("SELECT name FROM unnest(CAST(:tables AS text[])) AS name WHERE NOT row_security_active(name)")


def require_fence(database: Database) -> None:
    """Check that row-level security holds for the user with whom the database is open.

    Raises:
        DatabaseUnusable: it does not, for a superuser for example, or the database cannot be read.

    """
    with database.reading() as connection:
        role = connection.execute(_ROLE).one()
        tables = list(connection.scalars(_OPEN, {"tables": list(FENCED)}))
    if role.rolsuper or role.rolbypassrls:
        what = "superuser" if role.rolsuper else "user with BYPASSRLS"
        raise DatabaseUnusable(
            database.at,
            f"is opened as the {what} {role.rolname}, from whom PostgreSQL hides no row, so that people would see each"
            " other's pictures. Create a user for this server (CREATE ROLE images LOGIN PASSWORD '…'"
            " NOSUPERUSER NOBYPASSRLS; ALTER DATABASE … OWNER TO images), and name it in GPT_IMAGE_2_DATABASE_URL",
        )
    if tables:
        raise DatabaseUnusable(
            database.at,
            f"does not keep the rows of people apart in {', '.join(tables)}. Have its owner run ALTER TABLE …"
            " ENABLE ROW LEVEL SECURITY, FORCE ROW LEVEL SECURITY on each",
        )
