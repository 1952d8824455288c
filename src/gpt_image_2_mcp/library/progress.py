"""What the library's long operations report: progress to a callback, and notes for the user in their results."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Final

CountCallback = Callable[[int, int | None], None]
"""Called with the number of pictures that are done, and the number of all of them if that is known."""

MAX_NOTES: Final = 100
"""Sentences that `Notes` keeps; the rest are counted."""


@dataclass(slots=True)
class Notes:
    """Sentences for the user; `sentences` keeps the first `MAX_NOTES`, `dropped` counts the rest."""

    sentences: list[str] = field(default_factory=list[str])
    dropped: int = 0

    def add(self, sentence: str) -> None:
        """Keep a sentence, or count it if there are enough."""
        if len(self.sentences) < MAX_NOTES:
            self.sentences.append(sentence)
        else:
            self.dropped += 1

    def __iter__(self) -> Iterator[str]:
        """Yield the sentences, and one more with the number of those that were dropped."""
        yield from self.sentences
        if self.dropped:
            yield f"… and {self.dropped:,} more of this kind."

    def __len__(self) -> int:
        """Return the number of all sentences that were added."""
        return len(self.sentences) + self.dropped
