"""Receives an answer, and reads it: strictly, then loosely; what nobody can read is kept as it came.

A picture is paid for when the answer begins to arrive, so nothing that arrived is thrown away. Where the strict reader
fails, or the connection breaks off, the complete pictures in what arrived are used (`loose_parser`). If there is none,
or if the pictures cannot be fetched or saved, the raw answer is kept by the `ImageSink`, and the error says where.
"""

import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import httpx2
import openai

from ..errors import ApiError, BadAnswer, CannotSave, GptImageError, OutcomeUnknown
from .api_result import ApiResult
from .body_reader import ImageBytes
from .client import with_deadline
from .errors import from_sandbox
from .loose_parser import find_pictures, find_usage
from .results import parse_usage, reading_answer, request_id
from .sink import ImageSink

MAX_PLAIN_BYTES = 3_000
"""Bytes of a JSON object in which no picture can be: a refusal in words, for example."""
RESCUE = "`gpt-image-2-mcp library rescue` looks for pictures in it."


class Answer:
    """The body of one answer while it arrives; `response` is the SDK's, whose status is one of success."""

    def __init__(self, response: Any) -> None:
        """Read nothing yet."""
        self._response = response
        self.headers: Mapping[str, str] = response.headers
        self.content = bytearray()
        """What has arrived."""

    def pieces(self) -> Iterator[bytes]:
        """Read the body, and keep each piece.

        Raises:
            openai.APITimeoutError: it takes too long.
            openai.APIConnectionError: the connection broke off. The SDK itself raises its errors only until the
                headers are there.

        """
        request = self._response.http_request
        try:
            for piece in with_deadline(self._response.iter_bytes()):
                self.content += piece
                yield piece
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except httpx2.RequestError as error:
            raise openai.APIConnectionError(request=request) from error


def save_answer(answer: Answer, read: Callable[[], ApiResult], sink: ImageSink) -> None:
    """Pass the pictures of an answer to `sink`; `read` reads it strictly. Blocks: called in the request's thread.

    Raises:
        GptImageError: there is no picture, or none could be fetched or saved; where the answer is kept, it says so.
        openai.OpenAIError: the connection broke off before a picture was complete.

    """
    try:
        try:
            with reading_answer(answer.headers):
                result = read()
        except (ApiError, openai.APIConnectionError) as failure:
            result = _loose_result(bytes(answer.content), answer.headers, failure)
        sink.save_result(result)
    except (BadAnswer, OutcomeUnknown, CannotSave, openai.APIConnectionError) as failure:
        _keep(answer.content, failure, sink)
        raise


def _loose_result(content: bytes, headers: Mapping[str, str], failure: Exception) -> ApiResult:
    """What can be read of an answer that the strict reader refused; raises `failure` if that is no picture."""
    broke_off = isinstance(failure, openai.APIConnectionError | OutcomeUnknown)
    what = "broke off" if broke_off else "was not in the form of OpenAI's API"
    result = find_result(content, headers, warning=f"The API's answer {what}; what is here was complete in it.")
    if result is None:
        raise failure
    return result


def find_result(content: bytes, headers: Mapping[str, str], *, warning: str) -> ApiResult | None:
    """The complete pictures in an answer of any form, with `warning`; None if there is none."""
    pictures = find_pictures(content)
    if not pictures:
        return None
    return ApiResult(
        pictures=tuple(map(ImageBytes, pictures)),
        usage=parse_usage(find_usage(content)),
        request_id=request_id(headers),
        sandbox=from_sandbox(headers),
        warnings=(warning,),
    )


def _keep(content: bytearray, failure: Exception, sink: ImageSink) -> None:
    """Keep a raw answer that may have a picture in it, and let `failure` say where."""
    if not content or _is_plain_object(content):
        return
    path = sink.keep_raw(bytes(content))
    if path is None:
        return
    note = f"What arrived is kept in {path}; {RESCUE}"
    if isinstance(failure, GptImageError):
        failure.args = (f"{failure.args[0]} {note}",)
    else:
        failure.add_note(note)


def _is_plain_object(content: bytearray) -> bool:
    """Whether an answer is a whole JSON object that holds no picture and no link, such as a refusal in words."""
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return False
    has_field = b"b64_json" in content or b"url" in content
    return isinstance(body, dict) and not has_field and len(content) < MAX_PLAIN_BYTES
