"""Replaces in texts of others what steers a terminal, and what hides or turns words."""

import json
import re
import unicodedata
from typing import Final

from ..errors import MAX_PROMPT_IN_LIST, shorten_line

REPLACEMENT: Final = "\ufffd"
_KEPT: Final = frozenset("\n\t\u200c\u200d\u200e\u200f")
"""Line ends and tabs, and what joins and orders the letters of some scripts and the parts of an emoji."""
_REPLACED: Final = frozenset(("Cc", "Cf", "Cs", "Zl", "Zp"))
"""Unicode's categories of controls, of what is invisible, of halves of surrogate pairs, and of ends of lines."""


def printable(text: str) -> str:
    """The text, with a replacement character for each that could steer a terminal or disguise a word."""
    if text.isprintable():
        return text
    return "".join(
        REPLACEMENT if unicodedata.category(char) in _REPLACED and char not in _KEPT else char for char in text
    )


def printable_line(text: str) -> str:
    """The same on one line."""
    return printable(" ".join(text.split()))


def printable_path(text: object) -> str:
    """A path, or a sentence with one, of which no line end in a name begins another line; blanks stay as they are."""
    return re.sub(r"[\n\t]", REPLACEMENT, printable(str(text)))


def quoted_line(text: str, limit: int = MAX_PROMPT_IN_LIST) -> str:
    """The beginning of a text on one line, in quotes that no quote in it ends."""
    return json.dumps(printable(shorten_line(text, limit)), ensure_ascii=False)
