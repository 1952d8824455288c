"""`Inputs`: the pictures that an edit starts from, and its mask."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from ..catalogue.picture_record import Origin
from .input_image import InputImage


@dataclass(frozen=True, slots=True)
class Inputs:
    """The checked input pictures of an edit, and its mask; both are empty for a picture made from a prompt alone."""

    images: Sequence[InputImage] = ()
    mask: InputImage | None = None
    delivered: str | None = None
    """Of a session's turn: the size in which the person was shown the first picture, if it was made in another."""

    @property
    def all(self) -> Sequence[InputImage]:
        """The pictures, followed by the mask if there is one."""
        return [*self.images, self.mask] if self.mask else self.images

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each picture, in pixels."""
        return [(image.width, image.height) for image in self.images]

    @property
    def mask_size(self) -> tuple[int, int] | None:
        """Width and height of the mask, in pixels; None if there is none."""
        return (self.mask.width, self.mask.height) if self.mask else None

    @property
    def changes(self) -> list[str]:
        """Which other files were taken, and what was changed in the pictures before they are sent, a sentence each."""
        return [sentence for image in self.all for sentence in (image.note, image.change) if sentence]

    @property
    def origins(self) -> tuple[Origin, ...]:
        """Where the pictures and the mask came from, for the records of the pictures made from them."""
        masks = [self.mask] if self.mask else []
        return (*(_origin(image, "image") for image in self.images), *(_origin(mask, "mask") for mask in masks))

    def with_kept_files(self, keep: Callable[[InputImage], Path | None]) -> "Inputs":
        """A copy in which images that came as URL or data point at the file that `keep` wrote for them."""
        images = [image if image.path else replace(image, path=keep(image)) for image in self.images]
        return replace(self, images=images)


def _origin(image: InputImage, role: str) -> Origin:
    return Origin.model_validate(
        {
            "role": role,
            "source": image.source,
            "sha256": image.sha256,
            "path": image.path and str(image.path),
            "id": image.id,
        }
    )
