"""From an argument to the bytes of a picture: the one door, and its guards."""

from .sources import InputImage, Sources

__all__ = ["InputImage", "Sources"]
