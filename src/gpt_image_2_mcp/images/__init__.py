"""Work on the bytes of pictures: recognise, check, normalise, decode, encode. It knows nothing of files or the API."""

from .formats import EXTENSION, MIME, Format, sniff
from .headers import Facts, facts
from .validate import ValidatedImage, validate

__all__ = ["EXTENSION", "MIME", "Facts", "Format", "ValidatedImage", "facts", "sniff", "validate"]
