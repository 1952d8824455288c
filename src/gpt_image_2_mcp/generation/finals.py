"""Finals: a draft is finished at a higher quality, as it is or after words. There is no seed, so it is edited.

Nothing here raises once a picture is saved: what fails is left out of the report.
"""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any, Final

from ..billing.tokens import text_tokens
from ..catalogue.picture_record import Picture
from ..errors import ChildFailed, GptImageError
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..inputs import InputImage
from ..inputs.inputs import Inputs
from ..jobs.order import Draft, Order
from ..jobs.report import Report
from ..parameters.models import EditRequest, PaidRequest
from ..parameters.options import COSTLIEST_INPUT
from ..persistence.unit_of_work import UnitOfWork
from ..persistence.writer_thread import WriterThread
from ..storage.local_folder import SavedImage
from .charges import PricedRequest, Spending
from .sent_request import as_made

QUALITIES: Final = ("low", "medium", "high", "xhigh", "max")
"""From the cheapest to the finest."""
SEVERAL: Final = 2
"""Pictures of one call from which there are drafts to choose."""
NOT_COMPARED: Final = f"How far the draft's layout was kept is not known. To be told, {HOW_TO_GET}."
UNKNOWN: Final = "How far the draft's layout was kept could not be found out."
_TASK: Final = "gpt_image_2_mcp.pixels.layout:layout"

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Costs:
    """What drafts and their final cost, in dollars, beside as many finals at once."""

    together: Decimal
    finals: Decimal


async def find_draft(request: PaidRequest, inputs: Inputs, writer: WriterThread) -> Draft | None:
    """The draft of which a request makes a final; None if it does something else.

    It does where its one input is made at a higher quality. That is to stay as it is where it is the picture in `like`,
    with its own prompt; otherwise it is a draft if its call made several to choose from.
    """
    if not isinstance(request, EditRequest) or request.is_marked or request.keep == "exact":
        return None
    picture_id = inputs.origins[0].id if len(inputs.images) == 1 else None
    if picture_id is None or request.quality not in QUALITIES:
        return None

    def look_up(unit: UnitOfWork) -> tuple[Picture | None, Sequence[Picture]]:
        picture = unit.pictures.get(picture_id)
        return picture, [] if picture is None else unit.pictures.of_call(picture)

    picture, drafts = await writer.read(look_up)
    if picture is None:
        return None
    quality = picture.record.applied.get("quality") or picture.record.parameters.get("quality")
    if quality not in QUALITIES or QUALITIES.index(request.quality) <= QUALITIES.index(quality):
        return None
    paid = [each.record for each in drafts if not (each.record.is_derived or each.record.is_composite)]
    stays = request.like == picture.id and request.prompt == picture.record.prompt
    if not stays and len(paid) < SEVERAL:
        return None
    # One in another size was made of the model's own, which is no input of the call.
    made = paid[0] if paid else picture.record
    costs = [record.cost_usd for record in paid if record.cost_usd is not None]
    is_known = bool(paid) and len(costs) == len(paid)
    return Draft(
        id=picture.id,
        inputs=sum(parent.role in {"image", "mask"} for parent in made.parents),
        count=len(paid),
        cost=sum(costs, Decimal(0)) if is_known else None,
        stays=stays,
        source=next((each for each in drafts if stays and each.id in picture.record.derived_from), None),
    )


async def costs_of(
    order: Order, request: PaidRequest, model: str, cost: Decimal | None, spending: Spending
) -> Costs | None:
    """What the drafts and the final cost together, beside as many pictures at the final's quality; None if unknown."""
    draft = order.draft
    if draft is None or draft.count < SEVERAL or draft.cost is None or cost is None:
        return None
    inputs = [COSTLIEST_INPUT] * draft.inputs
    tokens = text_tokens(request.prompt, generation=not inputs)
    finals = PricedRequest(
        model=model, options=as_made(request), text_tokens=tokens, n=draft.count, inputs=inputs, passes=request.passes
    )
    try:
        expected = await spending.estimate(finals)
    except GptImageError as error:
        logger.info("what finals would cost is not known: %s", error)
        return None
    return None if expected is None else Costs(draft.cost + cost, expected.usd)


def with_final(report: Report, draft: Draft, layouts: Mapping[str, Any], costs: Costs | None) -> Report:
    """A report that says of which draft its pictures are finals, how close they are to it, and what all that cost."""
    final: dict[str, Any] = {"draft": draft.id, "drafts": draft.count, "layouts": dict(layouts)}
    if costs is not None:
        final |= {"together_usd": float(costs.together), "finals_usd": float(costs.finals)}
    missing = () if layouts else (UNKNOWN if is_installed() else NOT_COMPARED,)
    return replace(report, final=final, warnings=(*report.warnings, *missing))


def layouts_of(
    order: Order, finals: Sequence[tuple[SavedImage, bytes]], originals: Callable[[InputImage], list[bytes]]
) -> dict[str, Any]:
    """How far each final of an order kept its draft's layout, in the values of `pixels.layout` by the ids. Blocks.

    What could not be compared is left out. Of the line of a cheap batch, the draft is read again: `originals` gives its
    bytes, if its file is as it was.
    """
    if not is_installed():
        return {}
    image = order.inputs.images[0]
    draft = image.data or originals(image)[0]
    if not draft:
        return {}
    found = {image.id: _layout(draft, data) for image, data in finals}
    return {name: figures for name, figures in found.items() if figures}


def _layout(draft: bytes, final: bytes) -> dict[str, Any]:
    try:
        return compute_in_child(_TASK, draft, final).values
    except (ValueError, ChildFailed) as error:
        logger.info("a final was not compared with its draft: %s", error)
        return {}
