"""Opens a saved picture to show it: with Pillow, or a PNG with `png_decoder`, which is faster; nothing too large."""

import io
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

from .bad_parts import without_bad_parts
from .colours import in_srgb, is_other
from .formats import FileFormat
from .headers import Facts, Header, facts, read_header
from .memory import check_size, check_source
from .normalize import TRANSPOSED, exif_orientation, in_8_bits, to_plain_mode, upright
from .png_decoder import decode_png
from .structure import check_parts

if TYPE_CHECKING:
    from PIL import Image

_STRIP_PIXELS = 1 << 20
"""Pixels of a strip: 4 MB."""


@contextmanager
def open_image(data: bytes, *, check: Callable[[Header], None] = check_size) -> "Generator[Image.Image]":
    """Open a picture. Pillow decodes it lazily: an error of its decoder inside the block is raised as ValueError too.

    Raises:
        ValueError: the bytes are no PNG, JPEG or WebP, take too much memory (`check`), or are damaged.

    """
    header = read_header(data)
    check(header)
    what = header.facts
    from PIL import Image

    try:
        check_parts(data, kind=what.format)
        data = without_bad_parts(data, what.format)
        with Image.open(io.BytesIO(data), formats=(what.format,)) as image:
            whole = decode_png(data) if what.format == "png" else None
            if whole:
                whole.info = image.info
            yield whole or image
    except MemoryError:
        raise
    except Exception as error:  # noqa: BLE001 - on damaged bytes Pillow raises nearly anything, AssertionError too
        raise ValueError(f"cannot be decoded ({error})") from None


def as_shown(image: "Image.Image", source: "Image.Image") -> "Image.Image":
    """A small copy of the opened file `source` as it is to be shown: in sRGB, and upright by its EXIF."""
    return upright(in_srgb(image, source.info.get("icc_profile")), exif_orientation(source))


def orientation_of(data: bytes, kind: FileFormat) -> int:
    """The EXIF orientation of a file, 1 to 8; 1 if that cannot be read. The pixels are not decoded."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(without_bad_parts(data, kind)), formats=(kind,)) as image:
            return exif_orientation(image)
    except Exception:  # noqa: BLE001 - on damaged bytes Pillow raises nearly anything
        return 1


def upright_facts(data: bytes) -> Facts:
    """The facts of a picture as it is shown: upright by its EXIF, so that width and height may be exchanged.

    Raises:
        ValueError: see `facts`.
    """
    found = facts(data)
    turned = orientation_of(data, found.format) in TRANSPOSED
    return replace(found, width=found.height, height=found.width) if turned else found


def is_plain(data: bytes, kind: FileFormat) -> bool:
    """Whether a file looks the same to every program, also to those that know nothing of profiles and orientations.

    It is not decoded. One with damaged metadata is not plain: some programs show it, and others do not.
    """
    from PIL import Image

    if without_bad_parts(data, kind) is not data:
        return False

    try:
        with Image.open(io.BytesIO(data), formats=(kind,)) as image:
            return exif_orientation(image) == 1 and not is_other(image.info.get("icc_profile"), image.mode)
    except Exception:  # noqa: BLE001 - on damaged metadata Pillow raises nearly anything, and the pixels were decoded
        return True


def reduced(
    image: "Image.Image", mode: str, factor: int | tuple[int, int], box: tuple[int, int, int, int] | None = None
) -> "Image.Image":
    """Convert an image, or a box of it, to `mode`, and average whole pixels: `crop`, `convert` and `reduce`, in strips.

    Done with the whole image, each of them takes the memory of a copy, and `reduce` two where there is transparency.
    """
    from PIL import Image

    if image.mode.startswith("I"):
        # Grey of 16 bits: `convert` clips it at 255.
        image = in_8_bits(image)
    across, down = factor if isinstance(factor, tuple) else (factor, factor)
    left, upper, right, lower = box or (0, 0, *image.size)
    if across == down == 1:
        part = image.crop(box) if box else image
        return part if part.mode == mode else part.convert(mode)
    small = Image.new(mode, (-(-(right - left) // across), -(-(lower - upper) // down)))
    rows = max(1, _STRIP_PIXELS // ((right - left) * down)) * down
    for top in range(upper, lower, rows):
        strip = image.crop((left, top, right, min(top + rows, lower)))
        strip = strip if strip.mode == mode else strip.convert(mode)
        small.paste(strip.reduce((across, down)), (0, (top - upper) // down))
    return small


def open_plain(data: bytes) -> "Image.Image":
    """A picture as `to_plain_mode` gives it, upright; for a child process that has the memory (`check_source`).

    Raises:
        ValueError: it cannot be decoded.

    """
    from PIL import Image

    Image.MAX_IMAGE_PIXELS = None
    with open_image(data, check=check_source) as opened:
        opened.load()
        return to_plain_mode(opened, read_header(data), orientation=exif_orientation(opened))
