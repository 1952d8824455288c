"""Turns values into text for the gallery: the Jinja2 filters, and `cleaned`, which every value passes."""

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime, tzinfo
from typing import Final

from markupsafe import Markup

from ...billing.prices import dollars

_DISTURBING: Final = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f"  # control characters
    "\u202a-\u202e\u2066-\u2069"  # bidirectional embeddings, overrides and isolates: they turn around what follows
    "\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]"  # surrogates and noncharacters, which UTF-8 or HTML cannot hold
)


def cleaned(value: object) -> str:
    """A value as text, with the replacement character for each character that could disturb the text around it.

    The environment calls it for the value of every `{{ expression }}` and escapes the result (`finalize`). `Markup`
    comes from the templates themselves: its values were cleaned when they went in.
    """
    return value if isinstance(value, Markup) else _DISTURBING.sub("\ufffd", str(value).replace("\r", "\n"))


def in_zone(when: datetime, zone: tzinfo | None) -> datetime:
    """A time in a zone, None being this machine's; unchanged where the zone's time is out of the calendar's range."""
    try:
        return when.astimezone(zone)
    except OverflowError:
        return when


def counted(number: int, noun: str) -> str:
    """A number and its noun: "1 turn", "1,234 turns"."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def thousands(number: int) -> str:
    """A number with commas: "1,234"."""
    return f"{number:,}"


def day(when: date) -> str:
    """A date in words: "22 November 2026"."""
    return f"{when.day} {when:%B} {when.year}"


FILTERS: Final[Mapping[str, Callable[..., str]]] = {
    "counted": counted,
    "day": day,
    "dollars": dollars,
    "thousands": thousands,
}
