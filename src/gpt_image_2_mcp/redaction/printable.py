"""Replaces in texts of others what steers a terminal, and what hides or turns words."""

import unicodedata
from typing import Final

REPLACEMENT: Final = "\ufffd"
_KEPT: Final = frozenset("\n\u200c\u200d\u200e\u200f")
"""Line ends, and what joins and orders the letters of some scripts and the parts of an emoji."""
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
