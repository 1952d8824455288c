"""`Load`: how much is left to be made of a batch, beside the others that take turns with it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Self

from .lines import LineRequest


@dataclass(frozen=True, slots=True)
class Load:
    """What is left to be made of a batch."""

    lines: int
    pictures: int

    @classmethod
    def of(cls, requests: Iterable[LineRequest]) -> Self:
        """The load of some requests; what is only cut out here takes no time."""
        pictures = [request.count * request.passes for request in requests if not request.is_cut_out]
        return cls(len(pictures), sum(pictures))

    def without(self, other: Self) -> Self:
        """What is left when `other` is made."""
        return type(self)(self.lines - other.lines, self.pictures - other.pictures)

    def beside(self, others: Sequence[Self]) -> Self:
        """What is made until this load is: the lines of batches take turns, so that much of each other one too."""
        lines = sum(min(other.lines, self.lines) for other in others)
        pictures = sum(min(other.pictures, self.pictures) for other in others)
        return type(self)(self.lines + lines, self.pictures + pictures)
