"""OpenAI's error answers, in its words.

Every one is an `ApiRefusal`, which the app turns into `{"error": {message, type, param, code}}`. Codes, types and
parameters are those of OpenAI's API on 2026-11-22. The sentences are kept as they were published or reported, since
people search for them and clients match on them ("must be verified" has no code to match on).
"""

from collections.abc import Collection, Mapping
from typing import Literal

Json = None | bool | int | float | str | list["Json"] | dict[str, "Json"]
"""What `json.loads` can return."""

JsonObject = dict[str, Json]
"""A JSON object."""

USER_ERROR = "invalid_request_error"
"""The `type` of most errors."""

IMAGE_USER_ERROR = "image_generation_user_error"
"""The `type` of an error that comes from the picture model instead of the API in front of it."""


class ApiRefusal(Exception):
    """An answer with an error status and OpenAI's error body; raise it to send it."""

    def __init__(
        self,
        status: int,
        message: str,
        *,
        code: str | None,
        param: str | None = None,
        kind: str = USER_ERROR,
        headers: Mapping[str, str] | None = None,
        extra: JsonObject | None = None,
    ) -> None:
        """Make an error answer; `kind` is its `type`, and `{request_id}` in `message` is replaced when it is sent."""
        super().__init__(message)
        self.status = status
        self.message = message
        self.code = code
        self.param = param
        self.kind = kind
        self.headers = dict(headers or {})
        self.extra = dict(extra or {})

    def error(self, *, request_id: str) -> JsonObject:
        """Return the `error` object of the body."""
        return {
            "message": self.message.replace("{request_id}", request_id),
            "type": self.kind,
            "param": self.param,
            "code": self.code,
            **self.extra,
        }

    def with_param(self, param: str) -> "ApiRefusal":
        """Return a copy with another `param`: on the Responses route OpenAI names `tools` as a whole."""
        return ApiRefusal(
            self.status,
            self.message,
            code=self.code,
            param=param,
            kind=self.kind,
            headers=self.headers,
            extra=self.extra,
        )


def quoted_list(values: Collection[str]) -> str:
    """List values as OpenAI does: `'a', 'b', and 'c'`."""
    names = [f"'{value}'" for value in values]
    match names:
        case [only]:
            return only
        case [first, second]:
            return f"{first} and {second}"
        case _:
            return f"{', '.join(names[:-1])}, and {names[-1]}"


def missing(param: str) -> ApiRefusal:
    """A required parameter is absent."""
    return ApiRefusal(400, f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param)


def unknown(param: str) -> ApiRefusal:
    """A parameter is not known to this endpoint."""
    return ApiRefusal(400, f"Unknown parameter: '{param}'.", code="unknown_parameter", param=param)


def wrong_type(param: str, *, expected: str, got: str) -> ApiRefusal:
    """A value has another JSON type; `expected` and `got` have their article, as in `an integer`."""
    return ApiRefusal(
        400,
        f"Invalid type for '{param}': expected {expected}, but got {got} instead.",
        code="invalid_type",
        param=param,
    )


def not_supported(param: str, value: str, supported: Collection[str]) -> ApiRefusal:
    """A string is not one of the supported values."""
    return ApiRefusal(
        400,
        f"Invalid value: '{value}'. Supported values are: {quoted_list(supported)}.",
        code="invalid_value",
        param=param,
    )


def out_of_range(param: str, value: int, *, low: int, high: int) -> ApiRefusal:
    """An integer is out of its bounds."""
    if value > high:
        side, sign, bound, code = "above maximum", "<=", high, "integer_above_max_value"
    else:
        side, sign, bound, code = "below minimum", ">=", low, "integer_below_min_value"
    message = f"Invalid '{param}': integer {side} value. Expected a value {sign} {bound}, but got {value} instead."
    return ApiRefusal(400, message, code=code, param=param)


def too_long(param: str, length: int, limit: int) -> ApiRefusal:
    """A string is longer than `limit`."""
    message = (
        f"Invalid '{param}': string too long. Expected a string with maximum length {limit}, "
        f"but got a string with length {length} instead."
    )
    return ApiRefusal(400, message, code="string_above_max_length", param=param)


def empty_string(param: str) -> ApiRefusal:
    """A string is empty that must not be."""
    message = (
        f"Invalid '{param}': empty string. Expected a string with minimum length 1, but got an empty string instead."
    )
    return ApiRefusal(400, message, code="empty_string", param=param)


def wrong_count(param: str, count: int, *, low: int, high: int) -> ApiRefusal:
    """An array has too few or too many items."""
    if count > high:
        side, word, bound, code = "long", "maximum", high, "array_above_max_length"
    else:
        side, word, bound, code = "short", "minimum", low, "array_below_min_length"
    message = (
        f"Invalid '{param}': array too {side}. Expected an array with {word} length {bound}, "
        f"but got an array with length {count} instead."
    )
    return ApiRefusal(400, message, code=code, param=param)


def model_refusal(message: str, *, param: str, code: str | None = "invalid_value") -> ApiRefusal:
    """The picture model refused the request, for example its size."""
    return ApiRefusal(400, message, code=code, param=param, kind=IMAGE_USER_ERROR)


def bad_picture(message: str, *, param: str = "image") -> ApiRefusal:
    """An input picture or mask cannot be used."""
    return ApiRefusal(400, message, code="invalid_image_file", param=param, kind=IMAGE_USER_ERROR)


def model_not_found(model: str, *, shut_down: bool = False) -> ApiRefusal:
    """A model does not exist, or was shut down."""
    if shut_down:
        message = (
            f"The model `{model}` has been deprecated, learn more here: https://platform.openai.com/docs/deprecations"
        )
    else:
        message = f"The model `{model}` does not exist or you do not have access to it."
    return ApiRefusal(404, message, code="model_not_found")


def moderation_blocked(
    *, categories: Collection[str], stage: Literal["input", "output", "unknown"] = "input"
) -> ApiRefusal:
    """The safety system refused the prompt or a picture."""
    message = (
        "Your request was rejected by the safety system. If you believe this is an error, contact us at "
        "help.openai.com and include the request ID {request_id}. "
        f"safety_violations=[{', '.join(categories)}]."
    )
    details: JsonObject = {"moderation_stage": stage, "categories": list(categories)}
    return ApiRefusal(
        400, message, code="moderation_blocked", kind=IMAGE_USER_ERROR, extra={"moderation_details": details}
    )


def content_filtered(*, category: str) -> ApiRefusal:
    """Azure's content filter refused the prompt or a picture."""
    results: JsonObject = {
        name: {"filtered": name == category, "severity": "high" if name == category else "safe"}
        for name in ("hate", "self_harm", "sexual", "violence")
    }
    inner: JsonObject = {"code": "ResponsibleAIPolicyViolation", "content_filter_results": results}
    message = "Your task failed as a result of our safety system."
    return ApiRefusal(400, message, code="content_filter", extra={"inner_error": inner})


def no_such_response(response_id: str) -> ApiRefusal:
    """There is no stored response with this id."""
    return ApiRefusal(404, f"Response with id '{response_id}' not found.", code=None)


def no_key() -> ApiRefusal:
    """The request has no `Authorization: Bearer` header."""
    message = (
        "You didn't provide an API key. You need to provide your API key in an Authorization header using Bearer auth "
        "(i.e. Authorization: Bearer YOUR_KEY). You can obtain an API key from "
        "https://platform.openai.com/account/api-keys."
    )
    return ApiRefusal(401, message, code=None)


def wrong_key(key: str) -> ApiRefusal:
    """The API key is not known; the message repeats it with its middle masked by asterisks."""
    ends = 6 + 4
    shown = f"{key[:6]}{'*' * max(4, len(key) - ends)}{key[-4:]}" if len(key) >= ends else "*" * len(key)
    message = (
        f"Incorrect API key provided: {shown}. You can find your API key at "
        "https://platform.openai.com/account/api-keys."
    )
    return ApiRefusal(401, message, code="invalid_api_key")


def no_such_url(method: str, path: str) -> ApiRefusal:
    """There is no such route."""
    return ApiRefusal(404, f"Invalid URL ({method} {path})", code=None)


def wrong_method(method: str, path: str, allowed: str) -> ApiRefusal:
    """The route does not have this method."""
    message = f"Not allowed to {method} on {path}. (HINT: Perhaps you meant to make a {allowed} request?)"
    return ApiRefusal(405, message, code="method_not_supported", headers={"allow": allowed})


def no_such_file(file_id: str, *, param: str = "id") -> ApiRefusal:
    """There is no file with this id: it was deleted, has expired, or never existed."""
    return ApiRefusal(404, f"No such File object: {file_id}", code=None, param=param)


def no_such_batch(batch_id: str) -> ApiRefusal:
    """There is no batch with this id."""
    return ApiRefusal(404, f"No batch found with id '{batch_id}'.", code=None)


def batch_is_final(status: str) -> ApiRefusal:
    """A batch cannot be cancelled any more."""
    return ApiRefusal(409, f"Cannot cancel a batch with status '{status}'.", code=None)
