"""What a child process does for transparency. The server calls these functions by name, and imports nothing of them."""

import io
from dataclasses import replace
from typing import Any

import cv2
import numpy as np
from PIL import Image

from .arrays import Array, reduced_to
from .files import Opened, open_picture, png_bytes
from .ground import Ground, find_ground
from .matte import Matte, take_off
from .matte_figures import figures, find_specks, looks_like_checkerboard
from .matte_text import MAX_SPECKS
from .two_passes import take_off_both

MAX_DOUBT = 0.09
"""The most that two passes may contradict each other; see `two_passes`."""


def cut_out(picture: bytes, *, kind: str, quality: int | None) -> tuple[dict[str, Any], bytes]:
    """The subject of a picture without its plain ground, as a file of `kind`, and figures about it.

    The values have the `verdict` `matte`, `ground` (its colour as #RRGGBB) and `enclosed`; or, without bytes,
    `no_ground`, `checkerboard`, `transparent` (it is so already) or `empty`.
    """
    opened = open_picture(picture)
    if opened.alpha is not None and (opened.alpha < np.iinfo(opened.alpha.dtype).max // 2).mean() > 0.05:  # noqa: PLR2004
        return {"verdict": "transparent"}, b""
    if looks_like_checkerboard(opened.in_8_bits):
        return {"verdict": "checkerboard"}, b""
    ground = find_ground(opened.in_8_bits)
    if ground is None:
        return {"verdict": "no_ground"}, b""
    matte = take_off(opened.in_8_bits, ground)
    return _finished(matte, ground, opened.profile, kind, quality, {"verdict": "matte"})


def cut_out_of_two(first: bytes, second: bytes, *, kind: str, quality: int | None) -> tuple[dict[str, Any], bytes]:
    """As `cut_out`, from two pictures of a subject on a white and a black ground; the verdict is `two_passes`.

    The values also have `shift_px`, how far the second one was off. Where the two do not fit together, the first one
    alone is used, the verdict is `matte`, and `doubt` says how little they did.
    """
    opened, other = open_picture(first), open_picture(second)
    both = take_off_both(opened.in_8_bits, other.in_8_bits)
    if both is None or both.doubt > MAX_DOUBT:
        values, data = cut_out(first, kind=kind, quality=quality)
        return {**values, "doubt": round(both.doubt, 3) if both else 1.0}, data
    shift = [round(distance, 2) for distance in both.shift]
    values = {"verdict": "two_passes", "shift_px": shift, "doubt": round(both.doubt, 3)}
    return _finished(both.matte, both.ground, opened.profile, kind, quality, values)


def look(picture: bytes) -> tuple[dict[str, Any], bytes]:
    """The figures of a picture as it came; the verdict is `native`, or `opaque`, `checkerboard` or `empty`."""
    opened = open_picture(picture)
    if opened.alpha is None:
        verdict = "checkerboard" if looks_like_checkerboard(opened.in_8_bits) else "opaque"
        return {"verdict": verdict}, b""
    alpha = opened.alpha.astype(np.float32) / np.iinfo(opened.alpha.dtype).max
    found = figures(opened.in_8_bits, alpha, None)
    verdict = "native"
    if found["clear"] < 0.05:  # noqa: PLR2004 - a share
        verdict = "checkerboard" if looks_like_checkerboard(opened.in_8_bits) else "opaque"
    elif found["clear"] > 0.99:  # noqa: PLR2004 - a share
        verdict = "empty"
    return {"verdict": verdict, **found}, b""


def key_shares(picture: bytes, *, colours: dict[str, str]) -> tuple[dict[str, Any], bytes]:
    """The share of a picture that each of `colours`, #RRGGBB by name, takes: pixels of a similar hue, not pale."""
    small = np.ascontiguousarray(reduced_to(open_picture(picture).in_8_bits, 256))
    hsv = cv2.cvtColor(small, cv2.COLOR_RGB2HSV).astype(np.int16)
    coloured = (hsv[..., 1] > 60) & (hsv[..., 2] > 50)  # noqa: PLR2004 - of 255
    shares: dict[str, Any] = {}
    for name, code in colours.items():
        colour = list(bytes.fromhex(code.removeprefix("#")))
        hue = int(cv2.cvtColor(np.array([[colour]], np.uint8), cv2.COLOR_RGB2HSV)[0, 0, 0])
        apart = np.abs(hsv[..., 0] - hue)
        shares[name] = round(float((coloured & (np.minimum(apart, 180 - apart) < 18)).mean()), 4)  # noqa: PLR2004 - degrees
    return {"shares": shares}, b""


def _finished(
    matte: Matte, ground: Ground, profile: bytes | None, kind: str, quality: int | None, values: dict[str, Any]
) -> tuple[dict[str, Any], bytes]:
    found = figures(matte.colours, matte.alpha, ground.colour)
    if found["clear"] > 0.99:  # noqa: PLR2004 - a share
        return {**values, **found, "verdict": "empty"}, b""
    if found["specks"] > MAX_SPECKS:
        specks, _ = find_specks(matte.alpha)
        matte = replace(matte, alpha=np.where(specks, 0, matte.alpha))
    values |= {**found, "ground": "#{:02X}{:02X}{:02X}".format(*ground.colour), "enclosed": round(matte.enclosed, 4)}
    return values, _written(matte, profile, kind, quality)


def _written(matte: Matte, profile: bytes | None, kind: str, quality: int | None) -> bytes:
    alpha = np.rint(matte.alpha * 255).astype(np.uint8)
    # What is clear has no colour: some programs and models show it.
    colours = np.where(alpha[..., None] > 0, matte.colours, 0).astype(np.uint8)
    if kind != "webp":
        return png_bytes(Opened(colours, alpha, profile))
    out = io.BytesIO()
    image = Image.fromarray(_with_alpha(colours, alpha), "RGBA")
    options: dict[str, Any] = {"lossless": True} if quality in (None, 100) else {"quality": quality}
    image.save(out, "WEBP", **options, method=2, **({"icc_profile": profile} if profile else {}))
    return out.getvalue()


def _with_alpha(colours: Array, alpha: Array) -> Array:
    return np.concatenate([colours, alpha[..., None]], -1)
