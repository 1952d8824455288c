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
from ..errors import ApiError, BadAnswer, OutcomeUnknown, shorten, shown
from ..redaction.printable import printable_line
from .api_result import ApiResult, ImageLink
from .body_reader import Body, ImageBytes
from .bounded_body import MAX_PARTS, count_parts
from .error_body import read_error, tells_of_failure
from .errors import translate_object
from .loose_parser import decode_loosely
from .origin import Origin, says

MAX_FIELD = 100
"""Characters of a text that an answer says about its pictures, such as their quality."""
MAX_TOKENS = 5_000_000
"""Tokens of one answer: one with ten 4K pictures takes some 300,000. A broken count would use up the day's budget."""
MAX_BROKEN = 3
"""Entries without a picture that are described."""

BASE_URL_HINT = (
    "If OPENAI_BASE_URL is set, check that it is the address of an OpenAI-compatible API (it usually ends in /v1)."
)

_DATA_URL = re.compile(r"data:[^,]{0,200};base64,", re.IGNORECASE)


@contextmanager
def reading_answer(origin: Origin) -> Generator[None]:
    """Complete the errors raised in the `with` block, which reads an answer of this origin.

    An `ApiError` learns whether the sandbox answered. A shape that the code did not expect becomes a `BadAnswer`, which
    says that a picture may be billed.
    """
    try:
        yield
    except ApiError as error:
        error.from_sandbox = origin.sandbox
        raise
    except (AttributeError, LookupError, TypeError, ValueError) as odd:
        # An unexpected exception would end the whole job, with the other requests of it that are paid for.
        failure = BadAnswer(f"The API's answer has an unforeseen shape. {BASE_URL_HINT}", request_id=origin.request_id)
        failure.from_sandbox = origin.sandbox
        raise failure from odd


def parse_images_answer(arrived: Body, origin: Origin, *, model: str) -> ApiResult:
    """Read the answer of `/images/generations` or `/images/edits`.

    Raises:
        BadAnswer: it has no picture; the message says what it is instead.
        OutcomeUnknown: it is cut off.
        ApiError: it is an error object, though its status is 200.

    """
    body = parse_object(arrived.json, origin, model=model)
    data: Any = body.get("data")
    pictures, broken = _read_pictures(cast("list[Any]", data) if isinstance(data, list) else [], arrived.pictures)
    if not pictures:
        if tells_of_failure(body):
            raise translate_object(body, origin, model=model)
        why = "; ".join(broken) or "it holds no picture"
        told = read_error(body).message
        hint = f"{says(told)[0].upper()}{says(told)[1:]}." if told else BASE_URL_HINT
        failure = BadAnswer(f"The API answered, but {why}. {hint}", request_id=origin.request_id)
        failure.usage = parse_usage(body.get("usage"))
        raise failure
    warnings = tuple(f"One picture of the answer could not be used: {why}." for why in broken)
    return replace(_api_result(body, origin, pictures), warnings=warnings)


def parse_completed_event(event: Mapping[str, Any], origin: Origin) -> ApiResult:
    """Read the `completed` event of a stream; raises BadAnswer if it has no picture."""
    pictures, broken = _read_pictures([event], {})
    if not pictures:
        raise BadAnswer(f"The API's stream is complete, but {broken[0]}. {BASE_URL_HINT}", request_id=origin.request_id)
    return _api_result(event, origin, pictures)


def parse_object(content: bytes, origin: Origin, *, model: str) -> Mapping[str, Any]:
    """Read an answer's body as a JSON object; raises as `images_answer` does."""
    content = content.removeprefix(b"\xef\xbb\xbf").lstrip()
    head = content[:200]
    if not head.startswith(b"{"):
        start = head[:60].decode("utf-8", "replace")
        what = f"{origin.content_type} instead of JSON, beginning {shown(start)}" if head else "an empty body"
        raise BadAnswer(
            f"The API's address answered with {what}. {BASE_URL_HINT}",
            request_id=origin.request_id,
        )
    try:
        body = cast("Mapping[str, Any]", from_json(content if count_parts(content) <= MAX_PARTS else b""))
    except ValueError:
        raise OutcomeUnknown(
            "The API's answer is cut off or garbled.",
            request_id=origin.request_id,
        ) from None
    if isinstance(body.get("error"), Mapping):
        raise translate_object(body, origin, model=model)
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
    reasons = list(dict.fromkeys(broken))
    more = [f"and so on for {len(broken)} entries"] if len(reasons) > MAX_BROKEN else []
    return tuple(pictures), [*reasons[:MAX_BROKEN], *more]


def _api_result(body: Mapping[str, Any], origin: Origin, pictures: tuple[ImageBytes | ImageLink, ...]) -> ApiResult:
    return ApiResult(
        pictures=pictures,
        size=text_field(body, "size"),
        quality=text_field(body, "quality"),
        background=text_field(body, "background"),
        output_format=text_field(body, "output_format"),
        usage=parse_usage(body.get("usage")),
        request_id=origin.request_id,
        sandbox=origin.sandbox,
        reached_at=origin.reached_at,
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


def text_field(body: Mapping[str, Any], name: str) -> str | None:
    """The text of a field, on one short line; None if it is missing, empty, "auto" or no text."""
    value = body.get(name)
    text = printable_line(value[: 2 * MAX_FIELD]) if isinstance(value, str) else ""
    return shorten(text, MAX_FIELD) if text and text != "auto" else None


def parse_usage(value: object) -> Usage | None:
    """The usage of a picture; None if the backend reports no output tokens, which means that it does not count."""
    usage = parse_host_usage(value)
    return usage if usage and usage.output_tokens else None


def parse_host_usage(value: object) -> Usage | None:
    """The usage of one answer; None if it is missing, contradicts itself or cannot be true."""
    usage = usage_from(value)
    return usage if usage and usage.total_tokens <= MAX_TOKENS else None
