"""What bytes are a picture, what is known of it from its header, and what is sent where the API would misread it."""

from .headers import Facts, facts
from .judging import Judged, judge
from .kinds import EXTENSION, MIME, Format, sniff

__all__ = ["EXTENSION", "MIME", "Facts", "Format", "Judged", "facts", "judge", "sniff"]
