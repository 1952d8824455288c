"""Finds what a backend says in the body of an error, in every form that backends use.

OpenAI's is `{"error": {"message", "code", "type", "param"}}`. Others have a text in place of the object (Ollama),
`message` or `msg` at the top, `detail` as a text or a list (FastAPI), `errors` as a list, or no JSON at all.
"""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, cast

import openai

from .bounded_body import MAX_WORDS_BYTES

MAX_CHARACTERS = 4_000
"""Characters of a text that are looked at: each is cut before anything searches in it."""
MAX_TEXT_QUOTED = 200
"""Characters of a body that is no JSON."""

_MESSAGE_KEYS = ("message", "msg", "detail", "error_description", "error_message", "description", "title", "reason")
_MAX_DEPTH = 4
_MAX_ITEMS = 5
_MAX_CODE = 999_999
_HIDDEN_ELEMENTS = re.compile(r"<(?:script|style|head)\b[^<>]{0,300}>")
_TAG = re.compile(r"<[^<>]{0,300}>")


@dataclass(frozen=True, slots=True)
class ErrorBody:
    """What an error says about itself. The texts are the backend's: cut, and not cleaned."""

    message: str = ""
    """Empty if the backend gives no reason."""
    code: str | None = None
    type: str | None = None
    param: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict[str, Any])
    """The object that has these fields."""
    is_object: bool = False
    """Whether it is a JSON object, and not a text, a list or a page."""

    @property
    def inner(self) -> Mapping[str, Any]:
        """What Azure says in more detail."""
        return as_object(self.fields.get("innererror") or self.fields.get("inner_error"))

    @property
    def inner_code(self) -> str | None:
        """The code in there."""
        return _text(self.inner.get("code"))


def error_body(error: openai.APIError) -> ErrorBody:
    """What an error that the SDK raised says.

    The SDK keeps what stands in `error`, and drops what stands beside it, such as the sentence that goes with a code.
    """
    if not isinstance(error, openai.APIStatusError) or len(error.response.content) > MAX_WORDS_BYTES:
        return read_error(error.body)
    try:
        return read_error(json.loads(error.response.content))
    except (ValueError, RecursionError):
        return read_error(error.body)


def read_error(body: object) -> ErrorBody:
    """What a parsed body says, or one that is a text because it is no JSON; raises nothing."""
    if isinstance(body, str):
        return ErrorBody(_text_of_page(body))
    if not isinstance(body, dict):
        return ErrorBody(_sentence(body, _MAX_DEPTH))
    outer = cast("Mapping[str, Any]", body)
    inner: Any = outer.get("error")
    if isinstance(inner, dict):
        fields = cast("Mapping[str, Any]", inner)
        message = _sentence(fields, _MAX_DEPTH) or _sentence(outer, _MAX_DEPTH)
    else:
        fields = outer
        message = _sentence(fields, _MAX_DEPTH)
    code = _text(fields.get("code")) or _first_code(outer)
    if isinstance(inner, str) and message != inner:
        # As in OAuth: `error` is the code, and the words stand beside it.
        code = code or _text(inner)
    return ErrorBody(
        message or code or "",
        code,
        _text(fields.get("type")),
        _text(fields.get("param")),
        fields,
        is_object=True,
    )


def as_object(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def tells_of_failure(body: Mapping[str, Any]) -> bool:
    """Whether an answer with a status of success has an error in it."""
    return bool(body.get("error") or body.get("errors"))


def _sentence(value: object, depth: int) -> str:
    """The first sentence that stands in a value, or the sentences of a list; "" if there is none."""
    if isinstance(value, str):
        return value.strip()[:MAX_CHARACTERS]
    if depth == 0:
        return ""
    if isinstance(value, list):
        found = [_sentence(item, depth - 1) for item in cast("list[Any]", value)[:_MAX_ITEMS]]
        return "; ".join(filter(None, found))[:MAX_CHARACTERS]
    if not isinstance(value, dict):
        return ""
    fields = cast("Mapping[str, Any]", value)
    for key in _MESSAGE_KEYS:
        if sentence := _sentence(fields.get(key), depth - 1):
            return _place(fields.get("loc")) + sentence
    return _sentence(fields.get("errors"), depth - 1) or _sentence(fields.get("error"), depth - 1)


def _place(location: object) -> str:
    """Where in a request FastAPI found something wrong, before the sentence about it."""
    steps = cast("list[Any]", location)[:_MAX_ITEMS] if isinstance(location, list) else []
    return f"{'.'.join(map(str, steps))[:100]}: " if steps else ""


def _first_code(body: Mapping[str, Any]) -> str | None:
    """The code beside the error, or in the first of several errors."""
    errors: Any = body.get("errors")
    first: Any = cast("list[Any]", errors)[0] if isinstance(errors, list) and errors else None
    return _text(body.get("code")) or _text(as_object(first).get("code"))


def _text(value: object) -> str | None:
    """A text of a field, or a number as text; None if it is anything else."""
    if isinstance(value, str):
        return value[:MAX_CHARACTERS] or None
    return str(value)[:MAX_CHARACTERS] if type(value) is int and 0 <= value <= _MAX_CODE else None


def _text_of_page(text: str) -> str:
    """The words of a text or a web page, without its tags."""
    text = text[:MAX_CHARACTERS]
    lowered = text.lower()
    if (at := lowered.find("<title")) >= 0 and (end := lowered.find("</title", at)) >= 0:
        text = text[at:end]
    elif hidden := _HIDDEN_ELEMENTS.search(lowered):
        text = text[: hidden.start()]
    return " ".join(_TAG.sub(" ", text).split())[:MAX_TEXT_QUOTED]
