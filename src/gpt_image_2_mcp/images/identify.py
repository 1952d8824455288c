"""Tells what a file is that came as a picture: its format and size, and whether it is damaged. Decodes no pixel."""

from dataclasses import replace

from .formats import SNIFFED, name_format, sniff
from .headers import Facts, read_header
from .structure import check_chunks

MAX_EDGE = 100_000
"""The longest edge in pixels that is believed of a file's header; no model comes near, and a record allows no more."""


def identify(data: bytes) -> tuple[Facts, bool]:
    """The facts of a file, and whether it is damaged; raises nothing.

    The size is 0x0 where it is not known. Only a PNG, JPEG or WebP can be told to be damaged; what decoders alone see,
    they find when a preview is made.
    """
    kind = sniff(data[:SNIFFED])
    if kind is None:
        return Facts(name_format(data) or "bin", 0, 0, alpha=False), False
    try:
        what = read_header(data).facts
    except ValueError:
        return Facts(kind, 0, 0, alpha=False), True
    if max(what.width, what.height) > MAX_EDGE:
        return replace(what, width=0, height=0), True
    try:
        check_chunks(data, kind=kind)
    except ValueError:
        return what, True
    return what, False
