"""Tells which failed requests cannot have been billed, so that another try is safe, and what wait the API asks for.

A request is repeated only if nothing can have been billed for it: a picture must never be paid for twice. That is so in
three cases: the connection, or a proxy's tunnel, was never made, the API refused with a rate limit (429), or the API
itself says that it failed (500 or 503 with `server_error`). After anything else (a timeout, a dropped connection, a
proxy's own error page) the picture may have been made and billed, so the request is not repeated and the user decides.

`retry` repeats requests by these rules, and `errors` translates the same exceptions into this program's errors.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus

import httpx2
import openai

from .connection_trace import trace_of
from .error_body import ErrorBody, error_body

NEVER_SENT = (
    httpx2.ConnectError,
    httpx2.ConnectTimeout,
    httpx2.PoolTimeout,
    httpx2.ProxyError,
    httpx2.UnsupportedProtocol,
)
"""What httpx2 raises before the request's first byte has left."""


QUOTA_SPENT = "insufficient_quota"
MODERATION = "moderation_blocked"

_CODES: Mapping[str | None, str] = {
    **dict.fromkeys(
        (
            "content_filter",
            "contentFilter",
            "content_policy_violation",
            "ResponsibleAIPolicyViolation",
            "moderation_blocked",
        ),
        MODERATION,
    ),
    **dict.fromkeys(("insufficient_quota", "exceeded_current_quota_error"), QUOTA_SPENT),
    "billing_limit_user_error": "billing_hard_limit_reached",
    "billing_not_active": "billing_not_active",
}
"""OpenAI's codes for those of other backends, and for OpenAI's own `type`s."""

_WORDS: Mapping[str, str] = {
    "safety_violations=": MODERATION,
    "safety system": MODERATION,
    "content management policy": MODERATION,
    "responsibleaipolicyviolation": MODERATION,
    "exceeded your current quota": QUOTA_SPENT,
    "billing hard limit has been reached": "billing_hard_limit_reached",
    "your account is not active": "billing_not_active",
    "does not exist or you do not have access to it": "model_not_found",
}
"""OpenAI's codes for the words, in lower case, that its messages have beside them."""


MAX_WAIT_S = 7 * 24 * 3600.0
"""The longest wait that a backend can mean: a week."""
_MAX_DIGITS = 20
_WAIT = re.compile(r"try again in (?:(\d{1,20}(?:\.\d{1,20})?)m(?!s))?(?:(\d{1,20}(?:\.\d{1,20})?)(ms|s))?")


def code_of(body: ErrorBody) -> str | None:
    """OpenAI's code for an error; None if it names none.

    A proxy may put the status in its place, as LiteLLM does, so the `type`, the code inside (Azure) and the words are
    looked at too.
    """
    for name in (body.code, body.type, body.inner_code):
        if name in _CODES:
            return _CODES[name]
    if body.code and not body.code.isdigit():
        return body.code
    lowered = body.message.lower()
    return next((known for words, known in _WORDS.items() if words in lowered), body.code)


def is_quota_spent(error: openai.APIStatusError) -> bool:
    """Whether the account is empty, which no waiting changes, though the status (429) is that of a rate limit."""
    return code_of(error_body(error)) == QUOTA_SPENT


def is_safe_to_repeat(error: openai.OpenAIError) -> bool:
    """Whether nothing can have been billed and another try may help."""
    if isinstance(error, openai.APIConnectionError):
        return was_never_sent(error)
    if not isinstance(error, openai.APIStatusError):
        return False
    if error.status_code == HTTPStatus.TOO_MANY_REQUESTS:
        return not is_quota_spent(error)
    return is_own_failure(error_body(error), error.status_code)


def was_never_sent(error: openai.APIConnectionError) -> bool:
    """Whether nothing of the request has left: there was no connection, or a proxy made no tunnel for it."""
    return isinstance(error.__cause__, NEVER_SENT) or trace_of(error.request).stopped_at_proxy


def is_own_failure(body: ErrorBody, status: int | None) -> bool:
    """Whether the API itself says that it failed, so that nothing was made and another try is safe.

    A proxy that fails has no error object in its answer, or another one.
    """
    is_server_error = "server_error" in (body.code, body.type)
    return is_server_error and status in (HTTPStatus.INTERNAL_SERVER_ERROR, HTTPStatus.SERVICE_UNAVAILABLE)


def named_wait(error: openai.OpenAIError) -> float | None:
    """Seconds that the API asks to wait: from its headers, or from its words, as in `Please try again in 240ms`."""
    if not isinstance(error, openai.APIStatusError):
        return None
    headers = error.response.headers
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        if (wait := _plausible(headers.get(name, ""), unit)) is not None:
            return wait
    words = _WAIT.search(error_body(error).message)
    if words is None or not (words[1] or words[2]):
        return None
    minutes = _plausible(words[1] or "0", 60.0)
    seconds = _plausible(words[2] or "0", 0.001 if words[3] == "ms" else 1.0)
    return None if minutes is None or seconds is None else minutes + seconds


def _plausible(number: str, unit: float) -> float | None:
    """The seconds that a number of a backend means; None if it is none, or means nothing."""
    try:
        wait = float(number[:_MAX_DIGITS]) * unit
    except ValueError:
        return None
    return wait if 0 <= wait <= MAX_WAIT_S and len(number) <= _MAX_DIGITS else None
