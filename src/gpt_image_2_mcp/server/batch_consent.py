"""Asks the user once before a batch that may cost more than `Settings.confirm_limit`, as `consent` does for a call."""

from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve

from ..billing.prices import dollars
from ..errors import ConsentRefused
from ..openai_api.picture_pace import finish_text
from ..parameters.models import MakeBatchRequest
from ..service.images import ImageService
from .client_abilities import can_ask
from .consent import CONFIRM_VARIABLE, Consent
from .read_consent import ReadAnswer, allow_reading


async def ask(
    request: MakeBatchRequest, call: Context[ImageService, Any], reading: ReadAnswer
) -> Consent | Elicit[Consent]:
    """Give consent where the user need not be asked, otherwise the question.

    Raises:
        ConsentRefused: the client cannot ask its user, or the user does not allow an input to be read.
        GptImageError: the batch would be refused in any case.

    """
    service: ImageService = call.request_context.lifespan_context
    allow_reading(reading, service)
    settings = service.settings
    limit = settings.confirm_limit
    if limit is None or not (settings.must_confirm or can_ask(call)):
        return Consent(go_ahead=True)
    plan = await service.plan_batch(request)
    if not settings.is_asked_about(plan.usd):
        return Consent(go_ahead=True)
    price = f"about {dollars(plan.usd)}" if plan.usd is not None else "an amount that is not known beforehand"
    if not can_ask(call):
        raise ConsentRefused(
            f"This would cost {price}, and above {dollars(limit)} ({CONFIRM_VARIABLE}) the person is to be asked, which"
            " this client cannot do. Nothing was sent. Ask for fewer pictures or a lower quality, or have the person"
            f" raise {CONFIRM_VARIABLE}."
        )
    when = "within 24 hours, at half price," if plan.minutes is None else f"in {finish_text(plan.minutes)}"
    return Elicit(f"A batch of {plan.pictures} pictures {when} will cost {price}. Go ahead?", Consent)


BatchConsentAnswer: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask)]
"""The type of a tool's parameter that the SDK fills with the user's answer; it is not in the tool's schema."""
