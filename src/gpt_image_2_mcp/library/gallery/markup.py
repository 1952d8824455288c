"""Words of others in HTML: escaped, and without what could disturb the words around them."""

import html
import re
from datetime import datetime, tzinfo
from typing import Final

_DISTURBING: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # controls
    "\u202a-\u202e\u2066-\u2069"  # embeddings, overrides and isolates: they turn around what follows
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # what is no character, and cannot be written
)


def escaped(text: str) -> str:
    """A text for an element or a quoted attribute; what disturbs is shown as the replacement character."""
    return html.escape(_DISTURBING.sub("\ufffd", text.replace("\r", "\n")), quote=True)


def shortened(text: str, limit: int) -> str:
    """The beginning of a text on one line, at most `limit` characters and an ellipsis."""
    line = " ".join(text[: 4 * limit].split())
    return line if len(line) <= limit and len(text) <= 4 * limit else f"{line[:limit].rstrip()}…"


def local(when: datetime, zone: tzinfo | None) -> datetime:
    """A time in a zone, None being this machine's; as it is where the calendar ends before that."""
    try:
        return when.astimezone(zone)
    except OverflowError:
        return when
