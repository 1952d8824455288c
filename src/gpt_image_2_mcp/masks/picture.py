"""Reads a picture as a mask: by its transparency, or by its black and white."""

import math
from collections.abc import Generator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final, cast

from ..errors import UnreadableSource
from ..images.convert import open_other
from ..images.decode import open_image, reduced
from ..images.formats import HEAD, SHOWN, taken_format
from ..images.headers import Header, read_header
from ..images.normalize import exif_orientation, to_plain_mode, upright
from .draw import FULL
from .place import Size, has_ratio

if TYPE_CHECKING:
    from PIL import Image

_HALF: Final = 128
_NEAR: Final = 16
"""Levels from black or white that count as it: a JPEG's noise."""
_PLAIN_SHARE: Final = 0.95
"""The share of its pixels that a black-and-white mask has near black or white; the rest are its edges."""
_TURNED: Final = 5
"""EXIF orientations from this one on exchange width and height."""

BY_TRANSPARENCY: Final = "transparent means change"
_MOSTLY: Final = "mostly transparent means change"
BY_WHITE: Final = "white means change"


def read_picture(data: bytes, size: Size, *, name: str) -> "tuple[Image.Image, str]":
    """The weights of a mask that is a picture, scaled to `size`, and in words how it was read. Blocks.

    Raises:
        UnreadableSource: it cannot be decoded, has another ratio, or is no mask.

    """
    with _opened(data, name) as (image, header):
        orientation = exif_orientation(image)
        width, height = image.size
        own = (width, height) if orientation < _TURNED else (height, width)
        if header and header.colour_key and header.colour != "palette":
            small = to_plain_mode(image, header, orientation=orientation)
        else:
            mode = "RGBA" if image.has_transparency_data else "L"
            factor = max(1, min(own[0] // size[0], own[1] // size[1]))
            small = upright(reduced(image, mode, factor), orientation)
        # It may be the opened file itself, which is decoded when its pixels are looked at.
        small.load()
    _check_ratio(own, size, name)
    weights, how = _weights(small, name)
    if weights.size != size:
        from PIL import Image

        weights = weights.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] - numpy's
    if own != size:
        how += f"; scaled from {own[0]}x{own[1]}"
    return weights, how


@contextmanager
def _opened(data: bytes, name: str) -> "Generator[tuple[Image.Image, Header | None]]":
    """The opened picture, and its header if it is a PNG, JPEG or WebP."""
    kind = taken_format(data[:HEAD])
    assert kind is not None, "the caller has looked at the format"
    if kind not in SHOWN:
        with open_other(data, kind, name=name) as (image, _, _):
            yield image, None
        return
    try:
        with open_image(data) as image:
            yield image, read_header(data)
    except ValueError as error:
        raise UnreadableSource(f"{name} {error}. Save the mask anew as a PNG.") from None


def _check_ratio(own: Size, size: Size, name: str) -> None:
    if has_ratio(own, size):
        return
    turned = has_ratio((own[1], own[0]), size)
    raise UnreadableSource(
        f"{name} is {own[0]}x{own[1]} and the first picture {size[0]}x{size[1]}: a mask has the size of that"
        " picture, or another one of the same ratio."
        f"{' If the photo was turned upright, turn the mask as well.' if turned else ''}"
    )


def _weights(image: "Image.Image", name: str) -> "tuple[Image.Image, str]":
    if image.mode == "RGBA":
        alpha = image.getchannel("A")
        least = cast("tuple[int, int]", alpha.getextrema())[0]
        if least < _HALF:
            # The API changes what is fully transparent. Where nothing is, what is more transparent than not is meant.
            lookup = [FULL - level for level in range(256)] if least == 0 else [FULL] * _HALF + [0] * _HALF
            how = BY_TRANSPARENCY if least == 0 else _MOSTLY
            return alpha.point(lookup), how  # pyright: ignore[reportUnknownMemberType] - numpy's
        image = image.convert("L")
    counts = image.histogram()
    plain = sum(counts[: _NEAR + 1]) + sum(counts[FULL - _NEAR :])
    if plain < math.floor(sum(counts) * _PLAIN_SHARE):
        raise UnreadableSource(
            f"{name} looks like a photo and not like a mask: a mask is transparent where the picture is to change, or"
            " black with white there. Or give the part as a shape, such as `box 120,40 300x200`."
        )
    lookup = [0] * (_NEAR + 1) + list(range(_NEAR + 1, FULL - _NEAR)) + [FULL] * (_NEAR + 1)
    return image.point(lookup), BY_WHITE  # pyright: ignore[reportUnknownMemberType] - numpy's
