"""The address of a PostgreSQL database: a secret, since it holds a password, with a part that may be told.

Importing this is cheap; what speaks to the server is in `postgres`.
"""

import re
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TypeAlias
from urllib.parse import SplitResult, parse_qsl, unquote, urlsplit


@dataclass(frozen=True)
class PostgresUrl:
    """`postgresql://user:password@host:port/name?option=value`; as text, it is without user, password and options.

    Raises:
        ValueError: it is no such address, in words that do not repeat it.

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
                # Cut at the wrong place, a password ends up in the host or the name, and those are told.
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
        """What it is made of."""
        return urlsplit(self.text)

    @cached_property
    def options(self) -> dict[str, str]:
        """What stands behind the `?`."""
        return dict(parse_qsl(self.parts.query, keep_blank_values=True))

    @property
    def password(self) -> str | None:
        """The password, as the server wants it."""
        return None if self.parts.password is None else unquote(self.parts.password)

    def redact(self, text: str) -> str:
        """A text without the password."""
        for secret in {self.password, self.parts.password} - {None, ""}:
            text = text.replace(str(secret), "[the password]")
        return text

    def __str__(self) -> str:
        """The host and the database."""
        host = self.parts.netloc.rpartition("@")[2] or self.options.get("host", "")
        return f"postgresql://{host}{self.parts.path}"


Address: TypeAlias = Path | PostgresUrl | None
"""Where a database is: in a file, on a server, or in memory."""
