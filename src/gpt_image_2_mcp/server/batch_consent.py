"""Asks the user once before a batch that may cost more than `Settings.confirm_limit`, as `consent` does for a call."""

from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import Context, Elicit, ElicitationResult, Resolve

from ..parameters.models import MakeBatchRequest
from ..service.images import ImageService
from ..service.price_question import batch_price_question
from .client_abilities import can_ask
from .consent import Consent
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
    question = await batch_price_question(request, service, can_ask=can_ask(call))
    return Elicit(question, Consent) if question else Consent(go_ahead=True)


BatchConsentAnswer: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask)]
"""The type of a tool's parameter that the SDK fills with the user's answer; it is not in the tool's schema."""
