"""`place` turns the numbers of a mask's words into pixels of the picture, and refuses what lies outside."""

from dataclasses import dataclass

from ..errors import BadRequest
from .words import Kind, Number, Pair, Words

MAX_STRETCH = 0.02
"""How much the ratio of a frame, or of a mask, may differ from the picture's: both are rounded to whole pixels."""

Size = tuple[int, int]
"""Width and height, in pixels."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A shape in pixels of the picture: the corners of a polygon, or left upper and right lower corner of a box."""

    kind: Kind
    corners: tuple[tuple[float, float], ...]
    is_removed: bool

    @property
    def box(self) -> tuple[int, int, int, int]:
        """Left, upper, right and lower edge in whole pixels, at least one pixel wide and high."""
        (left, upper), (right, lower) = self.corners
        x, y = round(left), round(upper)
        return x, y, max(round(right), x + 1), max(round(lower), y + 1)


def place(words: Words, size: Size) -> list[Placed]:
    """The shapes in pixels of a picture of this size.

    Raises:
        BadRequest: a number lies outside the frame, or the frame has another ratio than the picture.

    """
    frame = words.frame or (float(size[0]), float(size[1]))
    _check_ratio(words, size)
    placed: list[Placed] = []
    for part in words.parts:
        corners = [_pixels(corner, frame, size) for corner in part.corners]
        for corner in part.corners:
            _check_inside(corner, words, size)
        if part.size:
            (left, upper), (width, height) = corners[0], _pixels(part.size, frame, size)
            if min(width, height) <= 0:
                raise BadRequest(f"The size {part.size[0]}x{part.size[1]} of a mask's {part.kind} has no pixels.")
            corners.append((left + width, upper + height))
            _check_end(corners[1], part.corners[0], part.size, words, size)
        elif part.kind != "polygon" and (corners[1][0] <= corners[0][0] or corners[1][1] <= corners[0][1]):
            (x0, y0), (x1, y1) = part.corners
            raise BadRequest(
                f"{x0},{y0},{x1},{y1} of the mask's {part.kind} was read as two corners, and the second one is not"
                f" right of and below the first. For a corner and a size write `{part.kind} {x0},{y0} {x1}x{y1}`."
            )
        placed.append(Placed(part.kind, tuple(corners), part.is_removed))
    return placed


def pixels_of(length: Number, size: Size) -> int:
    """A length of the words (`grow`, `feather`) in pixels; a share is one of the picture's short edge."""
    return round(min(size) * length.value / 100 if length.is_percent else length.value)


def _pixels(pair: Pair, frame: tuple[float, float], size: Size) -> tuple[float, float]:
    x, y = (
        number.value / (100 if number.is_percent else units) * whole
        for number, units, whole in zip(pair, frame, size, strict=True)
    )
    return x, y


def has_ratio(frame: tuple[float, float], size: Size) -> bool:
    """Whether a frame, or a mask of this size, can be one of a picture: both are rounded to whole pixels."""
    width, height = frame
    # A small frame is rounded more.
    return abs(width * size[1] / (height * size[0]) - 1) <= max(MAX_STRETCH, 1 / min(width, height))


def _check_ratio(words: Words, size: Size) -> None:
    if words.frame is None or words.is_stretched or has_ratio(words.frame, size):
        return
    width, height = words.frame
    raise BadRequest(
        f"The mask's frame {width:.10g}x{height:.10g} has another ratio than the picture, which is"
        f" {size[0]}x{size[1]}: name the size at which you saw the whole picture, or `of 1000` for numbers from 0"
        " to 1000 along both edges."
    )


def _check_inside(corner: Pair, words: Words, size: Size) -> None:
    for name, number, most in zip("xy", corner, words.frame or size, strict=True):
        if not 0 <= number.value <= (100 if number.is_percent else most):
            raise _outside(f"{name} {number}", words, size)


def _check_end(end: tuple[float, float], corner: Pair, lengths: Pair, words: Words, size: Size) -> None:
    for edge, at, most, start, length in zip(("right", "lower"), end, size, corner, lengths, strict=True):
        # Shares that make up the whole may exceed it by a rounding.
        if at > most * (1 + 1e-9):
            raise _outside(f"the {edge} edge, {start} + {length},", words, size)


def _outside(what: str, words: Words, size: Size) -> BadRequest:
    own = f"{size[0]}x{size[1]}"
    frame = "x".join(f"{edge:.10g}" for edge in words.frame) if words.frame else own
    return BadRequest(
        f"In the mask, {what} lies outside {frame}. Which frame are these numbers of? Name it behind the shapes: `of"
        " WIDTHxHEIGHT` for the size at which you saw the picture, `of 1000` for 0 to 1000, or use per cent. Without"
        f" `of` they are pixels of the picture itself, {own}."
    )
