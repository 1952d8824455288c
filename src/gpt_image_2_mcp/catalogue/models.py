"""What is known of a picture: the same in the catalogue, in the record beside the file, and in what a person is shown.

Records beside pictures are read back from files that anybody may have written, so every field is bounded.
"""

from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

from ..images import MIME, Format

PICTURE_ID = r"(?:image|edit|session)-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}(?:-[A-Za-z0-9_-]{1,80})?"
"""What a picture's id looks like: its file's name without the extension."""

Text = Annotated[str, Field(max_length=32_000)]
MAX_SHORT_TEXT = 300
"""Characters of a short field."""
ShortText = Annotated[str, Field(max_length=MAX_SHORT_TEXT)]
PlainPath = Annotated[str, Field(max_length=4096)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PictureId = Annotated[str, Field(pattern=f"^{PICTURE_ID}$")]
Tokens = Annotated[int, Field(ge=0, le=10**12)]
Number = Annotated[int, Field(ge=-(10**15), le=10**15)]
Fraction = Annotated[float, Field(allow_inf_nan=False)]
PlainValues = Annotated[Mapping[ShortText, bool | Number | Fraction | ShortText | None], Field(max_length=50)]
"""Names and plain values."""


def _check_year(when: datetime) -> datetime:
    if not 1970 < when.year < 2200:  # noqa: PLR2004 - rows count from 1970, and no zone's clock overflows
        raise ValueError("is not of this age")
    return when


Moment = Annotated[AwareDatetime, AfterValidator(_check_year)]


def _stored_as(name: str, stored: str, *, default: Any) -> Any:
    """A field whose name in files and databases is an older one, `stored`; both are read, and the older is written."""
    return Field(default=default, validation_alias=AliasChoices(stored, name), serialization_alias=stored)


class Record(BaseModel):
    """What all parts of a record share: they do not change, and what a later version adds is passed over."""

    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True)


class Origin(Record):
    """A picture that another one was made from."""

    role: Literal["image", "mask"] = "image"
    source: PlainPath
    """As it was named: a path, a URL without its query, or "a data URL (1,234 bytes)"."""
    sha256: Sha256
    """Of the bytes that were sent."""
    path: PlainPath | None = None
    """Where it can be read again; None where it was no file."""
    id: PictureId | None = None
    """Its id, where it was made here."""


class TokenCounts(Record):
    """What the API counted."""

    input_tokens: Tokens
    output_tokens: Tokens
    image_tokens: Tokens = 0
    """Of the input."""


class SessionPosition(Record):
    """Where a picture stands in an edit session."""

    session_id: Annotated[str, Field(pattern=r"^session-[0-9a-f]{24}$")]
    turn: Annotated[int, Field(ge=1, le=100_000)]
    parent: Annotated[int, Field(ge=0, le=100_000)]
    """The turn that it was made from; 0 stands for the originals."""
    is_branch: bool = _stored_as("is_branch", "late", default=False)
    """Another turn was made from the same one in the meantime: this is a branch, and the session goes on there."""
    parent_given: bool = _stored_as("parent_given", "asked", default=False)
    """The parent was named by the call: the session goes on from here."""


class PictureRecord(Record):
    """One saved picture: its file, and everything that it takes to make it again."""

    id: PictureId
    kind: Literal["image", "edit", "session"]
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=10**12)]
    format: Format
    width: Annotated[int, Field(ge=0, le=100_000)]
    height: Annotated[int, Field(ge=0, le=100_000)]
    model: ShortText
    prompt: Text
    parameters: PlainValues = Field(default_factory=dict[str, Any])
    """What was asked for: size, quality, background, output_format, output_compression, moderation, n."""
    applied: PlainValues = Field(default_factory=dict[str, Any])
    """What came: size, quality, format, background."""
    usage: TokenCounts | None = None
    """Of this picture alone: a share where several came in one answer."""
    cost_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """Of this picture alone; None where nobody knows."""
    parents: Annotated[tuple[Origin, ...], Field(max_length=20)] = ()
    made: Moment
    client: ShortText | None = None
    project: ShortText | None = None
    position: SessionPosition | None = _stored_as("position", "place", default=None)
    job_id: ShortText | None = None
    request_id: ShortText | None = None
    sandbox: bool = False


class Picture(Record):
    """A record, and where its file lies."""

    path: Path
    record: PictureRecord

    @property
    def id(self) -> str:
        """The picture's id."""
        return self.record.id

    @property
    def mime_type(self) -> str:
        """By the bytes."""
        return MIME[self.record.format]

    @property
    def made(self) -> datetime:
        """When, in UTC."""
        return self.record.made
