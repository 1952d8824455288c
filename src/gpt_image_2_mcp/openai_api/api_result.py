"""The result of an API request, as `results` reads it and the saver receives it.

These values stand apart from the code that reads them, which imports `openai`: the server is loaded without that, since
it takes most of a second and only requests need it.
"""

from dataclasses import dataclass, field
from decimal import Decimal

from ..billing.tokens import Usage
from .body_reader import ImageBytes


@dataclass(frozen=True, slots=True)
class ImageLink:
    """A picture that the backend sent as a URL instead of bytes."""

    url: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class HostUsage:
    """The tokens of the text model that called the image tool, on the Responses route."""

    model: str
    input_tokens: int
    cached_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class ApiResult:
    """The result of one API request. The texts are those of the API; None where it said nothing."""

    pictures: tuple[ImageBytes | ImageLink, ...]
    size: str | None = None
    quality: str | None = None
    background: str | None = None
    output_format: str | None = None
    usage: Usage | None = None
    host_usage: tuple[HostUsage, ...] = ()
    request_id: str | None = None
    sandbox: bool = False
    reached_at: str | None = None
    """The IP address that it came from; None if it came over no network."""
    warnings: tuple[str, ...] = ()
    share: Decimal = Decimal(1)
    """What is paid of the usual price."""
