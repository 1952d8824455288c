"""Asks the user before a call that may cost more than `Settings.confirm_limit`.

The question is an elicitation. A tool declares a parameter of the type `ConsentAnswer`, and the SDK fills it by calling
`ask` before the tool's function: in the middle of the call, or by a second round of the same call, as the client's
protocol has it. Nothing has been sent while the user is asked, so a call that is cancelled then costs nothing.
"""

from typing import Annotated, Any, TypeAlias

from mcp.server.mcpserver import AcceptedElicitation, Context, Elicit, ElicitationResult, Resolve
from pydantic import BaseModel, Field, StrictBool

from ..billing.prices import dollars
from ..errors import ConsentRefused
from ..parameters.models import ContinueSessionRequest, PaidRequest
from ..service.images import ImageService
from .client_abilities import can_ask
from .read_consent import ReadAnswer, allow_reading

CONFIRM_VARIABLE = "GPT_IMAGE_2_CONFIRM_OVER_USD"


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
    if request.is_cut_out:
        return Consent(go_ahead=True)
    settings = service.settings
    limit = settings.confirm_limit
    if limit is None or not (settings.must_confirm or can_ask(call)):
        return Consent(go_ahead=True)
    expected = await service.estimate(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return Consent(go_ahead=True)
    # `preflight` reads the inputs: the user is not asked about a call that would be refused afterwards, and the price
    # depends on the inputs' real sizes.
    expected = await service.preflight(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return Consent(go_ahead=True)
    price = f"about {dollars(expected.usd)}" if expected else "an amount that is not known beforehand"
    if not can_ask(call):
        raise ConsentRefused(
            f"This would cost {price}, and above {dollars(limit)} ({CONFIRM_VARIABLE}) the person is to be asked, which"
            " this client cannot do. Nothing was sent. Ask for a lower quality, a smaller size or fewer pictures, or"
            f" have the person raise {CONFIRM_VARIABLE}."
        )
    made = request.count * request.passes
    pictures = f"{made} pictures" if made > 1 else "1 picture"
    pictures += " for a transparent one" if request.passes > 1 else ""
    model = service.settings.model_for(request)
    size = "" if request.size == "auto" else f" of {request.size.partition('@')[0]}"
    question = f"{pictures}{size} at quality {request.quality} with {model} will cost {price}. Go ahead?"
    return Elicit(question, Consent)


ConsentAnswer: TypeAlias = Annotated[ElicitationResult[Consent], Resolve(ask)]
"""The type of a tool's parameter that the SDK fills with the user's answer; it is not in the tool's schema."""


def require_consent(consent: ElicitationResult[Consent]) -> None:
    """Check the user's answer; raises `ConsentRefused` if it is no consent."""
    if not isinstance(consent, AcceptedElicitation) or not consent.data.go_ahead:
        raise ConsentRefused("The person did not agree to the price. Nothing was sent and nothing was billed.")
