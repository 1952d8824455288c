"""`read_texts`: the lines of text in a picture. Called in a child process by name; the server imports nothing of it.

It needs the extra `ocr`. Its models are files of the package: nothing is fetched.
"""

from typing import Any, Final

import cv2
import numpy as np
from rapidocr import RapidOCR

from .arrays import Array, reduced_to
from .files import open_picture

EDGE: Final = 1600
"""The longest edge of the copy that is read, in pixels: letters of 1 % of a picture have 16 pixels in it."""
_BEHIND: Final = 128
"""The grey behind a transparent picture, on which both black and white letters can be read."""
_PARAMETERS: Final = {
    "Global.log_level": "critical",
    "EngineConfig.onnxruntime.intra_op_num_threads": 1,
    "EngineConfig.onnxruntime.inter_op_num_threads": 1,
}


def read_texts(data: bytes, *, wanted: list[str]) -> tuple[dict[str, Any], bytes]:
    """The lines of text in a picture, in the order in which they are read, as values and no bytes.

    The values are `lines`, each with its `text` and its `box` (left, upper, width and height in pixels of the picture),
    and `unknown`: those characters of the `wanted` texts that the reader knows none of.
    """
    opened = open_picture(data)
    picture = opened.in_8_bits
    if opened.alpha is not None:
        share = (opened.alpha.astype(np.float32) / np.iinfo(opened.alpha.dtype).max)[..., None]
        picture = (picture * share + _BEHIND * (1 - share)).astype(np.uint8)
    small: Array = reduced_to(picture, EDGE)
    factor = picture.shape[1] / small.shape[1]
    reader: Any = RapidOCR(params=_PARAMETERS)
    found: Any = reader(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
    lines: list[dict[str, Any]] = []
    boxes: Any = () if found.boxes is None else found.boxes
    for corners, text in zip(boxes, found.txts or (), strict=True):
        across, down = ([float(corner[axis]) * factor for corner in corners] for axis in (0, 1))
        box = [min(across), min(down), max(across) - min(across), max(down) - min(down)]
        lines.append({"text": str(text), "box": [round(edge) for edge in box]})
    known = _alphabet(reader)
    unknown = {letter for text in wanted for letter in text if not letter.isspace() and letter not in known}
    return {"lines": lines, "unknown": "".join(sorted(unknown)) if known else ""}, b""


def _alphabet(reader: Any) -> frozenset[str]:
    """The characters that a reader knows; empty where it does not tell."""
    try:
        return frozenset(reader._load_rec_model().postprocess_op.character)  # noqa: SLF001 - it has no public name
    except AttributeError:
        return frozenset()
