"""What child processes do with large pictures: each function takes bytes and JSON values, and returns the same.

`memory.decode_in_child` calls them by name. A ValueError is raised again in the process that called; the functions of
`validate`, `preview`, `thumbnail` and `region` say what they are for.
"""

from typing import Any

from ..errors import UnreadableSource
from .formats import SNIFFED, sniff
from .headers import read_header
from .look import look_here
from .memory import MAX_SHRUNK_PIXELS
from .part import part_here
from .preview import check_here, preview_here
from .region import Box, cut_here
from .side_by_side import side_by_side_here
from .thumbnail import thumbnail_here
from .validate import convert_here, validate_here

Answer = tuple[dict[str, Any], bytes]


def validate(data: bytes, *, name: str) -> Answer:
    """What was changed, and the picture to send; no bytes if it is the file itself."""
    from PIL import Image

    # `check_size` has refused what is larger, and this process has no other picture.
    Image.MAX_IMAGE_PIXELS = MAX_SHRUNK_PIXELS
    try:
        if sniff(data[:SNIFFED]):
            found = validate_here(data, read_header(data), name=name)
        else:
            found = convert_here(data, name=name)
    except UnreadableSource as error:
        raise ValueError(str(error)) from None
    return {"change": found.change}, b"" if found.data is data else found.data


def check(data: bytes) -> Answer:
    """Nothing, if the picture can be decoded."""
    check_here(data, read_header(data).facts)
    return {}, b""


def preview(data: bytes, *, share: int, max_edge: int | None) -> Answer:
    """The format and the bytes of a preview; no bytes if none fits."""
    found = preview_here(data, read_header(data).facts, share=share, max_edge=max_edge)
    return ({"format": found.format}, found.data) if found else ({}, b"")


def thumbnail(data: bytes) -> Answer:
    """A thumbnail."""
    return {}, thumbnail_here(data)


def look(data: bytes, *, edge: int) -> Answer:
    """The size of a WebP to look at, and its bytes."""
    found = look_here(data, edge)
    return {"width": found.width, "height": found.height}, found.data


def region(data: bytes, *, box: list[int], share: int) -> Answer:
    """How a region was encoded, and its bytes; no bytes if none fits."""
    found = cut_here(data, read_header(data).facts, Box(*box), share=share)
    if found is None:
        return {}, b""
    return {"format": found.format, "factor": found.factor, "lossless": found.lossless, "how": found.how}, found.data


def part(data: bytes, *, box: list[int], added: list[int] | None) -> Answer:
    """A box of a picture, or of its canvas with pixels `added` to the left, top, right and bottom."""
    return {}, part_here(data, box, added)


def beside(*pictures: bytes, titles: list[str], share: int) -> Answer:
    """Pictures side by side."""
    return {}, side_by_side_here(*pictures, titles=titles, share=share)
