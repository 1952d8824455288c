"""What the library's long operations report: progress to a callback, and notes for the user in their results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

ProgressCallback = Callable[[int, int | None], None]
"""Called with the number of pictures that are done, and the number of all of them if that is known."""

MAX_NOTES: Final = 100
"""Sentences that `Notes` keeps; the rest are counted."""


@dataclass(slots=True)
class Notes:
    """Sentences for a reader, a bounded number of them."""

    said: list[str] = field(default_factory=list[str])
    unsaid: int = 0

    def say(self, sentence: str) -> None:
        """Keep a sentence, or count it."""
        if len(self.said) < MAX_NOTES:
            self.said.append(sentence)
        else:
            self.unsaid += 1

    def __iter__(self) -> Iterator[str]:
        """The sentences, and one more for those that were too many."""
        yield from self.said
        if self.unsaid:
            yield f"… and {self.unsaid:,} more of this kind."

    def __len__(self) -> int:
        return len(self.said) + self.unsaid
