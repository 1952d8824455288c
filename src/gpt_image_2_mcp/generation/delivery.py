"""Delivers pictures in the size that was asked for, where the model makes another one: from the API's own file.

That file stays as it came. Nothing here raises: the picture is paid for and saved, so what fails becomes a sentence of
the report.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..errors import ChildFailed
from ..images import EXTENSION, Facts
from ..images.deriving import derive_in_child
from ..images.provenance import MADE_BY_MODEL, NO_CREDENTIALS, PARTLY_BY_MODEL, xmp_of
from ..parameters.models import PaidRequest
from ..parameters.size_plan import is_band
from ..parameters.sizes import dpi_of, made_size, parse_edges
from ..storage.local_folder import SavedImage

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Delivered:
    """A picture in the size that was asked for, or no bytes and why; `change` says how it was made."""

    data: bytes = b""
    change: str = ""
    warnings: tuple[str, ...] = ()


def is_delivered_apart(request: PaidRequest) -> bool:
    """Whether what the model makes for a request is not yet what was asked for."""
    return made_size(request.size) != request.size


def deliver(request: PaidRequest, source: SavedImage, data: bytes) -> Delivered:
    """Make the picture that was asked for of a saved one, whose bytes are `data`. Blocks. Raises nothing."""
    edges = parse_edges(request.size)
    if edges is None:
        return Delivered()
    dpi = dpi_of(request.size)
    facts = source.facts
    if edges == (facts.width, facts.height) and (dpi is None or source.facts.format == "webp"):
        return Delivered()
    origin = PARTLY_BY_MODEL if source.proof else MADE_BY_MODEL
    try:
        found = derive_in_child(
            "delivery_task:deliver",
            data,
            size=list(edges),
            kind=request.output_format,
            quality=request.output_compression or None,
            dpi=dpi,
            xmp=xmp_of(origin, source.sha256),
        )
    except (ValueError, ChildFailed) as error:
        logger.info("%s was not delivered as %s: %s", source.path, request.size, error)
        return Delivered(
            warnings=(f"It could not be made {edges[0]}x{edges[1]}, and is as the model made it: {error}.",)
        )
    return Delivered(found.data, _change_text(found.values, facts, edges, dpi), (NO_CREDENTIALS,))


def extension_of(request: PaidRequest) -> str:
    """The extension of a delivered file."""
    return EXTENSION[request.output_format]


def _change_text(values: Mapping[str, Any], facts: Facts, edges: tuple[int, int], dpi: int | None) -> str:
    """How a delivered picture was made, as a sentence or two."""
    made, scale, cut = f"{facts.width}x{facts.height}", values["scale"], values["cut"]
    if is_band(*edges):
        how = f"of which the middle band is kept and {cut:.0%} is cut off"
        if scale != 1:
            how += f", scaled {'down' if scale < 1 else 'up'} to {edges[0]}x{edges[1]}"
    elif scale == 1:
        left, top = facts.width - edges[0], facts.height - edges[1]
        how = f"cropped by {left}x{top} pixels and not resampled" if left or top else "kept as it is"
    elif scale < 1:
        how = f"scaled down to {edges[0]}x{edges[1]}"
    else:
        how = f"scaled up {scale:.2f} times, so it has no more detail than that"
    tagged = f", marked as {dpi} dpi" if dpi else ""
    noted = f"; {values['note']}" if values["note"] else ""
    return f"Made at {made}, {how}{tagged}{noted}."
