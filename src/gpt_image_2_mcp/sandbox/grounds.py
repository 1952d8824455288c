"""Plain grounds: a prompt that names one by its code gets it, as in "background #FF00FF".

A picture that was painted on a ground is painted again where a later edit changes only its ground. What a person edits
has no subject that the sandbox knows: there the middle of the picture counts as one.
"""

import hashlib
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, cast, get_args

from PIL import Image, ImageChops, ImageDraw

from .drift import noisy
from .palette import Colour
from .scenes import Size, scaled

GroundKind = Literal["plain", "impure"]
"""How a ground comes out that was asked for: `impure` is off by some levels, darker towards the corners, and noisy."""

GROUND_KINDS: Sequence[GroundKind] = get_args(GroundKind)

MAX_REMEMBERED = 64
"""Pictures that can be painted again on another ground."""

_GROUND = re.compile(r"background[^.#]{0,60}#([0-9a-f]{6})\b|#([0-9a-f]{6})\b[^.#]{0,60}background", re.IGNORECASE)
_ONLY_GROUND = re.compile(r"\b(only|just) the background\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Recipe:
    """What a picture on a plain ground was painted from."""

    prompt: str
    index: int
    note: str


def asked_ground(prompt: str) -> Colour | None:
    """Return the colour of the plain background that a prompt asks for last by its code; None without one."""
    found = list(_GROUND.finditer(prompt))
    return cast("Colour", tuple(bytes.fromhex(found[-1][1] or found[-1][2]))) if found else None


def changes_ground_only(prompt: str) -> bool:
    """Whether an edit is to leave everything but the background."""
    return asked_ground(prompt) is not None and _ONLY_GROUND.search(prompt) is not None


def put_on_ground(picture: Image.Image, colour: Colour, *, kind: GroundKind, seed: object) -> Image.Image:
    """Put an RGBA picture on a ground of one colour."""
    ground = Image.new("RGB", picture.size, colour)
    if kind == "impure":
        off = tuple(max(0, level - 9) if level > 127 else level + 9 for level in colour)  # noqa: PLR2004 - half
        dark = Image.new("RGB", picture.size, tuple(round(level * 0.9) for level in off))
        corners = scaled(Image.radial_gradient("L"), picture.size, Image.Resampling.BILINEAR)
        ground = noisy(Image.composite(dark, Image.new("RGB", picture.size, off), corners), seed)
    ground.paste(picture, mask=picture.getchannel("A"))
    return ground


def with_room(picture: Image.Image) -> Image.Image:
    """Give an RGBA picture smaller, with room all round."""
    size = (round(picture.width * 0.8), round(picture.height * 0.8))
    wide = Image.new("RGBA", picture.size, (0, 0, 0, 0))
    small = scaled(picture, size, Image.Resampling.LANCZOS)
    wide.paste(small, ((picture.width - size[0]) // 2, (picture.height - size[1]) // 2))
    return wide


def with_middle_only(picture: Image.Image) -> Image.Image:
    """Give the ellipse in the middle of a picture, and nothing else of it, as RGBA."""
    width, height = picture.size
    stencil = Image.new("L", picture.size, 0)
    ImageDraw.Draw(stencil).ellipse((width * 0.15, height * 0.12, width * 0.85, height * 0.88), fill=255)
    subject = picture.convert("RGBA")
    subject.putalpha(ImageChops.darker(stencil, subject.getchannel("A")))
    return subject


def key_of(picture: Image.Image) -> str:
    """The key by which a picture is recognised when it comes back."""
    size: Size = picture.size
    return hashlib.sha256(repr(size).encode() + picture.convert("RGB").tobytes()).hexdigest()
