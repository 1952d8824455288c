"""Compares pictures for `show_image`: side by side, and for two of them what differs, where, and what moved."""

from collections.abc import Sequence
from typing import Any, Final

from ..errors import ChildFailed, UnreadableSource
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..images.preview import MAX_PICTURE_BYTES
from ..images.side_by_side import side_by_side
from ..inputs import InputImage

_TASK: Final = "gpt_image_2_mcp.pixels.compare:compare"
_MOVED_PX: Final = 0.5
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
        said, drawn = _differences(*pictures)
        if drawn:
            shown, titles = [*shown, drawn], [*titles, "what differs"]
    try:
        return side_by_side(*shown, titles=titles, share=MAX_PICTURE_BYTES), said
    except (ValueError, ChildFailed) as error:
        raise UnreadableSource(f"A picture cannot be shown beside the others: {error}.") from None


def _differences(one: InputImage, other: InputImage) -> tuple[str, bytes]:
    beside = "Picture 1 is on the left, picture 2 on the right of it."
    if not is_installed():
        return f"{beside} To be told what differs, {HOW_TO_GET}.", b""
    try:
        found = compute_in_child(_TASK, one.data, other.data)
    except (ValueError, ChildFailed) as error:
        return f"{beside} What differs could not be found: {error}.", b""
    return f"{beside} {_told(found.values, one, other)}", found.data


def _told(found: dict[str, Any], one: InputImage, other: InputImage) -> str:
    if found["verdict"] == "same":
        return "Every pixel of the two is the same."
    if found["verdict"] == "other_shape":
        return (
            f"They are {one.width}x{one.height} and {other.width}x{other.height}, and so cannot be laid on each other."
        )
    share, places = found["changed"], found["places"]
    if share < _HARDLY or not places:
        said = "Nothing in them is drawn differently; they differ by small amounts only."
    else:
        boxes = ", ".join(f"`box {x},{y} {width}x{height}`" for x, y, width, height in places)
        more = f" and {found['count'] - len(places)} more" if found["count"] > len(places) else ""
        said = f"{share:.1%} of the picture is drawn differently, marked on the right: {boxes}{more}"
        said += f" of {one.width}x{one.height}."
    if share > _OTHER:
        # How the one moved to the other is not known then.
        return f"They show different things: {said}"
    dx, dy = found["shift_px"]
    if max(abs(dx), abs(dy)) >= _MOVED_PX or abs(found["scale"] - 1) >= _SCALED:
        said += f" All of it is moved by {dx:+.1f} px across and {dy:+.1f} px down, and scaled by {found['scale']:.3f}."
    return said
