"""What reads arguments, and texts of others, takes time that grows with their length: it is measured at n and at 4n."""

import sys
from collections.abc import Callable, Iterable, Mapping

import pytest
from patience import rounds
from promises import promise

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.library.targets import read_target
from gpt_image_2_mcp.masks.found import parse_find
from gpt_image_2_mcp.masks.words import parse_words as parse_mask
from gpt_image_2_mcp.openai_api.body_reader import read_body
from gpt_image_2_mcp.openai_api.error_body import read_error
from gpt_image_2_mcp.openai_api.events import read_events
from gpt_image_2_mcp.openai_api.loose_parser import find_pictures, find_usage, leave_out_pictures, may_hold_picture
from gpt_image_2_mcp.openai_api.origin import says
from gpt_image_2_mcp.openai_api.results import decode_base64
from gpt_image_2_mcp.parameters.models import (
    EditRequest,
    EndSessionRequest,
    GenerateRequest,
    ListImagesRequest,
    ShowImageRequest,
    parse,
)
from gpt_image_2_mcp.parameters.normalize import normalize
from gpt_image_2_mcp.redaction.key import redact_key
from gpt_image_2_mcp.redaction.printable import printable, quoted_line

from .measure import cpu_s

SIZE = rounds(50_000, 1_000_000)
SIZES = {"redact_key": rounds(25_000, 100_000)}
"""Of those that take a microsecond for a character, and so show sooner how they grow."""
MOST = 9.0
"""Four times the text takes four times as long where the time grows with it, and sixteen times where it is squared."""
SHORT_S = 0.05
"""Less time than this is not compared: it is that of the clock and of the collector."""

PIECES = (
    "safety_violations=[",
    "try again in 1",
    "try again in 1.1.1",
    "<script <",
    "<title",
    '"b64_json":"',
    '"b64_json" : ',
    '"b64_json":"iVBORw0KGgo',
    "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJ ",
    "A" * 31 + " ",
    "A" * 33 + " ",
    "data:image/png;base64,",
    "data: {}\n",
    "data: {}\n\n",
    "data:\r",
    "\r\n",
    "\\",
    '\\"',
    "\\u002b",
    '"usage": {',
    "partial_image",
    "sk-",
    "sk-aaaa-",
    "[",
    '{"a":',
    " ",
    "\x1b[31m",
    "&#115;",
    "Zq73hDpV",
)

READERS: Mapping[str, Callable[[str], object]] = {
    "find_pictures": lambda text: find_pictures(text.encode()),
    "leave_out_pictures": lambda text: leave_out_pictures(text.encode()),
    "may_hold_picture": lambda text: may_hold_picture(text.encode()),
    "find_usage": lambda text: find_usage(text.encode()),
    "read_body": lambda text: read_body(text.encode()),
    "read_events": lambda text: list(read_events(_pieces(text.encode()))),
    "decode_base64": lambda text: _ignored(decode_base64, text),
    "read_error": read_error,
    "read_error of a message": lambda text: read_error({"error": {"message": text}}),
    "says": says,
    "redact_key": lambda text: redact_key(text, "sk-proj-Zq73hDpVt0LmXw9BsecretNotToBeShown"),
    "printable": printable,
    "quoted_line": quoted_line,
}


def _pieces(data: bytes) -> list[bytes]:
    return [data[at : at + 65536] for at in range(0, len(data), 65536)]


def _ignored(work: Callable[[str], object], text: str) -> None:
    try:
        work(text)
    except (ValueError, BadRequest):
        return


ARGUMENT_PIECES = (" ", "\n", "a ", " grow 1", "1,", ".png ", "box 1,1 2x2 + ", "[x](", "-", "(", "find ")
ARGUMENTS: Mapping[str, Callable[[str], object]] = {
    "mask": lambda text: _ignored(parse_mask, text),
    "target of an export": lambda text: _ignored(read_target, f"x{text}!"),
    "mask that names a thing": lambda text: _ignored(parse_find, f"find a{text} !"),
    **{
        f"{request.__name__} {name}": lambda text, request=request, name=name: _ignored(
            lambda value: parse(request, {name: value}), f"{text}!"
        )
        for request, name in (
            (EndSessionRequest, "session_id"),
            (ListImagesRequest, "session_id"),
            (GenerateRequest, "filename_prefix"),
            (GenerateRequest, "size"),
            (EditRequest, "images"),
            (ShowImageRequest, "region"),
        )
    },
}


@promise("Backend", "The time for reading a text of a backend grows with its length and no faster.")
@pytest.mark.parametrize("reader", READERS)
def test_the_time_for_a_text_grows_with_its_length_and_no_faster(reader: str) -> None:
    assert not _slow_pieces(reader, READERS[reader], PIECES)


@promise("Quantity", "The time for reading an argument of a tool grows with its length and no faster.")
@pytest.mark.parametrize("argument", ARGUMENTS)
def test_the_time_for_an_argument_grows_with_its_length_and_no_faster(argument: str) -> None:
    assert not _slow_pieces(argument, ARGUMENTS[argument], ARGUMENT_PIECES)


def test_a_long_extension_is_refused_by_its_length_unread() -> None:
    arguments = {"images": ["a.png"], "prompt": "x", "extend": f"left 1{' ' * 200_000}!"}
    with pytest.raises(BadRequest, match="at most 100 characters"):
        parse(EditRequest, arguments)


def test_a_list_as_text_that_has_thousands_of_values_is_no_list() -> None:
    """Each value of two bytes would take five hundred."""
    for value in ("{},", "'a',"):
        text = f"[{value * 240_000}]"
        assert normalize(EditRequest, {"images": text, "prompt": "x"})["images"] == [text]


def _slow_pieces(reader: str, read: Callable[[str], object], pieces: Iterable[str]) -> list[str]:
    """The pieces of which a text takes longer than its length explains."""
    slow: list[str] = []
    worst = ("", 0.0, 0.0)
    for piece in pieces:
        text = piece * (SIZES.get(reader, SIZE) // len(piece))
        at_n, at_4n = cpu_s(lambda text=text: read(text)), cpu_s(lambda text=text: read(text * 4))
        if at_4n > worst[2]:
            worst = (piece, at_n, at_4n)
        if at_4n > SHORT_S and at_4n > MOST * max(at_n, SHORT_S / 4):
            # Once more: another process may have taken the caches.
            at_n, at_4n = cpu_s(lambda text=text: read(text)), cpu_s(lambda text=text: read(text * 4))
            if at_4n > MOST * max(at_n, SHORT_S / 4):
                slow.append(f"{piece!r}: {at_n:.3f} s at n, {at_4n:.3f} s at 4n")
    sys.stdout.write(f"{reader:24} slowest with {worst[0]!r:50} {worst[1]:6.3f} s at n, {worst[2]:6.3f} s at 4n\n")
    return slow
