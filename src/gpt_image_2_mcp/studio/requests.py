"""What the page asks for: one request model for each operation, and `parse`, which reads a call.

The page is not trusted: a model can call the tool as well, in clients that show it to models. Pictures are named by
their ids alone, so that no file is read that was not made here.
"""

import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field, ValidationError

from ..catalogue.picture_record import PICTURE_ID
from ..errors import BadRequest, shown
from ..images.look import MAX_EDGE
from ..parameters.base import Request
from ..parameters.fields import MAX_PROMPT, Count, Fit, FromTurn, Keep, Prompt, Quality, Size, Targets
from ..parameters.validation import explain

MAX_OPENED: Final = 100
"""Pictures that one call opens."""
MAX_MASK: Final = 2_000_000
"""Characters of a mask: a painted one of eight megapixels has a tenth of that."""


def _check_id(text: str) -> str:
    if re.fullmatch(PICTURE_ID, text) is None:
        raise ValueError(f"A picture is named by its id here, such as image-20261128-101500-a1b2c3; got {shown(text)}")
    return text


def _check_click(text: str) -> str:
    if re.fullmatch("[0-9a-f]{32}", text) is None:
        raise ValueError(f"`click` is 16 random bytes in hexadecimal, new for each click; got {shown(text)}")
    return text


def _check_mask(text: str) -> str:
    if re.fullmatch("[A-Za-z0-9+/]+={0,2}", text) is None:
        raise ValueError(f"`mask` is a PNG in base64; got {shown(text)}")
    return text


PictureIdField = Annotated[str, Field(max_length=140, description="a picture's id"), AfterValidator(_check_id)]
SessionIdField = Annotated[str, Field(max_length=100, description="a session's id")]
JobIdField = Annotated[str, Field(max_length=100, description="a job's id")]
Click = Annotated[str, Field(max_length=100), AfterValidator(_check_click)]
Edge = Annotated[int, Field(ge=16, le=MAX_EDGE, description="pixels of the longest edge")]
PaintedMask = Annotated[str, Field(max_length=MAX_MASK), AfterValidator(_check_mask)]
StudioPrompt = Annotated[Prompt, Field(description="what to make or change")]


class StudioRequest(Request):
    """The base of what the page asks for; `op` is the operation's name."""

    op: Annotated[str, Field(description="what it asks")]


class OpenRequest(StudioRequest):
    """Show pictures with what belongs to them; without `pictures` and `session` the newest of all."""

    pictures: Annotated[tuple[PictureIdField, ...], Field(max_length=MAX_OPENED, description="ids of pictures")] = ()
    session: SessionIdField | None = None


class PictureRequest(StudioRequest):
    """A picture to look at."""

    picture: PictureIdField
    edge: Edge = 1024


class MapRequest(StudioRequest):
    """The map of what differs between two pictures."""

    picture: PictureIdField
    against: PictureIdField
    edge: Edge = 1024


class OriginalRequest(StudioRequest):
    """A part of a picture's file."""

    picture: PictureIdField
    offset: Annotated[int, Field(ge=0, description="bytes before the part")] = 0


class SearchRequest(StudioRequest):
    """A page of the library."""

    query: Annotated[str, Field(max_length=1000, description="words of prompt or file name")] = ""
    page: Annotated[int, Field(ge=1, le=100_000, description="a page's number")] = 1


class ClickRequest(StudioRequest):
    """The base of what a click has made for money; the same click is the same job."""

    click: Click


class EditRequest(ClickRequest):
    """Change a picture, or the one of a session's turn."""

    prompt: StudioPrompt
    picture: PictureIdField | None = None
    session: SessionIdField | None = None
    from_turn: FromTurn | None = None
    mask: PaintedMask | None = None
    quality: Quality = "auto"
    keep: Keep = "auto"


class FinishRequest(ClickRequest):
    """Make the final picture of a draft."""

    picture: PictureIdField
    quality: Quality = "high"


class GenerateRequest(ClickRequest):
    """Make pictures from words."""

    prompt: StudioPrompt
    size: Size = "auto"
    quality: Quality = "auto"
    n: Count = 1


class PriceRequest(StudioRequest):
    """What one of these would cost."""

    action: Literal["edit", "finish", "generate"] = "edit"
    prompt: Annotated[str, Field(max_length=MAX_PROMPT, description="what to make or change")] = ""
    picture: PictureIdField | None = None
    session: SessionIdField | None = None
    from_turn: FromTurn | None = None
    mask: Annotated[bool, Field(description="whether a mask is painted")] = False
    size: Size = "auto"
    quality: Quality = "auto"
    keep: Keep = "auto"
    n: Count = 1


class JobRequest(StudioRequest):
    """How a job stands, or what came of it."""

    job: JobIdField
    partials: Annotated[int, Field(ge=0, description="unfinished pictures that the page has")] = 0


class CancelRequest(StudioRequest):
    """Stop a job that is not sent yet."""

    job: JobIdField


class TargetsRequest(StudioRequest):
    """The names of an export's targets; there are no arguments."""


class ExportRequest(StudioRequest):
    """Make files of pictures for use elsewhere."""

    click: Click | None = None
    pictures: Annotated[list[PictureIdField], Field(min_length=1, max_length=40, description="ids of pictures")]
    to: Targets
    fit: Fit = "smart"


OPERATIONS: Final[Mapping[str, type[StudioRequest]]] = MappingProxyType(
    {
        "open": OpenRequest,
        "picture": PictureRequest,
        "map": MapRequest,
        "original": OriginalRequest,
        "search": SearchRequest,
        "price": PriceRequest,
        "edit": EditRequest,
        "finish": FinishRequest,
        "generate": GenerateRequest,
        "job": JobRequest,
        "cancel": CancelRequest,
        "targets": TargetsRequest,
        "export": ExportRequest,
    }
)
"""The request of each operation, by its name."""


def parse(arguments: Mapping[str, Any]) -> StudioRequest:
    """Read a call. The page is a program, so its arguments are taken as they are, without other spellings.

    Raises:
        BadRequest: there is no such operation, or an argument breaks a rule.

    """
    name = arguments.get("op")
    request = OPERATIONS.get(name) if isinstance(name, str) else None
    if request is None:
        raise BadRequest(f"`op` is one of {', '.join(OPERATIONS)}; got {shown(name)}.")
    given = {name: value for name, value in arguments.items() if value is not None}
    try:
        return request.model_validate(given)
    except ValidationError as error:
        raise BadRequest(explain(error, request)) from None
