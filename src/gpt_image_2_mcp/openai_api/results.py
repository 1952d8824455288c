"""Reads the API's answers into an `ApiResult`: the pictures' bytes, and what the API says about them.

An answer is read from its raw bytes rather than through the SDK's models: other backends leave fields out, add
their own, or send a web page with status 200, and a picture that is paid for must not be lost for that. Everything here
computes on up to 100 MB without waiting, in the request's own thread.
"""

import re
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, cast

import pybase64
from pydantic_core import from_json

from ..billing.tokens import Usage, usage_from
from ..errors import ApiError, BadAnswer, OutcomeUnknown, shown
from .api_result import ApiResult, ImageLink
from .body_reader import Body, ImageBytes
from .errors import from_sandbox, translate_object
from .loose_parser import decode_loosely

MAX_REQUEST_ID = 200
"""Characters of a request's id; OpenAI's have 36."""

BASE_URL_HINT = (
    "If OPENAI_BASE_URL is set, check that it is the address of an OpenAI-compatible API (it usually ends in /v1)."
)

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


@contextmanager
def reading_answer(headers: Mapping[str, str]) -> Generator[None]:
    """Complete the errors raised in the `with` block, which reads an answer with these headers.

    An `ApiError` learns whether the sandbox answered. A shape that the code did not expect becomes a `BadAnswer`, which
    says that a picture may be billed.
    """
    try:
        yield
    except ApiError as error:
        error.from_sandbox = from_sandbox(headers)
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as odd:
        # An unexpected exception would end the whole job, with the other requests of it that are paid for.
        failure = BadAnswer(
            f"The API's answer has an unforeseen shape. {BASE_URL_HINT}", request_id=request_id(headers)
        )
        failure.from_sandbox = from_sandbox(headers)
        raise failure from odd


def parse_images_answer(arrived: Body, headers: Mapping[str, str], *, model: str) -> ApiResult:
    """Read the answer of `/images/generations` or `/images/edits`.

    Raises:
        BadAnswer: it has no picture; the message says what it is instead.
        OutcomeUnknown: it is cut off.
        ApiError: it is an error object, though its status is 200.

    """
    body = parse_object(arrived.json, headers, model=model)
    data: Any = body.get("data")
    pictures, broken = _read_pictures(cast("list[Any]", data) if isinstance(data, list) else [], arrived.pictures)
    if not pictures:
        why = "; ".join(broken) or "it holds no picture"
        failure = BadAnswer(f"The API answered, but {why}. {BASE_URL_HINT}", request_id=request_id(headers))
        failure.usage = parse_usage(body.get("usage"))
        raise failure
    warnings = tuple(f"One picture of the answer could not be used: {why}." for why in broken)
    return replace(_api_result(body, headers, pictures), warnings=warnings)


def parse_completed_event(event: Mapping[str, Any], headers: Mapping[str, str]) -> ApiResult:
    """Read the `completed` event of a stream; raises BadAnswer if it has no picture."""
    pictures, broken = _read_pictures([event], {})
    if not pictures:
        raise BadAnswer(
            f"The API's stream is complete, but {broken[0]}. {BASE_URL_HINT}", request_id=request_id(headers)
        )
    return _api_result(event, headers, pictures)


def parse_object(content: bytes, headers: Mapping[str, str], *, model: str) -> Mapping[str, Any]:
    """Read an answer's body as a JSON object; raises as `images_answer` does."""
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    head = content[:200]
    if not head.startswith(b"{"):
        kind = headers.get("content-type", "").partition(";")[0] or "no content type"
        start = head[:60].decode("utf-8", "replace")
        raise BadAnswer(
            f"The API's address answered with {kind} instead of JSON, beginning {shown(start)}. {BASE_URL_HINT}",
            request_id=request_id(headers),
        )
    try:
        body = cast("Mapping[str, Any]", from_json(content))
    except ValueError:
        raise OutcomeUnknown(
            "The API's answer is cut off or garbled.",
            request_id=request_id(headers),
        ) from None
    if isinstance(body.get("error"), Mapping):
        raise translate_object(cast("Mapping[str, Any]", body["error"]), model=model, request_id=request_id(headers))
    return body


def _read_pictures(
    rows: Sequence[Any], here: Mapping[str, ImageBytes]
) -> tuple[tuple[ImageBytes | ImageLink, ...], list[str]]:
    """The pictures of `data` rows as bytes or links, and what is wrong with the other rows.

    `here` has the pictures that `body_reader` decoded while they arrived, by what it left in place of their base64.
    """
    pictures: list[ImageBytes | ImageLink] = []
    broken: list[str] = []
    for row in (cast("Mapping[str, Any]", row) for row in rows if isinstance(row, dict)):
        encoded, url = row.get("b64_json"), row.get("url")
        if isinstance(encoded, str) and encoded:
            try:
                pictures.append(here.get(encoded) or ImageBytes(decode_base64(encoded)))
            except ValueError:
                broken.append("its base64 is broken")
        elif isinstance(url, str) and url:
            pictures.append(ImageLink(url))
        else:
            broken.append(f"an entry holds neither `b64_json` nor `url`, only {shown(sorted(row))}")
    return tuple(pictures), broken


def _api_result(
    body: Mapping[str, Any], headers: Mapping[str, str], pictures: tuple[ImageBytes | ImageLink, ...]
) -> ApiResult:
    return ApiResult(
        pictures=pictures,
        size=text_field(body, "size"),
        quality=text_field(body, "quality"),
        background=text_field(body, "background"),
        output_format=text_field(body, "output_format"),
        usage=parse_usage(body.get("usage")),
        request_id=request_id(headers),
        sandbox=from_sandbox(headers),
    )


def decode_base64(encoded: str) -> bytes:
    """Decode base64, with or without a data URL around it; raises ValueError if it is invalid.

    The URL-safe alphabet, line ends and missing padding are read as well: a picture is paid for, however it is written.
    """
    prefix = _DATA_URL.match(encoded)
    plain = encoded[prefix.end() :] if prefix else encoded
    try:
        return pybase64.b64decode(plain, validate=True)
    except ValueError:
        data = decode_loosely(plain.encode())
        if not data:
            raise
        return data


def request_id(headers: Mapping[str, str]) -> str | None:
    """The request id that OpenAI's support asks for."""
    return headers.get("x-request-id", "")[:MAX_REQUEST_ID] or None


def text_field(body: Mapping[str, Any], name: str) -> str | None:
    """The text of a field; None if it is missing, empty, "auto" or no text."""
    value = body.get(name)
    return value if isinstance(value, str) and value and value != "auto" else None


def as_object(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def parse_usage(value: object) -> Usage | None:
    """The usage of a picture; None if the backend reports no output tokens, which means that it does not count."""
    usage = usage_from(value)
    return usage if usage and usage.output_tokens else None
