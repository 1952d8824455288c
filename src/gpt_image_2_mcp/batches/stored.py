"""What is kept of a submitted line, so that any later process can save its pictures and settle its charge."""

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from ..inputs import InputImage
from ..inputs.inputs import Inputs
from ..inputs.part import Part
from ..jobs.job import Delivery, Job
from ..jobs.order import Draft, Order
from ..jobs.serialization import REQUESTS
from .batch import line_id

if TYPE_CHECKING:
    from ..catalogue.batch_table import BatchRow, LineRow

_FACTS = ("format", "width", "height", "sha256", "file_sha256", "name", "source", "change", "note", "id")
"""What is kept of an input beside its path: not its bytes, which OpenAI has."""


def stored_order(order: Order, model: str) -> dict[str, Any]:
    """The order of a line, as JSON."""
    mask, part = order.inputs.mask, order.part
    return {
        "model": model,
        "kind": order.kind,
        "folder": str(order.folder),
        "is_new_folder": order.is_new_folder,
        "inputs": [_stored_input(image) for image in order.inputs.images],
        **({"mask": _stored_input(mask)} if mask else {}),
        **({"part": asdict(part)} if part else {}),
        **({"draft": _stored_draft(order.draft)} if order.draft else {}),
    }


def order_of(sent: Mapping[str, Any]) -> Order:
    """The order that `stored_order` kept; its inputs have no bytes."""
    mask, part, draft = sent.get("mask"), sent.get("part"), sent.get("draft")
    inputs = Inputs([_input(kept) for kept in sent["inputs"]], _input(mask) if mask else None)
    return Order(
        sent["kind"],
        Path(sent["folder"]),
        inputs,
        "",
        is_new_folder=sent["is_new_folder"],
        part=TypeAdapter(Part).validate_python(part) if part else None,
        draft=_draft_adapter().validate_python(draft) if draft else None,
    )


def _stored_draft(draft: Draft) -> dict[str, Any]:
    return _draft_adapter().dump_python(replace(draft, source=None), mode="json")


@cache
def _draft_adapter() -> TypeAdapter[Draft]:
    return TypeAdapter(Draft)


def _stored_input(image: InputImage) -> dict[str, Any]:
    return {name: getattr(image, name) for name in _FACTS} | {"path": image.path and str(image.path)}


def _input(kept: Mapping[str, Any]) -> InputImage:
    path = Path(kept["path"]) if kept["path"] else None
    return InputImage(data=b"", path=path, **{name: kept[name] for name in _FACTS})


def job_of_line(batch: "BatchRow", line: "LineRow", *, expected_s: float = 0.0) -> Job:
    """The line as a job of this process."""
    request = REQUESTS[line.tool].model_validate(line.request)
    model = str((line.sent or {}).get("model") or request.model or "")
    client = (batch.details or {}).get("client")
    job = line_job(batch.id, line.number, line.tool, request, model, created=batch.created, client=client)
    job.expected_s = expected_s
    return job


def line_job(
    batch_id: str,
    number: int,
    tool: str,
    request: Any,
    model: str,
    *,
    created: datetime,
    client: str | None,
) -> Job:
    """A job for a line: no call waits for it, and none joins it."""
    job = Job(tool, request, model, 0.0, client=client, id=line_id(batch_id, number), created=created)
    # The column takes 64 characters, and no call has this key.
    job.key = job.id
    job.delivery = Delivery.FETCHED
    return job
