"""The requests: one model for each operation, the same for tools and commands, and `parse`, which checks arguments.

`parse` is the only way in for arguments that a client's model or a user wrote. The types of the fields, with their
bounds and descriptions, are in `fields`; a rule about several fields is a validator here.
"""

import unicodedata
from collections.abc import Mapping
from typing import Annotated, Any, Literal, Self, TypeVar

from pydantic import Field, ValidationError, model_validator

from ..errors import BadRequest
from .base import Request
from .fields import (
    MAX_INPUTS,
    Abandon,
    Background,
    Compression,
    Count,
    Exported,
    Extend,
    Fit,
    FromTurn,
    Images,
    JobId,
    Keep,
    Like,
    Mask,
    Model,
    Moderation,
    MoreImages,
    OutputDir,
    OutputFormat,
    PictureReference,
    Prefix,
    Prompt,
    Quality,
    Replace,
    SessionId,
    Since,
    Size,
    Source,
    Targets,
    Until,
    User,
)
from .normalize import normalize
from .sizes import MAX_WEBP_EDGE, parse_edges
from .validation import explain

COSTLIEST_INPUT = (1536, 1024)
"""The size at which an input picture takes the most tokens, in pixels: the API scales larger ones down."""

COMPRESSION_IGNORED = "`output_compression` was ignored: it is for jpeg and webp, and the format is png."


class PricedOptions(Request):
    """The options that determine what a picture costs."""

    size: Size = "auto"
    quality: Quality = "auto"
    model: Model | None = None

    @property
    def count(self) -> int:
        """How many pictures are asked for."""
        return 1

    @property
    def passes(self) -> int:
        """How many pictures are made for each that is asked for."""
        return 1

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Sizes (width, height in pixels) that an estimate takes for the input pictures before they are read."""
        return []


class Options(PricedOptions):
    """All options of how a picture is made: everything but what it shows."""

    background: Background = "auto"
    output_format: OutputFormat = "png"
    output_compression: Compression | None = None
    moderation: Moderation = "auto"
    filename_prefix: Prefix | None = None
    user: User | None = None

    @property
    def is_transparent(self) -> bool:
        """Whether the background is to be transparent."""
        return self.background in {"transparent", "transparent-fine"}

    @property
    def passes(self) -> int:
        """How many pictures are made for one that is asked for: the second has the same subject on another ground."""
        return 2 if self.background == "transparent-fine" else 1

    @model_validator(mode="after")
    def _check_one_fine_picture(self) -> Self:
        if self.passes > 1 and self.count > 1:
            raise ValueError(
                f"`background` 'transparent-fine' makes one picture a call, from two; got `n` {self.count}. Call again"
                " for each, or take 'transparent'"
            )
        return self

    @model_validator(mode="after")
    def _check_formats_agree(self) -> Self:
        if self.is_transparent and self.output_format == "jpeg":
            raise ValueError(
                f"`background` {self.background!r} needs an output_format that holds transparency; got 'jpeg'."
                " Set output_format to 'png' or 'webp'"
            )
        if self.output_format == "webp" and max(parse_edges(self.size) or (0,)) > MAX_WEBP_EDGE:
            raise ValueError(
                f"a WebP has edges of at most {MAX_WEBP_EDGE:,} pixels: set output_format to 'png' or 'jpeg'"
            )
        # The format of the picture in `like` is not known yet.
        is_png = self.output_format == "png" and (
            "output_format" in self.model_fields_set or getattr(self, "like", None) is None
        )
        if self.output_compression is None or not is_png:
            return self
        return self.model_copy(update={"output_compression": None}).with_notes([COMPRESSION_IGNORED])


class WithOutputDir(Request):
    """Adds the folder that the pictures are saved in."""

    output_dir: OutputDir | None = None


class WithCount(PricedOptions):
    """Adds the number of pictures."""

    n: Count = 1

    @property
    def count(self) -> int:
        """How many pictures are asked for."""
        return self.n


class WithMask(PricedOptions):
    """Adds what of the first picture is to change, and what is to stay."""

    mask: Mask | None = None
    keep: Keep = "auto"
    extend: Extend | None = None

    @model_validator(mode="after")
    def _check_extend_or_mask(self) -> Self:
        if self.extend and self.mask:
            raise ValueError("`extend` marks what is new by itself: leave out `mask`, or make two edits")
        return self


class WithImages(WithMask):
    """Adds the pictures that an edit starts from."""

    images: Images

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Assume `COSTLIEST_INPUT` for each picture, so that the estimate is not too low."""
        return [COSTLIEST_INPUT] * (len(self.images) + (self.mask is not None))


class WithLike(Request):
    """Adds `like`, an earlier picture whose prompt and options are used where the call leaves them out."""

    prompt: Prompt = ""
    like: Like | None = None

    @property
    def is_cut_out(self) -> bool:
        """Whether nothing is to be made, and a picture that is there only loses its plain ground; free."""
        return False

    @model_validator(mode="after")
    def _check_prompt_or_like(self) -> Self:
        if not self.prompt and self.like is None and not self.is_cut_out:
            raise ValueError(
                "`prompt` is missing: say what to make, or name an earlier picture in `like` to use its own"
            )
        return self


class GenerateRequest(WithLike, WithCount, Options, WithOutputDir):
    """Make pictures from a prompt."""

    prompt: Annotated[Prompt, Field(description="what to show; quote exact text; no sizes or formats")] = ""


class EditRequest(WithLike, WithImages, WithCount, Options, WithOutputDir):
    """Make pictures from input pictures and a prompt."""

    prompt: Annotated[Prompt, Field(description="what to change and keep; call images by number")] = ""

    @property
    def is_cut_out(self) -> bool:
        """Whether image 1 is only cut out of its plain ground, here and for nothing: there is no prompt."""
        return not self.prompt and self.like is None and self.background == "transparent"

    @model_validator(mode="after")
    def _check_cut_out(self) -> Self:
        if self.is_cut_out and (len(self.images) > 1 or self.n > 1 or self.mask or self.extend):
            raise ValueError(
                "Without `prompt`, `background` 'transparent' cuts one picture out of its plain ground: give one in"
                " `images`, without `mask`, `extend` and `n`; or say in `prompt` what to make"
            )
        return self


class StartSessionRequest(WithImages, Options, WithOutputDir):
    """Start an edit session: its first turn."""

    prompt: Annotated[Prompt, Field(description="the first change, and what to keep")]


class ContinueSessionRequest(WithMask, Options):
    """Continue an edit session: one more turn, or without a prompt only a step back to an earlier one."""

    session_id: SessionId
    prompt: Annotated[Prompt, Field(description="the next change; say again what to keep")] = ""
    from_turn: FromTurn | None = None
    images: MoreImages | None = None

    @model_validator(mode="after")
    def _check_prompt(self) -> Self:
        if not self.prompt and (self.from_turn is None or self.images or self.mask or self.extend):
            raise ValueError(
                "`prompt` is missing: say what to change. To only set the session back to a turn, free, give"
                " `from_turn` alone"
            )
        return self

    @property
    def is_set_back(self) -> bool:
        """Whether the session is only to go on from another turn, without a new picture."""
        return not self.prompt

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Assume `COSTLIEST_INPUT` for the picture of the turn before, for `images` and for the mask."""
        return [COSTLIEST_INPUT] * (1 + len(self.images or ()) + (self.mask is not None))


PaidRequest = GenerateRequest | EditRequest | StartSessionRequest | ContinueSessionRequest
"""The requests that cost money."""


def identity(request: PaidRequest) -> dict[str, Any]:
    """The arguments by which a repeated call is recognised, as JSON.

    The prompt is compared without its white space at both ends, with one space for every other run of it, and in the
    composed form of Unicode (NFC): a model that repeats a call does not always copy these. What is sent stays as it is.
    The image model is compared by its caller, who knows which one a call without it means.
    """
    prompt = " ".join(unicodedata.normalize("NFC", request.prompt).split())
    return {**request.model_dump(mode="json", exclude={"model"}), "prompt": prompt}


class CostsRequest(WithCount):
    """Ask what pictures would cost, and what was spent."""

    n: Annotated[int, Field(ge=1, le=1_000_000, description="how many")] = 1
    like: Annotated[PictureReference, Field(description="earlier picture's id: its size, quality, inputs")] | None = (
        None
    )
    inputs: Annotated[int, Field(ge=0, le=MAX_INPUTS + 1, description="an edit's input pictures")] = 0
    background: Annotated[Literal["auto", "transparent-fine"], Field(description="fine: twice")] = "auto"

    @property
    def passes(self) -> int:
        """How many pictures are made for each that is asked for."""
        return 2 if self.background == "transparent-fine" else 1

    @property
    def prompt(self) -> str:
        """A stand-in for the prompt, of usual length: text makes up a hundredth of a cent of the price."""
        return "x" * 400

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Assume `COSTLIEST_INPUT` for each."""
        return [COSTLIEST_INPUT] * self.inputs


class EndSessionRequest(Request):
    """End an edit session."""

    session_id: SessionId


class ListSessionsRequest(Request):
    """List the active edit sessions; there are no parameters."""


class ListImagesRequest(Request):
    """List pictures that were made: a page of them, as text or as a contact sheet."""

    query: Annotated[str, Field(max_length=1000, description="words of prompt or file name")] | None = None
    since: Since | None = None
    until: Until | None = None
    project: Annotated[str, Field(max_length=300, description="folder name of a project")] | None = None
    session_id: Annotated[str, Field(max_length=100, description="the turns of a session")] | None = None
    model: Annotated[str, Field(max_length=300, description="an image model's name")] | None = None
    page: Annotated[int, Field(ge=1, le=100_000, description="20 pictures a page")] = 1
    contact_sheet: Annotated[bool, Field(description="numbered thumbnails")] = False


class ShowImageRequest(Request):
    """Show one picture or a region of it, and everything that is known about it."""

    image: Annotated[PictureReference, Field(description="id, 'last', number on the last sheet, or path")]
    region: Annotated[str, Field(max_length=60, description="left,top,width,height in its pixels")] | None = None
    mask: Annotated[str, Field(description="an edit's mask, drawn over it to be checked")] | None = None
    against: (
        Annotated[list[Source], Field(min_length=1, max_length=3, description="compare with these; one: what differs")]
        | None
    ) = None


class ExportRequest(WithOutputDir):
    """Make files for use elsewhere of pictures: other sizes and formats, icons, paper."""

    image: Exported
    to: Targets
    fit: Fit = "smart"
    replace: Replace = False


class GetJobRequest(Request):
    """Get the result of a job, or a list of the recent jobs."""

    job_id: JobId | None = None


class CancelJobRequest(Request):
    """Cancel a job whose request has not been sent yet, or abandon one that was sent."""

    job_id: JobId
    abandon: Abandon = False


RequestT = TypeVar("RequestT", bound=Request)


def parse(request: type[RequestT], arguments: Mapping[str, Any]) -> RequestT:
    """Check arguments that a client's model or a user wrote, in any of the spellings that `normalize` reads.

    Raises:
        BadRequest: an argument breaks a rule; the message has a sentence for each, with the value and what to do.

    """
    try:
        return request.model_validate(normalize(request, arguments))
    except ValidationError as error:
        raise BadRequest(explain(error, request)) from None
