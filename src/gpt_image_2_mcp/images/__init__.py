"""What bytes are a picture, what is known of it from its header, and what is sent where the API would misread it."""

from .formats import EXTENSION, MIME, Format, sniff
from .headers import Facts, facts
from .validate import ValidatedImage, validate

__all__ = ["EXTENSION", "MIME", "Facts", "Format", "ValidatedImage", "facts", "sniff", "validate"]
