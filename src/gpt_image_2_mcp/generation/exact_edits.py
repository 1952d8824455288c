"""Exact edits: after the API's picture is saved, a child process puts what changed in it back into the original.

Nothing here raises: the picture is paid for and saved, so what fails becomes a sentence of the report.
"""

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ChildFailed, GptImageError
from ..images.formats import SHOWN, sniff
from ..images.pixels_extra import compute_in_child, is_installed
from ..inputs import InputImage, Sources
from ..inputs.reader import Inputs
from ..parameters.models import PaidRequest
from ..pixels.proof_text import no_composite_text, proof_warnings

MEMORY: Final = 1400 << 20
"""Bytes that the child process may have: a picture of 24 megapixels takes 800 MB, one of 1024x1024 a fifth of that."""
SECONDS: Final = 120
_TASK: Final = "gpt_image_2_mcp.pixels.task:exact_edit"
MISSING: Final = (
    "The model's picture is not composited into the original, so more than the mask may have changed: this needs the"
    " extra `pixels`. Install `gpt-image-2-mcp[pixels]`, which takes 200 MB, in place of `gpt-image-2-mcp`."
)

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Composite:
    """An exact edit as a PNG, with its proof; or no bytes, and why. `warnings` are for the report."""

    data: bytes = b""
    proof: Mapping[str, Any] | None = None
    warnings: tuple[str, ...] = ()


class ExactEdits:
    """Makes the composites of one process."""

    def __init__(self, sources: Sources) -> None:
        """Read originals again with `sources`: what is sent of them may have been converted."""
        self._sources = sources
        self._told = False
        """The person knows how to get the extra."""

    def is_wanted(self, request: PaidRequest, inputs: Inputs) -> bool:
        """Whether the pictures of a request become exact edits."""
        keep = getattr(request, "keep", "off")
        return bool(inputs.images) and (keep == "exact" or (keep == "auto" and inputs.mask is not None))

    def missing_note(self, *, is_asked_for: bool) -> str | None:
        """The sentence about the extra if it is not installed, once a process unless it `is_asked_for`; else None."""
        if is_installed() or (self._told and not is_asked_for):
            return None
        self._told = True
        return MISSING

    def make(self, inputs: Inputs, model: bytes) -> Composite:
        """Make the composite of a saved picture. Blocks for some seconds. Raises nothing."""
        first = inputs.images[0]
        mask = inputs.mask.data if inputs.mask else b""
        failure = ""
        for original in self._originals(first):
            try:
                found = compute_in_child(_TASK, original, model, mask, memory=MEMORY, seconds=SECONDS)
            except (ValueError, ChildFailed) as error:
                logger.info("no exact edit was made of %s: %s", first.source, error)
                failure = str(error)
                continue
            if not found.data:
                return Composite(warnings=(no_composite_text(found.values),))
            proof = {**found.values, "has_mask": bool(mask)}
            if proof["differing_outside"]:
                failure = f"{proof['differing_outside']:,} pixels outside of the mask differed"
                break
            return Composite(found.data, proof, tuple(proof_warnings(proof)))
        return Composite(warnings=(f"Nothing was kept to the pixel, and this is the model's own picture: {failure}.",))

    def _originals(self, image: InputImage) -> list[bytes]:
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
