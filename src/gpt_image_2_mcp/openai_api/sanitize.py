"""Prepares texts of the API, a proxy or the network for being quoted in an error."""

import re

from ..errors import shorten
from ..redaction.printable import printable_line

MAX_SANITIZED = 600
"""Characters of a message from the API or a proxy that an error repeats."""

_SECRETS = re.compile(r"\b(sk|sess)-[\w*-]{4,}+")


def sanitized(text: str) -> str:
    """A text from the API or a proxy, printable, on one line, without what looks like a key, cut to `MAX_SANITIZED`.

    It is cut before anything searches in it, so that a long one costs nothing.
    """
    line = printable_line(text[: 4 * MAX_SANITIZED])
    return shorten(_SECRETS.sub(r"\1-…", line).rstrip("."), MAX_SANITIZED)


def reason(cause: Exception) -> str:
    """The operating system's message without its number, or the exception's name if there is none."""
    return re.sub(r"^\[Errno -?\d+\] ", "", sanitized(str(cause))) or type(cause).__name__
