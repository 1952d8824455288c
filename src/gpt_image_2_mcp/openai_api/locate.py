"""Asks the host model of the Responses API where in a picture something is: one request with a strict JSON answer.

The request is sent as any other one: it waits for a slot, and is sent again only where that cannot be billed twice.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import anyio.to_thread

from ..errors import BadAnswer, GptImageError
from .api_result import HostUsage
from .error_body import as_object
from .origin import Origin
from .request_status import RequestStatus
from .results import parse_host_usage, parse_object
from .retry import RequestSender
from .sdk_modules import load_resources

MAX_FOUND: Final = 10
"""Things of one answer that are told."""
MAX_OUTPUT_TOKENS: Final = 2000
_MAX_LABEL: Final = 60
_UNITS: Final = 1000

_BOX: Final = {"type": "array", "items": {"type": "integer"}, "minItems": 4, "maxItems": 4}
_THING: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"label": {"type": "string"}, "box": _BOX, "sure": {"type": "number"}},
    "required": ["label", "box", "sure"],
    "additionalProperties": False,
}
_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"found": {"type": "array", "items": _THING}},
    "required": ["found"],
    "additionalProperties": False,
}
_INSTRUCTIONS: Final = (
    "Find what is asked for in the picture. Answer with every match, each with a short label that tells it from the"
    " others, a box [left, top, right, bottom] in whole numbers from 0 to 1000 along each edge of the picture, tight"
    " around all that is visible of it, and how sure you are, from 0 to 1. Without a match, the list is empty."
)


@dataclass(frozen=True, slots=True)
class Found:
    """Something that was found in a picture."""

    label: str
    box: tuple[int, int, int, int]
    """Left, upper, right and lower edge, from 0 to 1000 along each edge of the picture."""
    sure: float
    """0 to 1."""

    @property
    def words(self) -> str:
        """The box in the words of a mask."""
        left, upper, right, lower = self.box
        return f"box {left},{upper} {right - left}x{lower - upper} of {_UNITS}"


@dataclass(frozen=True, slots=True)
class Located:
    """The answer to one request."""

    found: Sequence[Found]
    usage: HostUsage | None
    request_id: str | None
    sandbox: bool


class BadLocation(BadAnswer):
    """The host model's answer names no places; its `host_usage` says what it cost."""

    host_usage: HostUsage | None = None


async def locate(sender: RequestSender, words: str, picture: str, status: RequestStatus, *, model: str) -> Located:
    """Find what the words say in a picture, which is a data URL.

    Raises:
        BadLocation: the answer is not in the form that was asked for.
        GptImageError: the request failed.

    """
    content = [
        {"type": "input_text", "text": f"{_INSTRUCTIONS}\n\nFind: {words}"},
        {"type": "input_image", "detail": "high", "image_url": picture},
    ]
    body: dict[str, Any] = {
        "model": model,
        "input": [{"role": "user", "content": content}],
        "text": {"format": {"type": "json_schema", "name": "found", "strict": True, "schema": _SCHEMA}},
        "max_output_tokens": MAX_OUTPUT_TOKENS,
    }
    await anyio.to_thread.run_sync(load_resources, "responses.responses")
    responses: Any = sender.sdk.responses.with_raw_response

    def call() -> Located:
        answer = responses.create(**body).http_response
        origin = Origin.of(answer)
        arrived = parse_object(answer.content, origin, model=model)
        usage = _usage(arrived, model)
        try:
            return Located(_found(arrived), usage, origin.request_id, origin.sandbox)
        except (AttributeError, LookupError, TypeError, ValueError) as odd:
            failure = BadLocation(
                f"The host model {model!r} did not say where that is in the form that it was asked for. Look at the"
                " picture with show_image, and give the part as a shape, such as `box 120,40 300x200`.",
                request_id=origin.request_id,
            )
            failure.host_usage, failure.from_sandbox = usage, origin.sandbox
            raise failure from odd

    return await sender.send(call, status, model=model, variable="OPENAI_RESPONSES_EDIT_MODEL")


def _usage(body: Mapping[str, Any], model: str) -> HostUsage | None:
    usage = parse_host_usage(body.get("usage"))
    if usage is None:
        return None
    cached = as_object(as_object(body.get("usage")).get("input_tokens_details")).get("cached_tokens")
    known = cached if type(cached) is int and 0 <= cached <= usage.input_tokens else 0
    return HostUsage(model, usage.input_tokens, known, usage.output_tokens)


def _found(body: Mapping[str, Any]) -> list[Found]:
    """What the answer's text names; raises ValueError, or what else such JSON raises, if it has another form."""
    messages = [item for item in body["output"] if item.get("type") == "message"]
    parts = [part for message in messages for part in message["content"] if part.get("type") == "output_text"]
    named = json.loads("".join(part["text"] for part in parts))["found"]
    if not isinstance(named, list):
        raise TypeError
    return [_one(thing) for thing in cast("list[Any]", named)[:MAX_FOUND]]


def _one(thing: Any) -> Found:
    left, upper, right, lower = thing["box"]
    edges = (left, upper, right, lower)
    if any(type(edge) is not int or not 0 <= edge <= _UNITS for edge in edges) or left >= right or upper >= lower:
        raise ValueError(edges)
    sure = float(thing["sure"])
    if not 0 <= sure <= 1:
        raise ValueError(sure)
    label = " ".join(str(thing["label"]).split())[:_MAX_LABEL]
    return Found(label, edges, sure)


def cost_of(error: GptImageError) -> HostUsage | None:
    """The tokens that an answer of no use took, if it said so."""
    return error.host_usage if isinstance(error, BadLocation) else None
