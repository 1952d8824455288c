"""`Fault`: one thing that the sandbox does wrong on demand; and the errors that faults cause, in OpenAI's words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, get_args

from .errors import (
    IMAGE_USER_ERROR,
    USER_ERROR,
    ApiRefusal,
    JsonObject,
    content_filtered,
    model_not_found,
    moderation_blocked,
    wrong_key,
)

ErrorName = Literal[
    "invalid_api_key",
    "must_be_verified",
    "model_not_found",
    "moderation_blocked",
    "content_filter",
    "billing_hard_limit_reached",
    "billing_not_active",
    "rate_limit_exceeded",
    "insufficient_quota",
    "server_error",
    "overloaded",
    "edits_refused",
    "no_such_route",
]
"""Names of errors that the sandbox answers as OpenAI words them, `content_filter` as Azure does."""

FaultKind = Literal[
    "error",
    "html",
    "hang",
    "drop",
    "cut",
    "stall",
    "no_completed",
    "error_event",
    "url",
    "data_url",
    "no_usage",
    "not_an_image",
    "bad_base64",
    "empty_data",
    "other_size",
    "other_format",
    "blank",
    "batch_failed",
]
"""What goes wrong; the docstring of `Fault` explains each."""


Route = Literal["generations", "edits", "responses", "files", "contents", "batches", "polls", "cancels", "lines"]
"""The route that a request came in on.

`files` is an upload, `contents` the download of a file, `batches` the creation of a batch, `polls` a look at one or at
their list, `cancels` its cancelling, and `lines` the running of a batch's line.
"""

PICTURE_ROUTES: tuple[Route, ...] = ("generations", "edits", "responses")
"""The routes that answer with pictures."""

FaultRoute = Route | Literal["pictures", "any"]
"""The routes that a fault is meant for; `pictures` is all `PICTURE_ROUTES`."""

PICTURE_FAULTS: tuple[FaultKind, ...] = (
    "url",
    "data_url",
    "no_usage",
    "not_an_image",
    "bad_base64",
    "empty_data",
    "other_size",
)
"""The faults of the pictures in an answer."""

_KINDS: Mapping[FaultRoute, tuple[FaultKind, ...]] = {
    "files": ("error", "html", "hang", "drop"),
    "contents": ("error", "html", "hang", "drop", "cut"),
    "batches": ("error", "html", "hang", "drop", "batch_failed"),
    "polls": ("error", "html", "hang", "drop"),
    "cancels": ("error", "html", "hang", "drop"),
    "lines": ("error", "html", *PICTURE_FAULTS),
}
"""What can go wrong on the routes that do not answer with pictures; the others have all but `batch_failed`."""

_KINDS_OF_PICTURES = tuple(kind for kind in get_args(FaultKind) if kind != "batch_failed")

_FAULT_ROUTES = (*get_args(Route), "pictures", "any")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that the sandbox does wrong; `kind` says what.

    - `error`: an error answer: the one named by `error`, or one made of `status`, `message`, `code`, `type` and
      `param`, which also override those of a named error. Nothing is billed.
    - `html`: an HTML page with `status`, such as a proxy between client and API sends. Nothing is billed.
    - `hang`: no answer until the caller leaves. Billed.
    - `drop`: the connection ends without an answer. Billed.
    - `cut`: the connection ends after `after` bytes of the body. Billed.
    - `stall`, `no_completed`, `error_event`: a stream that after `after` events stops without ending, ends too early,
      or sends an error. Billed. If the request is not streamed, a stall hangs and the other two are ignored.
    - `url`, `data_url`: the picture as a URL or a data URL instead of base64.
    - `no_usage`: an answer without its `usage`.
    - `not_an_image`, `bad_base64`, `empty_data`: an answer without a usable picture.
    - `other_size`: a picture of the size `size`, whatever was asked for.
    - `other_format`: a JPEG where another format was asked for, and a PNG in place of a JPEG.
    - `blank`: a picture of one colour, white.
    - `batch_failed`: a batch that is created and then fails its validation, with `code`, `message` and `param`; without
      them, because too many tokens are queued. For the route `batches` only.

    A batch that meets a `drop` or a `hang` is created, or cancelled, all the same. A batch's line has no connection of
    its own, and meets only `error`, `html` and the faults of the picture.

    `route` says which requests meet the fault: by default all that answer with pictures. `times` is how many requests
    meet it, None for all. `headers` are added to the answer, for example `retry-after`.
    """

    kind: FaultKind = "error"
    error: ErrorName | None = None
    status: int | None = None
    message: str | None = None
    code: str | None = None
    type: str | None = None
    param: str | None = None
    headers: dict[str, str] = field(default_factory=dict[str, str])
    after: int = 0
    size: tuple[int, int] = (1536, 1024)
    route: FaultRoute = "pictures"
    times: int | None = 1

    def __post_init__(self) -> None:
        """Raise ValueError for a fault that could never happen: with a typing error in it, a test would always pass."""
        if self.kind not in get_args(FaultKind):
            raise ValueError(f"{self.kind!r} is no kind of fault; there are {', '.join(get_args(FaultKind))}")
        if self.error is not None and self.error not in get_args(ErrorName):
            raise ValueError(f"{self.error!r} is no named error; there are {', '.join(get_args(ErrorName))}")
        if self.route not in _FAULT_ROUTES:
            raise ValueError(f"{self.route!r} is no route; there are {', '.join(_FAULT_ROUTES)}")
        if self.kind not in _KINDS.get(self.route, _KINDS_OF_PICTURES):
            raise ValueError(f"{self.kind!r} cannot happen on the route {self.route!r}")
        if self.after < 0 or (self.times is not None and self.times < 1):
            raise ValueError("after must be 0 or more, and times 1 or more or None")

    def refusal(self, *, model: str) -> ApiRefusal:
        """Return the error answer of an `error` fault; `model` is the model that the request named."""
        refusal = named_error(self.error, model=model) if self.error else ApiRefusal(500, "Sandbox fault.", code=None)
        return ApiRefusal(
            self.status or refusal.status,
            self.message or refusal.message,
            code=self.code or refusal.code,
            param=self.param or refusal.param,
            kind=self.type or refusal.kind,
            headers={**refusal.headers, **self.headers},
            extra=refusal.extra,
        )


def named_error(name: ErrorName, *, model: str) -> ApiRefusal:
    """Return an error as OpenAI words it; `model` is the model that the request named."""
    match name:
        case "invalid_api_key":
            return wrong_key("sk-sandbox-refused")
        case "model_not_found":
            return model_not_found(model)
        case "moderation_blocked":
            return moderation_blocked(categories=("violence",))
        case "content_filter":
            return content_filtered(category="violence")
        case _:
            status, code, kind, message = _NAMED[name]
            param = "model" if name == "edits_refused" else None
            return ApiRefusal(status, message.replace("{model}", model), code=code, kind=kind, param=param)


# Status, code, type and message.
_NAMED: dict[str, tuple[int, str | None, str, str]] = {
    "must_be_verified": (
        403,
        None,
        USER_ERROR,
        (
            "Your organization must be verified to use the model `{model}`. Please go to: "
            "https://platform.openai.com/settings/organization/general and click on Verify Organization. If you just "
            "verified, it can take up to 15 minutes for access to propagate."
        ),
    ),
    "billing_hard_limit_reached": (
        400,
        "billing_hard_limit_reached",
        "billing_limit_user_error",
        "Billing hard limit has been reached.",
    ),
    "billing_not_active": (
        400,
        "billing_not_active",
        "billing_not_active",
        "Your account is not active, please check your billing details on our website.",
    ),
    "rate_limit_exceeded": (
        429,
        "rate_limit_exceeded",
        "input-images",
        (
            "Rate limit reached for {model} in organization org-sandbox on input-images per min: Limit 5, Used 5, "
            "Requested 1. Please try again in 240ms. Visit https://platform.openai.com/account/rate-limits to learn "
            "more."
        ),
    ),
    "insufficient_quota": (
        429,
        "insufficient_quota",
        "insufficient_quota",
        (
            "You exceeded your current quota, please check your plan and billing details. For more information on "
            "this error, read the docs: https://platform.openai.com/docs/guides/error-codes/api-errors."
        ),
    ),
    "server_error": (
        500,
        None,
        "server_error",
        (
            "The server had an error while processing your request. Sorry about that! You can retry your request, or "
            "contact us through our help center at help.openai.com if the error persists. (Please include the request "
            "ID {request_id} in your message.)"
        ),
    ),
    "overloaded": (
        503,
        "server_error",
        "server_error",
        "The engine is currently overloaded, please try again later.",
    ),
    "edits_refused": (
        400,
        "invalid_value",
        IMAGE_USER_ERROR,
        "Invalid value: '{model}'. Value must be 'dall-e-2'.",
    ),
    "no_such_route": (404, None, USER_ERROR, "Invalid URL (POST /v1/images/edits)"),
}


def fault_from_json(value: JsonObject) -> Fault:
    """Make a fault from its fields as JSON.

    Raises:
        TypeError: `Fault` has no such field.
        ValueError: a field has a value that `Fault` refuses.
    """
    fields: dict[str, Any] = dict(value)
    if isinstance(fields.get("size"), list):
        fields["size"] = tuple(fields["size"])
    return Fault(**fields)
