"""What is sent to the API for a job: its request, where only a part of the first picture or a larger canvas is sent."""

from typing import Final, TypeVar

from ..inputs.part import Part
from ..jobs.order import Order
from ..openai_api.request import ImageRequest
from ..parameters.fields import MAX_PROMPT
from ..parameters.models import PaidRequest
from ..parameters.options import PricedOptions
from ..parameters.size_plan import is_band
from ..parameters.sizes import made_size, parse_edges

OptionsT = TypeVar("OptionsT", bound=PricedOptions)

CONTINUE: Final = "The grey part of image 1 is empty: continue the picture there, without a border or a seam."
"""What is added to the prompt where the canvas is extended."""
FINISH: Final = (
    "Image 1 is a draft that already shows this. Finish it as it is: keep its composition, and every shape, colour and"
    " letter where it is; only make it cleaner and add fine detail."
)
"""What is added to the prompt where a draft is finished."""
BAND: Final = (
    "Keep everything that matters within the middle {share}% of the picture's {edge}: only that band is kept, and the"
    " rest is cut off."
)
"""What is added to the prompt where the size is beyond 3:1."""
LARGEST: Final = "2880x2880"
"""The size that costs the most."""


def image_request(model: str, request: PaidRequest, order: Order) -> ImageRequest:
    """The request for the pictures of a job."""
    part, sent = order.part, order.sent
    prompt = request.prompt
    if not request.is_exact:
        request = in_given_size(request, order)
    if part is not None:
        request = with_size(request, part)
        prompt = f"{prompt}\n\n{CONTINUE}" if part.added is not None else prompt
    if order.draft is not None and order.draft.stays:
        prompt = f"{prompt}\n\n{FINISH}"
    if band := _band_sentence(request.size):
        prompt = f"{prompt}\n\n{band}"
    # The person's words alone are as long as they may be.
    prompt = prompt if len(prompt) <= MAX_PROMPT else request.prompt
    return ImageRequest(model, prompt, request.count, as_made(request), sent.images, sent.mask)


def in_given_size(options: OptionsT, order: Order) -> OptionsT:
    """The options of a turn: without a size, it has that in which the person was given the turn before."""
    given = order.inputs.delivered
    return options if given is None or options.size != "auto" else options.model_copy(update={"size": given})


def as_made(options: OptionsT) -> OptionsT:
    """The options with the size that the model makes for the one that is asked for."""
    made = made_size(options.size)
    return options if made == options.size else options.model_copy(update={"size": made})


def _band_sentence(size: str) -> str:
    """What the prompt is given where the size is beyond 3:1; else an empty text."""
    edges, made = parse_edges(size), parse_edges(made_size(size))
    if edges is None or made is None or not is_band(*edges):
        return ""
    scale = max(edges[0] / made[0], edges[1] / made[1])
    is_wide = edges[0] > edges[1]
    share = edges[1] / (made[1] * scale) if is_wide else edges[0] / (made[0] * scale)
    return BAND.format(share=max(round(100 * share), 1), edge="height" if is_wide else "width")


def with_size(options: OptionsT, part: Part) -> OptionsT:
    """The options with the size at which the model is to draw the part."""
    return options if part.size is None else options.model_copy(update={"size": "{}x{}".format(*part.size)})


def with_largest_size(options: OptionsT) -> OptionsT:
    """The options with the size that costs the most, where it is only known from the pictures which one is sent."""
    if options.size != "auto" or not options.is_marked or options.kept == "off":
        return options
    return options.model_copy(update={"size": LARGEST})
