"""Makes the mask of an edit from words or from a picture: checked, and encoded as the API takes it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Final

from ..child_process import ChildResult
from ..errors import BadRequest, ChildFailed, GptImageError, UnreadableSource, shorten_line
from ..images.formats import HEAD, SHOWN, taken_format
from ..images.headers import Header, read_header
from ..images.memory import DECODING, SMALL, check_size, decode_in_child, is_small
from ..images.metadata import without_metadata
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..images.validate import accepted_format
from .draw import FULL, ObjectIn, draw
from .encode import encode
from .picture import BY_TRANSPARENCY, read_picture
from .place import Size, place
from .words import parse_words

if TYPE_CHECKING:
    from PIL import Image

MIN_SHARE: Final = 0.0002
MAX_SHARE: Final = 0.98
"""A mask that marks less of the picture, or more, is a mistake."""
MAX_MASK_BYTES: Final = 4_000_000
"""A mask has fewer bytes than this: "less than 4MB" (OpenAI's reference for `images.edit`, read 2026-11-22)."""
_BYTES_A_PIXEL: Final = 4
"""The most that drawing takes: the weights, and what a blur has beside them."""
_WORDS_SHOWN: Final = 120


@dataclass(frozen=True, slots=True)
class Mask:
    """A mask of a picture: an RGBA PNG of the picture's size, transparent where it changes."""

    data: bytes
    width: int
    height: int
    share: float
    """The part of the picture that changes, 0 to 1."""
    box: tuple[int, int, int, int]
    """Left, upper, right and lower edge around all that changes, in pixels."""
    how: str
    """How a picture was read, or an object found, in words; else empty."""

    @classmethod
    def from_values(cls, data: bytes, values: Mapping[str, Any]) -> "Mask":
        """The mask of these bytes, with what a child process says of it."""
        return cls(data, values["width"], values["height"], values["share"], tuple(values["box"]), values["how"])

    @property
    def description(self) -> str:
        """What the mask marks, to stand behind its name."""
        left, upper, right, lower = self.box
        read = f" ({self.how})" if self.how else ""
        return (
            f"marks {_percent(self.share)} of the picture to change{read}, within `box {left},{upper}"
            f" {right - left}x{lower - upper} of {self.width}x{self.height}`"
        )


def mask_from_words(text: str, size: Size, picture: bytes = b"") -> Mask:
    """The mask of a picture of this size that the words describe; `around` looks at the bytes of `picture`. Blocks.

    Raises:
        BadRequest: they are not understood, lie outside the picture, mark nothing or all of it, or need the extra
            `pixels`, which is not installed.

    """
    words = parse_words(text)
    if words is not None and words.needs_picture:
        if not is_installed():
            raise BadRequest(f"`around` in the mask needs the extra `pixels`: {HOW_TO_GET}. Or use `box` in its place.")
        place(words, size)
        return _answered(compute_in_child, "mask_around", picture, BadRequest, text=text, size=list(size))
    if size[0] * size[1] * _BYTES_A_PIXEL <= SMALL:
        with DECODING.reserve():
            return words_here(text, size)
    return _answered(decode_in_child, "mask_in_words", b"", BadRequest, text=text, size=list(size))


def mask_from_picture(data: bytes, size: Size, *, name: str) -> Mask:
    """The mask that a picture stands for, scaled to `size`; messages begin with `name`. Blocks.

    Raises:
        UnreadableSource: it cannot be decoded, has another ratio, is no mask, or marks nothing or everything.

    """
    if accepted_format(data, name=name) in SHOWN:
        try:
            header = read_header(data)
            check_size(header, scaled=False)
        except ValueError as error:
            raise UnreadableSource(f"{name} {error}. Save the mask anew as a PNG.") from None
        if is_small(header) and size[0] * size[1] * _BYTES_A_PIXEL <= SMALL:
            with DECODING.reserve():
                return picture_here(data, size, name=name)
    return _answered(decode_in_child, "mask_in_picture", data, UnreadableSource, size=list(size), name=name)


def words_here(text: str, size: Size, object_in: ObjectIn | None = None) -> Mask:
    """What `mask_from_words` does, in this process; `object_in` is as in `draw`."""
    words = parse_words(text)
    if words is None:
        raise ValueError(f"no mask in words: {text}")
    what = f"The mask `{shorten_line(text, _WORDS_SHOWN)}`"
    return _checked(draw(words, size, object_in), what, "", BadRequest, is_inverted=words.is_inverted)


def picture_here(data: bytes, size: Size, *, name: str) -> Mask:
    """What `mask_from_picture` does, in this process."""
    weights, how = read_picture(data, size, name=name)
    mask = _checked(weights, name, how, UnreadableSource)
    if how == BY_TRANSPARENCY and len(data) < MAX_MASK_BYTES and _is_sendable(data):
        # It goes as it came, with the colours under its transparency.
        return replace(mask, data=without_metadata(data, "png"))
    return mask


def _is_sendable(data: bytes) -> bool:
    """Whether a mask that was read without scaling is such a PNG as the API takes."""
    if taken_format(data[:HEAD]) != "png":
        return False
    header: Header = read_header(data)
    return header.colour == "rgba" and header.bits == 8 and not header.animated and b"eXIf" not in data  # noqa: PLR2004


def _checked(
    weights: "Image.Image", what: str, how: str, error: type[GptImageError], *, is_inverted: bool = False
) -> Mask:
    share, box = share_of(weights), weights.getbbox()
    read = f" ({how})" if how else ""
    if box is None or share < MIN_SHARE:
        part = f"{_percent(share)} of the picture" if box else "nothing"
        raise error(
            f"{what} marks {part} to change{read}: mark a larger part, and name the frame if the numbers are not pixels"
            " of the picture (`of 1` for shares from 0 to 1), or leave out `mask`."
        )
    if share > MAX_SHARE:
        rest = (
            f"what is to stay has to be at least {_percent(1 - MAX_SHARE)} of the picture"
            if is_inverted
            else "to change the rest turn the mask round (`everything but …`)"
        )
        raise error(
            f"{what} marks {_percent(share)} of the picture to change{read}: to change all of it leave out `mask`;"
            f" {rest}."
        )
    data = encode(weights)
    if len(data) >= MAX_MASK_BYTES:
        raise error(
            f"{what} has {len(data):,} bytes and must have fewer than {MAX_MASK_BYTES:,}: save it with plain areas, or"
            " shrink both pictures."
        )
    return Mask(data, *weights.size, share, box, how)


def share_of(weights: "Image.Image") -> float:
    """The part of a picture that changes by its weights, 0 to 1."""
    counts = weights.histogram()
    return sum(level * count for level, count in enumerate(counts)) / FULL / sum(counts)


def _answered(
    run: Callable[..., ChildResult], task: str, data: bytes, error: type[GptImageError], **arguments: Any
) -> Mask:
    """Have a function of `tasks` make a mask in a child process."""
    try:
        found = run(f"{__package__}.tasks:{task}", data, **arguments)
    except (ChildFailed, ValueError) as failure:
        raise error(str(failure)) from None
    return Mask.from_values(found.data, found.values)


def _percent(share: float) -> str:
    """A share in per cent, with two digits that say something."""
    if 0 < share < 0.00001:  # noqa: PLR2004 - it would be written as nothing
        return "less than 0.001%"
    digits = 1 if share >= 0.001 or share == 0 else 3  # noqa: PLR2004 - a tenth of a per cent
    return f"{share:.{digits}%}"
