"""Builds a job's report from what was asked for and what was saved."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

from ..billing.prices import cost, host_cost
from ..catalogue.picture_record import NO_MODEL, Origin
from ..errors import shown
from ..jobs.order import Order
from ..jobs.report import MASK_MARK, Report
from ..openai_api.api_result import ApiResult
from ..openai_api.request import ImageRequest, SendOutcome
from ..parameters.models import PaidRequest
from ..parameters.size_plan import MAX_SCALE
from ..paths.prefix import safe_prefix
from ..pixels.matte_text import is_matte
from ..storage.local_folder import SavedImage
from .image_saver import ImageSaver

DAMAGED = (
    "{name} is damaged: it was saved as it came and is paid for, but it cannot be decoded and is not shown. Another"
    " program may be able to read a part of it."
)

ENLARGED = (
    "Enlarged from {given}: the model drew all of it anew at {made}{delivered}, so faces, writing and other details may"
    " differ. To enlarge the picture's own pixels instead, for nothing: export_image with `to` '{free}'."
)
_LARGER = 1.1
"""How many times longer both edges are of what counts as an enlarged picture."""

logger = logging.getLogger(__name__)


def build_report(
    order: Order, asked: PaidRequest, request: ImageRequest, saver: ImageSaver, outcome: SendOutcome
) -> Report:
    """The report on the pictures that `saver` has saved; there is at least one.

    `asked` is the call's request, and `request` what was sent for it: its size may be another.
    """
    results, images = saver.results, saver.images
    first, image, delivered = results[0], images[0], saver.wanted_first[0]
    # Not what the API claims: the file shows otherwise, or it is not known.
    size = _size_text(image)
    options, n = request.options, request.n
    # What was asked of the API for a part of a picture is not what the call said.
    is_part = order.part is not None and order.part.size is not None
    requested = {
        "size": asked.size,
        "quality": options.quality,
        "n": n,
        "format": options.output_format,
        "background": options.background,
    }
    applied = {
        "size": size,
        "quality": first.quality,
        "n": len(images),
        "format": image.facts.format,
        "background": first.background,
    }
    is_cut = any(image.proof and is_matte(image.proof) for image in saver.wanted_first)
    if added := request.prompt.removeprefix(asked.prompt).strip():
        applied["added_prompt"] = added
    if options.is_transparent:
        # Of what was cut out the API only knows the ground.
        applied |= {"background": "transparent" if is_cut else first.background, "n": -(-len(images) // options.passes)}
        applied |= {"format": saver.wanted_first[0].facts.format}
    usages = [result.usage for result in results if result.usage]
    # None rather than a sum that leaves a request out: it would be taken for the whole.
    usage = sum(usages[1:], usages[0]) if len(usages) == len(results) else None
    warnings = [*order.inputs.changes, *outcome.notes, *saver.warnings]
    warnings += [order.part.note] if order.part and order.part.note else []
    warnings += _enlargement(order, saver)
    compared = {**requested, "size": "auto" if is_part else options.size}
    # A picture that was to be transparent and is not has a warning of its own.
    compared |= {"background": "auto"} if options.is_transparent else {}
    warnings += _differences(compared, applied, images)
    warnings += _notes_on_place(order, request, images)
    warnings += [DAMAGED.format(name=image.path.name) for image in images if image.broken]
    one = f"One of the {n} pictures" if n > 1 else "The second picture, for the other ground,"
    warnings += [f"{one} failed: {failure}" for failure in outcome.failures]
    return Report(
        kind=order.kind,
        model=request.model,
        prompt=asked.prompt,
        requested=requested,
        applied={**applied, "size": _size_text(delivered) if delivered.change else size},
        images=tuple(saver.wanted_first),
        usage=usage,
        cost=_cost_or_none(results, request.model),
        request_id=first.request_id,
        inputs=tuple(_input_name(origin) for origin in order.inputs.origins),
        warnings=tuple(Counter(warnings)),
        sandbox=first.sandbox,
    )


def build_own_report(order: Order, request: PaidRequest, saver: ImageSaver, *, sandbox: bool) -> Report:
    """The report on a picture that was made here, without the API."""
    image = saver.images[0]
    shape = {"format": image.facts.format, "background": "transparent", "n": 1, "quality": None}
    source = _input_name(order.inputs.origins[0])
    return Report(
        kind=order.kind,
        model=NO_MODEL,
        prompt=f"cut out of {source}",
        requested={
            "size": "auto",
            "quality": "auto",
            "n": 1,
            "format": request.output_format,
            "background": "transparent",
        },
        applied={"size": f"{image.facts.width}x{image.facts.height}", **shape},
        images=(image,),
        usage=None,
        cost=Decimal(0),
        request_id=None,
        inputs=(source,),
        warnings=tuple(Counter(saver.warnings)),
        sandbox=sandbox,
    )


def _size_text(image: SavedImage) -> str | None:
    return f"{image.facts.width}x{image.facts.height}" if image.facts.width else None


def _input_name(origin: Origin) -> str:
    name = origin.id or origin.path or origin.source
    return f"{name}{MASK_MARK}" if origin.role == "mask" else name


def _notes_on_place(order: Order, request: ImageRequest, images: Sequence[SavedImage]) -> list[str]:
    """Sentences about the folder and the file's name, where they are not what the user may expect."""
    notes: list[str] = []
    if order.is_new_folder and any(image.path.parent == order.folder for image in images):
        notes.append(f"Saved in {order.folder} (new folder).")
    prefix = request.options.filename_prefix
    if prefix and prefix.strip() and not safe_prefix(prefix):
        notes.append(f"`filename_prefix` {shown(prefix)} has no letter or digit, so the file's name has nothing of it.")
    return notes


def _enlargement(order: Order, saver: ImageSaver) -> list[str]:
    """A sentence where one picture was given and a larger one of the whole comes back, drawn anew."""
    image = saver.wanted_first[0]
    if len(order.inputs.images) != 1 or order.part or order.draft or image.proof:
        return []
    given, facts, made = order.inputs.images[0], image.facts, saver.images[0]
    if facts.width < _LARGER * given.width or facts.height < _LARGER * given.height:
        return []
    size = f"{facts.width}x{facts.height}"
    delivered = "" if _size_text(made) == size else f", which was brought to {size}"
    most = min(1.0, MAX_SCALE * given.width / facts.width, MAX_SCALE * given.height / facts.height)
    free = f"{int(facts.width * most)}x{int(facts.height * most)}"
    was = f"{given.width}x{given.height}"
    return [ENLARGED.format(given=was, made=_size_text(made), delivered=delivered, free=free)]


def _differences(requested: Mapping[str, Any], applied: Mapping[str, Any], images: Sequence[SavedImage]) -> list[str]:
    """A sentence for each property in which the pictures differ from what was asked for."""
    got = {name: [applied[name]] for name in ("size", "quality", "format", "background")}
    # These the files themselves show, each for itself.
    got["size"] = [_size_text(image) for image in images]
    if applied["format"] == images[0].facts.format:
        got["format"] = [image.facts.format for image in images]
    found: list[str] = []
    for name, values in got.items():
        others = dict.fromkeys(value for value in values if value and value != requested[name])
        if requested[name] != "auto" and others:
            found.append(f"The API changed the {name}: asked for {requested[name]}, got {' and '.join(others)}.")
    if applied["n"] < requested["n"]:
        found.append(f"The API made {applied['n']} of the {requested['n']} pictures that were asked for.")
    return found


def _cost_or_none(results: list[ApiResult], model: str) -> Decimal | None:
    """As `_cost`; None too where the price data fails: the pictures are saved, and only the price is missing."""
    try:
        return _cost(results, model)
    except Exception:
        logger.exception("the cost of an answer could not be computed")
        return None


def _cost(results: list[ApiResult], model: str) -> Decimal | None:
    """The cost of all results in dollars; None if the usage or the price of a part is not known."""
    total = Decimal(0)
    for result in results:
        parts = [cost(model, result.usage) if result.usage else None]
        parts += [host_cost(h.model, h.input_tokens, h.cached_tokens, h.output_tokens) for h in result.host_usage]
        for part in parts:
            if part is None:
                return None
            total += part * result.share
    return total
