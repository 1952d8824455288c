"""The table: one line a figure, at most 100 characters wide."""

import textwrap
from collections.abc import Iterator, Mapping

from .figures import Figures, Row

WIDTH = 100
NAME = 53
SMALL, LARGE = 10, 1000
"""Below and above which a number is written with more or no decimals."""


def text(header: Mapping[str, str], figures: Figures) -> str:
    """Header and table."""
    lines = [line for name, value in header.items() for line in _wrapped(f"{name:12} ", value)]
    lines += ["", f"{'':{NAME}} {'median':>10}  {'min..max':>14} {'ratio':>6}  goal"]
    for section in dict.fromkeys(row.section for row in figures.rows):
        lines += ["", section]
        for row in figures.rows:
            if row.section == section:
                lines += _lines(row)
        for note in figures.notes.get(section, ()):
            lines += _wrapped("  ", note)
    return "\n".join(line.rstrip() for line in lines) + "\n"


def number(value: float) -> str:
    """A number at a sensible length."""
    if abs(value) >= LARGE:
        return f"{value:.0f}"
    return f"{value:.2f}" if abs(value) < SMALL else f"{value:.1f}"


def goal(row: Row) -> str:
    """What the figure is to be, and whether it is."""
    if row.goal is None:
        return ""
    unit = "x" if row.goal.of == "ratio" else ""
    verdict = {None: "", True: "met", False: "MISSED"}[row.met]
    return f"{'>= ' if row.goal.is_least else ''}{row.goal.bound:g}{unit} {verdict}"


def _lines(row: Row) -> Iterator[str]:
    if row.missing is not None:
        yield from _wrapped(f"  {row.name}: n/a, ", row.missing)
        return
    name = f"  {row.name}"
    if len(name) > NAME:
        *first, name = textwrap.wrap(name, NAME, initial_indent="  ", subsequent_indent="    ")
        yield from first
    spread = f"{number(min(row.samples))}..{number(max(row.samples))}" if len(row.samples) > 1 else ""
    ratio = f"{row.ratio:.2f}x" if row.ratio is not None else ""
    yield f"{name:{NAME}} {number(row.median):>6} {row.unit:3} {spread:>15} {ratio:>6}  {goal(row)}"


def _wrapped(begin: str, text: str) -> list[str]:
    return textwrap.wrap(begin + text, WIDTH, subsequent_indent=" " * 4, drop_whitespace=True) or [begin]
