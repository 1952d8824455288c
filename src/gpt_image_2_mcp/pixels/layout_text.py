"""What the figures of `layout` say in words. Plain Python: the server uses it."""

from collections.abc import Mapping
from typing import Any

KEPT, PARTLY = 0.75, 0.5
"""The shares of a draft's edges from which on its layout counts as kept, and as partly kept."""


def layout_text(figures: Mapping[str, Any]) -> str:
    """One sentence or two: whether a final kept the layout of its draft, and how it is moved."""
    if figures["verdict"] == "other_shape":
        return "It has another shape than the draft, so that their layouts cannot be compared."
    share = figures["edges_kept"]
    if share is None:
        return "The draft has hardly any edges, so that their layouts cannot be compared."
    how = "kept" if share >= KEPT else "partly kept" if share >= PARTLY else "hardly kept"
    dx, dy = figures["shift_px"]
    moved = f"moved {max(abs(dx), abs(dy)):g} px as a whole, " if max(abs(dx), abs(dy)) >= 1 else ""
    return f"The draft's layout is {how}: {moved}{share:.0%} of its edges are where they were."
