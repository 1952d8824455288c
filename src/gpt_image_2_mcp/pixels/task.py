"""`exact_edit`: what a child process does for an exact edit. The server calls it by name, and imports nothing of it."""

import io
from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

import numpy as np
from PIL import Image

from ..images.normalize import on_plain_ground
from . import composite, extension
from .arrays import Array, Floats, Mask
from .files import Opened, in_profile, open_picture, png_bytes
from .proof import count_differences

MAX_ASPECT_DIFFERENCE = 0.02
"""How much the shape of the model's picture may differ from that of what was sent, as a share, for the two to fit."""
_SEEN: Final = 8
"""A mask's weight, of 255, from which on a pixel belongs to it: less is a trace of how the mask was drawn or scaled."""

Size = Sequence[int]
Box = tuple[int, int, int, int]


def exact_edit(
    original: bytes,
    model: bytes,
    mask: bytes,
    *,
    size: Size,
    box: Sequence[int] | None = None,
    added: Sequence[int] | None = None,
) -> tuple[dict[str, Any], bytes]:
    """The original with what the model changed in it, as a PNG, and the proof.

    The model saw the `box` (left, upper, right, lower) of a picture of `size`, or all of it. `mask` is a PNG of what it
    saw, the more transparent, the more may change; without one, it is what changed. With pixels `added` to its left,
    top, right and bottom, the original is extended to `size`, and all that is new is the model's.

    The values are those of `proof` in a report, and `verdict`, on which the sentences depend: `exact`, `unchanged`,
    `new_picture`; or, without bytes, `other_shape`, or `all_new` where there is no mask and the most of it changed.
    """
    kept, drawn = open_picture(original), open_picture(model)
    sent = _as_sent(kept)
    if added is not None:
        is_sent = sent is kept
        kept = extension.extended(kept, added)
        sent = kept if is_sent else extension.extended(sent, added)
    part = _part(kept.size, size, box)
    seen = (part[2] - part[0], part[3] - part[1])
    if _differs_in_shape(seen, drawn.size):
        return {"verdict": "other_shape", "size": list(drawn.size), "original_size": list(seen)}, b""
    weights = _read_mask(mask, seen) if mask else None
    cut = np.s_[part[1] : part[3], part[0] : part[2]]
    before = Opened(kept.colours[cut], None if kept.alpha is None else kept.alpha[cut], kept.profile)
    colours = in_profile(drawn.colours, kept.profile)
    if added is None:
        found = composite.look(sent.in_8_bits[cut], colours, weights)
        if weights is None and found.changed > composite.NEW_PICTURE:
            return {"verdict": "all_new", "changed": round(found.changed, 4)}, b""
        after = composite.put_back(before.colours, colours, weights, found, alpha=before.alpha)
        share = composite.part_of(found.matte, (0, 0, *seen), seen)
        share = share if weights is None else share * weights
    else:
        assert weights is not None
        found = composite.look(sent.in_8_bits[cut], colours, weights, is_all_new=True)
        after = extension.continued(sent.colours[cut], colours, weights > 0, found)
        np.copyto(after, before.colours, where=(weights == 0)[..., None])
        share = weights
    result = replace(kept, colours=_with_part(kept.colours, after, part))
    if kept.alpha is not None and before.alpha is not None:
        result = replace(result, alpha=_with_part(kept.alpha, _with_new_opaque(before.alpha, share), part))
    file = png_bytes(result)
    del result, after
    inside: Mask = np.zeros(kept.colours.shape[:2], dtype=bool)
    inside[cut] = share > 0 if weights is None else weights > 0
    facts = {"has_mask": weights is not None, "is_extended": added is not None}
    return {**_values(found, seen, kept.size, drawn.size), **facts, **count_differences(file, kept, inside)}, file


def _as_sent(picture: Opened) -> Opened:
    """A picture as the model saw it: what is transparent hides other colours, often black ones."""
    if picture.alpha is None:
        return picture
    step = 257 if picture.colours.dtype == np.uint16 else 1
    seen, _ = on_plain_ground(Image.fromarray(np.dstack([picture.in_8_bits, (picture.alpha // step).astype(np.uint8)])))
    return replace(picture, colours=np.asarray(seen).astype(picture.colours.dtype) * step, alpha=None)


def _values(found: composite.Findings, seen: Size, size: Size, drawn: Size) -> dict[str, Any]:
    """What is told of the model's picture; shares are those of the whole picture, of which a part was `seen`."""
    dx, dy = found.shift
    is_new = found.changed_outside > composite.NEW_PICTURE
    of_picture = seen[0] * seen[1] / (size[0] * size[1])
    return {
        "verdict": "new_picture" if is_new else "exact" if found.matte.any() else "unchanged",
        "shift_px": [round(dx, 2), round(dy, 2)],
        "scale": round(found.movement.scale, 4),
        "colour": list(found.colour.levels),
        "seam_step": round(found.seam_step, 2),
        "bleed_share": round(found.bleeding.share * of_picture, 4),
        "is_larger": found.bleeding.is_larger,
        "sides": list(found.bleeding.sides),
        "reach": found.reach,
        "changed_outside": round(found.changed_outside, 4),
        "drawn_at": list(drawn),
        "seen": list(seen),
        "size": list(size),
    }


def _part(own: Size, size: Size, box: Sequence[int] | None) -> Box:
    """The box in a picture's own pixels: it may be larger than what was sent of it, at `size`."""
    left, upper, right, lower = box or (0, 0, *size)
    across, down = own[0] / size[0], own[1] / size[1]
    return round(left * across), round(upper * down), round(right * across), round(lower * down)


def _differs_in_shape(one: Size, other: Size) -> bool:
    ratio = (one[0] / one[1]) / (other[0] / other[1])
    # A size in steps of 16 pixels has not quite the ratio of the picture.
    return abs(ratio - 1) > MAX_ASPECT_DIFFERENCE


def _read_mask(data: bytes, size: tuple[int, int]) -> Floats:
    """How much each pixel may change, 0 to 1: transparent ones wholly, as OpenAI has it."""
    with Image.open(io.BytesIO(data), formats=("png",)) as image:
        alpha = image.convert("RGBA").getchannel("A")
    if alpha.size != size:
        alpha = alpha.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType]
    weights = 255 - np.asarray(alpha)
    return np.where(weights < _SEEN, 0, weights).astype(np.float32) / 255


def _with_part(whole: Array, part: Array, box: Box) -> Array:
    """A picture with other pixels in a box; not a copy where that is all of it."""
    if part.shape == whole.shape:
        return part
    result = whole.copy()
    result[box[1] : box[3], box[0] : box[2]] = part
    return result


def _with_new_opaque(alpha: Array, share: Floats) -> Array:
    """The original's alpha, opaque where something new was drawn: it would not be seen there."""
    most = float(np.iinfo(alpha.dtype).max)
    return np.where(share > 0, np.rint(alpha + share * (most - alpha)), alpha).astype(alpha.dtype)
