"""Reading the texts in a picture, which needs the extra `ocr`: always in a child process, never in the server."""

from functools import cache
from importlib.util import find_spec
from typing import Any, Final

from .pixels_extra import compute_in_child

MEMORY: Final = 1200 << 20
"""Bytes that the child process may have: a large page of text takes half of it."""
SECONDS: Final = 60
HOW_TO_GET: Final = "install `gpt-image-2-mcp[pixels,ocr]`, which takes 330 MB, in place of `gpt-image-2-mcp`"
"""The way out for an error that says what needs the extra."""
_TASK: Final = "gpt_image_2_mcp.pixels.read_texts:read_texts"


@cache
def is_installed() -> bool:
    """Whether the extra is there."""
    # Looked for, and never imported here: the server's memory is promised.
    return all(find_spec(name) is not None for name in ("rapidocr", "onnxruntime", "cv2"))


def read_in_child(data: bytes, wanted: list[str]) -> dict[str, Any]:
    """The values of `pixels.read_texts.read_texts` for a picture. Blocks.

    Raises:
        ValueError: the picture cannot be decoded.
        ChildFailed: it takes too much memory or time.

    """
    return compute_in_child(_TASK, data, memory=MEMORY, seconds=SECONDS, wanted=wanted).values
