"""What is sent of the first picture for an exact edit: a part of it round the mask, or a larger canvas with it inside.

A part is drawn at the picture's own resolution, also of a picture that is larger than any that the model makes. `Part`
says which; `cut_part` makes the bytes of it.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from ..errors import BadRequest, ChildFailed
from ..images.deriving import derive_in_child
from ..images.memory import decode_in_child
from ..images.validate import MAX_BYTES
from ..masks.mask import mask_from_words
from ..parameters.extension import Edges
from ..parameters.size_plan import EDGE_STEP, MAX_RATIO, MIN_PIXELS, is_allowed_size, is_band, nearest_size, plan_size
from ..parameters.sizes import made_size, parse_edges
from .input_image import InputImage
from .inputs import Inputs
from .mask import drawn_mask

Size: TypeAlias = tuple[int, int]
"""Width and height, in pixels."""
Box: TypeAlias = tuple[int, int, int, int]
"""Left, upper, right and lower edge, in pixels."""

CONTEXT: Final = 0.25
MIN_CONTEXT: Final = 128
"""What is sent round a mask on each side: a share of the mask's edge, and pixels."""
MOST_OF_PICTURE: Final = 0.6
"""The largest share of a picture that is cut out of it: where more is needed, the model sees all of it."""
MAX_STRETCH: Final = 0.015
"""How much the shape of the size that the model draws may differ from that of the part, as a share."""
_TRIES: Final = 20
"""How many lengths of a part are tried in each direction."""
MAX_NEW: Final = 0.75
"""The largest share of a canvas that is new: by less of the old part it is not known how the model moved it."""


@dataclass(frozen=True, slots=True)
class Part:
    """What is sent of a picture, in pixels of the `canvas`, which is the picture itself if nothing is `added`."""

    canvas: Size
    added: Edges | None = None
    """The pixels that are added to each side of the picture."""
    box: Box | None = None
    """The part that is cut out; None for all of the canvas."""
    size: Size | None = None
    """At which size the model is asked to draw; None for what the call says."""

    @property
    def sent_size(self) -> Size:
        """Width and height of what is sent."""
        return self.canvas if self.box is None else (self.box[2] - self.box[0], self.box[3] - self.box[1])

    @property
    def note(self) -> str | None:
        """What the person is told about it."""
        if self.box is None:
            return None
        (width, height), (wide, high) = self.canvas, self.sent_size
        drawn = "" if self.size in {None, self.sent_size} else ", drawn at {}x{}".format(*(self.size or ()))
        # It draws nothing that is as long as all of a band.
        more = "" if is_band(width, height) else " To have it see all of the picture, give a `size` of its shape."
        return (
            f"The model saw only the part round what changes, {wide}x{high} at {self.box[0]},{self.box[1]} of"
            f" {width}x{height}{drawn}.{more}"
        )


def plan_part(inputs: Inputs, size: str, extend: Edges | None = None, *, is_exact: bool = True) -> Part | None:
    """What to send for an edit of a request with this `size`; None for the inputs as they are.

    Without `is_exact` nothing is put back into the original, so all of an extended canvas is sent.

    Raises:
        BadRequest: the picture cannot be extended so far; or `size`, or what the model draws, has another shape, so
            that nothing could be kept.

    """
    first, mask = inputs.images[0], inputs.mask
    picture = (first.width, first.height)
    if extend is not None:
        return _extended(picture, extend, size, is_exact=is_exact)
    asked, made = parse_edges(size), parse_edges(made_size(size))
    if asked is not None and made is not None:
        if _stretch(made, picture) <= MAX_STRETCH:
            return None
        if _stretch(asked, picture) > MAX_STRETCH:
            raise BadRequest(
                f"`size` {size} has another shape than image 1, {first.width}x{first.height}, so nothing could be kept"
                " to the pixel. Leave out `size`, and bring the result to that size with export_image; or set `keep` to"
                " 'off'."
            )
    found = find_window(picture, mask.marked) if mask is not None and mask.marked is not None else None
    if found is None and is_band(*picture) and _stretch(_drawn(picture), picture) > MAX_STRETCH:
        raise BadRequest(_too_long_text(picture, has_mask=mask is not None))
    return found


def _too_long_text(picture: Size, *, has_mask: bool) -> str:
    """Why nothing of a picture beyond 3:1 could be kept, and the way out."""
    most = MAX_RATIO * min(picture)
    edge = "wide" if picture[0] > picture[1] else "high"
    return (
        f"Image 1 is {picture[0]}x{picture[1]}, and the model draws no picture that is more than {MAX_RATIO} times as"
        f" long as wide, so nothing could be kept to the pixel. Give a {'smaller ' if has_mask else ''}`mask`: of a"
        f" part at most {most} pixels {edge}, that part alone is drawn. Or set `keep` to 'off'."
    )


def _extended(picture: Size, added: Edges, size: str, *, is_exact: bool) -> Part:
    canvas = added.canvas(picture)
    width, height = canvas
    share = 1 - picture[0] * picture[1] / (width * height)
    if share > MAX_NEW:
        raise BadRequest(
            f"`extend` would make a canvas of {width}x{height}, of which {share:.0%} are new, and {MAX_NEW:.0%} are the"
            " most: extend in several steps."
        )
    asked = parse_edges(size)
    if asked is not None:
        if _stretch(asked, canvas) > MAX_STRETCH:
            raise BadRequest(
                f"`size` {size} has another shape than the extended canvas, {width}x{height}: leave out `size`."
            )
        return Part(canvas, added)
    window = find_window(canvas, added.new_in(canvas)) if is_exact else None
    if window is not None:
        return replace(window, added=added)
    drawn = _drawn(canvas)
    if _stretch(drawn, canvas) > MAX_STRETCH:
        raise BadRequest(
            f"`extend` would make a canvas of {width}x{height}, and the model draws none that is more than {MAX_RATIO}"
            " times as long as wide: extend it less."
        )
    return Part(canvas, added, size=drawn)


def find_window(picture: Size, change: Box) -> Part | None:
    """The part of a picture round what is to change, as a size that the model makes; None for all of the picture."""
    width, height = picture
    edges = [change[2] - change[0], change[3] - change[1]]
    wide, high = (
        min(edge + 2 * max(MIN_CONTEXT, CONTEXT * edge), most) for edge, most in zip(edges, picture, strict=True)
    )
    wide, high = min(max(wide, high / MAX_RATIO), width), min(max(high, wide / MAX_RATIO), height)
    # Of a picture that is longer than any that the model draws, less is sent round the mask.
    wide, high = min(wide, max(edges[0], MAX_RATIO * high)), min(high, max(edges[1], MAX_RATIO * wide))
    few = MIN_PIXELS / (wide * high)
    if few > 1:
        wide, high = wide * math.sqrt(few), high * math.sqrt(few)
        if wide > width and not (high > height and height < width):
            wide, high = width, min(MIN_PIXELS / width, MAX_RATIO * width)
        elif high > height:
            wide, high = min(MIN_PIXELS / height, MAX_RATIO * height), height
    part = (_in_steps(wide, width), _in_steps(high, height))
    if is_band(*picture):
        part = _of_band(picture, (min(part[0], width), min(part[1], height)), edges)
    elif part[0] > width or part[1] > height or part[0] * part[1] > MOST_OF_PICTURE * width * height:
        return None
    size = _drawn(part)
    if _stretch(size, part) > MAX_STRETCH or part[0] < edges[0] or part[1] < edges[1]:
        return None
    left, upper = (
        max(0, min(round((change[axis] + change[axis + 2] - part[axis]) / 2), picture[axis] - part[axis]))
        for axis in (0, 1)
    )
    return Part(picture, box=(left, upper, left + part[0], upper + part[1]), size=size)


def _of_band(picture: Size, part: Size, least: Sequence[int]) -> Size:
    """A part, of about this size, of a picture that is too long for the model, in a shape that the model draws."""
    axis = 0 if picture[0] > picture[1] else 1
    longer = range(part[axis], picture[axis] + 1, 4)
    for edge in (*longer[:_TRIES], *range(part[axis], least[axis] - 1, -4)[:_TRIES]):
        tried = (edge, part[1]) if axis == 0 else (part[0], edge)
        if _stretch(_drawn(tried), tried) <= MAX_STRETCH:
            return tried
    return part


def _drawn(part: Size) -> Size:
    """The size at which the model draws a part."""
    if is_allowed_size(*part):
        return part
    near = nearest_size(*part)
    # The nearest size of a small part may have another shape than one that is a little larger.
    for width in range(near[0], 2 * near[0], EDGE_STEP):
        size = (width, round(width * part[1] / part[0] / EDGE_STEP) * EDGE_STEP)
        if is_allowed_size(*size) and _stretch(size, part) <= MAX_STRETCH:
            return size
    return near if _stretch(near, part) <= MAX_STRETCH else plan_size(*part)


def _in_steps(edge: float, most: int) -> int:
    """An edge in the steps of the model's sizes, not shorter than it was unless the picture ends there."""
    steps = math.ceil(edge / EDGE_STEP) * EDGE_STEP
    return min(steps, most)


def _stretch(one: Size, other: Size) -> float:
    return abs(one[0] * other[1] / (one[1] * other[0]) - 1)


def cut_part(inputs: Inputs, part: Part) -> Inputs:
    """The inputs of which only a part is sent, or whose canvas is larger. Blocks.

    Raises:
        BadRequest: that takes too much memory.

    """
    first, *others = inputs.images
    mask = inputs.mask
    if part.added is not None:
        mask = _mask_of_new(part)
    box = list(part.box or (0, 0, *part.canvas))
    try:
        if part.added is not None:
            # A canvas takes the memory of more than the picture.
            made = derive_in_child("tasks:part", first.data, box=box, added=list(part.added))
            first = first.with_png(made.data, part.sent_size)
        elif part.box is not None:
            first = first.with_png(decode_in_child("part", first.data, box=box, added=None).data, part.sent_size)
            if mask is not None:
                mask = mask.with_png(decode_in_child("part", mask.data, box=box, added=None).data, part.sent_size)
    except (ChildFailed, ValueError) as error:
        why = str(error).rstrip(".")
        raise BadRequest(f"What is to be sent of image 1 cannot be prepared: {why}. {_way_out(part)}") from None
    if len(first.data) >= MAX_BYTES:
        raise BadRequest(
            f"What is to be sent of image 1 has {len(first.data):,} bytes, and the API takes fewer than {MAX_BYTES:,}."
            f" {_way_out(part)}"
        )
    return Inputs([first, *others], mask)


def _way_out(part: Part) -> str:
    return f"Shrink the picture first, or {'extend fewer sides at once' if part.added else 'mark a smaller part'}."


def _mask_of_new(part: Part) -> InputImage:
    """The mask that marks what is new in the part that is sent of a canvas."""
    assert part.added is not None
    left, upper, right, lower = part.added.inside(part.canvas)
    size = width, height = part.sent_size
    across, down = (0, 0) if part.box is None else part.box[:2]
    x, y = max(left - across, 0), max(upper - down, 0)
    old = (min(right - across, width) - x, min(lower - down, height) - y)
    mask = mask_from_words(f"everything but box {x},{y} {old[0]}x{old[1]}", size)
    return drawn_mask(mask, source="the new part", change=None)
