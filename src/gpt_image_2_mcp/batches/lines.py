"""From the items of a batch to its lines: one checked request each, with what all of them have in common."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from pydantic import ValidationError

from ..errors import BadRequest, shown
from ..parameters.models import EditRequest, GenerateRequest, MakeBatchRequest, parse
from ..parameters.normalize import normalize, similar_name
from ..parameters.validation import MAX_SENTENCES, describe_rule, explain

LineRequest = GenerateRequest | EditRequest

MAX_NAME: Final = 100
"""Characters of an item's name."""
COLUMNS: Final = ("name", *dict.fromkeys((*GenerateRequest.model_fields, *EditRequest.model_fields)))
"""What an item may say: the parameters of generate_image and edit_image, and its name."""
_OF_EDITS: Final = frozenset(EditRequest.model_fields) - frozenset(GenerateRequest.model_fields)
_KINDS: Final[tuple[type[LineRequest], ...]] = (GenerateRequest, EditRequest)
LINE_REQUESTS: Final[Mapping[str, type[LineRequest]]] = {"generate_image": GenerateRequest, "edit_image": EditRequest}
"""What a line asks for, by the tool that would make it alone."""


@dataclass(frozen=True, slots=True)
class Line:
    """One request of a batch; `number` counts from 1."""

    number: int
    name: str
    request: LineRequest

    @property
    def label(self) -> str:
        """How answers name it."""
        return f"{self.number} ({self.name})" if self.name else str(self.number)


@dataclass(frozen=True, slots=True)
class Item:
    """What was given for one line, and where: "Item 3", or "Line 12" of a file."""

    where: str
    given: Mapping[str, Any]
    is_hidden: bool = False
    """Whether an error may not repeat what is in it: it comes from a file that may be another one than was meant."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A rule that a line breaks."""

    where: str
    sentence: str
    """What is to stand behind `where`, with the sign between them."""


class BadItem(Exception):
    """An item breaks rules."""

    def __init__(self, *faults: Fault) -> None:
        """Say which ones."""
        super().__init__(*(fault.sentence for fault in faults))
        self.faults = faults


def refuse(faults: Sequence[Fault], total: int, *, ending: str = "Nothing was sent.") -> None:
    """Raise BadRequest with a sentence for each fault of `total` lines; one that all of them have is said once."""
    if not faults:
        return
    times = Counter(fault.sentence for fault in dict.fromkeys(faults))
    shared = {sentence for sentence, count in times.items() if count == total > 1}
    told = [f"{'Every line' if fault.sentence in shared else fault.where}{fault.sentence}" for fault in faults]
    told = list(dict.fromkeys(told))
    more = [f"… and {len(told) - MAX_SENTENCES} more."] if len(told) > MAX_SENTENCES else []
    raise BadRequest("\n".join([*told[:MAX_SENTENCES], *more, ending]))


def items_of(request: MakeBatchRequest) -> list[Item]:
    """The items that a call gives itself."""
    return [Item(f"Item {number}", _given(text, number)) for number, text in enumerate(request.items or (), start=1)]


def _given(text: str, number: int) -> Mapping[str, Any]:
    """The parameters that an item's text stands for; raises BadRequest."""
    if text.lstrip()[:1] != "{":
        return {"prompt": text}
    found = _object(text)
    if found is None:
        raise BadRequest(f"Item {number} begins as JSON and is none: {shown(text)}.")
    return found


def _object(text: str) -> dict[str, Any] | None:
    """The JSON object in a text; None if there is none."""
    try:
        found: object = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return cast("dict[str, Any]", found) if isinstance(found, dict) else None


def read_lines(items: Iterable[Item], request: MakeBatchRequest) -> list[Line]:
    """The lines of a batch, with what `request.common` says.

    Raises:
        BadRequest: an item breaks a rule; the message has a sentence for each, with its place.

    """
    common = _common(request)
    lines: list[Line] = []
    faults: list[Fault] = []
    number = 0
    for number, item in enumerate(items, start=1):
        try:
            lines.append(_read_line(number, item, common))
        except BadItem as error:
            faults += error.faults
        except RecursionError:
            faults.append(Fault(item.where, ": a list stands in a list in a list, and so on: no parameter has that."))
    refuse(faults, number)
    return lines


def common_images(request: MakeBatchRequest) -> list[str]:
    """The pictures that all lines have in common, as they are named; raises BadRequest."""
    return list(_texts(_common(request).get("images")))


def _common(request: MakeBatchRequest) -> dict[str, Any]:
    """What all lines share, by the parameters' own names."""
    given = _object(request.common) if request.common else {}
    if given is None:
        raise BadRequest(
            '`common` must be JSON of parameters, such as {"quality": "low"}; got ' + f"{shown(request.common)}."
        )
    read = normalize(EditRequest, given)
    unknown = [name for name in read if name not in COLUMNS]
    if unknown:
        raise BadRequest(f"`common`: {_no_parameter(unknown[0])}")
    _check_common(read)
    if request.output_dir is not None:
        read.setdefault("output_dir", request.output_dir)
    return read


def _check_common(read: Mapping[str, Any]) -> None:
    """Check each parameter for itself, so that no line is blamed for it; raises BadRequest."""
    try:
        # With what an item may add, for there is no edit without a picture.
        EditRequest.model_validate({"prompt": "x", "images": ["x"], **read})
    except ValidationError as error:
        if wrong := explain(error, EditRequest, only=read):
            told = "\n".join(f"`common`: {sentence}" for sentence in wrong.split("\n"))
            raise BadRequest(f"{told}\nNothing was sent.") from None


def _read_line(number: int, item: Item, common: Mapping[str, Any]) -> Line:
    """Raises BadItem."""
    given = dict(item.given)
    named = given.pop("name", None)
    bad_name = f", `name`: must be a text of at most {MAX_NAME} characters."
    if not isinstance(named, str | int | float | None):
        raise BadItem(Fault(item.where, bad_name))
    name = " ".join(str(named or "").split())
    if len(name) > MAX_NAME:
        raise BadItem(Fault(item.where, bad_name))
    own = normalize(EditRequest, given)
    images = [*_texts(common.get("images")), *_texts(own.get("images"))]
    merged: dict[str, Any] = {**common, **own}
    if images:
        # The references of the series come first, so that "image 1" is the same for every line.
        merged["images"] = images
    if name and not merged.get("filename_prefix"):
        merged["filename_prefix"] = name
    kind = _KINDS[bool(_OF_EDITS & merged.keys())]
    try:
        request = kind.model_validate(merged) if item.is_hidden else parse(kind, merged)
    except BadRequest as error:
        raise BadItem(*faults_of(item.where, error)) from None
    except ValidationError as error:
        raise BadItem(*(Fault(item.where, sentence) for sentence in _explain_hidden(error, kind))) from None
    return Line(number, name, request)


def faults_of(where: str, error: BadRequest) -> list[Fault]:
    """The sentences of an error as faults of one line."""
    return [Fault(where, f": {sentence}") for sentence in str(error).split("\n")]


def _texts(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else [] if value is None else [value]


def _explain_hidden(error: ValidationError, kind: type[LineRequest]) -> Sequence[str]:
    """The rules that an item breaks, without anything that is in it: what is to stand behind the item's place."""
    properties = _properties(kind)
    sentences: list[str] = []
    for finding in error.errors()[:MAX_SENTENCES]:
        name = str(finding["loc"][0]) if finding["loc"] else ""
        schema = properties.get(name)
        if schema is None:
            what = "the columns do not go together, or `prompt` is missing; give the item in `items` to be told more"
            sentences.append(f": {what}.")
        elif finding["type"] == "missing":
            sentences.append(f": the column `{name}` is missing.")
        else:
            # The custom rules of some parameters are in their descriptions alone.
            rule = describe_rule(schema) if finding["type"] != "value_error" else schema.get("description", "another")
            rule = rule.removesuffix("; exact")
            sentences.append(f", column `{name}`: must be {rule}.")
    return list(dict.fromkeys(sentences))


@cache
def _properties(kind: type[LineRequest]) -> Mapping[str, Any]:
    return kind.model_json_schema().get("properties", {})


def _no_parameter(name: str) -> str:
    meant = similar_name(name, COLUMNS)
    return f"there is no parameter {shown(name)}{f': did you mean `{meant}`?' if meant else '.'}"
