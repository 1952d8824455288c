"""The error of all three editors."""

from typing import Final

UNSAFE: Final = "the place for the entry is written in a way that cannot be changed safely"
"""Why a text that can be read is not changed."""


class Unreadable(ValueError):
    """A text cannot be read in its format, or has no place for the value; the message says where and why."""
