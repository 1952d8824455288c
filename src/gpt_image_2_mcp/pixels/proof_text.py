"""What the proof of an exact edit says in words. Plain Python: the server uses it.

A proof has these values, counted in the saved file after decoding it, or found on the way:

- `outside_pixels`, `differing_outside`, `largest_difference`: pixels outside of the mask, how many of them differ from
  the original, and by how many levels at most;
- `shift_px` (right and down), `scale`, `colour` (levels of red, green and blue): how the model's picture was off, which
  was mended;
- `seam_step`: levels of colour that each pixel of the seam has to hide;
- `bleed_share`: the share of the picture that is new outside of the mask and belongs to what is new in it;
- `changed_outside`: the share of what was to stay that the model drew anew, which was put back.
"""

from collections.abc import Mapping, Sequence
from typing import Any

INVISIBLE, VISIBLE = 0.5, 2.0
"""The steps of a seam below which it cannot be seen, and above which it probably can."""


def proof_text(proof: Mapping[str, Any]) -> str:
    """One line: what was counted, what was mended, and whether the seam shows."""
    where = "what is new" if proof.get("is_extended") else "the mask" if proof.get("has_mask", True) else "what changed"
    counts = f"{proof['differing_outside']:,} of {proof['outside_pixels']:,} pixels outside {where}"
    parts = [f"Kept to the pixel: {counts} differ from the original."]
    mended = _mended(proof)
    if mended:
        parts.append(f"The model's picture was {mended}, which was mended.")
    if proof["changed_outside"] >= 0.001:  # noqa: PLR2004 - a tenth of a per cent
        rest = "the rest" if proof.get("seen", proof["size"]) == proof["size"] else "the rest that it saw"
        parts.append(f"The model had drawn {proof['changed_outside']:.1%} of {rest} anew, which was put back.")
    step = proof["seam_step"]
    if proof.get("verdict") != "unchanged":
        seam = "not visible" if step < INVISIBLE else "hardly visible" if step < VISIBLE else "perhaps visible"
        parts.append(f"Seam: {seam} ({step:g}).")
    return " ".join(parts)


def _mended(proof: Mapping[str, Any]) -> str:
    dx, dy = proof["shift_px"]
    red, green, blue = proof["colour"]
    found: list[str] = []
    if max(abs(dx), abs(dy)) >= 0.05:  # noqa: PLR2004 - pixels
        found.append(f"moved by {dx:.1f}, {dy:.1f} px")
    if abs(proof["scale"] - 1) >= 0.0005:  # noqa: PLR2004 - half a pixel in a thousand
        found.append(f"scaled by {proof['scale']:.4f}")
    if (red, green, blue) != (0, 0, 0):
        found.append(f"tinted by {red:+d}/{green:+d}/{blue:+d}")
    return ", ".join(found[:-1]) + " and " + found[-1] if len(found) > 1 else "".join(found)


def proof_warnings(proof: Mapping[str, Any]) -> list[str]:
    """Sentences about what may not be as the person wants it, each with the way out."""
    found: list[str] = []
    if proof["verdict"] == "unchanged":
        found.append(
            "Nothing that the model changed was found inside the mask, so the exact edit is the original. Say more"
            " plainly what to change, or look at the model's own picture."
        )
    elif proof["verdict"] == "new_picture":
        found.append(
            f"The model drew a new picture: {proof['changed_outside']:.0%} of what was to stay is something else in it,"
            " so what was taken from it may not fit at the edge of the mask. Ask again, or use the model's own picture."
        )
    elif proof["is_larger"]:
        sides = proof["sides"]
        where = "on all sides" if len(sides) == 4 else f"at its {_listed(sides)}"  # noqa: PLR2004 - a box has four
        cut = f", so it is cut off {where}" if sides else ""
        share = f"{proof['bleed_share']:.1%}"
        found.append(
            f"The new object is larger than the mask: the part outside of it, {share} of the picture,"
            f" was left out{cut}. Ask again with a mask that is {_rounded(proof['reach'])} pixels larger there,"
            " or use the model's own picture."
        )
    if _enlargement(proof) > 1.1:  # noqa: PLR2004 - a tenth is not seen
        width, height = proof["drawn_at"]
        found.append(
            f"The new part was drawn at {width}x{height} and enlarged {_enlargement(proof):.1f} times to fit the"
            " picture, which keeps its own resolution."
        )
    return found


def no_composite_text(verdict: Mapping[str, Any]) -> str:
    """Why there is no exact edit, where the child process gave none."""
    if verdict["verdict"] == "other_shape":
        drawn, given = verdict["size"], verdict["original_size"]
        return (
            f"Nothing was kept to the pixel: the model's picture has another shape ({drawn[0]}x{drawn[1]}) than the"
            f" first one given ({given[0]}x{given[1]}). Leave out `size`, or give one of the same shape."
        )
    return (
        f"Nothing was kept to the pixel: this is a new picture, and {verdict['changed']:.0%} of it differ from the"
        " first one given. Give a `mask` of the part that may change, or set `keep` to 'off'."
    )


def _enlargement(proof: Mapping[str, Any]) -> float:
    return float(proof.get("seen", proof["size"])[0] / proof["drawn_at"][0])


def _rounded(pixels: int) -> int:
    return max(10, -(-pixels // 10) * 10)


def _listed(sides: Sequence[str]) -> str:
    names = [f"{side} edge" for side in sides]
    return " and ".join([", ".join(names[:-1]), names[-1]]) if len(names) > 1 else "".join(names)
