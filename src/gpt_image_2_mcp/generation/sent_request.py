"""What is sent to the API for a job: its request, where only a part of the first picture or a larger canvas is sent."""

from typing import Final, TypeVar

from ..inputs.part import Part
from ..jobs.order import Order
from ..openai_api.request import ImageRequest
from ..parameters.models import PaidRequest, PricedOptions

OptionsT = TypeVar("OptionsT", bound=PricedOptions)

CONTINUE: Final = "The grey part of image 1 is empty: continue the picture there, without a border or a seam."
"""What is added to the prompt where the canvas is extended."""
LARGEST: Final = "2880x2880"
"""The size that costs the most."""


def image_request(model: str, request: PaidRequest, order: Order) -> ImageRequest:
    """The request for the pictures of a job."""
    part, sent = order.part, order.sent
    prompt = request.prompt
    if part is not None:
        request = with_size(request, part)
        prompt = f"{prompt}\n\n{CONTINUE}" if part.added is not None else prompt
    return ImageRequest(model, prompt, request.count, request, sent.images, sent.mask)


def with_size(options: OptionsT, part: Part) -> OptionsT:
    """The options with the size at which the model is to draw the part."""
    return options if part.size is None else options.model_copy(update={"size": "{}x{}".format(*part.size)})


def with_largest_size(options: OptionsT) -> OptionsT:
    """The options with the size that costs the most, where it is only known from the pictures which one is sent."""
    is_marked = getattr(options, "mask", None) is not None or getattr(options, "extend", None) is not None
    if options.size != "auto" or not is_marked or getattr(options, "keep", "off") == "off":
        return options
    return options.model_copy(update={"size": LARGEST})
