"""What each image model can do, as far as OpenAI has published it; other models are not restricted.

Sources: OpenAI's model pages of 2026-09-08 (`xhigh`, `max` and transparency from gpt-image-2.5 on).
"""

import re

from ..errors import BadRequest
from .options import Options

PICTURE_MODELS = (
    "gpt-image-2",
    *("gpt-image-2.5-sunburst", "gpt-image-2.5-flare"),
    *("gpt-image-2.6-sunburst", "gpt-image-2.6-flare"),
)
"""OpenAI's models that make pictures, for an error about another name; a newer one is not refused for that."""

_WITHOUT_XHIGH = re.compile(r"gpt-image-(1|1\.5|1-mini|2)(-\d{4}-\d{2}-\d{2})?")
_WITHOUT_TRANSPARENCY = re.compile(r"gpt-image-2(-\d{4}-\d{2}-\d{2})?")


def has_no_transparency(model: str) -> bool:
    """Whether OpenAI says that a model makes no transparent pictures; it did so for a while, and the API decides."""
    return _WITHOUT_TRANSPARENCY.fullmatch(model) is not None


def check_model(model: str, options: Options) -> None:
    """Check that a model has the requested quality; an unknown model is taken to have all.

    Raises:
        BadRequest: the model does not have the quality.

    """
    if options.quality in ("xhigh", "max") and _WITHOUT_XHIGH.fullmatch(model):
        raise BadRequest(
            f"`quality` {options.quality!r} is not available with {model}, which has low, medium and high."
            " gpt-image-2.5-sunburst and gpt-image-2.5-flare have xhigh and max: use 'high', or name one of them in"
            " `model`."
        )
