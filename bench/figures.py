"""Keeps what was measured: samples under a name, their median, and their ratio to what stands beside them."""

from collections.abc import Generator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

Unit = Literal["ms", "MiB", "/s", "dB", "%", "px"]


class NotMeasured(Exception):
    """Something could not be measured; the text says why."""


@dataclass(frozen=True, slots=True)
class Goal:
    """What a figure, or its ratio to the figure beside it, should be at most; or at least."""

    bound: float
    of: Literal["value", "ratio"] = "value"
    is_least: bool = False

    def is_met_by(self, figure: float) -> bool:
        """Whether a figure is as it should be."""
        return figure >= self.bound if self.is_least else figure <= self.bound


@dataclass(frozen=True, slots=True)
class Row:
    """One line of the table."""

    section: str
    name: str
    unit: Unit
    samples: Sequence[float] = ()
    ratios: Sequence[float] = ()
    """Each sample divided by the one taken beside it."""
    goal: Goal | None = None
    missing: str | None = None
    """Why there are no samples."""

    @property
    def median(self) -> float:
        """The middle of the samples."""
        return median(self.samples)

    @property
    def ratio(self) -> float | None:
        """The middle of the ratios: pairs taken side by side suffer the same neighbours."""
        return median(self.ratios) if self.ratios else None

    @property
    def met(self) -> bool | None:
        """Whether the goal is met; None where there is none."""
        if self.goal is None or not self.samples:
            return None
        figure = self.ratio if self.goal.of == "ratio" else self.median
        return None if figure is None else self.goal.is_met_by(figure)

    def as_dict(self) -> dict[str, Any]:
        """For a program."""
        row: dict[str, Any] = {"section": self.section, "name": self.name, "unit": self.unit}
        if self.missing is not None:
            return row | {"missing": self.missing}
        row |= {"median": self.median, "min": min(self.samples), "max": max(self.samples), "ratio": self.ratio}
        if self.goal:
            kind = "at_least" if self.goal.is_least else "at_most"
            row |= {"goal": {kind: self.goal.bound, "of": self.goal.of, "met": self.met}}
        return row | {"samples": list(self.samples), "ratios": list(self.ratios)}


@dataclass(slots=True)
class Figures:
    """All rows of a run, in the order in which they were measured."""

    rows: list[Row] = field(default_factory=list[Row])
    section: str = ""
    notes: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    """Lines under a section's rows."""

    def add(
        self,
        name: str,
        unit: Unit,
        samples: Sequence[float],
        *,
        against: Sequence[float] | None = None,
        goal: Goal | None = None,
    ) -> None:
        """Keep the samples of one figure; `against` are those that were taken beside them."""
        ratios = [one / other for one, other in zip(samples, against or (), strict=False)]
        self.rows.append(Row(self.section, name, unit, tuple(samples), tuple(ratios), goal))

    def note(self, text: str) -> None:
        """Say something under the rows of this section."""
        self.notes.setdefault(self.section, []).append(text)

    def missing(self, name: str, why: str) -> None:
        """Say that a figure is not there, and why."""
        self.rows.append(Row(self.section, name, "ms", missing=why))

    @contextmanager
    def attempt(self, name: str) -> Generator[None]:
        """Measure what may not be there: a failure becomes a line of the table."""
        try:
            yield
        except (NotMeasured, OSError) as error:
            self.missing(name, str(error))
