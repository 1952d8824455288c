"""`Plan`: a batch that is about to be made."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from ..parameters.models import identity
from .lines import Line


@dataclass(frozen=True, slots=True)
class Plan:
    """A batch that is about to be made: its checked lines, and what they should cost."""

    lines: Sequence[Line]
    is_cheap: bool
    usd: Decimal | None
    """Dollars; None where a price is not known."""
    minutes: float | None
    """Minutes that it takes if it is made now."""
    retry_of: str | None = None

    @property
    def pictures(self) -> int:
        """How many pictures it makes."""
        return sum(line.request.count for line in self.lines)

    @property
    def key(self) -> str:
        """By this, a repeated call is recognised."""
        lines = [[line.name, identity(line.request), line.request.model] for line in self.lines]
        parts = [self.is_cheap, self.retry_of, lines]
        return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
