"""Makes thumbnails: small copies of pictures for contact sheets and the gallery."""

from typing import TYPE_CHECKING, Final

from ..errors import ChildFailed
from .decode import as_shown, open_image, reduced
from .encode import Step, encode, without_opaque_alpha
from .headers import Facts, read_header
from .memory import DECODING, MAX_PIXELS, check_size, decode_in_child, is_small
from .preview import open_scaled

if TYPE_CHECKING:
    from PIL import Image

EDGE: Final = 288
"""The long edge of a thumbnail, in pixels: five of them side by side are 1,500, more than chats show of a picture."""
QUALITY: Final = 82
"""The quality of the encoder."""


def make_thumbnail(data: bytes) -> bytes | None:
    """Scale a PNG, JPEG or WebP down to at most `EDGE` pixels either way, and encode it; None if it is broken."""
    try:
        header = read_header(data)
        check_size(header, shrinks=True)
        if is_small(header, scaled=True):
            with DECODING.reserve():
                return thumbnail_here(data)
        return decode_in_child("thumbnail", data).data
    except (ValueError, MemoryError, ChildFailed):
        return None


def thumbnail_here(data: bytes) -> bytes:
    """Make a thumbnail in this process; raises ValueError if the picture is broken."""
    found = read_header(data).facts
    if found.width * found.height > MAX_PIXELS:
        return encode(Step(_of_large(data, found), QUALITY)).data
    with open_image(data) as image:
        return encode(Step(_scaled_down(image), QUALITY)).data


def _of_large(data: bytes, found: Facts) -> "Image.Image":
    """A small copy of a picture that is shrunk while it is decoded."""
    with open_scaled(data, found, EDGE) as image:
        image.thumbnail((EDGE, EDGE))
        return without_opaque_alpha(image)


def _scaled_down(opened: "Image.Image") -> "Image.Image":
    from PIL import Image

    image = opened
    mode = "RGBA" if image.has_transparency_data else "RGB"
    ratio = min(1.0, EDGE / image.width, EDGE / image.height)
    size = (max(1, round(image.width * ratio)), max(1, round(image.height * ratio)))
    image.draft("RGB", size)
    image.load()
    # `reduce` averages whole pixels, at a quarter of the cost of `resize`, which then does the rest.
    factor = (max(1, image.width // size[0]), max(1, image.height // size[1]))
    image = reduced(image, mode, factor)
    if image.size != size:
        image = image.resize(size, Image.Resampling.BICUBIC)  # pyright: ignore[reportUnknownMemberType] - numpy's
    return without_opaque_alpha(as_shown(image, opened))
