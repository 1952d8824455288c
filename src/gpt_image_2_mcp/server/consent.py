"""Asks the user before a call that may cost more than `Settings.confirm_limit`.

The question is an elicitation. A tool declares a parameter of the type `ConsentAnswer`, and the SDK fills it by calling
`ask` before the tool's function: in the middle of the call, or by a second round of the same call, as the client's
protocol has it. Nothing has been sent while the user is asked, so a call that is cancelled then costs nothing.
"""

from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field, StrictBool

from ..errors import ConsentRefused
from ..parameters.models import ContinueSessionRequest, PaidRequest
from ..service.images import ImageService
from ..service.price_question import price_question
from .client_abilities import can_ask
from .read_consent import ReadAnswer, allow_reading


class Consent(BaseModel):
    """What the person answers."""

    # Without a default: a client that accepts without asking anyone has sent no yes.
    go_ahead: StrictBool = Field(title="Go ahead", description="Make the picture at this price")


async def ask(request: PaidRequest, call: Context[ImageService, Any], reading: ReadAnswer) -> Consent | Elicit[Consent]:
    """Give consent where the user need not be asked, otherwise the question.

    Raises:
        ConsentRefused: the client cannot ask its user, or the user does not allow an input to be read.
        GptImageError: the call would be refused in any case.

    """
    if isinstance(request, ContinueSessionRequest) and request.is_set_back:
        return Consent(go_ahead=True)
    service: ImageService = call.request_context.lifespan_context
    service.check(request)
    allow_reading(reading, service)
    question = await price_question(request, service, can_ask=can_ask(call))
    return Elicit(question, Consent) if question else Consent(go_ahead=True)


ConsentAnswer: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask)]
"""The type of a tool's parameter that the SDK fills with the user's answer; it is not in the tool's schema."""


def require_consent(consent: ElicitationResult[Consent]) -> None:
    """Check the user's answer; raises `ConsentRefused` if it is no consent."""
    if not isinstance(consent, AcceptedElicitation) or not consent.data.go_ahead:
        raise ConsentRefused("The person did not agree to the price. Nothing was sent and nothing was billed.")
