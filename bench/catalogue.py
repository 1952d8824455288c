"""`list_images` and saving where the catalogue is large: to be measured here once both exist."""

from .place import Place


def measure_catalogue(place: Place) -> None:
    """Say that it is not there yet."""
    place.figures.section = "A large catalogue"
    place.figures.missing("list_images", "not there yet")
    place.figures.missing("saving a picture", "not there yet")
