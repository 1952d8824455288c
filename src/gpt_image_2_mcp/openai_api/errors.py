"""Translates what the OpenAI SDK raises, and error objects in answers, into the `ApiError`s of this program.

The cases, their codes and their words: OpenAI's error guide and measured answers, 2026-11-22.
"""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, cast

import httpx2
import openai

from ..errors import (
    ApiError,
    ModerationRefused,
    OutcomeUnknown,
    RateLimited,
    RouteRefused,
    Unavailable,
    shown,
)
from ..inputs.url_policy import display_url
from .connection_errors import translate_connection
from .connection_trace import trace_of
from .network_variables import proxy_text
from .sanitize import sanitized
from .unbilled import code_of, error_object, is_own_failure, is_quota_spent, named_wait

KEYS_PAGE = "https://platform.openai.com/api-keys"
BILLING_PAGE = "https://platform.openai.com/settings/organization/billing"
VERIFY_PAGE = "https://platform.openai.com/settings/organization/general"
LIMITS_PAGE = "https://platform.openai.com/settings/organization/limits"
STATUS_PAGE = "https://status.openai.com"

SANDBOX_HEADER = "x-gpt-image-2-sandbox"
"""The header in every answer of the sandbox of this project."""


def translate(error: openai.OpenAIError, *, model: str, variable: str, editing: bool = False) -> ApiError:
    """The `ApiError` for an error that the SDK raised.

    `model` is the model that was asked for and `variable` the environment variable that names it, both for the
    message. With `editing`, a refusal of the route becomes `RouteRefused`, since the edit can take another one.
    """
    match error:
        case openai.APIConnectionError():
            failure = translate_connection(error)
            # Where what had arrived is kept (`answer`).
            failure.args = (" ".join([str(failure.args[0]), *getattr(error, "__notes__", ())]),)
            return failure
        case openai.APIStatusError():
            failure = _translate_status(error, model=model, variable=variable, editing=editing)
            failure.from_sandbox = from_sandbox(error.response.headers)
            return failure
        case openai.APIError():
            # An error event inside a stream: it has a body and no status.
            body = error_object(error) or {}
            return _translate_body(body, message=error.message, request_id=None, model=model, variable=variable)
        case _:
            return ApiError(f"The OpenAI SDK refused to make the request: {sanitized(str(error))}.")


def translate_object(body: Mapping[str, Any], *, model: str, request_id: str | None) -> ApiError:
    """The `ApiError` for an error object inside an answer with status 200."""
    message = str(body.get("message") or body.get("code") or "no reason given")
    return _translate_body(
        body,
        message=message,
        request_id=request_id,
        model=model,
        variable="GPT_IMAGE_2_MODEL",
    )


def from_sandbox(headers: Mapping[str, str]) -> bool:
    """Whether the sandbox of this project answered, and nothing is billed."""
    return SANDBOX_HEADER in headers


def _translate_status(error: openai.APIStatusError, *, model: str, variable: str, editing: bool) -> ApiError:
    status, request_id = error.status_code, error.request_id
    body = error_object(error)
    if error.response.is_redirect:
        return _translate_redirect(error)
    if status == HTTPStatus.TOO_MANY_REQUESTS and not is_quota_spent(error):
        wait = named_wait(error)
        when = f"Wait {wait:.0f} s" if wait is not None and wait >= 1 else "Wait a little"
        message = _message(error)
        # LiteLLM answers so while it rests a deployment that failed.
        at_rest = "No deployments available" in message
        what = (
            "The proxy at OPENAI_BASE_URL has nothing to send it to" if at_rest else "OpenAI's rate limit was reached"
        )
        limits = "." if at_rest else f"; limits for your tier: {LIMITS_PAGE}."
        return RateLimited(
            f"{what}: {sanitized(message)}. {when} and ask again{limits}",
            retry_after=wait,
            request_id=request_id,
            status=status,
        )
    if editing and _refuses_route(error):
        return RouteRefused(
            f"This backend does not edit with {model!r} on /images/edits: {sanitized(_message(error))}.",
            request_id=request_id,
            status=status,
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        proxy = proxy_text(trace_of(error.request).proxy)
        return Unavailable(
            f"{proxy} answered {status}: it wants credentials. Write them into the proxy's address, as in"
            " http://user:password@host:port; nothing was billed.",
            status=status,
        )
    if body is None and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown(
            f"Something between here and the API answered {status} with {_content_type(error)} instead of the API's own"
            " words. Check OPENAI_BASE_URL and any proxy.",
            request_id=request_id,
            status=status,
        )
    if body is None:
        return ApiError(
            f"The API's address answered {status} with {_content_type(error)}, which is not OpenAI's API speaking."
            " Check OPENAI_BASE_URL: it usually ends in /v1.",
            request_id=request_id,
            status=status,
        )
    return _translate_body(
        body,
        message=_message(error),
        request_id=request_id,
        model=model,
        variable=variable,
        status=status,
    )


def _translate_redirect(error: openai.APIStatusError) -> ApiError:
    location = error.response.headers.get("location", "")
    try:
        target = display_url(str(error.request.url.join(location))) if location else "an address that it does not name"
    except httpx2.InvalidURL:
        target = shown(location)
    return ApiError(
        f"The API's address redirects to {target} (status {error.status_code}), where nothing was sent: a redirect is"
        " not followed with a prompt, pictures and a key. Check OPENAI_BASE_URL; if the other address is right, name it"
        " there, up to /v1.",
        request_id=error.request_id,
        status=error.status_code,
    )


def _translate_body(  # noqa: C901, PLR0912 - one arm a row of OpenAI's table of errors
    body: Mapping[str, Any],
    *,
    message: str,
    request_id: str | None,
    model: str,
    variable: str,
    status: int | None = None,
) -> ApiError:
    said = sanitized(message)
    kind = ApiError
    code = code_of(body, message)
    match code, status:
        case "invalid_api_key", _:
            text = f"OpenAI does not accept the key in OPENAI_API_KEY. Make or check it at {KEYS_PAGE} and correct it"
            text += " in the client's configuration, then restart the client."
        case "moderation_blocked", _:
            kind = ModerationRefused
            text = f"OpenAI's moderation refused this{_violations(body, message)}. Asking again with the same words"
            text += " will not help: change the prompt or the picture."
        case "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active", _:
            text = f"OpenAI refuses to bill this account ({code}): {said}. Waiting does not help; add credit or raise"
            text += f" the limit at {BILLING_PAGE}."
        case "model_not_found", _:
            text = f"The backend has no model {model!r} for this key: {said}. Check {variable} and the"
            text += " project's access to the model."
        case "invalid_image_file", _:
            text = f"OpenAI could not read an input picture: {said}. Save it anew as a plain PNG or JPEG and try again."
        case _, _ if "must be verified" in message:
            text = f"OpenAI wants the organization verified before it may use {model!r}: do that at {VERIFY_PAGE}."
            text += " It takes up to 15 minutes after verifying until this works."
        case _, 401:
            text = f"OpenAI does not accept the credentials: {said}. Check OPENAI_API_KEY ({KEYS_PAGE}), and"
            text += " OPENAI_ORG_ID and OPENAI_PROJECT_ID if they are set."
        case _, 403:
            text = f"The key may not do this: {said}. Check the key's permissions at {KEYS_PAGE}."
        case _, 404:
            text = f"The backend does not know this address: {said}. Check OPENAI_BASE_URL: it usually ends in /v1."
        case _, s if is_own_failure(body, s):
            kind = Unavailable
            text = f"OpenAI failed on its side: {said}. Nothing was billed; ask again in a minute ({STATUS_PAGE})."
        case _, s if s is not None and s >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = OutcomeUnknown
            text = f"The API answered {s}: {said}."
        case _, None if "server_error" in (body.get("code"), body.get("type")):
            kind = OutcomeUnknown
            text = f"OpenAI failed while it made the picture: {said}."
        case _:
            where = f" (parameter {shown(body['param'])})" if body.get("param") else ""
            text = f"OpenAI refused the request{where}: {said}."
    return kind(text, request_id=request_id, status=status)


def _refuses_route(error: openai.APIStatusError) -> bool:
    """Whether an answer means that the backend does not serve `/images/edits`, or not with this model.

    OpenAI answered 400 when edits were for dall-e-2 only; proxies without the route answer 404, 405 or 501.
    """
    match error.status_code:
        case 405 | 501:
            return True
        case 404:
            return code_of(error_object(error) or {}, _message(error)) != "model_not_found"
        case 400:
            return error.code == "invalid_value" and error.param == "model" and "dall-e-2" in _message(error)
        case _:
            return False


def _violations(body: Mapping[str, Any], message: str) -> str:
    """What moderation found, in the three ways in which OpenAI and Azure say it; "" if that is not said."""
    categories: Any = _object(body.get("moderation_details")).get("categories")
    if not isinstance(categories, list):
        inner = _object(body.get("innererror") or body.get("inner_error"))
        verdicts = _object(inner.get("content_filter_result"))
        categories = [name for name, verdict in verdicts.items() if _object(verdict).get("filtered")]
    named = re.search(r"safety_violations=\[([^\]]*)\]", message)
    if categories:
        return f" for {sanitized(', '.join(map(str, cast('list[Any]', categories))))}"
    return f" for {sanitized(named[1])}" if named and named[1] else ""


def _object(value: object) -> Mapping[str, Any]:
    """`value` if it is a JSON object, else an empty one."""
    return cast("Mapping[str, Any]", value) if isinstance(value, dict) else {}


def _message(error: openai.APIStatusError) -> str:
    message: Any = (error_object(error) or {}).get("message")
    return message if isinstance(message, str) else f"status {error.status_code}"


def _content_type(error: openai.APIStatusError) -> str:
    kind = error.response.headers.get("content-type", "").partition(";")[0].strip()
    return kind or "no content type"
