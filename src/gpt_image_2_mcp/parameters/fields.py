"""The types of all parameters: what a value may be, and the description that a client's model reads.

Each type carries its bounds and its description once; `models` puts them together into requests. The JSON schemas of
the tools, the checks and `--help` all come from these types, so that they cannot disagree. Bounds: OpenAI's API
reference, read 2026-11-22.
"""

from typing import Annotated, Literal
from unicodedata import category

from pydantic import AfterValidator, BeforeValidator, Field

from .extension import parse_extension
from .sizes import normalize_size

MAX_PROMPT = 32_000
"""Characters of a prompt."""
MAX_PICTURES = 10
"""Pictures that one request makes."""
MAX_INPUTS = 16
"""Input pictures that one edit takes (OpenAI's reference for `images.edit`)."""

MAX_UPLOAD = 50_000_000
"""Bytes of an input picture, as `images.validate.MAX_BYTES`."""


_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols of Unicode that are drawn as nothing."""


def _check_not_blank(text: str) -> str:
    # Letters, numbers, punctuation and symbols; the rest is blanks, controls and marks on other characters.
    if not any(category(char)[0] in "LNPS" and char not in _INVISIBLE for char in text):
        raise ValueError("`prompt` must say something: it is blank, or has no visible character")
    return text


def _check_model(name: str) -> str:
    if not name.isprintable():
        raise ValueError("`model` must be the name of an image model, such as gpt-image-2")
    return name.strip()


def _check_extension(text: str) -> str:
    parse_extension(text)
    return text.strip()


def _normalize_choice(value: object) -> object:
    """Accept capitals and spaces around a choice, `jpg` for `jpeg`, and a format as a MIME type or an ending."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower().removeprefix("image/").removeprefix(".")
    return "jpeg" if word == "jpg" else word


Prompt = Annotated[str, Field(max_length=MAX_PROMPT), AfterValidator(_check_not_blank)]
Size = Annotated[
    str,
    AfterValidator(normalize_size),
    Field(description="auto, WxH, ratio (16:9 4k) or name: story, og, a4@150, app icon…; exact"),
]
Quality = Annotated[
    Literal["auto", "low", "medium", "high", "xhigh", "max"],
    BeforeValidator(_normalize_choice),
    Field(description="low: drafts; xhigh, max: gpt-image-2.5-flare"),
]
Model = Annotated[str, AfterValidator(_check_model), Field(max_length=200, description="default: the server's")]
Count = Annotated[int, Field(ge=1, le=MAX_PICTURES, description="how many")]
Background = Annotated[
    Literal["auto", "opaque", "transparent", "transparent-fine"],
    BeforeValidator(_normalize_choice),
    Field(description="transparent: png, webp; -fine: hair, 2 paid"),
]


def passes_of(background: object) -> int:
    """How many pictures are made for one that is asked for: the second has the same subject on another ground."""
    return 2 if background == "transparent-fine" else 1


OutputFormat = Annotated[
    Literal["png", "jpeg", "webp"], BeforeValidator(_normalize_choice), Field(description="file type")
]
Compression = Annotated[int, Field(ge=0, le=100, description="not for png")]
Moderation = Annotated[
    Literal["auto", "low"], BeforeValidator(_normalize_choice), Field(description="low: less strict")
]
OutputDir = Annotated[str, Field(max_length=4096, description="relative to the server's folder; default Pictures")]
Prefix = Annotated[str, Field(max_length=200, description="for the file's name")]
User = Annotated[str, Field(max_length=128, description="end-user id")]
Source = str
Images = Annotated[
    list[Source],
    Field(
        min_length=1,
        max_length=MAX_INPUTS,
        description="paths (HEIC too), URLs, or made here: id, 'last', number on the last sheet",
    ),
]
MoreImages = Annotated[
    list[Source],
    Field(
        min_length=1,
        max_length=MAX_INPUTS - 1,
        description="more references; the turn's own picture is image 1",
    ),
]
PictureReference = Annotated[str, Field(max_length=4096)]
Like = Annotated[
    PictureReference,
    Field(description="id: its prompt and settings for a NEW picture, not its look"),
]
FromTurn = Annotated[int, Field(ge=0, description="branch from this turn; 0: the originals")]
Mask = Annotated[
    Source,
    Field(
        description="where image 1 changes: `box LEFT,TOP WxH of 1024x683` (as seen), ellipse, polygon, + -,"
        " everything but, `find the car` (paid); or a picture: clear or white there"
    ),
]
Keep = Annotated[
    Literal["auto", "exact", "off"],
    BeforeValidator(_normalize_choice),
    Field(description="exact: the rest stays to the pixel; auto: exact with a mask"),
]
Exported = Annotated[list[Source], Field(min_length=1, max_length=40, description="ids, 'last', numbers, paths")]
Targets = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=40,
        description="each: [crop L,T,R,B of WxH] [rotate 90] [flip] SIZE [FORMAT] [200kB] [FILE]. 'story jpeg',"
        " 'hero.webp 1920x1080 200kB', 'a4@300 pdf', 'favicon', 'app icon' (all its sizes)",
    ),
]
Fit = Annotated[
    Literal["smart", "centre", "pad", "stretch"],
    BeforeValidator(lambda value: "centre" if _normalize_choice(value) == "center" else _normalize_choice(value)),
    Field(description="smart: crop round what matters; pad: all of it"),
]
Replace = Annotated[bool, Field(description="old files of this tool, unchanged since, go to the trash")]
Extend = Annotated[
    str,
    Field(max_length=100, description="grow image 1's canvas: `left 512, top 25%`"),
    # After the length: the time for reading it grows faster than that.
    AfterValidator(_check_extension),
]
Since = Annotated[
    str,
    Field(max_length=60, description="2026-11-22T14:30, yesterday 9:00, last week, 2h"),
]
Until = Annotated[str, Field(max_length=60, description="likewise; that day included")]
SessionId = Annotated[str, Field(max_length=100, description="from start_edit_session")]
Abandon = Annotated[bool, Field(description="only stop waiting for a job that was sent")]
JobId = Annotated[str, Field(max_length=100, description="job-… from an answer")]
MAX_ITEMS = 10_000
"""Items of one batch."""
Items = Annotated[
    list[str],
    Field(
        min_length=1,
        max_length=MAX_ITEMS,
        description="each a prompt, or JSON of generate_image's or edit_image's parameters and name",
    ),
]
BatchFile = Annotated[str, Field(description=".jsonl or .csv of items")]
BatchFolder = Annotated[str, Field(max_length=4096, description="where to save")]
Common = Annotated[str, Field(description="JSON of shared parameters; images: a series' references")]
When = Annotated[
    Literal["now", "cheap"], BeforeValidator(_normalize_choice), Field(description="cheap: half price, up to 24 h")
]
Retry = Annotated[str, Field(description="a batch's id, for its failed lines")]
