"""Exact edits: after the API's picture is saved, a child process puts what changed in it back into the original.

Nothing here raises: the picture is paid for and saved, so what fails becomes a sentence of the report.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ChildFailed, GptImageError
from ..images.formats import SHOWN, WITH_ARTICLE, FileFormat, sniff
from ..images.pixels_extra import HOW_TO_GET, compute_in_child, is_installed
from ..images.validate import MAX_BYTES
from ..inputs import InputImage, Sources
from ..inputs.inputs import Inputs
from ..inputs.part import Part, plan_part
from ..jobs.order import Order
from ..parameters.extension import edges_of
from ..parameters.models import GenerateRequest, PaidRequest
from ..pixels.proof_text import no_composite_text, proof_warnings
from ..storage.local_folder import EXACT_SUFFIX

MEMORY: Final = 1400 << 20
"""Bytes that the child process may have: a picture of 24 megapixels takes 800 MB, one of 1024x1024 a fifth of that."""
SECONDS: Final = 120
MAX_DATA: Final = 200 << 20
"""Bytes of a composite: a picture of 24 megapixels takes 40 MB, and twice that with 16 bits."""
NO_PNG: Final = "The exact edit is saved as a PNG, since {kind} would not keep its pixels."
TOO_LARGE: Final = (
    "The exact edit has {size:,} bytes, since it keeps every pixel, and a picture that is to be edited again may have"
    " {most:,}: save it as a JPEG before the next edit."
)
_TASK: Final = "gpt_image_2_mcp.pixels.task:exact_edit"
MISSING: Final = (
    "The model's picture is not composited into the original, so more than the mask may have changed: this needs the"
    f" extra `pixels`. To have it, {HOW_TO_GET}."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Composite:
    """A picture that was made of one of the API's, with its proof; or no bytes. `warnings` are for the report."""

    data: bytes = b""
    proof: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()
    suffix: str = EXACT_SUFFIX
    """How the name of its file ends."""
    failure: str = ""
    """Why there are no bytes, to go on after a colon."""


class ExactEdits:
    """Makes the composites of one process."""

    def __init__(self, sources: Sources) -> None:
        """Read originals again with `sources`: what is sent of them may have been converted."""
        self._sources = sources
        self._told = False
        """The person knows how to get the extra."""

    def is_wanted(self, request: PaidRequest, inputs: Inputs) -> bool:
        """Whether the pictures of a request become exact edits."""
        return bool(inputs.images) and request.is_exact

    def plan(self, request: PaidRequest, inputs: Inputs) -> Part | None:
        """Which part of the first picture is sent for a request; None for the picture as it is.

        Raises:
            BadRequest: the picture cannot be extended as the request says.

        """
        if isinstance(request, GenerateRequest):
            return None
        first = inputs.images[0]
        added = None if request.extend is None else edges_of(request.extend, (first.width, first.height))
        is_exact = is_installed() and self.is_wanted(request, inputs)
        if added is None and not is_exact:
            return None
        return plan_part(inputs, request.size, added, is_exact=is_exact)

    def missing_note(self, *, is_asked_for: bool) -> str | None:
        """The sentence about the extra if it is not installed, once a process unless it `is_asked_for`; else None."""
        if is_installed() or (self._told and not is_asked_for):
            return None
        self._told = True
        return MISSING

    def make(self, order: Order, model: bytes) -> Composite:
        """Make the composite of a saved picture. Blocks for some seconds. Raises nothing."""
        first, part = order.inputs.images[0], order.part
        mask = order.sent.mask.data if order.sent.mask else b""
        has_size = [first.width, first.height] if part is None else list(part.canvas)
        arguments: dict[str, Any] = {
            "size": has_size,
            "box": part and part.box,
            "added": part and part.added,
        }
        failure = ""
        for original in self.originals(first):
            try:
                found = compute_in_child(
                    _TASK, original, model, mask, memory=MEMORY, seconds=SECONDS, max_data=MAX_DATA, **arguments
                )
            except (ValueError, ChildFailed) as error:
                logger.info("no exact edit was made of %s: %s", first.source, error)
                failure = str(error).rstrip(".")
                continue
            if not found.data:
                return Composite(warnings=(no_composite_text(found.values),))
            proof = found.values
            if proof["differing_outside"]:
                failure = f"{proof['differing_outside']:,} pixels outside of the mask differed"
                break
            warnings = proof_warnings(proof)
            lossy: list[FileFormat] = [kind for kind in (sniff(original), sniff(model)) if kind and kind != "png"]
            warnings += [NO_PNG.format(kind=WITH_ARTICLE[kind]) for kind in lossy[:1]]
            if len(found.data) > MAX_BYTES:
                warnings.append(TOO_LARGE.format(size=len(found.data), most=MAX_BYTES))
            return Composite(found.data, proof, tuple(warnings))
        return Composite(warnings=(f"Nothing was kept to the pixel, and this is the model's own picture: {failure}.",))

    def originals(self, image: InputImage) -> list[bytes]:
        """The bytes to keep: the file's own, with its alpha, bits and profile, or else what was sent of them."""
        found = [image.data]
        if image.path is not None:
            try:
                data = self._sources.read_saved(image.path)
            except GptImageError:
                return found
            is_same = hashlib.sha256(data).hexdigest() == image.file_sha256
            if is_same and data != image.data and sniff(data[:64]) in SHOWN:
                found.insert(0, data)
        return found
