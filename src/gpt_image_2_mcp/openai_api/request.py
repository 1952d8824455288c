"""What one operation asks of the API, whichever route it takes."""

from collections.abc import Sequence
from dataclasses import dataclass

from ..errors import GptImageError
from ..inputs import InputImage
from ..parameters.models import Options


@dataclass(frozen=True, slots=True)
class ImageRequest:
    """`n` pictures from a prompt and, for an edit, from `inputs` and a mask over the first of them."""

    prompt: str
    n: int
    options: Options
    inputs: Sequence[InputImage] = ()
    mask: InputImage | None = None


@dataclass(frozen=True, slots=True)
class SendOutcome:
    """What became of a request of which at least one picture came."""

    failures: Sequence[GptImageError] = ()
    """Why single pictures of several did not come."""
    notes: Sequence[str] = ()
    """Sentences that the answer has to tell the caller."""
