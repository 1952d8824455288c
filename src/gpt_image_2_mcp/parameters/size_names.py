"""The names of sizes: one table, which `size`, the targets of an export, `--help`, completion and errors share."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final, NamedTuple

PRINT_DPI: Final = 300
"""Dots per inch of paper whose name comes without any."""
MM_PER_INCH: Final = 25.4


class NamedSize(NamedTuple):
    """Width and height, in pixels or in millimetres of paper, and other names for it."""

    width: float
    height: float
    others: tuple[str, ...] = ()
    is_paper: bool = False


def _paper(width: float, height: float, *others: str) -> NamedSize:
    return NamedSize(width, height, others, is_paper=True)


NAMED_SIZES: Final[Mapping[str, NamedSize]] = MappingProxyType(
    {
        "story": NamedSize(1080, 1920, ("reel", "reels", "tiktok", "shorts", "instagram story")),
        "post": NamedSize(1080, 1350, ("instagram portrait", "feed")),
        "square": NamedSize(1080, 1080, ("instagram", "instagram post", "instagram square")),
        "og": NamedSize(1200, 630, ("open graph", "og image", "link preview", "social card", "facebook")),
        "linkedin": NamedSize(1200, 627, ("linkedin post",)),
        "x post": NamedSize(1600, 900, ("twitter", "tweet", "twitter post")),
        "header": NamedSize(1500, 500, ("x header", "twitter header")),
        "banner": NamedSize(1584, 396, ("linkedin banner",)),
        "leaderboard": NamedSize(728, 90),
        "pin": NamedSize(1000, 1500, ("pinterest", "pinterest pin")),
        "thumbnail": NamedSize(1280, 720, ("youtube thumbnail", "youtube", "hd", "720p")),
        "full hd": NamedSize(1920, 1080, ("fullhd", "fhd", "1080p", "hero", "slide", "presentation")),
        "qhd": NamedSize(2560, 1440, ("2k", "1440p")),
        "4k": NamedSize(3840, 2160, ("uhd", "2160p", "desktop wallpaper", "wallpaper")),
        "phone": NamedSize(1242, 2688, ("phone wallpaper", "iphone")),
        "avatar": NamedSize(512, 512, ("profile", "profile picture")),
        "app icon": NamedSize(1024, 1024, ("icon", "appicon")),
        "favicon": NamedSize(512, 512),
        "album cover": NamedSize(3000, 3000, ("cover", "podcast cover")),
        "book cover": NamedSize(1600, 2560, ("kindle", "ebook cover")),
        **{f"a{n}": _paper(*edges) for n, edges in enumerate(((841, 1189), (594, 841), (420, 594), (297, 420)))},
        "a4": _paper(210, 297),
        "a5": _paper(148, 210),
        "a6": _paper(105, 148),
        "letter": _paper(215.9, 279.4, "us letter"),
        "legal": _paper(215.9, 355.6),
        "tabloid": _paper(279.4, 431.8),
        "postcard": _paper(148, 105),
        "business card": _paper(85, 55, "visiting card"),
    }
)
"""Sizes in pixels are those that the services ask for, read 2026-11; paper is upright."""

ALL_NAMES: Final[Mapping[str, str]] = MappingProxyType(
    {other: name for name, size in NAMED_SIZES.items() for other in (name, *size.others)}
)
"""Every word for a size, and the name that it stands for."""


def names_text() -> str:
    """The names for an error or a help text, paper at its end."""
    screens = [name for name, size in NAMED_SIZES.items() if not size.is_paper]
    papers = [name for name, size in NAMED_SIZES.items() if size.is_paper]
    return f"{', '.join(screens)}; paper: {', '.join(papers)}, as in a4@150"


def pixels_of(name: str, dpi: int | None) -> tuple[int, int]:
    """Width and height in pixels of a name of `NAMED_SIZES`; paper has `dpi`, or else `PRINT_DPI`."""
    size = NAMED_SIZES[name]
    if not size.is_paper:
        return round(size.width), round(size.height)
    each = (dpi or PRINT_DPI) / MM_PER_INCH
    return round(size.width * each), round(size.height * each)
