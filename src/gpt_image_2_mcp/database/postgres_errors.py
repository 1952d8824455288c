"""What an error of PostgreSQL or of its driver means for a person, and whether the transaction can be run again."""

from typing import Final

from sqlalchemy import exc

from ..errors import DatabaseUnusable
from .connection_guard import ConnectionGuard
from .url import PostgresUrl

_LOCKED: Final = "55P03"
_EXPLANATIONS: Final = {
    "25006": "can only be read there. Name the server that is written to",
    "23505": "was changed by others at the same time. Try again",
    "25P": "has ended a transaction that did nothing for some seconds. Try again",
    "28": "refuses the user or the password. Correct GPT_IMAGE_2_DATABASE_URL",
    "3D": "does not exist. Create it, or correct GPT_IMAGE_2_DATABASE_URL",
    "3F": "has no schema for its tables. Create the schema `public`, or set the user's search_path",
    "40": "was changed by others at the same time. Try again",
    "42501": "does not give this user enough rights. Let it create and change tables: make it the database's owner",
    "53100": "cannot grow: the server's disk is full. Make room and try again",
    "53": "cannot be used: the server has no memory or connections left. Try again, or raise its limits",
    _LOCKED: "is held by another process. Try again; if it goes on, end the other servers of this kind",
    "57014": "took too long, and the server broke off. Try again",
    "57": "cannot be used: the server is starting or ending. Try again",
    "58": "cannot be read or written: the server's disk reports an error. Check that disk",
    "XX": "is damaged. Look at the server's log",
}
"""What `DatabaseUnusable` says for an SQLSTATE, or for all that begin so, if a person can do something about it.

The codes: https://www.postgresql.org/docs/current/errcodes-appendix.html. The first entry that matches is used.
"""


_UNDONE: Final = ("23505", "25P", "40", "57P01", "57P02")
"""SQLSTATEs, or their beginnings, with which the server ends a transaction that can be run again.

A unique key that is taken is among them: another process has just written the same, and the next run sees that.
"""


def explain(error: exc.DBAPIError, url: PostgresUrl, guard: ConnectionGuard) -> str | None:
    """The `what` of `DatabaseUnusable` for an error of the driver; None where the error is a bug of this program."""
    if guard.is_silent:
        return f"has not answered for {guard.limit:.0f} s. Look whether its server and that one's disk answer"
    code = _code(error)
    words = str(error.orig).splitlines()[0].removeprefix("connection failed: ").rstrip(".")
    lost = isinstance(error, (exc.OperationalError, exc.InterfaceError)) or words.startswith("invalid connection")
    if code is None and lost:
        return f"cannot be used: {url.redact(words)}. Check GPT_IMAGE_2_DATABASE_URL and whether the server is up"
    return next((text for start, text in _EXPLANATIONS.items() if code and code.startswith(start)), None)


def is_undone(error: exc.DBAPIError, guard: ConnectionGuard) -> bool:
    """Whether the server has ended the transaction, which can be run again."""
    if guard.is_silent:
        # It may be as silent again.
        return False
    return error.connection_invalidated or (_code(error) or "").startswith(_UNDONE)


def is_locked_out(error: DatabaseUnusable) -> bool:
    """Whether a statement has waited for a lock in vain."""
    cause = error.__cause__
    return isinstance(cause, exc.DBAPIError) and _code(cause) == _LOCKED


def _code(error: exc.DBAPIError) -> str | None:
    """The SQLSTATE; None for a connection that could not be made, or that broke."""
    return getattr(error.orig, "sqlstate", None)
