"""Asks the person before a dear call, where `GPT_IMAGE_2_CONFIRM_OVER_USD` wants that.

The question goes through the SDK's resolvers, which ask in the middle of the call or by a second round, whichever the
client's protocol has. Whoever cancels while the person is asked has sent nothing.
"""

from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field

from ..billing.pricing import dollars
from ..errors import ConsentRefused
from ..parameters.models import PaidRequest
from ..service.images import ImageService

CONFIRM_VARIABLE = "GPT_IMAGE_2_CONFIRM_OVER_USD"


class Consent(BaseModel):
    """What the person answers."""

    go_ahead: bool = Field(default=True, title="Go ahead", description="Make the picture at this price")


async def ask(request: PaidRequest, call: Context[ImageService, Any]) -> Consent | Elicit[Consent]:
    """Give consent where none is needed, else the question.

    Raises:
        NoConsent: the client cannot ask.
        GptImageError: the call would be refused in any case.

    """
    service: ImageService = call.request_context.lifespan_context
    service.check(request)
    limit = service.settings.confirm_over_usd
    if limit is None or service.settings.sandbox:
        return Consent()
    expected = await service.estimate(request)
    if expected is not None and expected.usd <= limit:
        return Consent()
    # Nobody is asked for what is refused afterwards; and what the pictures really are makes the price.
    expected = await service.preflight(request)
    if expected is not None and expected.usd <= limit:
        return Consent()
    price = f"about {dollars(expected.usd)}" if expected else "an amount that is not known beforehand"
    elicitation = call.client_capabilities.elicitation if call.client_capabilities else None
    # Clients from before there were kinds of questions declare none, and mean forms.
    if elicitation is None or (elicitation.form is None and elicitation.url is not None):
        raise ConsentRefused(
            f"This would cost {price}, and above {dollars(limit)} ({CONFIRM_VARIABLE}) the person is to be asked, which"
            " this client cannot do. Nothing was sent. Ask for a lower quality, a smaller size or fewer pictures, or"
            f" have the person raise {CONFIRM_VARIABLE}."
        )
    pictures = f"{request.count} pictures" if request.count > 1 else "1 picture"
    size = "" if request.size == "auto" else f" of {request.size}"
    question = (
        f"{pictures}{size} at quality {request.quality} with {service.settings.model} will cost {price}. Go ahead?"
    )
    return Elicit(question, Consent)


ConsentAnswer: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask)]
"""A tool's parameter that the person fills, and no model."""


def require_consent(consent: ElicitationResult[Consent]) -> None:
    """Go on only with the person's consent; raises NoConsent without it."""
    if not isinstance(consent, AcceptedElicitation) or not consent.data.go_ahead:
        raise ConsentRefused("The person did not agree to the price. Nothing was sent and nothing was billed.")
