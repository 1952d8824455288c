"""Describes pictures and sessions for the page, as JSON."""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ..catalogue.picture_record import Picture
from ..catalogue.session import Session, Turn
from ..errors import shorten
from ..pixels.matte_text import is_matte, matte_text
from ..pixels.proof_text import proof_text

MAX_SHORT: Final = 300
"""Characters of a prompt where many pictures are described."""
MAX_TURNS: Final = 100
"""Turns of a session, the newest."""

Proofs = Mapping[str, Mapping[str, Any]]
"""What was counted in pictures, by their ids."""


def described(picture: Picture, *, role: str, proofs: Proofs | None = None, most: int = MAX_SHORT) -> dict[str, Any]:
    """One picture, with at most `most` characters of its prompt."""
    record = picture.record
    proof = (proofs or {}).get(picture.id)
    return {
        "id": record.id,
        "prompt": shorten(record.prompt, most),
        "width": record.width,
        "height": record.height,
        "made": record.made.isoformat(),
        "usd": None if record.cost_usd is None else f"{record.cost_usd:f}",
        "quality": record.applied.get("quality") or record.parameters.get("quality"),
        "mime_type": picture.mime_type,
        "file_name": picture.path.name,
        "file_path": str(picture.path),
        "role": role,
        "proof": None if proof is None else {**proof, "text": _proof_text(proof)},
        "parents": [parent.id for parent in record.parents if parent.id],
        "session": record.position.session_id if record.position else None,
        "turn": record.position.turn if record.position else None,
        "can_be_shown": record.can_be_shown,
    }


def roles(pictures: Iterable[Picture]) -> dict[str, str]:
    """The role of each picture among these, by its id: `model` for one that another was made from here."""
    pictures = list(pictures)
    used = {parent.id for p in pictures for parent in p.record.parents if parent.role in {"model", "derived_from"}}
    return {picture.id: "model" if picture.id in used else _own_role(picture) for picture in pictures}


def described_session(session: Session) -> dict[str, Any]:
    """A session with its newest turns."""
    return {
        "id": session.id,
        "active": session.active,
        "head": session.next_parent,
        "origin": next((origin.id for origin in session.originals if origin.id), None),
        "turns": [_turn(turn) for turn in session.turns[-MAX_TURNS:]],
    }


def _turn(turn: Turn) -> dict[str, Any]:
    return {
        "number": turn.number,
        "parent": turn.parent or None,
        "prompt": shorten(turn.prompt, MAX_SHORT),
        "picture": turn.picture.id,
    }


def _own_role(picture: Picture) -> str:
    if picture.record.is_exact:
        return "exact"
    return "delivered" if picture.record.is_derived else "image"


def _proof_text(proof: Mapping[str, Any]) -> str:
    return matte_text(proof) if is_matte(proof) else proof_text(proof)
