"""What one replica of a server passes to another so that it can make a job in its queue.

Pictures are named so that they mean the same there: by id instead of `last` or a number, and a turn by the number of
the turn that it is made from. A mask that was found by its words is passed on as a picture. An address, data and an
upload's id stay as they are. The other replica reads the inputs again.
"""

import base64
from typing import TYPE_CHECKING, Any, cast

from ..images import MIME
from ..inputs.inputs import Inputs
from ..masks.found import parse_find
from ..parameters.models import ContinueSessionRequest, GenerateRequest, PaidRequest
from .job import Delivery, Job
from .order import Order
from .serialization import REQUESTS

if TYPE_CHECKING:
    from ..catalogue.queue_table import QueuedJob


def handover_of(job: Job, order: Order) -> dict[str, Any]:
    """All that is needed to make a job."""
    request = job.request
    arguments = request.model_dump(mode="json", exclude_defaults=True) | _named(request, order.inputs)
    if isinstance(request, ContinueSessionRequest) and request.from_turn is None:
        arguments["from_turn"] = cast("Any", order.step).parent
    return {"request": arguments, "model": job.model, "client": job.client, "click": job.is_click}


def job_of_queue(queued: "QueuedJob") -> Job:
    """The job that this process has taken over; raises KeyError or ValueError if a later version has passed it on."""
    row, handover = queued.row, queued.handover
    request = REQUESTS[row.tool].model_validate(handover["request"])
    job = Job(row.tool, request, handover["model"], 0.0, client=handover["client"], id=row.id, created=row.created)
    job.is_click, job.key, job.handover = bool(handover["click"]), row.key, handover
    job.is_taken_over = job.has_row = True
    job.delivery = Delivery.HANDED_OUT
    return job


def _named(request: PaidRequest, inputs: Inputs) -> dict[str, Any]:
    """The arguments that name pictures which were made here, by their ids."""
    named: dict[str, Any] = {}
    if isinstance(request, GenerateRequest):
        return named
    if references := request.images:
        # Before them stands the picture of the turn that a session goes on from.
        images = inputs.images[len(inputs.images) - len(references) :]
        named["images"] = [image.id or name for name, image in zip(references, images, strict=True)]
    if inputs.mask is not None and inputs.mask.id:
        named["mask"] = inputs.mask.id
    elif inputs.mask is not None and parse_find(request.mask or ""):
        # What it names was looked for by a model, which is paid for.
        named["mask"] = f"data:{MIME[inputs.mask.format]};base64,{base64.b64encode(inputs.mask.data).decode()}"
    return named
