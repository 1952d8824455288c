"""Makes previews: pictures small enough for an answer, whose size clients limit.

A picture that fits is taken as it is. Any other is scaled down and encoded as JPEG, or as WebP if it has transparency,
by the first of `STEPS`, from large and fine to small and coarse, that needs no more than its share of bytes. The file
of the picture is not touched.
"""

import io
import logging
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ..errors import ChildFailed
from .bad_parts import without_bad_parts
from .decode import as_shown, is_plain, reduced
from .encode import EncodedImage, Step, encode_to_fit, without_opaque_alpha
from .formats import MIME
from .headers import Facts, facts, read_header
from .identify import identify
from .memory import DECODING, MAX_PIXELS, MAX_SHRUNK_PIXELS, check_size, decode_in_child, is_small
from .structure import check_parts

if TYPE_CHECKING:
    from PIL import Image

logger = logging.getLogger(__name__)

MAX_PICTURE_BYTES = 525_000
"""Bytes of all pictures of one answer together, before base64, which makes four bytes of three.

Claude Desktop accepts 1,000,000 bytes of a tool's result (measured 2026-11): the rest is for the text, a prompt of
32,000 characters in `_meta` at six bytes per character, and the links.
"""
MIN_EDGE = 512
"""The smallest long edge of a preview, in pixels: in a smaller one too little can be seen."""

STEPS = (
    (1536, 85),
    (1280, 80),
    (1024, 78),
    (1024, 60),
    (768, 65),
    (768, 45),
    (MIN_EDGE, 60),
    (MIN_EDGE, 40),
    (MIN_EDGE, 22),
    (MIN_EDGE, 10),
    (MIN_EDGE, 3),
)
"""Long edge and encoder quality, best first."""
_PNG_HEAD = 4096
"""Bytes in which a PNG's colour profile and EXIF begin, if they stand before the pixels."""
POINTING_EDGE = 1024
"""The longest edge, in pixels, of a preview in which a model is to point at something: clients that shrink what they
show would change the frame of its numbers, and none shrinks this."""
GOOD_EDGE = 1024
"""The long edge, in pixels, from which on averaging whole pixels is good enough; a resize takes four times as long."""


@dataclass(frozen=True, slots=True)
class Preview:
    """An encoded picture, ready to be put into an answer."""

    base64: str
    mime_type: str


def make_preview(data: bytes, facts: Facts, *, share: int, max_edge: int | None = None) -> Preview | None:
    """Encode a picture in at most `share` bytes and `max_edge` pixels; None if that fails. Blocks: call it in a thread.

    Raises:
        ValueError: the picture cannot be decoded.

    """
    try:
        header = read_header(data)
        check_size(header, shrinks=True)
    except ValueError:
        return None
    try:
        if len(data) <= share:
            check_decodes(data, facts)
        is_short = max_edge is None or max(facts.width, facts.height) <= max_edge
        if len(data) <= share and is_short and is_plain(data, facts.format):
            return Preview(_base64(data), MIME[facts.format])
        if not is_small(header, scaled=True):
            found = decode_in_child("preview", data, share=share, max_edge=max_edge)
            return Preview(_base64(found.data), MIME[found.values["format"]]) if found.data else None
        with DECODING.reserve():
            encoded = preview_here(data, facts, share=share, max_edge=max_edge)
        return Preview(_base64(encoded.data), MIME[encoded.format]) if encoded else None
    except ValueError:
        raise
    except ChildFailed as error:
        logger.warning("no preview could be made of a picture: %s", error)
    except Exception:
        # The picture is paid for and saved: whatever goes wrong here (no memory, say) is no failure of the call.
        logger.exception("no preview could be made of a picture")
    return None


def preview_here(data: bytes, facts: Facts, *, share: int, max_edge: int | None = None) -> EncodedImage | None:
    """What `make_preview` does, in this process; None if it does not fit.

    Raises:
        ValueError: the picture cannot be decoded.

    """
    from PIL import Image

    try:
        steps = _possible_steps(share, max_edge)
        with open_scaled(data, facts, steps[0][0]) as image:
            return encode_to_fit(_scaled_steps(image, steps), max_bytes=share)
    except (OSError, ValueError, SyntaxError, AssertionError, Image.DecompressionBombError) as error:
        raise ValueError(f"cannot be decoded ({error})") from None


def unscaled_preview(data: bytes, facts: Facts) -> Preview:
    """The file's own bytes as a preview, whatever their size; raises ValueError if they cannot be decoded."""
    check_size(read_header(data))
    check_decodes(data, facts)
    return Preview(_base64(data), MIME[facts.format])


def pointing_text(*previews: Preview) -> str:
    """At which size pictures are shown, and how a mask names what is seen there; to stand behind "is" or "are"."""
    import pybase64

    seen = [facts(pybase64.b64decode(preview.base64)) for preview in previews]
    sizes = list(dict.fromkeys(f"{each.width}x{each.height}" for each in seen))
    said = f"shown at {', '.join(sizes)}"
    if max(max(each.width, each.height) for each in seen) > STEPS[0][0]:
        # Whole files: what a client shrinks them to is not known here.
        return (
            f"{said}, which your client may shrink. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of 1000`,"
            " in numbers from 0 to 1000 along both edges."
        )
    if len(sizes) > 1:
        return f"{said}, in this order. To point at a part of one in `mask`: `box LEFT,TOP WIDTHxHEIGHT of` its size."
    return f"{said}. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of {sizes[0]}`."


def share_of(count: int) -> int:
    """Bytes that each of `count` pictures may have in one answer; the sheet of several has as many."""
    return MAX_PICTURE_BYTES // (count + 1 if count > 1 else 1)


def check_decodes(data: bytes, facts: Facts) -> None:
    """Decode a picture that is shown as it is: a model's API refuses a request with one that it cannot decode. Blocks.

    One that would take too much memory (`check_size`) is not decoded.

    Raises:
        ValueError: it cannot be decoded, or only by a decoder that overlooks damage.
        MemoryError: there is too little memory or time to find that out.
        ImportError: a decoder cannot be loaded.

    """
    _, broken = identify(data)
    if broken:
        raise ValueError("is damaged")
    check_pixels(data, facts)


def check_pixels(data: bytes, facts: Facts) -> None:
    """As `check_decodes`, for a picture that `identify` has found nothing wrong with."""
    try:
        header = read_header(data)
        check_size(header)
    except ValueError:
        return
    if is_small(header, scaled=True):
        with DECODING.reserve():
            check_here(data, facts)
        return
    try:
        decode_in_child("check", data)
    except ChildFailed as error:
        raise MemoryError(str(error)) from None


def check_here(data: bytes, facts: Facts) -> None:
    """Decode a picture in this process; raises as `check_decodes` does."""
    from .png_decoder import is_whole_png

    if facts.format == "png" and is_whole_png(data):
        return
    try:
        with open_scaled(data, facts, STEPS[0][0]):
            pass
    except (MemoryError, ImportError):
        raise
    except Exception as error:  # noqa: BLE001 - on damaged bytes Pillow raises nearly anything
        raise ValueError(f"cannot be decoded ({error})") from None


@contextmanager
def open_scaled(data: bytes, facts: Facts, edge: int) -> "Generator[Image.Image]":
    """Open a picture, already reduced by a whole factor towards a long edge where the decoder can do that cheaply."""
    from PIL import Image

    from .png_decoder import decode_png

    found = None
    data = without_bad_parts(data, facts.format)
    if facts.format == "png":
        found = decode_png(data, partial(_reduction_factor, edge=edge), max_bytes=8 * MAX_SHRUNK_PIXELS)
        if found is None and facts.width * facts.height > MAX_PIXELS:
            raise ValueError(f"{MAX_PIXELS:,} pixels are the most that are decoded of a PNG of its kind")
    if found:
        # Opening a file costs more than looking for what few have.
        if b"iCCP" in data[:_PNG_HEAD] or b"eXIf" in data[:_PNG_HEAD]:
            # On damaged metadata Pillow raises nearly anything, and the pixels are decoded already.
            with suppress(Exception), Image.open(io.BytesIO(data), formats=("png",)) as image:
                found = as_shown(found, image)
        yield found
        return
    check_parts(data, kind=facts.format)
    with Image.open(io.BytesIO(data), formats=(facts.format,)) as image:
        mode = "RGBA" if image.has_transparency_data else "RGB"
        image.draft("RGB", (edge, edge))
        image.load()
        yield as_shown(reduced(image, mode, _reduction_factor(max(image.size), edge)), image)


def _possible_steps(share: int, max_edge: int | None) -> list[tuple[int, int]]:
    """The steps that may need no more than `share` bytes and `max_edge` pixels."""
    # Even a flat picture takes about a byte in 40 pixels at these qualities.
    fitting = [step for step in STEPS if step[0] == MIN_EDGE or step[0] ** 2 / 40 <= share]
    return [step for step in fitting if max_edge is None or step[0] <= max_edge]


def _scaled_steps(image: "Image.Image", steps: Sequence[tuple[int, int]]) -> Iterator[Step]:
    """The picture at each step, scaled down from the step before; a picture is never scaled up."""
    from PIL import Image

    current = image.convert("RGB") if image.mode == "L" else without_opaque_alpha(image)
    for edge, quality in steps:
        if max(current.size) > edge:
            ratio = edge / max(current.size)
            size = (max(1, round(current.width * ratio)), max(1, round(current.height * ratio)))
            current = current.resize(size, Image.Resampling.BILINEAR)  # pyright: ignore[reportUnknownMemberType] - numpy's
        yield Step(current, quality, alpha_quality=quality)
    if current.mode == "RGBA":
        # Noise in the transparency may need more than all bytes: a picture on white is better than none.
        flat = Image.new("RGB", current.size, "white")
        flat.paste(current, mask=current.getchannel("A"))
        for edge, quality in STEPS:
            if edge == MIN_EDGE:
                yield Step(flat, quality)


def _reduction_factor(longest: int, edge: int) -> int:
    """How many pixels of a row are averaged to one before the resize to `edge`, or instead of it if enough are left."""
    whole = -(-longest // edge)
    return whole if longest // whole >= min(edge, GOOD_EDGE) else max(1, longest // edge)


def _base64(data: bytes) -> str:
    import pybase64

    return pybase64.b64encode_as_string(data)
