"""The request for one job's pictures and its outcome, the same for both routes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import GptImageError
from ..inputs import InputImage
from ..parameters.options import Options


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """A request for `n` pictures from a prompt and, for an edit, from `inputs` and a mask for the first of them."""

    model: str
    prompt: str
    n: int
    options: Options
    inputs: Sequence[InputImage] = ()
    mask: InputImage | None = None


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """The outcome of a request for which at least one picture arrived; the pictures went to the `ImageSink`."""

    failures: Sequence[GptImageError] = ()
    """The errors of those pictures of several that did not arrive."""
    notes: Sequence[str] = ()
    """Sentences for the report's warnings."""
