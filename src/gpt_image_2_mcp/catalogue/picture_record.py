"""`PictureRecord`: everything known about a picture, in the catalogue, in the JSON file beside it, and in answers.

The JSON files are read back, and another program may have written them, so every field has bounds.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, AliasChoices, AwareDatetime, BaseModel, ConfigDict, Field

from ..images import MIME, SHOWN, FileFormat
from ..storage.local_folder import TRANSPARENT_SUFFIX

# Not `\w`: Python's has no marks of letters, which the pattern in pydantic's engine has.
_OF_PREFIX = (
    "A-Za-z0-9_\u00a1-\u00ac\u00ae-\u061b\u061d-\u167f\u1681-\u180d\u180f-\u1fff\u2070-\u2fff\u3001-\ud7ff"
    "\uf900-\ufdff\ufe10-\ufefe\uff10-\uffef\U00010000-\U000dffff"
)
PICTURE_ID = rf"(?:image|edit|session)-[0-9]{{8}}-[0-9]{{6}}-[0-9a-f]{{6}}(?:-[{_OF_PREFIX}-]{{1,80}})?"
"""The pattern of a picture's id, which is the name of its file without the extension.

After the time and the random part comes the prefix that a user chose, in letters and digits of every script: without
control characters, spaces and marks of direction.
"""

Text = Annotated[str, Field(max_length=32_000)]
MAX_SHORT_TEXT = 300
"""Characters of a short text, such as a model's name."""
UNKNOWN_MODEL = "unknown"
"""The model of a picture of which little more than the file is known."""
NO_MODEL = "none"
"""The model of a picture that was made here without one, such as one that was cut out of its ground."""
ShortText = Annotated[str, Field(max_length=MAX_SHORT_TEXT)]
PlainPath = Annotated[str, Field(max_length=4096)]
Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
PictureId = Annotated[str, Field(pattern=f"^{PICTURE_ID}$")]
Tokens = Annotated[int, Field(ge=0, le=10**12)]
Number = Annotated[int, Field(ge=-(10**15), le=10**15)]
Fraction = Annotated[float, Field(allow_inf_nan=False)]
PlainValues = Annotated[Mapping[ShortText, bool | Number | Fraction | ShortText | None], Field(max_length=50)]
"""A mapping of names to plain JSON values."""


def _check_year(when: datetime) -> datetime:
    # Rows hold UTC, so that is the year that counts: what is let in has to be let out again.
    try:
        year = when.astimezone(UTC).year
    except OverflowError:
        year = 0
    if not 1970 < year < 2200:  # noqa: PLR2004 - rows count from 1970; later years could overflow in some time zone
        raise ValueError("is not of this age")
    return when


Moment = Annotated[AwareDatetime, AfterValidator(_check_year)]


def _stored_as(name: str, stored: str, *, default: Any) -> Any:
    """A field that files and databases hold under the older name `stored`; it is read under both names."""
    return Field(default=default, validation_alias=AliasChoices(stored, name), serialization_alias=stored)


class Record(BaseModel):
    """The base of a record's parts: immutable; fields that a later version of this program added are ignored."""

    # Built at their first use: no record is needed before the first request to the API is sent.
    model_config = ConfigDict(frozen=True, extra="ignore", serialize_by_alias=True, defer_build=True)


class Origin(Record):
    """An input picture or mask that a picture was made from.

    Of a composite also the model's own picture, and of one in another size the picture in its own (`derived_from`).
    """

    role: Literal["image", "mask", "model", "derived_from"] = "image"
    source: PlainPath
    """As the call named it: a path, a URL without its query, or "a data URL (1,234 bytes)"."""
    sha256: Sha256
    """Of the bytes that were sent."""
    path: PlainPath | None = None
    """The file where it can be read again; None if it was not a file and was not kept."""
    id: PictureId | None = None
    """Its picture id, if it was made here."""


class TokenCounts(Record):
    """The tokens that the API counted."""

    input_tokens: Tokens
    output_tokens: Tokens
    image_tokens: Tokens = 0
    """The part of `input_tokens` for pictures."""


class SessionPosition(Record):
    """The position of a picture in an edit session."""

    session_id: Annotated[str, Field(pattern=r"^session-[0-9a-f]{24}$")]
    turn: Annotated[int, Field(ge=1, le=100_000)]
    parent: Annotated[int, Field(ge=0, le=100_000)]
    """The turn that it was made from; 0 stands for the originals."""
    is_branch: bool = _stored_as("is_branch", "late", default=False)
    """Whether another turn had been made from the parent meanwhile, so that the session goes on from that turn."""
    parent_given: bool = _stored_as("parent_given", "asked", default=False)
    """Whether the call named the parent (`from_turn`), so that the session goes on from this turn in any case."""


class PictureRecord(Record):
    """One saved picture: its file, and everything that is needed to make it again."""

    id: PictureId
    kind: Literal["image", "edit", "session"]
    sha256: Sha256
    size_bytes: Annotated[int, Field(ge=0, le=10**12)]
    format: FileFormat
    width: Annotated[int, Field(ge=0, le=100_000)]
    height: Annotated[int, Field(ge=0, le=100_000)]
    model: ShortText
    prompt: Text
    parameters: PlainValues = Field(default_factory=dict[str, Any])
    """The requested size, quality, background, output_format, output_compression, moderation and n."""
    applied: PlainValues = Field(default_factory=dict[str, Any])
    """The size, quality, format and background that the API reported; `broken` is True if the file is damaged."""
    usage: TokenCounts | None = None
    """The tokens of this picture; a share if several came in one answer."""
    cost_usd: Annotated[Decimal, Field(ge=0, le=1_000_000)] | None = None
    """The cost of this picture in dollars; None if it is not known."""
    parents: Annotated[tuple[Origin, ...], Field(max_length=20)] = ()
    made: Moment
    client: ShortText | None = None
    project: ShortText | None = None
    position: SessionPosition | None = _stored_as("position", "place", default=None)
    job_id: ShortText | None = None
    request_id: ShortText | None = None
    sandbox: bool = False

    @property
    def is_broken(self) -> bool:
        """Whether the file came damaged: it is kept as it came, and not shown."""
        return bool(self.applied.get("broken"))

    @property
    def can_be_shown(self) -> bool:
        """Whether it can be shown and edited: a damaged file, or one in another format, is only kept."""
        return self.format in SHOWN and not self.is_broken

    @property
    def is_composite(self) -> bool:
        """Whether it was made here out of the model's own picture: an exact edit, or a cut-out subject."""
        return any(parent.role == "model" for parent in self.parents)

    @property
    def is_exact(self) -> bool:
        """Whether it is an exact edit: what the model changed, in the original."""
        return self.is_composite and not self.id.endswith(TRANSPARENT_SUFFIX)

    @property
    def is_derived(self) -> bool:
        """Whether it is another picture of this program, brought to another size."""
        return any(parent.role == "derived_from" for parent in self.parents)

    @property
    def derived_from(self) -> list[str]:
        """The id of the picture of this program that was brought to another size; empty if none was."""
        return [parent.id for parent in self.parents if parent.role == "derived_from" and parent.id]

    @property
    def asked_size(self) -> str:
        """Of a delivered picture, the size that was asked for: with the resolution for print, if that was said."""
        asked = str(self.parameters.get("size"))
        edges = f"{self.width}x{self.height}"
        return asked if re.fullmatch(rf"{edges}@[1-9][0-9]{{1,3}}", asked) else edges

    @property
    def size_text(self) -> str:
        """The size in pixels for a list; the width and height of a file that was not understood are 0."""
        return f"{self.width}x{self.height}" if self.width else "size unknown"


_OF_A_FILE: Final = ("id", "sha256", "size_bytes", "format", "width", "height")


class Picture(Record):
    """A picture: its record, and the path of its file."""

    path: Path
    record: PictureRecord

    @property
    def id(self) -> str:
        """The picture's id."""
        return self.record.id

    def delivered_as(self, other: "Picture") -> "Picture":
        """The picture as the person was given it: what `other` has of a file, and the rest of this one."""
        file: dict[str, Any] = {name: getattr(other.record, name) for name in _OF_A_FILE}
        if not self.record.is_exact:
            # By its new name it would be taken for an exact edit.
            file["parents"] = tuple(parent for parent in self.record.parents if parent.role != "model")
        return Picture(path=other.path, record=self.record.model_copy(update=file))

    @property
    def mime_type(self) -> str:
        """The MIME type of the file."""
        return MIME[self.record.format]

    @property
    def made(self) -> datetime:
        """The time at which it was made, in UTC."""
        return self.record.made


@dataclass(frozen=True, slots=True)
class PictureRow:
    """What a picture's row in the catalogue says of itself, even if the rest of it cannot be read."""

    number: int
    id: str
    path: Path
