"""The lines of a batch: the body of a request as JSON, and the answer to it in the file of results."""

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from ..billing.prices import BATCH_SHARE
from ..errors import NOT_SENT_AGAIN, ODD_JSON, ApiError, BadAnswer, Unavailable
from .api_result import ApiResult
from .body_reader import Body, read_body
from .errors import translate_object
from .images_route import changed_options
from .origin import Origin
from .request import ImageRequest
from .results import parse_images_answer

_CUSTOM_ID: Final = re.compile(rb'"custom_id"\s{0,4}:\s{0,4}"([A-Za-z0-9_-]{1,64})"')
NOT_MADE: Final = {
    "batch_expired": "OpenAI did not come to this line within 24 hours, and does not bill it.",
    "batch_cancelled": "The batch was cancelled before this line was made; it is not billed.",
}
"""Why a line was not made, by OpenAI's codes."""
HTTP_OK: Final = range(200, 300)
MIN_REFUSED: Final = 400


@dataclass(frozen=True, slots=True)
class LineAnswer:
    """The answer to one line: its pictures, or why there are none."""

    custom_id: str
    result: ApiResult | None = None
    failure: ApiError | None = None


def body_of(request: ImageRequest, files: Sequence[str], mask: str | None) -> dict[str, Any]:
    """The JSON body of a request, with the ids of the uploaded `files` and `mask` in place of its inputs."""
    body: dict[str, Any] = {"model": request.model, "prompt": request.prompt, **changed_options(request.options)}
    if request.n > 1:
        body["n"] = request.n
    if files:
        body["images"] = [{"file_id": file} for file in files]
    if mask is not None:
        body["mask"] = {"file_id": mask}
    return body


def custom_id_of(line: bytes) -> str | None:
    """The id of a line of the results, without reading the rest of it."""
    found = _CUSTOM_ID.search(line)
    return found[1].decode() if found else None


def read_line(line: bytes, origin: Origin, *, model: str) -> LineAnswer:
    """Read a line of the results: its pictures cost half.

    Raises:
        BadAnswer: it is no line of results.

    """
    arrived = read_body(line)
    try:
        found: Any = json.loads(arrived.json)
        custom_id = str(found["custom_id"])
        answer, error = _object(found.get("response")), found.get("error")
        status = int(answer.get("status_code") or 0)
    except ODD_JSON as odd:
        raise BadAnswer("A line of the batch's results cannot be read.") from odd
    body = _object(answer.get("body"))
    origin = replace(origin, request_id=str(answer.get("request_id") or "")[:100] or None)
    # Pictures that came are saved, whatever stands beside them.
    if (status in HTTP_OK and not error) or arrived.pictures:
        try:
            result = parse_images_answer(Body(json.dumps(body).encode(), arrived.pictures), origin, model=model)
        except ODD_JSON as odd:
            raise BadAnswer("A line of the batch's results cannot be read.") from odd
        except ApiError as failure:
            failure.from_sandbox = origin.sandbox
            return LineAnswer(custom_id, failure=failure)
        return LineAnswer(custom_id, replace(result, share=BATCH_SHARE))
    if (code := str(_object(error).get("code"))) in NOT_MADE:
        return LineAnswer(custom_id, failure=Unavailable(NOT_MADE[code]))
    if not error and status < MIN_REFUSED:
        raise BadAnswer("A line of the batch's results says neither what was made nor why nothing was.")
    told = body if body.get("error") else {"error": error or body}
    failure = translate_object(told, origin, model=model)
    if failure.may_be_billed:
        # Of a line that the Batch API lists as an error it is known that it is not billed.
        failure = Unavailable(f"{str(failure).replace(NOT_SENT_AGAIN, '').strip()} It is not billed.")
    failure.from_sandbox = origin.sandbox
    return LineAnswer(custom_id, failure=failure)


def _object(value: Any) -> dict[str, Any]:
    return cast("dict[str, Any]", value) if isinstance(value, dict) else {}
