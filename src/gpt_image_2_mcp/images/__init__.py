"""Work on the bytes of pictures: recognise, check, normalise, decode, encode. It knows nothing of files or the API."""

from .formats import EXTENSION, LABEL, MIME, SHOWN, WITH_ARTICLE, FileFormat, Format, sniff
from .headers import Facts, facts
from .identify import identify
from .validate import ValidatedImage, validate

__all__ = [
    "EXTENSION",
    "LABEL",
    "MIME",
    "SHOWN",
    "WITH_ARTICLE",
    "Facts",
    "FileFormat",
    "Format",
    "ValidatedImage",
    "facts",
    "identify",
    "sniff",
    "validate",
]
