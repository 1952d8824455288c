"""From the items of a batch to its lines: one checked request each, with what all of them have in common."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final, cast

from pydantic import ValidationError

from ..errors import BadRequest, shown
from ..parameters.models import EditRequest, GenerateRequest, MakeBatchRequest, parse
from ..parameters.normalize import normalize, similar_name
from ..parameters.validation import MAX_SENTENCES, describe_rule

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


class BadItem(Exception):
    """An item breaks a rule; the text begins with where it is."""


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
    wrong: list[str] = []
    for number, item in enumerate(items, start=1):
        try:
            lines.append(_read_line(number, item, common))
        except BadItem as error:
            wrong.append(str(error))
        except RecursionError:
            wrong.append(f"{item.where}: a list stands in a list in a list, and so on: no parameter has that.")
    if wrong:
        more = [f"… and {len(wrong) - MAX_SENTENCES} more."] if len(wrong) > MAX_SENTENCES else []
        raise BadRequest("\n".join([*wrong[:MAX_SENTENCES], *more, "Nothing was sent."]))
    return lines


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
    if request.output_dir is not None:
        read.setdefault("output_dir", request.output_dir)
    return read


def _read_line(number: int, item: Item, common: Mapping[str, Any]) -> Line:
    """Raises BadItem."""
    given = dict(item.given)
    named = given.pop("name", None)
    if not isinstance(named, str | int | float | None):
        raise BadItem(f"{item.where}, `name`: must be a text of at most {MAX_NAME} characters.")
    name = " ".join(str(named or "").split())
    if len(name) > MAX_NAME:
        raise BadItem(f"{item.where}, `name`: must be a text of at most {MAX_NAME} characters.")
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
        raise BadItem("\n".join(f"{item.where}: {sentence}" for sentence in str(error).split("\n"))) from None
    except ValidationError as error:
        raise BadItem(_explain_hidden(item, error, kind)) from None
    return Line(number, name, request)


def _texts(value: object) -> Sequence[Any]:
    return cast("Sequence[Any]", value) if isinstance(value, list) else [] if value is None else [value]


def _explain_hidden(item: Item, error: ValidationError, kind: type[LineRequest]) -> str:
    """The rules that an item breaks, without anything that is in it."""
    properties = _properties(kind)
    sentences: list[str] = []
    for finding in error.errors()[:MAX_SENTENCES]:
        name = str(finding["loc"][0]) if finding["loc"] else ""
        schema = properties.get(name)
        if schema is None:
            what = "the columns do not go together, or `prompt` is missing; give the item in `items` to be told more"
            sentences.append(f"{item.where}: {what}.")
        elif finding["type"] == "missing":
            sentences.append(f"{item.where}: the column `{name}` is missing.")
        else:
            # The custom rules of some parameters are in their descriptions alone.
            rule = describe_rule(schema) if finding["type"] != "value_error" else schema.get("description", "another")
            rule = rule.removesuffix("; exact")
            sentences.append(f"{item.where}, column `{name}`: must be {rule}.")
    return "\n".join(dict.fromkeys(sentences))


@cache
def _properties(kind: type[LineRequest]) -> Mapping[str, Any]:
    return kind.model_json_schema().get("properties", {})


def _no_parameter(name: str) -> str:
    meant = similar_name(name, COLUMNS)
    return f"there is no parameter {shown(name)}{f': did you mean `{meant}`?' if meant else '.'}"
