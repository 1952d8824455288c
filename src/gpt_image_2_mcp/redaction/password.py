"""Redacts the passwords of addresses in a text, such as an error message of the database or of a backend."""

import base64
import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

MIN_PASSWORD = 6
"""Characters of the shortest password that is hidden wherever it stands."""
_SECRET_FIELD = re.compile(r"key|token|secret|pass|pwd|sig|auth", re.IGNORECASE)


def redact_password(text: str, *spellings: str | None) -> str:
    """Replace each of the spellings of a password, percent-encoded or not, with `[the password]`."""
    for secret in {*spellings} - {None, ""}:
        text = text.replace(str(secret), "[the password]")
    return text


def url_secrets(url: str) -> Iterator[str]:
    """The password in an address, and the secrets of its query, in each spelling in which they may be repeated."""
    parts = urlsplit(url)
    fields = (field.partition("=") for field in parts.query.split("&"))
    values = [value for name, _, value in fields if _SECRET_FIELD.search(name)]
    for secret in (parts.password or "", *values):
        yield from (spelling for spelling in {secret, unquote(secret)} if len(spelling) >= MIN_PASSWORD)
    if parts.password:
        # A shorter one may be a part of any word.
        yield f":{parts.password}@"
        # So it stands in the header of a request.
        pair = f"{unquote(parts.username or '')}:{unquote(parts.password)}"
        yield base64.b64encode(pair.encode()).decode().rstrip("=")
