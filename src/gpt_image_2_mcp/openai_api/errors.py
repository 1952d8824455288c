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
    TransparencyRefused,
    Unavailable,
    shown,
)
from ..inputs.url_policy import display_url
from ..parameters.capabilities import PICTURE_MODELS
from ..redaction.printable import printable_line
from .connection_errors import translate_connection
from .connection_trace import trace_of
from .error_body import ErrorBody, as_object, error_body, read_error
from .network_variables import proxy_text
from .origin import Origin, quoted, says
from .sanitize import sanitized
from .unbilled import code_of, is_own_failure, is_quota_spent, named_wait

KEYS_PAGE = "https://platform.openai.com/api-keys"
BILLING_PAGE = "https://platform.openai.com/settings/organization/billing"
VERIFY_PAGE = "https://platform.openai.com/settings/organization/general"
LIMITS_PAGE = "https://platform.openai.com/settings/organization/limits"
STATUS_PAGE = "https://status.openai.com"

MODEL_NAMED_IN = "`model` or GPT_IMAGE_2_MODEL"
"""Where an image model is chosen, for an error about it."""

MAX_LOCATION = 2_000
"""Characters of a redirect's target that are looked at."""
MAX_CATEGORIES = 10
"""Reasons of a moderation that an error names."""
MAX_CATEGORY = 60
"""Characters of one of them."""

_PLAIN = re.compile(r"[a-z0-9_/, -]{1,100}", re.IGNORECASE)
_VIOLATIONS = re.compile(r"safety_violations=\[([^\[\]]{1,300})\]")


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
            origin = Origin.of(error.response)
            failure = _translate_status(error, origin, model=model, variable=variable, editing=editing)
            failure.from_sandbox = origin.sandbox
            return failure
        case openai.APIError():
            # An error event inside a stream: it has a body and no status.
            origin = Origin.of_request(error.request)
            return _translate_body(error_body(error), origin, model=model, variable=variable)
        case _:
            return ApiError(f"The OpenAI SDK refused to make the request: {sanitized(str(error))}.")


def translate_object(body: Mapping[str, Any], origin: Origin, *, model: str) -> ApiError:
    """The `ApiError` for an answer with status 200 that has an error in it, or for that error."""
    return _translate_body(read_error(body), origin, model=model, variable=MODEL_NAMED_IN)


def _translate_status(
    error: openai.APIStatusError, origin: Origin, *, model: str, variable: str, editing: bool
) -> ApiError:
    status, body = error.status_code, error_body(error)
    if error.response.is_redirect:
        return _translate_redirect(error, origin)
    if status == HTTPStatus.TOO_MANY_REQUESTS and not is_quota_spent(error):
        wait = named_wait(error)
        when = f"Wait {wait:.0f} s" if wait is not None and wait >= 1 else "Wait a little"
        # LiteLLM answers so while it rests a deployment that failed.
        at_rest = "No deployments available" in body.message
        what = (
            "The proxy at OPENAI_BASE_URL has nothing to send it to"
            if at_rest
            else f"{origin.name}'s rate limit was reached"
            if origin.is_openai
            else f"{origin.name} takes no more requests now"
        )
        limits = f"; limits for your tier: {LIMITS_PAGE}." if origin.is_openai and not at_rest else "."
        return RateLimited(
            f"{what}; {says(body.message)}. {when} and ask again{limits}",
            retry_after=wait,
            request_id=origin.request_id,
            status=status,
        )
    if editing and _refuses_route(error):
        return RouteRefused(
            f"{origin.name} does not edit with {model!r} on /images/edits ({status}); {says(body.message)}.",
            request_id=origin.request_id,
            status=status,
        )
    if status == HTTPStatus.PROXY_AUTHENTICATION_REQUIRED:
        proxy = proxy_text(trace_of(error.request).proxy)
        return Unavailable(
            f"{proxy} answered {status}: it wants credentials. Write them into the proxy's address, as in"
            " http://user:password@host:port; nothing was billed.",
            status=status,
        )
    if not body.is_object and status >= HTTPStatus.INTERNAL_SERVER_ERROR:
        return OutcomeUnknown(
            f"Something between here and the API answered {status} with {origin.content_type} instead of the API's own"
            f" words; {says(body.message)}. Check OPENAI_BASE_URL and any proxy.",
            request_id=origin.request_id,
            status=status,
        )
    return _translate_body(body, origin, model=model, variable=variable, status=status)


def _translate_redirect(error: openai.APIStatusError, origin: Origin) -> ApiError:
    location = error.response.headers.get("location", "")[:MAX_LOCATION]
    try:
        target = display_url(str(error.request.url.join(location))) if location else "an address that it does not name"
    except httpx2.InvalidURL:
        target = shown(location)
    return ApiError(
        f"The API's address redirects to {printable_line(target)} (status {error.status_code}), where nothing was sent:"
        " a redirect is not followed with a prompt, pictures and a key. Check OPENAI_BASE_URL; if the other address is"
        " right, name it there, up to /v1.",
        request_id=origin.request_id,
        status=error.status_code,
    )


def _translate_body(  # noqa: C901, PLR0912, PLR0915 - one arm a row of OpenAI's table of errors
    body: ErrorBody, origin: Origin, *, model: str, variable: str, status: int | None = None
) -> ApiError:
    words, name, is_openai = says(body.message), origin.name, origin.is_openai
    kind = ApiError
    code = code_of(body)
    match code, status:
        case "invalid_api_key", _:
            where = f"Make or check it at {KEYS_PAGE} and" if is_openai else f"{words[0].upper()}{words[1:]}. Check and"
            text = f"{name} does not accept the key in OPENAI_API_KEY. {where} correct it"
            text += " in the client's configuration, then restart the client."
        case "moderation_blocked", _:
            kind = ModerationRefused
            whose = "OpenAI's moderation" if is_openai else f"The moderation of {origin.name_within}"
            text = f"{whose} refused this{_violations(body)}. Asking again with the same words"
            text += " will not help: change the prompt or the picture."
        case "insufficient_quota" | "billing_hard_limit_reached" | "billing_not_active", _:
            text = f"{name} refuses to bill this account ({code}); {words}. Waiting does not help; add credit or raise"
            text += f" the limit at {BILLING_PAGE}." if is_openai else " the limit there."
        case "model_not_found", _:
            text = f"{name} has no model {model!r} for this key; {words}. Check {variable} and the"
            text += " project's access to the model."
            if is_openai and variable == MODEL_NAMED_IN and model not in PICTURE_MODELS:
                text += f" The models that make pictures are {', '.join(PICTURE_MODELS)}."
        case "invalid_image_file", _:
            text = f"{name} could not read an input picture; {words}. Save it anew as a plain PNG or JPEG and try"
            text += " again."
        case "unsupported_country_region_territory", _:
            text = f"{name} does not serve the country that this computer's requests come from; {words}."
        case _, _ if "must be verified" in body.message:
            text = f"{name} wants the organization verified before it may use {model!r}: do that at {VERIFY_PAGE}."
            text += " It takes up to 15 minutes after verifying until this works."
        case _, 401:
            page = f" ({KEYS_PAGE})" if is_openai else ""
            text = f"{name} does not accept the credentials; {words}. Check OPENAI_API_KEY{page}, and"
            text += " OPENAI_ORG_ID and OPENAI_PROJECT_ID if they are set."
        case _, 402:
            text = f"{name} wants to be paid first; {words}. Waiting does not help: add credit there."
        case _, 403:
            page = f" at {KEYS_PAGE}" if is_openai else ""
            text = f"The key may not do this; {words}. Check the key's permissions{page}."
        case _, 404 | 405:
            text = f"{name} does not know this address; {words}. Check OPENAI_BASE_URL: it usually ends in /v1."
        case _, 413:
            text = f"The request is larger than {origin.name_within}, or a proxy on the way, takes; {words}."
            text += " Send fewer or smaller input pictures, or raise the limit there."
        case _, 415:
            text = f"{name} does not take the form of this request; {words}. It may not serve this route: check"
            text += " OPENAI_BASE_URL."
        case _, s if is_own_failure(body, s):
            kind = Unavailable
            page = f" ({STATUS_PAGE})" if is_openai else ""
            text = f"{name} failed on its side; {words}. Nothing was billed; ask again in a minute{page}."
        case _, s if s is not None and s >= HTTPStatus.INTERNAL_SERVER_ERROR:
            kind = OutcomeUnknown
            text = f"{name} answered {s}; {words}."
        case _, None if "server_error" in (body.code, body.type):
            kind = OutcomeUnknown
            text = f"{name} failed while it made the picture; {words}."
        case _, s if s is not None and not body.is_object:
            text = f"{name} answered {s} in another form than OpenAI's API; {words}. Check OPENAI_BASE_URL: it usually"
            text += " ends in /v1."
        case _:
            where = f" (parameter {shown(printable_line(body.param))})" if body.param else ""
            answered = f" with status {status}" if status is not None and not body.message else ""
            text = f"{name} refused the request{where}{answered}; {words}."
            kind = TransparencyRefused if _refuses_transparency(body, status) else kind
    return kind(text, request_id=origin.request_id, status=status)


def _refuses_transparency(body: ErrorBody, status: int | None) -> bool:
    """Whether the model has no transparent backgrounds: OpenAI's words for that, which a proxy passes on."""
    message = body.message.lower()
    is_refusal = status in {HTTPStatus.BAD_REQUEST, HTTPStatus.UNPROCESSABLE_ENTITY}
    # With a format that holds no transparency, the model is not the reason.
    return is_refusal and "transparent" in message and "background" in message and "format" not in message


def _refuses_route(error: openai.APIStatusError) -> bool:
    """Whether an answer means that the backend does not serve `/images/edits`, or not with this model.

    OpenAI answered 400 when edits were for dall-e-2 only; proxies without the route answer 404, 405 or 501.
    """
    body = error_body(error)
    match error.status_code:
        case 405 | 501:
            return True
        case 404:
            return code_of(body) != "model_not_found"
        case 400:
            return body.code == "invalid_value" and body.param == "model" and "dall-e-2" in body.message
        case _:
            return False


def _violations(body: ErrorBody) -> str:
    """What moderation found, in the three ways in which OpenAI and Azure say it; "" if that is not said."""
    categories: Any = as_object(body.fields.get("moderation_details")).get("categories")
    if not isinstance(categories, list):
        verdicts = as_object(body.inner.get("content_filter_result") or body.inner.get("content_filter_results"))
        categories = [name for name, verdict in verdicts.items() if as_object(verdict).get("filtered")]
    names = [str(name)[:MAX_CATEGORY] for name in cast("list[Any]", categories)[:MAX_CATEGORIES]]
    if not names and (named := _VIOLATIONS.search(body.message)):
        names = [named[1]]
    text = ", ".join(names)
    return f" for {text if _PLAIN.fullmatch(text) else quoted(text)}" if any(names) else ""
