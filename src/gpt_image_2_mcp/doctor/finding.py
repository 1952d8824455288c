"""What a check found."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class Level(StrEnum):
    """Green: as it should be. Yellow: it works, or is not known, and is worth a look. Red: no picture can be made."""

    GREEN = "green"
    YELLOW = "yellow"
    RED = "red"


@dataclass(frozen=True, slots=True)
class Finding:
    """One line: the name of the check, what it found, and the way out where it is not green."""

    check: str
    level: Level
    what: str
    way_out: str = ""

    def as_dict(self) -> dict[str, Any]:
        """The finding for `--json`."""
        return {"check": self.check, "level": self.level.value, "what": self.what, "way_out": self.way_out}


def green(check: str, what: str) -> Finding:
    """As it should be."""
    return Finding(check, Level.GREEN, what)


def yellow(check: str, what: str, way_out: str) -> Finding:
    """Worth a look."""
    return Finding(check, Level.YELLOW, what, way_out)


def red(check: str, what: str, way_out: str) -> Finding:
    """In the way of every picture."""
    return Finding(check, Level.RED, what, way_out)
