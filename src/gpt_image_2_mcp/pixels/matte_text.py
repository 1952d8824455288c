"""What is said about a transparent background: one sentence, and warnings. Plain Python: the server uses it.

The values are those of `matte_figures.figures`, with the `verdict` and the rest that `matte_task` adds.
"""

from collections.abc import Mapping
from typing import Any

MATTE_VERDICTS = frozenset({"matte", "two_passes", "native"})
MAX_FRINGE = {"matte": 0.15, "two_passes": 0.15, "native": 0.3}
"""A fringe above this can be seen; what a model's own picture was drawn on is not known."""
MAX_SPECKS = 10
"""More tiny parts than these are no part of a subject, and are removed."""


def is_matte(proof: Mapping[str, Any]) -> bool:
    """Whether a proof is about transparency, and not about an exact edit."""
    return proof.get("verdict") in MATTE_VERDICTS


def matte_text(proof: Mapping[str, Any]) -> str:
    """One line: how the background became transparent, and the figures."""
    how = {"matte": "cut out of a plain ground", "two_passes": "from two pictures", "native": "by the model itself"}
    parts = [f"{proof['clear']:.0%} of it clear"]
    if proof["fringe"] is not None:
        parts.append(f"edge fringe {proof['fringe']:.2f}")
    border = proof["border"]
    parts.append(f"{border:.0%} of the border touched" if border >= 0.005 else "nothing at the border")  # noqa: PLR2004
    ground = f" {proof['ground']}" if proof["verdict"] == "matte" else ""
    text = f"Transparent, {how[proof['verdict']]}{ground}: {', '.join(parts)}."
    if proof["verdict"] == "two_passes" and max(abs(distance) for distance in proof["shift_px"]) >= 0.5:  # noqa: PLR2004 - pixels
        x, y = proof["shift_px"]
        text += f" The second picture was moved by {x:.1f}, {y:.1f} px, which was mended."
    return text


def matte_warnings(proof: Mapping[str, Any]) -> list[str]:
    """Sentences about what may not be as the person wants it, each with the way out."""
    found: list[str] = []
    if (proof["fringe"] or 0) > MAX_FRINGE[proof["verdict"]]:
        cause = "white" if proof["verdict"] == "native" else f"the ground's {proof['ground']}"
        way_out = "" if proof["verdict"] == "two_passes" else " For a finer edge ask for 'transparent-fine'."
        found.append(f"The edge has a tint of {cause}: look at it on the ground that you need.{way_out}")
    if proof.get("enclosed"):
        found.append(
            f"Parts inside the subject had the ground's colour and are clear as well, {proof['enclosed']:.1%} of the"
            " picture: if they belong to it, put the subject on another ground first."
        )
    if proof["specks"] > MAX_SPECKS and proof["verdict"] != "native":
        found.append(f"{proof['specks']} specks beside the subject were removed.")
    if proof.get("doubt") and proof["verdict"] == "matte":
        found.append(
            "The second picture does not fit the first one, so the background was taken off the first one alone. Look"
            " at hair and glass closely."
        )
    return found


def no_matte_text(verdict: str) -> str:
    """Why no background was taken off a picture, to go on after a colon."""
    return {
        "no_ground": "its border has no plain ground of one colour",
        "checkerboard": "the model painted a checkerboard, which only looks like transparency",
        "transparent": "it is transparent already",
        "empty": "nothing but its ground was found",
        "opaque": "it has no transparent part",
    }[verdict]
