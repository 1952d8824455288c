"""Compares pictures for `show_image`: side by side, and for two of them what differs, where, and what moved."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ChildFailed, UnreadableSource
from ..images.decode import upright_facts
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..images.preview import MAX_PICTURE_BYTES
from ..images.side_by_side import side_by_side
from ..inputs import InputImage

_TASK: Final = "gpt_image_2_mcp.pixels.compare:compare"
_MOVED_PX: Final = 0.5
_LEAST_PX: Final = 0.05
"""What is told of a move, with one digit."""
_SCALED: Final = 0.002
_HARDLY: Final = 0.0001
_OTHER: Final = 0.9
"""The share of a picture that is drawn differently from which on it is another picture."""


def compare(pictures: Sequence[InputImage]) -> tuple[bytes, str]:
    """A JPEG of two to four pictures side by side, and in words what differs between two. Blocks.

    Raises:
        UnreadableSource: a picture cannot be shown.

    """
    titles = [f"{number}" for number in range(1, len(pictures) + 1)]
    shown = [picture.data for picture in pictures]
    said = f"Pictures 1 to {len(pictures)}, from left to right."
    if len(pictures) == 2:  # noqa: PLR2004 - only two can be compared
        found = differences(*shown, where=", marked on the right")
        said = f"Picture 1 is on the left, picture 2 on the right of it. {found.text}"
        if found.drawn:
            shown, titles = [*shown, found.drawn], [*titles, "what differs"]
    try:
        return side_by_side(*shown, titles=titles, share=MAX_PICTURE_BYTES), said
    except (ValueError, ChildFailed) as error:
        raise UnreadableSource(f"A picture cannot be shown beside the others: {error}.") from None


@dataclass(frozen=True, slots=True)
class Differences:
    """What differs between two pictures."""

    text: str
    share: float | None
    """The share of the first one that is drawn differently, 0 to 1; None if that is not known."""
    drawn: bytes
    """A JPEG with a mark on what is; empty if nothing is to be marked, or it cannot be found."""


def differences(one: bytes, other: bytes, *, where: str = "") -> Differences:
    """Find what differs between the bytes of two pictures; `where` tells how the text calls the marks. Blocks.

    Raises nothing if it cannot be found.
    """
    if not is_installed():
        return Differences(f"To be told what differs, {HOW_TO_GET}.", None, b"")
    try:
        found = compute_in_child(_TASK, one, other)
    except (ValueError, ChildFailed) as error:
        return Differences(f"What differs could not be found: {error}.", None, b"")
    share = 0.0 if found.values["verdict"] == "same" else found.values.get("changed")
    return Differences(_told(found.values, _size(one), _size(other), where), share, found.data)


def _size(data: bytes) -> str:
    what = upright_facts(data)
    return f"{what.width}x{what.height}"


def _told(found: dict[str, Any], one: str, other: str, where: str) -> str:
    if found["verdict"] == "same":
        return "Every pixel of the two is the same."
    if found["verdict"] == "other_shape":
        return f"They are {one} and {other}, and so cannot be laid on each other."
    share, places = found["changed"], found["places"]
    if share < _HARDLY or not places:
        said = "Nothing in them is drawn differently; they differ by small amounts only."
    else:
        boxes = ", ".join(f"`box {x},{y} {width}x{height}`" for x, y, width, height in places)
        more = f" and {found['count'] - len(places)} more" if found["count"] > len(places) else ""
        said = f"{share:.1%} of the picture is drawn differently{where}: {boxes}{more} of {one}."
    if share > _OTHER:
        # How the one moved to the other is not known then.
        return f"They show different things: {said}"
    dx, dy = found["shift_px"]
    if max(abs(dx), abs(dy)) >= _MOVED_PX or abs(found["scale"] - 1) >= _SCALED:
        moved = f"moved by {dx:+.1f} px across and {dy:+.1f} px down" if max(abs(dx), abs(dy)) >= _LEAST_PX else ""
        scaled = f"scaled by {found['scale']:.3f}" if abs(found["scale"] - 1) >= _SCALED else ""
        said += f" All of it is {' and '.join(filter(None, [moved, scaled]))}."
    return said
