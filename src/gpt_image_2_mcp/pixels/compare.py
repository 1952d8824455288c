"""`compare`: what differs between two pictures. Called in a child process by name; the server imports nothing of it."""

import io
from typing import Any, Final

import cv2
import numpy as np
from PIL import Image, ImageDraw

from . import composite
from .arrays import reduced_to
from .files import open_picture

MAX_PLACES: Final = 5
_MAX_ASPECT_DIFFERENCE: Final = 0.02
_SURE: Final = 0.5
_INK: Final = (255, 0, 170)


def compare(one: bytes, other: bytes) -> tuple[dict[str, Any], bytes]:
    """The share of a picture that another one shows differently, where, and what moved; and a JPEG of the changes.

    The values are `changed` (0 to 1), `places` (left, upper, width and height in pixels of the first picture, the
    largest first, at most `MAX_PLACES` of `count`), `shift_px`, `scale`, `identical` (every pixel is the same). Two
    pictures of different shapes give `{"verdict": "other_shape"}` and no bytes.
    """
    before, after = open_picture(one), open_picture(other)
    size = before.size
    if abs(size[0] * after.size[1] / (size[1] * after.size[0]) - 1) > _MAX_ASPECT_DIFFERENCE:
        return {"verdict": "other_shape"}, b""
    was, now = before.in_8_bits, after.in_8_bits
    if was.shape == now.shape and np.array_equal(was, now):
        return {"verdict": "same", "identical": True}, b""
    found = composite.look(was, now, None)
    small = reduced_to(was, composite.LOOK_EDGE)
    sure = found.matte > _SURE
    _, _, stats, _ = cv2.connectedComponentsWithStats(sure.astype(np.uint8))
    scale = size[0] / small.shape[1]
    order = sorted(range(1, len(stats)), key=lambda index: -int(stats[index, cv2.CC_STAT_AREA]))
    places = [[round(int(edge) * scale) for edge in stats[index, :4]] for index in order[:MAX_PLACES]]
    values = {
        "verdict": "compared",
        "identical": False,
        "changed": round(found.changed, 4),
        "places": places,
        "count": len(order),
        "shift_px": [round(step, 2) for step in found.shift],
        "scale": round(found.movement.scale, 4),
    }
    picture = Image.fromarray(small)
    grey = Image.blend(picture.convert("L").convert("RGB"), Image.new("RGB", picture.size, "white"), 0.4)
    grey.paste(_INK, mask=Image.fromarray((sure * 150).astype(np.uint8)))
    pen = ImageDraw.Draw(grey)
    for left, upper, width, height in ([round(edge / scale) for edge in place] for place in places):
        pen.rectangle((left, upper, left + width - 1, upper + height - 1), outline=_INK, width=2)
    into = io.BytesIO()
    grey.save(into, "JPEG", quality=88)
    return values, into.getvalue()
