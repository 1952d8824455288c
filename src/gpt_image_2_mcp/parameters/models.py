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
    MAX_UPLOAD,
    Abandon,
    BatchFile,
    BatchFolder,
    Common,
    Exported,
    Fit,
    FromTurn,
    Items,
    JobId,
    MoreImages,
    PictureReference,
    Prompt,
    Replace,
    Retry,
    SessionId,
    Since,
    Source,
    Targets,
    Until,
    When,
    passes_of,
)
from .normalize import normalize
from .options import COSTLIEST_INPUT, Options, WithCount, WithImages, WithLike, WithMask, WithOutputDir
from .validation import explain


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

    @property
    def _ways_to_prompt(self) -> str:
        if self.passes > 1:
            return (
                "'transparent-fine' has the subject drawn anew, so say in it what to make. To only cut it out of its"
                " plain ground, free, set `background` to 'transparent'"
            )
        return super()._ways_to_prompt

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
        return passes_of(self.background)

    @property
    def prompt(self) -> str:
        """A stand-in for the prompt, of usual length: text makes up a hundredth of a cent of the price."""
        return "x" * 400

    def assumed_inputs(self) -> list[tuple[int, int]]:
        """Assume `COSTLIEST_INPUT` for each."""
        return [COSTLIEST_INPUT] * self.inputs


class UploadRequest(Request):
    """Get a link to which a file is sent; on a server only."""

    name: Annotated[str, Field(min_length=1, max_length=200, description="the file's name")]
    size: Annotated[int, Field(ge=1, le=MAX_UPLOAD, description="its bytes")]
    type: Annotated[str, Field(pattern="^image/[a-z0-9.+-]{1,40}$", description="such as image/png")]


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
    as_page: Annotated[bool, Field(description="all found as an HTML file")] = False


class ShowImageRequest(Request):
    """Show one picture or a region of it, and everything that is known about it."""

    image: Annotated[PictureReference, Field(description="id, 'last', number on the last sheet, or path")]
    region: Annotated[str, Field(max_length=60, description="left,top,width,height in its pixels")] | None = None
    mask: Annotated[str, Field(description="an edit's mask, drawn over it to be checked")] | None = None
    against: (
        Annotated[list[Source], Field(min_length=1, max_length=3, description="compare with these; one: what differs")]
        | None
    ) = None
    text: Annotated[str, Field(max_length=2000, description="is it written there? `OPEN|SUMMER SALE`")] | None = None


class ExportRequest(WithOutputDir):
    """Make files for use elsewhere of pictures: other sizes and formats, icons, paper."""

    image: Exported
    to: Targets
    fit: Fit = "smart"
    replace: Replace = False


class MakeBatchRequest(Request):
    """Make many pictures with one call."""

    items: Items | None = None
    file: BatchFile | None = None
    common: Common = ""
    when: When = "now"
    retry: Retry | None = None
    output_dir: BatchFolder | None = None

    @model_validator(mode="after")
    def _check_one_source(self) -> Self:
        given = [name for name in ("items", "file", "retry") if getattr(self, name) is not None]
        if len(given) != 1:
            raise ValueError(
                "Give one of `items`, `file` and `retry`; got "
                + (" and ".join(f"`{name}`" for name in given) or "none of them")
            )
        if self.retry is not None and (self.common or self.output_dir):
            raise ValueError("`retry` sends lines again as they were: leave out `common` and `output_dir`")
        return self


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
