"""Addresses of databases. That of a PostgreSQL server is a secret, since it may hold a password.

This module is imported at every start, so it imports next to nothing; `postgres` connects to the server.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Final, TypeAlias
from urllib.parse import SplitResult, parse_qsl, quote, unquote, urlencode, urlsplit, urlunsplit

from ..redaction.password import redact_password

SANDBOX_SCHEMA: Final = "gpt_image_2_sandbox"
"""The schema of a PostgreSQL database with the tables for what the sandbox makes on a server."""
_SANDBOX: Final = f"-csearch_path={SANDBOX_SCHEMA}"


@dataclass(frozen=True)
class PostgresUrl:
    """`postgresql://user:password@host:port/name?option=value`; `str()` of it has no user, password and options.

    Raises:
        ValueError: `text` is no such address; the message does not repeat it.

    """

    text: str = field(repr=False)

    def __post_init__(self) -> None:
        try:
            parts = self.parts
            usable = (
                re.fullmatch(r"postgres(ql)?(\+psycopg)?", parts.scheme)
                and re.fullmatch(r"[!-~]+", self.text)
                and (parts.hostname or "host" in self.options)
                and parts.port != 0
                and re.fullmatch(r"/[^/@]+", parts.path)
                and not parts.fragment
                # In a password, a character that is not percent-encoded shifts the parts: then a piece of the password
                # is taken for the host or the name, which logs and errors show.
                and self.text.count("@") == parts.netloc.count("@") <= 1
                and not any("password" in name for name in self.options)
            )
        except ValueError:
            usable = False
        if not usable:
            raise ValueError(
                "postgresql://user:password@host/database (write @ / : ? # % of a password as %40 %2F %3A %3F %23 %25)"
            )

    @cached_property
    def parts(self) -> SplitResult:
        """The parts of the URL, still percent-encoded."""
        return urlsplit(self.text)

    @cached_property
    def options(self) -> dict[str, str]:
        """The options after the `?`, which libpq is given as they are."""
        return dict(parse_qsl(self.parts.query, keep_blank_values=True))

    @property
    def for_sandbox(self) -> "PostgresUrl":
        """The same database with other tables, for what the sandbox makes."""
        options = f"{self.options.get('options', '')} {_SANDBOX}".strip()
        query = urlencode({**self.options, "options": options}, quote_via=quote)
        return PostgresUrl(urlunsplit(self.parts._replace(query=query)))

    @property
    def is_for_sandbox(self) -> bool:
        """Whether the tables are those for what the sandbox makes."""
        return self.options.get("options", "").endswith(_SANDBOX)

    @property
    def password(self) -> str | None:
        """The password, percent-decoded."""
        return None if self.parts.password is None else unquote(self.parts.password)

    def redact(self, text: str) -> str:
        """Replace the password in `text`, encoded or not."""
        return redact_password(text, self.password, self.parts.password)

    def __str__(self) -> str:
        """The host and the database."""
        host = self.parts.netloc.rpartition("@")[2] or self.options.get("host", "")
        return f"postgresql://{host}{self.parts.path}"


Address: TypeAlias = Path | PostgresUrl | None
"""Where a database is: in a file, on a PostgreSQL server, or (None) in memory."""
