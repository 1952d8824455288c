"""Reads input pictures: everything from an argument to the checked bytes, with the guards for files and URLs."""

from .download import NotFetched
from .input_image import InputImage
from .sources import Sources

__all__ = ["InputImage", "NotFetched", "Sources"]
