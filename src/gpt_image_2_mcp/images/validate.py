"""Checks that bytes are a picture which can be sent to the API, and converts the ones that it would refuse.

`validate` decodes an input image completely. Its pixels are sent as the file has them, without what else is in the file
(`metadata`), unless its header shows that the API would refuse or misread it: then `normalize` re-encodes it, and
`ValidatedImage.change` tells the user. A large picture is decoded in a child process; `memory` says which and why.
"""

import io
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import ChildFailed, ChildOutOfMemory, UnreadableSource
from .formats import LABEL
from .headers import Facts, Header, facts, read_header
from .memory import DECODING, MARGIN, TOTAL, check_size, decode_in_child, is_small
from .metadata import without_metadata
from .normalize import encode, to_plain_mode
from .structure import check_structure

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 50_000_000
"""Bytes of one picture: "each under 50 MB" (OpenAI's reference for `images.edit`, read 2026-11-22)."""

_FILTER_LOCK = threading.Lock()
"""Held while a picture is open: the filters of warnings are those of the whole process."""
_CHECKED_SCALE = 8
"""A JPEG that goes as it came is decoded at an eighth of its size: all of its data is read, in little memory."""


@dataclass(frozen=True, slots=True)
class ValidatedImage:
    """A picture that can be sent. `change` says in a sentence what was converted; None if the pixels are unchanged."""

    data: bytes
    facts: Facts
    change: str | None = None


def validate(data: bytes, *, name: str = "The picture") -> ValidatedImage:
    """Decode a picture completely, and give the bytes to send for it. Messages about it begin with `name`.

    Blocks for up to some seconds: call it in a thread.

    Raises:
        UnreadableSource: it is larger than `MAX_BYTES` or `MAX_PIXELS`, or is no complete PNG, JPEG or WebP.

    """
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{name} has {len(data):,} bytes, and {MAX_BYTES:,} is the most: shrink it first.")
    try:
        header = read_header(data)
        check_size(header)
    except ValueError as exc:
        raise _refusal(name, exc) from None
    if is_small(header):
        with DECODING.reserve():
            return validate_here(data, header, name=name)
    try:
        found = decode_in_child("validate", data, name=name)
    except ChildOutOfMemory as exc:
        raise UnreadableSource(f"{name} cannot be decoded. {exc} Shrink it first.") from None
    except (ChildFailed, ValueError) as exc:
        raise UnreadableSource(str(exc)) from None
    sent = found.data or data
    return ValidatedImage(data=sent, facts=facts(sent), change=found.values["change"])


def validate_here(data: bytes, header: Header, *, name: str) -> ValidatedImage:
    """What `validate` does, in this process; raises UnreadableSource as it does."""
    try:
        check_structure(data, kind=header.facts.format, inflated=header.inflated)
    except ValueError as exc:
        raise _refusal(name, exc) from None
    with _open(data, header, name=name) as image:
        # A PNG may have its orientation behind its pixels.
        orientation = _orientation(image) if header.facts.format != "png" else 1
        changes = _changes(header, turned=orientation > 1)
        if header.facts.format == "jpeg":
            _draft(image, header, is_changed=bool(changes), size=len(data))
        image.load()
        if header.facts.format == "png":
            orientation = _orientation(image)
            changes = _changes(header, turned=orientation > 1)
        if not changes:
            return ValidatedImage(data=without_metadata(data, header.facts.format), facts=header.facts)
        full = (header.facts.width, header.facts.height)
        if image.size != full:
            changes.insert(
                0, ("reduced to half its width and height", f"at {full[0]}x{full[1]} it takes too much memory")
            )
        plain = to_plain_mode(image, header, orientation=orientation)
        if plain is not image:
            # Its pixels need not stay in memory now.
            image.close()
        rebuilt = encode(plain, limit=MAX_BYTES)
    if rebuilt is None:
        raise UnreadableSource(
            f"{name} would be over {MAX_BYTES:,} bytes in a form that the API takes: shrink it first."
        )
    sent = facts(rebuilt)
    done = ", ".join(did for did, _ in changes)
    why = "; ".join(because for _, because in changes)
    return ValidatedImage(
        data=rebuilt,
        facts=sent,
        change=f"{name} was {done} and re-encoded as {LABEL[sent.format]}: {why}.",
    )


def _refusal(name: str, why: ValueError) -> UnreadableSource:
    return UnreadableSource(f"{name} {why}. Save it anew as a PNG, JPEG or WebP.")


def _draft(image: "Image.Image", header: Header, *, is_changed: bool, size: int) -> None:
    """Have a JPEG decoded at a smaller size if its pixels are not used, or there is no memory for it and its copy."""
    width, height = header.facts.width, header.facts.height
    if not is_changed:
        image.draft(None, (max(1, width // _CHECKED_SCALE), max(1, height // _CHECKED_SCALE)))
    elif header.buffered + 8 * width * height + size + MAX_BYTES > TOTAL - MARGIN:
        image.draft(None, (width // 2, height // 2))


@contextmanager
def _open(data: bytes, header: Header, *, name: str) -> "Generator[Image.Image]":
    """Open a picture with Pillow; whatever fails in the block refuses the picture, but for a lack of memory."""
    from PIL import Image

    try:
        with _FILTER_LOCK, warnings.catch_warnings():
            # Pillow warns of odd metadata, which does not matter here, and of too many pixels, which does.
            warnings.simplefilter("ignore")
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            with Image.open(io.BytesIO(data), formats=(header.facts.format,)) as image:
                # The two readers of the header must agree, or the bound on pixels was checked on another picture.
                if image.size != (header.facts.width, header.facts.height):
                    raise ValueError  # noqa: TRY301 - one refusal for all that does not decode
                yield image
    except (MemoryError, UnreadableSource):
        raise
    except Exception:  # noqa: BLE001 - on hostile bytes Pillow raises nearly anything; all of it means "no picture"
        raise UnreadableSource(
            f"{name} begins like a {LABEL[header.facts.format]} but does not decode: it is cut short or damaged. "
            f"Save it anew as a PNG, JPEG or WebP."
        ) from None


def _orientation(image: "Image.Image") -> int:
    """EXIF orientation, 1 to 8; 1 (upright) where it is missing or cannot be read."""
    from PIL import ExifTags

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            value = image.getexif().get(ExifTags.Base.Orientation, 1)
    except Exception:  # noqa: BLE001 - damaged metadata raises nearly anything, and is no reason to refuse a picture
        return 1
    return value if isinstance(value, int) and value in range(1, 9) else 1


def _changes(header: Header, *, turned: bool) -> list[tuple[str, str]]:
    """What must be converted so that the API takes the picture: pairs of what is done and why. Empty if nothing."""
    alpha = header.facts.alpha
    known = [
        (turned, "turned upright", "its EXIF orientation would have been ignored"),
        (header.several, "reduced to its first picture", "the API takes no file with several (MPO)"),
        (header.animated, "reduced to its first frame", "the API takes no animation"),
        (header.colour == "cmyk", "converted from CMYK to RGB", "the API takes no CMYK"),
        (header.colour == "palette", f"expanded to {'RGBA' if alpha else 'RGB'}", "the API may refuse a palette"),
        (header.colour == "grey+alpha", "expanded to RGBA", "the API may refuse grey with alpha"),
        (
            header.colour_key and header.colour != "palette",
            "given an alpha channel",
            "the API may ignore a transparent colour",
        ),
        (
            header.bits != 8 and header.colour != "palette",  # noqa: PLR2004 - bits of a channel
            "brought to 8 bits a channel",
            f"the API may refuse {header.bits} bits",
        ),
    ]
    return [(did, because) for applies, did, because in known if applies]
