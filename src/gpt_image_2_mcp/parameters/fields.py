"""The types of all parameters: what a value may be, and the description that a client's model reads.

Each type carries its bounds and its description once; `models` puts them together into requests. The JSON schemas of
the tools, the checks and `--help` all come from these types, so that they cannot disagree. Bounds: OpenAI's API
reference, read 2026-11-22.
"""

from typing import Annotated, Literal
from unicodedata import category

from pydantic import AfterValidator, BeforeValidator, Field

from .sizes import normalize_size

MAX_PROMPT = 32_000
"""Characters of a prompt."""
MAX_PICTURES = 10
"""Pictures that one request makes."""
MAX_INPUTS = 16
"""Input pictures that one edit takes (OpenAI's reference for `images.edit`)."""


_INVISIBLE = frozenset("\u115f\u1160\u2800\u3164\uffa0")
"""Letters and symbols of Unicode that are drawn as nothing."""


def _check_not_blank(text: str) -> str:
    # Letters, numbers, punctuation and symbols; the rest is blanks, controls and marks on other characters.
    if not any(category(char)[0] in "LNPS" and char not in _INVISIBLE for char in text):
        raise ValueError("`prompt` must say something: it is blank, or has no visible character")
    return text


def _normalize_choice(value: object) -> object:
    """Accept capitals and spaces around a choice, and `jpg` for `jpeg`."""
    if not isinstance(value, str):
        return value
    word = value.strip().lower()
    return "jpeg" if word == "jpg" else word


Prompt = Annotated[str, Field(min_length=1, max_length=MAX_PROMPT), AfterValidator(_check_not_blank)]
Size = Annotated[
    str,
    AfterValidator(normalize_size),
    Field(description="'auto' or WxH: edges multiples of 16, at most 3840, ratio 1:3 to 3:1, 0.66 to 8.29 megapixels"),
]
Quality = Annotated[
    Literal["auto", "low", "medium", "high", "xhigh", "max"],
    BeforeValidator(_normalize_choice),
    Field(description="low for drafts; xhigh, max: gpt-image-2.5 and later only"),
]
Count = Annotated[int, Field(ge=1, le=MAX_PICTURES, description="how many pictures")]
Background = Annotated[
    Literal["auto", "opaque", "transparent"],
    BeforeValidator(_normalize_choice),
    Field(description="transparent: png or webp, and not with gpt-image-2"),
]
OutputFormat = Annotated[Literal["png", "jpeg", "webp"], BeforeValidator(_normalize_choice)]
Compression = Annotated[int, Field(ge=0, le=100, description="jpeg and webp only")]
Moderation = Annotated[Literal["auto", "low"], BeforeValidator(_normalize_choice)]
OutputDir = Annotated[
    str, Field(min_length=1, max_length=4096, description="folder to save in; leave out for the person's Pictures")
]
Prefix = Annotated[str, Field(max_length=200, description="a word or two for the file's name")]
User = Annotated[str, Field(min_length=1, max_length=128, description="end-user id for OpenAI's abuse monitoring")]
Source = Annotated[str, Field(min_length=1)]
Images = Annotated[
    list[Source],
    Field(
        min_length=1,
        max_length=MAX_INPUTS,
        description="paths, URLs, or pictures made here by id, last or number on the last sheet; HEIC and most formats",
    ),
]
MoreImages = Annotated[
    list[Source],
    Field(
        min_length=1,
        max_length=MAX_INPUTS - 1,
        description="more references for this turn; the turn's own picture is image 1",
    ),
]
PictureReference = Annotated[str, Field(min_length=1, max_length=4096)]
Like = Annotated[
    PictureReference,
    Field(description="id of an earlier picture: what you leave out, prompt included, is taken from it"),
]
FromTurn = Annotated[int, Field(ge=0, description="go back to this turn and branch; 0: the originals")]
Mask = Annotated[
    Source, Field(description="PNG of the first image's size; its transparent part marks what to change (a hint)")
]
Since = Annotated[
    str,
    Field(min_length=1, max_length=60, description="2026-11-22, 2026-11-22T14:30, yesterday 9:00, last week, 2h ago"),
]
Until = Annotated[str, Field(min_length=1, max_length=60, description="likewise; all of that day or week included")]
SessionId = Annotated[str, Field(min_length=1, max_length=100, description="from start_edit_session")]
Abandon = Annotated[bool, Field(description="free the place of a job that was sent, which is billed all the same")]
JobId = Annotated[str, Field(min_length=1, max_length=100, description="job-… from an answer")]
