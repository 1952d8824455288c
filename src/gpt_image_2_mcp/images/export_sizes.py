"""The sizes in an export, by numbers alone: what crops and turns leave of a picture, and what is made of it."""

from collections.abc import Mapping, Sequence
from typing import Any

from ..parameters.size_plan import MAX_SCALE
from .icon_lists import icons_of

Edges = tuple[int, int]


def box_of(step: Sequence[Any], size: Edges) -> tuple[int, int, int, int]:
    """The box of a step `crop` in a picture of `size`: left, top, right, bottom.

    Raises:
        ValueError: it lies outside of the picture.

    """
    left, top, right, bottom, frame = step[1:]
    across, down = frame or size
    box = (
        round(left / across * size[0]),
        round(top / down * size[1]),
        round(right / across * size[0]),
        round(bottom / down * size[1]),
    )
    if box[2] > size[0] or box[3] > size[1] or box[0] >= box[2] or box[1] >= box[3]:
        raise ValueError(
            f"has {size[0]}x{size[1]} pixels, and the crop {left:g},{top:g},{right:g},{bottom:g} of"
            f" {across}x{down} lies outside of it"
        )
    return box


def size_after(steps: Sequence[Sequence[Any]], size: Edges) -> Edges:
    """The size of a picture of `size` after all steps of a target; raises ValueError as `box_of` does."""
    for step in steps:
        if step[0] == "crop":
            left, top, right, bottom = box_of(step, size)
            size = right - left, bottom - top
        elif step[0] == "rotate" and step[1] % 180:
            size = size[1], size[0]
    return size


def edges_of(size: Edges, target: Mapping[str, Any], *, fit: str) -> Edges:
    """The size of what is made of a picture of `size`: the target's, or the largest of its ratio in the picture.

    Raises:
        TooSmall: the picture would be scaled up too much.

    """
    if target["icon_set"]:
        largest = max(icon.edge for icon in icons_of(target["icon_set"]))
        _check_scale(size, (largest, largest), fit, what="is too small: its icons")
        return largest, largest
    if target["size"]:
        edges = target["size"][0], target["size"][1]
        _check_scale(size, edges, fit, what=f"has {size[0]}x{size[1]} pixels: it")
        return edges
    if target["ratio"]:
        ratio = target["ratio"][0] / target["ratio"][1]
        width = min(size[0], round(size[1] * ratio))
        return max(width, 1), max(min(size[1], round(width / ratio)), 1)
    if target["most"]:
        edge = min(*size, target["most"])
        return edge, edge
    return size


class TooSmall(ValueError):
    """A picture would be scaled up too much; `most` is the largest size of that shape that can be made of it."""

    def __init__(self, text: str, most: Edges) -> None:
        """Say that, with the largest size."""
        super().__init__(text)
        self.most = most


def _check_scale(size: Edges, edges: Edges, fit: str, *, what: str) -> None:
    across, down = edges[0] / size[0], edges[1] / size[1]
    scale = min(across, down) if fit == "pad" else max(across, down)
    if scale > MAX_SCALE:
        most = int(edges[0] * MAX_SCALE / scale), int(edges[1] * MAX_SCALE / scale)
        raise TooSmall(f"{what} would be scaled up {scale:.1f} times, and {MAX_SCALE} times is the limit", most)
