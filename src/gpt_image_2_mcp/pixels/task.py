"""`exact_edit`: what a child process does for an exact edit. The server calls it by name, and imports nothing of it."""

import io
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image

from . import composite
from .arrays import Array, Mask
from .files import in_profile, open_picture, png_bytes
from .proof import count_differences

MAX_ASPECT_DIFFERENCE = 0.02
"""How much the shape of the model's picture may differ from the original's, as a share, for the two to fit."""


def exact_edit(original: bytes, model: bytes, mask: bytes) -> tuple[dict[str, Any], bytes]:
    """The original with what the model changed in it, as a PNG, and the proof.

    `mask` is a PNG whose transparent pixels may change, in any size of the original's shape; empty, it is what changed.
    The values are those of `proof` in a report, and `verdict`, on which the sentences depend: `exact`, `unchanged`,
    `new_picture`; or, without bytes, `other_shape`, or `all_new` where there is no mask and the most of it changed.
    """
    kept, drawn = open_picture(original), open_picture(model)
    if _differs_in_shape(kept.size, drawn.size):
        return {"verdict": "other_shape", "size": list(drawn.size), "original_size": list(kept.size)}, b""
    allowed = _read_mask(mask, kept.size) if mask else None
    colours = in_profile(drawn.colours, kept.profile)
    found = composite.look(kept.in_8_bits, colours, allowed)
    if allowed is None and found.changed > composite.NEW_PICTURE:
        return {"verdict": "all_new", "changed": round(found.changed, 4)}, b""
    result = composite.put_back(kept.colours, colours, allowed, found)
    alpha = kept.alpha
    if alpha is not None:
        alpha = _with_new_opaque(alpha, found.matte, allowed)
    file = png_bytes(replace(kept, colours=result, alpha=alpha))
    if allowed is None:
        allowed = _full_matte(found.matte, kept.size) > 0
    counted = count_differences(file, kept, allowed)
    dx, dy = found.shift
    is_new = found.changed_outside > composite.NEW_PICTURE
    verdict = "new_picture" if is_new else "exact" if found.matte.any() else "unchanged"
    values = {
        "verdict": verdict,
        **counted,
        "shift_px": [round(dx, 2), round(dy, 2)],
        "scale": round(found.movement.scale, 4),
        "colour": list(found.colour.levels),
        "seam_step": round(found.seam_step, 2),
        "bleed_share": round(found.bleeding.share, 4),
        "is_larger": found.bleeding.is_larger,
        "sides": list(found.bleeding.sides),
        "reach": found.reach,
        "changed_outside": round(found.changed_outside, 4),
        "drawn_at": list(drawn.size),
        "size": list(kept.size),
    }
    return values, file


def _differs_in_shape(one: tuple[int, int], other: tuple[int, int]) -> bool:
    ratio = (one[0] / one[1]) / (other[0] / other[1])
    # A size in steps of 16 pixels has not quite the ratio of the picture.
    return abs(ratio - 1) > MAX_ASPECT_DIFFERENCE


def _read_mask(data: bytes, size: tuple[int, int]) -> Mask:
    """Where the picture may change: wholly transparent pixels, as OpenAI has it."""
    with Image.open(io.BytesIO(data), formats=("png",)) as image:
        alpha = np.asarray(image.convert("RGBA").getchannel("A"))
    changes = (alpha == 0).astype(np.uint8)
    if (changes.shape[1], changes.shape[0]) != size:
        changes = np.asarray(Image.fromarray(changes).resize(size, Image.Resampling.NEAREST))  # pyright: ignore[reportUnknownMemberType]
    return changes > 0


def _full_matte(matte: Array, size: tuple[int, int]) -> Array:
    return composite.part_of(matte, (0, 0, *size), size)


def _with_new_opaque(alpha: Array, matte: Array, mask: Mask | None) -> Array:
    """The original's alpha, opaque where something new was drawn: it would not be seen there."""
    height, width = alpha.shape
    share = _full_matte(matte, (width, height))
    if mask is not None:
        share = share * mask
    most = float(np.iinfo(alpha.dtype).max)
    return np.where(share > 0, np.rint(alpha + share * (most - alpha)), alpha).astype(alpha.dtype)
