"""Words in a prompt that make a request fail, so that a person sees every refusal without a key.

Each stands for a `Fault`, which a prompt can cause wherever the sandbox runs; `GET /` and docs/sandbox.md list them.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from .faults import Fault

_LITELLM = "litellm.{error}: OpenAIException - {message}"
_CUT_AFTER = 2_000
"""Bytes of a cut answer: its picture has begun."""


@dataclass(frozen=True, slots=True)
class Trigger:
    """What a word brings about; `meaning` is for people."""

    meaning: str
    fault: Fault


TRIGGERS: Mapping[str, Trigger] = {
    "moderation-blocked": Trigger("the moderation refuses the prompt, for violence", Fault(error="moderation_blocked")),
    "sandbox-invalid-key": Trigger("the key is not accepted", Fault(error="invalid_api_key")),
    "sandbox-no-permission": Trigger(
        "the key may not make pictures",
        Fault(
            status=403,
            message="You have insufficient permissions for this operation. Missing scopes: api.model.images.request.",
            type="invalid_request_error",
        ),
    ),
    "sandbox-country": Trigger(
        "the country is not served",
        Fault(
            status=403,
            code="unsupported_country_region_territory",
            type="request_forbidden",
            message="Country, region, or territory not supported",
        ),
    ),
    "sandbox-unverified": Trigger("the organization must be verified", Fault(error="must_be_verified")),
    "sandbox-model-not-found": Trigger("the model is not there for this key", Fault(error="model_not_found")),
    "sandbox-quota": Trigger("no credit left", Fault(error="insufficient_quota")),
    "sandbox-billing-limit": Trigger(
        "the account's billing limit is reached", Fault(error="billing_hard_limit_reached")
    ),
    "sandbox-billing-inactive": Trigger("the account is not active", Fault(error="billing_not_active")),
    "sandbox-rate-limit": Trigger("too many requests", Fault(error="rate_limit_exceeded")),
    "sandbox-bad-picture": Trigger(
        "an input picture cannot be read",
        Fault(
            status=400,
            code="invalid_image_file",
            type="image_generation_user_error",
            param="image",
            message="Invalid image file or mode for image 1, please check your image file.",
        ),
    ),
    "sandbox-server-error": Trigger("the API failed", Fault(error="server_error")),
    "sandbox-overloaded": Trigger("the API is overloaded", Fault(error="overloaded")),
    "sandbox-bad-gateway": Trigger("a proxy on the way answers with a page of its own (502)", Fault(kind="html")),
    "sandbox-too-large": Trigger("a proxy takes no request of this size (413)", Fault(kind="html", status=413)),
    "sandbox-no-answer": Trigger("the connection breaks before the answer; billed", Fault(kind="drop")),
    "sandbox-cut-answer": Trigger(
        "the connection breaks within the answer; billed", Fault(kind="cut", after=_CUT_AFTER)
    ),
    "sandbox-no-picture": Trigger("the answer has no picture; billed", Fault(kind="empty_data")),
    "sandbox-not-an-image": Trigger("the answer has something else in its place; billed", Fault(kind="not_an_image")),
    "sandbox-blank": Trigger("the picture is all white; billed", Fault(kind="blank")),
    "sandbox-other-size": Trigger("the picture has another size than asked for; billed", Fault(kind="other_size")),
    "sandbox-other-format": Trigger(
        "the picture has another format than asked for; billed", Fault(kind="other_format")
    ),
    "sandbox-azure-filter": Trigger("Azure's content filter refuses the prompt", Fault(error="content_filter")),
    "sandbox-litellm-moderation": Trigger(
        "the moderation refuses, behind a LiteLLM proxy that hides the code",
        Fault(
            status=400,
            code="400",
            type="image_generation_user_error",
            message=_LITELLM.format(
                error="BadRequestError",
                message="Your request was rejected by the safety system. safety_violations=[violence].",
            ),
        ),
    ),
    "sandbox-litellm-quota": Trigger(
        "no credit left, behind a LiteLLM proxy that hides the code",
        Fault(
            status=429,
            code="429",
            type="insufficient_quota",
            message=_LITELLM.format(
                error="RateLimitError",
                message="You exceeded your current quota, please check your plan and billing details.",
            ),
        ),
    ),
    "sandbox-litellm-rest": Trigger(
        "a LiteLLM proxy lets the model rest after failures",
        Fault(
            status=429,
            code="429",
            type="throttling_error",
            message="No deployments available for selected model, Try again in 1 seconds.",
            headers={"retry-after": "1"},
        ),
    ),
}
"""The faults by their words; no word is a part of another one."""


def fault_in(prompt: str) -> Fault | None:
    """Return the fault of the first trigger that stands in a prompt; None if there is none."""
    return next((trigger.fault for word, trigger in TRIGGERS.items() if word in prompt), None)
