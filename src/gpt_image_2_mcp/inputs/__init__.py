"""Reads input pictures: everything from an argument to the checked bytes, with the guards for files and URLs."""

from .download import NotFetched
from .sources import InputImage, Sources

__all__ = ["InputImage", "NotFetched", "Sources"]
