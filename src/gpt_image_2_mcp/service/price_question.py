"""Whether the user is asked before a call that may cost more than `Settings.confirm_limit`, and the question."""

from decimal import Decimal

from ..billing.prices import dollars
from ..errors import ConsentRefused
from ..openai_api.picture_pace import finish_text
from ..parameters.models import MakeBatchRequest, PaidRequest
from ..settings import Settings
from .images import ImageService

CONFIRM_VARIABLE = "GPT_IMAGE_2_CONFIRM_OVER_USD"


async def price_question(request: PaidRequest, service: ImageService, *, can_ask: bool) -> str | None:
    """The question about the price of a request; None where the user need not be asked, or cannot and need not.

    Raises:
        ConsentRefused: the user is to be asked, and cannot be (`can_ask`).
        GptImageError: the call would be refused in any case.

    """
    if request.is_cut_out:
        return None
    settings = service.settings
    limit = settings.confirm_limit
    if limit is None or not (settings.must_confirm or can_ask):
        return None
    expected = await service.estimate(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return None
    # `preflight` reads the inputs: the user is not asked about a call that would be refused afterwards, and the price
    # depends on the inputs' real sizes.
    expected = await service.preflight(request)
    if not settings.is_asked_about(expected.usd if expected else None):
        return None
    price = _price(expected.usd if expected else None)
    if not can_ask:
        raise _cannot_be_asked(settings, price, limit, "a lower quality, a smaller size or fewer pictures")
    made = request.count * request.passes
    pictures = f"{made} pictures" if made > 1 else "1 picture"
    pictures += " for a transparent one" if request.passes > 1 else ""
    model = settings.model_for(request)
    size = "" if request.size == "auto" else f" of {request.size.partition('@')[0]}"
    return f"{pictures}{size} at quality {request.quality} with {model} will cost {price}. Go ahead?"


async def batch_price_question(request: MakeBatchRequest, service: ImageService, *, can_ask: bool) -> str | None:
    """The question about the price of a batch, for all of its pictures; otherwise as `price_question`."""
    settings = service.settings
    limit = settings.confirm_limit
    if limit is None or not (settings.must_confirm or can_ask):
        return None
    plan = await service.batches.plan(request)
    if not settings.is_asked_about(plan.usd):
        return None
    price = _price(plan.usd)
    if not can_ask:
        raise _cannot_be_asked(settings, price, limit, "fewer pictures or a lower quality")
    when = "within 24 hours, at half price," if plan.minutes is None else f"in {finish_text(plan.minutes)}"
    return f"A batch of {plan.pictures} pictures {when} will cost {price}. Go ahead?"


def _price(usd: Decimal | None) -> str:
    return "an amount that is not known beforehand" if usd is None else f"about {dollars(usd)}"


def _cannot_be_asked(settings: Settings, price: str, limit: Decimal, instead: str) -> ConsentRefused:
    by, raised = (
        ("", "whoever runs this server raise that limit")
        if settings.hosted
        else (f" ({CONFIRM_VARIABLE})", f"the person raise {CONFIRM_VARIABLE}")
    )
    return ConsentRefused(
        f"This would cost {price}, and above {dollars(limit)}{by} the person is to be asked, which this client cannot"
        f" do. Nothing was sent. Ask for {instead}, or have {raised}."
    )
