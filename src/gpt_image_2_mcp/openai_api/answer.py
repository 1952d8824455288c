"""Receives an answer, and reads it: strictly, then loosely; what cannot be read is kept as it came.

A picture is paid for when the answer begins to arrive, so nothing that arrived is thrown away. Where the strict reader
fails, or the connection breaks off, the complete pictures in what arrived are used (`loose_parser`), and if some are
missing, the rest of the answer is kept by the `ImageSink`. If there is none, or if the pictures cannot be fetched or
saved, the whole answer is kept. The error or the warning says where.
"""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from dataclasses import replace
from typing import Any, Final

import httpx2
import openai

from ..errors import ApiError, BadAnswer, CannotSave, GptImageError, OutcomeUnknown
from .api_result import ApiResult
from .body_reader import ImageBytes
from .bounded_body import CUT, MAX_PICTURE_BYTES
from .connection_trace import trace_of
from .loose_parser import find_pictures, find_usage, leave_out_pictures, may_hold_picture
from .origin import Origin
from .request import ImageRequest
from .results import parse_usage, reading_answer
from .sink import ImageSink
from .unbilled import was_never_sent

MAX_PLAIN_BYTES = 3_000
"""Bytes of a JSON object in which no picture can be: a refusal in words, for example."""
MAX_BESIDE_BYTES = 1024 * 1024
"""Bytes of an answer that are read beside its pictures."""
MAX_PIECE = 512 * 1024
"""More bytes than `pieces` gives at once."""
_PICTURE_FIELD: Final = re.compile(rb'b64_json|url|"result"\s*+:\s*+"')
"""What stands before a picture or a link: `result` is the Responses API's, and null where it made no picture."""
IN_ERROR = "The backend answered with an error that had the picture in it."
NO_HTTP = "The backend's answer is no valid HTTP; the picture was found in it all the same."
NOT_READ = "More of it came than is read; the rest is not kept."
RESCUE = "`gpt-image-2-mcp library rescue` looks for pictures in it."


class Answer:
    """The body of one answer while it arrives; `response` is the SDK's, whose status is one of success."""

    def __init__(self, response: Any, pictures: int) -> None:
        """Read nothing yet; there may be `pictures` in it, finished and unfinished ones."""
        self._response = response
        self._limit = pictures * MAX_PICTURE_BYTES + MAX_BESIDE_BYTES
        self.origin = Origin.of(response.http_response)
        self.content = bytearray()
        """What has arrived, without what `forget` left out."""
        self._count = 0

    def pieces(self) -> Iterator[bytes]:
        """Read the body, and keep each piece.

        Raises:
            OutcomeUnknown: there is more of it than its pictures can take.
            openai.APITimeoutError: it takes too long.
            openai.APIConnectionError: the connection broke off. The SDK itself raises its errors only until the
                headers are there.

        """
        request = self._response.http_request
        try:
            for piece in self._response.iter_bytes():
                self.content += piece
                self._count += len(piece)
                if self._count > self._limit:
                    raise OutcomeUnknown(
                        f"The API's answer has more than {self._limit:,} bytes; what came after them is not kept."
                    )
                yield piece
        except httpx2.TimeoutException as error:
            raise openai.APITimeoutError(request=request) from error
        except httpx2.RequestError as error:
            raise openai.APIConnectionError(request=request) from error

    def forget(self) -> None:
        """Keep no longer what was read and is saved; what came last may belong to what follows."""
        del self.content[:-MAX_PIECE]


def receive(
    call: AbstractContextManager[Any],
    read: Callable[[Answer], ApiResult],
    sink: ImageSink,
    *,
    request: ImageRequest,
    wanted: int,
    unfinished: int = 0,
    warning: str = IN_ERROR,
) -> bool:
    """Send a request, and pass the pictures of its answer to `sink`. Blocks: called in the request's thread.

    `call` is the SDK's request for `wanted` of the pictures of `request`, and for `unfinished` ones of them before;
    `read` reads the answer strictly. True if the backend answered with an error, and the picture was in that; the
    result then has the `warning`.

    Raises:
        GptImageError: there is no picture, or none could be fetched or saved; where the answer is kept, it says so.
        openai.OpenAIError: the request failed, or the connection broke off before a picture was complete.

    """
    try:
        with call as response:
            _save(Answer(response, wanted + unfinished), read, sink, request=request, wanted=wanted)
            return False
    except openai.APIStatusError as error:
        # A proxy may fail after the picture was made, and put what it has into the error, whatever its status. Such an
        # error must not reach `retry`, which would have the picture made again.
        result = _find_result(error.response.content, Origin.of(error.response), request)
        if result is None:
            raise
        content = error.response.content
        told = (warning, *([NOT_READ] if error.response.extensions.get(CUT) else []))
        try:
            sink.save_result(_without_extras(replace(result, warnings=told), content, sink, wanted=wanted))
        except GptImageError as failure:
            _keep(content, failure, sink)
            raise
        return True
    except openai.APIConnectionError as error:
        unread = trace_of(error.request).unread
        if not unread.content or was_never_sent(error):
            raise
        content = bytes(unread.content)
        result = _find_result(unread.body, Origin.of_request(error.request), request)
        if result is None:
            if len(content) >= MAX_PLAIN_BYTES:
                _keep(content, error, sink)
            raise
        sink.save_result(_without_extras(replace(result, warnings=(NO_HTTP,)), content, sink, wanted=wanted))
        return False


def _save(
    answer: Answer, read: Callable[[Answer], ApiResult], sink: ImageSink, *, request: ImageRequest, wanted: int
) -> None:
    try:
        try:
            with reading_answer(answer.origin):
                result = read(answer)
            if len(result.pictures) < wanted:
                result = _with_others(result, answer, request, wanted=wanted)
            if len(result.pictures) > wanted + 1:
                result = _without_extras(result, bytes(answer.content), sink, wanted=wanted)
            elif result.warnings:
                result = replace(
                    result, warnings=(*result.warnings[:-1], _keep_rest(result.warnings[-1], answer, sink))
                )
        except (ApiError, openai.APIConnectionError) as failure:
            result = _read_loosely(answer, failure, sink, request=request, wanted=wanted)
        try:
            sink.save_result(result)
        except GptImageError as failure:
            failure.usage = None if result.host_usage else result.usage
            raise
    except (BadAnswer, OutcomeUnknown, CannotSave, openai.APIConnectionError) as failure:
        _keep(answer.content, failure, sink)
        raise


def _read_loosely(
    answer: Answer, failure: Exception, sink: ImageSink, *, request: ImageRequest, wanted: int
) -> ApiResult:
    """What can be read of an answer that the strict reader refused; raises `failure` if that is no picture."""
    result = _find_result(bytes(answer.content), answer.origin, request)
    if result is None:
        raise failure
    broke_off = isinstance(failure, openai.APIConnectionError | OutcomeUnknown)
    what = "broke off" if broke_off else "was not in the form of OpenAI's API"
    arrived = len(result.pictures)
    if arrived > wanted + 1:
        return _without_extras(result, bytes(answer.content), sink, wanted=wanted)
    warning = f"The API's answer {what}; {min(arrived, wanted)} of {wanted} pictures arrived whole."
    return replace(result, warnings=(_keep_rest(warning, answer, sink) if arrived < wanted else warning,))


def _without_extras(result: ApiResult, content: bytes, sink: ImageSink, *, wanted: int) -> ApiResult:
    """The result with at most one picture more than the `wanted` ones; the others are kept in one file, as they came.

    A backend that was asked for one picture and sends hundreds would fill the disk.
    """
    most, came = wanted + 1, len(result.pictures)
    if came <= most:
        return result
    path = sink.keep_raw(leave_out_pictures(content, most))
    kept = f"the others are kept in {path}; {RESCUE}" if path else "the others could not be kept."
    warning = f"The backend sent {came} pictures, {wanted} were asked for: {most} are saved, {kept}"
    return replace(result, pictures=result.pictures[:most], warnings=(*result.warnings, warning))


def _keep_rest(warning: str, answer: Answer, sink: ImageSink) -> str:
    """Keep what stands in an answer beside its complete pictures, if a picture may be in it; completes `warning`."""
    rest = leave_out_pictures(bytes(answer.content))
    path = sink.keep_raw(rest) if may_hold_picture(rest) else None
    return f"{warning} The rest of it is kept in {path}; {RESCUE}" if path else warning


def _with_others(result: ApiResult, answer: Answer, request: ImageRequest, *, wanted: int) -> ApiResult:
    """The result with the complete pictures that stand elsewhere in the answer than OpenAI puts them."""
    known = [picture.data for picture in result.pictures if isinstance(picture, ImageBytes)]
    others = [ImageBytes(data) for data in _find_made(bytes(answer.content), request) if data not in known]
    pictures = (*result.pictures, *others)
    return replace(result, pictures=pictures, warnings=() if len(pictures) >= wanted else result.warnings)


def _find_result(content: bytes, origin: Origin, request: ImageRequest) -> ApiResult | None:
    """The complete pictures in an answer of any form; None if there is none."""
    pictures = _find_made(content, request)
    if not pictures:
        return None
    # The Responses API counts the host model's tokens there, which are no picture's.
    usage = None if b"image_generation_call" in content else parse_usage(find_usage(content))
    return ApiResult(
        pictures=tuple(map(ImageBytes, pictures)),
        usage=usage,
        request_id=origin.request_id,
        sandbox=origin.sandbox,
        reached_at=origin.reached_at,
    )


def _find_made(content: bytes, request: ImageRequest) -> list[bytes]:
    """The complete pictures in an answer that were made.

    A backend may repeat the request in an error: the pictures that were sent are not those that were made.
    """
    sent = [image.data for image in (*request.inputs, request.mask) if image]
    return [data for data in find_pictures(content) if data not in sent]


def _keep(content: bytes | bytearray, failure: Exception, sink: ImageSink) -> None:
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


def _is_plain_object(content: bytes | bytearray) -> bool:
    """Whether an answer is a whole JSON object that holds no picture and no link, such as a refusal in words."""
    if len(content) >= MAX_PLAIN_BYTES or _PICTURE_FIELD.search(content):
        return False
    try:
        body = json.loads(content)
    except (ValueError, RecursionError):
        return False
    return isinstance(body, dict)
