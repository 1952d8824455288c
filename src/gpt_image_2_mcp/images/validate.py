"""Checks that bytes are a picture which can be sent to the API, and converts the ones that it would refuse.

`validate` decodes an input image completely. Its pixels are sent as the file has them, without what else is in the file
(`metadata`), unless its header shows that the API or the model would refuse or misread it: then `normalize` re-encodes
it, and `ValidatedImage.change` tells the user. A large picture, or one of another format, is decoded in a child
process; `memory` says which and why.
"""

import io
import math
import threading
import warnings
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from ..errors import ChildFailed, ChildOutOfMemory, UnreadableSource
from .bad_parts import without_bad_parts
from .colours import is_other, profile_name
from .convert import LOSSY, open_other
from .formats import HEAD, LABEL, SHOWN, FileFormat, taken_format
from .headers import Facts, Header, facts, read_header
from .memory import DECODING, MARGIN, MAX_PIXELS, MAX_SHRUNK_PIXELS, TOTAL, check_size, decode_in_child, is_small
from .metadata import without_metadata
from .normalize import encode, exif_orientation, has_transparency, on_plain_ground, to_plain_mode
from .other_formats import why_not_taken
from .structure import check_structure

if TYPE_CHECKING:
    from PIL import Image

MAX_BYTES = 50_000_000
"""Bytes of one picture: "each under 50 MB" (OpenAI's reference for `images.edit`, read 2026-11-22)."""

_FILTER_LOCK = threading.Lock()
"""Held while a picture is open: the filters of warnings are those of the whole process."""
_FIRST_ALONE = (
    "{name} was reduced to its first picture, whose pixels are unchanged: the API takes no file with several (MPO)."
)
_CHECKED_SCALE = 8
"""A JPEG that goes as it came is decoded at an eighth of its size: all of its data is read, in little memory."""


@dataclass(frozen=True, slots=True)
class ValidatedImage:
    """A picture that can be sent. `change` says in a sentence what was converted; None if the pixels are unchanged."""

    data: bytes
    facts: Facts
    change: str | None = None
    marked: tuple[int, int, int, int] | None = None
    """Of a mask: left, upper, right and lower edge around what it marks, in pixels."""


class Prepare(Protocol):
    """Checks the bytes of a picture, and gives those to send; messages begin with `name`. Blocks."""

    def __call__(self, data: bytes, /, *, name: str) -> ValidatedImage:
        """Raise UnreadableSource if the picture cannot be used."""
        ...


def accepted_format(data: bytes, *, name: str) -> FileFormat:
    """The format of a picture that is not too large to be looked at; messages begin with `name`.

    Raises:
        UnreadableSource: it is larger than `MAX_BYTES`, or of no format that is taken.

    """
    if len(data) > MAX_BYTES:
        raise UnreadableSource(f"{name} has {len(data):,} bytes, and {MAX_BYTES:,} is the most: shrink it first.")
    kind = taken_format(data[:HEAD])
    if kind is None:
        raise UnreadableSource(f"{name} {why_not_taken(data[:HEAD])}")
    return kind


def validate(data: bytes, *, name: str = "The picture") -> ValidatedImage:
    """Decode a picture completely, and give the bytes to send for it. Messages about it begin with `name`.

    What is transparent is laid on a plain ground: the model sees the colours that lie hidden there.

    Blocks for up to some seconds: call it in a thread.

    Raises:
        UnreadableSource: it is larger than `MAX_BYTES` or takes too much memory, or is no complete picture of a format
            that is taken.

    """
    if accepted_format(data, name=name) in SHOWN:
        try:
            header = read_header(data)
        except ValueError as exc:
            raise _refusal(name, exc) from None
        try:
            check_size(header, shrinks=True)
            _check_bits(header)
        except ValueError as exc:
            raise UnreadableSource(f"{name} {exc}.") from None
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


def convert_here(data: bytes, *, name: str) -> ValidatedImage:
    """What `validate` does with a file of another format, in this process; raises UnreadableSource as it does."""
    kind = taken_format(data[:HEAD])
    assert kind is not None
    with open_other(data, kind, name=name) as (image, header, parts):
        changes = [(f"converted from {LABEL[kind]}", "the API takes PNG, JPEG and WebP")]
        changes += [(f"reduced to its first {part}", "the API takes one picture a file") for part in parts]
        orientation, needed = _look(image, header)
        return _rebuilt(image, header, changes + needed, orientation=orientation, name=name)


def validate_here(data: bytes, header: Header, *, name: str) -> ValidatedImage:
    """What `validate` does with a PNG, JPEG or WebP, in this process; raises UnreadableSource as it does."""
    try:
        check_structure(data, kind=header.facts.format, inflated=header.inflated)
    except ValueError as exc:
        raise _refusal(name, exc) from None
    if (data := without_bad_parts(whole := data, header.facts.format)) is not whole:
        try:
            # Without the chunk for it there is no transparent colour, and a first picture is still one of several.
            header = replace(read_header(data), animated=header.animated, several=header.several)
        except ValueError as exc:
            raise _refusal(name, exc) from None
    with _open(data, header, name=name) as image:
        # A PNG may have its orientation behind its pixels.
        looked = None if header.facts.format == "png" else _look(image, header)
        if looked and header.facts.format == "jpeg":
            _draft(image, header, is_changed=bool(looked[1]), size=len(data))
        loaded = _load(image, data, header, name=name)
        orientation, changes = looked or _look(image, header)
        full = (header.facts.width, header.facts.height)
        # A JPEG whose pixels are not used is decoded at a smaller size, too.
        is_shrunk = loaded.size != full and (bool(changes) or loaded is not image or full[0] * full[1] > MAX_PIXELS)
        if is_shrunk:
            half = "half" if loaded.size[0] * 3 > full[0] else f"1/{round(full[0] / loaded.size[0])} of"
            because = f"at {full[0]}x{full[1]} it takes too much memory"
            changes.insert(0, (f"reduced to {half} its width and height", because))
        if not changes and not has_transparency(loaded):
            sent = without_metadata(data, header.facts.format)
            return ValidatedImage(sent, header.facts, _FIRST_ALONE.format(name=name) if header.several else None)
        if header.several:
            changes.insert(0, ("reduced to its first picture", "the API takes no file with several (MPO)"))
        return _rebuilt(loaded, header, changes, orientation=orientation, name=name)


def _load(image: "Image.Image", data: bytes, header: Header, *, name: str) -> "Image.Image":
    """Decode an opened picture; a PNG for which there is no memory beside its file is shrunk meanwhile."""
    from .png_decoder import decode_png

    pixels = header.facts.width * header.facts.height
    most = min(MAX_PIXELS, (TOTAL - MARGIN - len(data)) // 4)
    factor = math.ceil(math.sqrt(pixels / most))
    is_whole = header.facts.format != "png" or factor == 1
    shrunk = None if is_whole else decode_png(data, lambda _: factor, max_bytes=8 * MAX_SHRUNK_PIXELS)
    if shrunk is None and (is_whole or pixels <= MAX_PIXELS):
        image.load()
        return image
    if shrunk is None:
        raise UnreadableSource(
            f"{name} is {header.facts.width}x{header.facts.height}, and {MAX_PIXELS:,} pixels are the most that are"
            " decoded of a PNG of its kind: shrink it first."
        )
    shrunk.info = image.info
    return shrunk


def _rebuilt(
    image: "Image.Image",
    header: Header,
    changes: list[tuple[str, str]],
    *,
    orientation: int,
    name: str,
) -> ValidatedImage:
    """Encode a decoded picture anew, with the sentence about what was `changes`, pairs of what was done and why."""
    plain = to_plain_mode(image, header, orientation=orientation)
    if plain is not image:
        # Its pixels need not stay in memory now.
        image.close()
    if has_transparency(plain):
        plain, ground = on_plain_ground(plain)
        because = "the model would see the colours hidden under its transparency"
        changes.append((f"laid on a plain {ground} ground", because))
    rebuilt = encode(plain, limit=MAX_BYTES, lossy=header.facts.format in LOSSY)
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


def _look(image: "Image.Image", header: Header) -> tuple[int, list[tuple[str, str]]]:
    """The EXIF orientation of an opened picture, and what must be converted: pairs of what is done and why."""
    orientation = exif_orientation(image)
    return orientation, _changes(header, image, turned=orientation > 1) + _changes_of_colours(image)


def _changes_of_colours(image: "Image.Image") -> list[tuple[str, str]]:
    profile: object = image.info.get("icc_profile")
    if image.mode == "CMYK" or not is_other(profile, image.mode):
        return []
    assert isinstance(profile, bytes)
    return [(f"converted from {profile_name(profile)} to sRGB", "the model may take its colours for sRGB's")]


def _check_bits(header: Header) -> None:
    if header.facts.format == "jpeg" and header.bits != 8:  # noqa: PLR2004 - bits of a channel
        raise ValueError(
            f"is a JPEG of {header.bits} bits a channel, which few programs read: save it with 8 bits, such as by"
            " `magick in.jpg -depth 8 out.png`"
        )


def _refusal(name: str, why: ValueError) -> UnreadableSource:
    return UnreadableSource(f"{name} {why}. Save it anew as a PNG, JPEG or WebP.")


def _draft(image: "Image.Image", header: Header, *, is_changed: bool, size: int) -> None:
    """Have a JPEG decoded at a smaller size if its pixels are not used, or there is no memory for it and its copy."""
    width, height = header.facts.width, header.facts.height
    pixels = width * height
    if pixels > MAX_PIXELS:
        scale = next(scale for scale in (2, 4, 8) if pixels / scale**2 <= MAX_PIXELS)
        image.draft(None, (width // scale, height // scale))
    elif not is_changed:
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


def _changes(header: Header, image: "Image.Image", *, turned: bool) -> list[tuple[str, str]]:
    """What must be converted so that the API takes the picture: pairs of what is done and why. Empty if nothing."""
    alpha = header.facts.alpha
    guessed = "" if image.info.get("icc_profile") else ", and without a profile its colours are a guess"
    known = [
        (turned, "turned upright", "its EXIF orientation would have been ignored"),
        (header.arithmetic, "decoded from arithmetic coding", "few programs read that"),
        (header.animated, "reduced to its first frame", "the API takes no animation"),
        (header.colour == "cmyk", "converted from CMYK to RGB", f"the API takes no CMYK{guessed}"),
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
