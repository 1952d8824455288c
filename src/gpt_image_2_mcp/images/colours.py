"""Converts pictures from other colour profiles to sRGB, which the model and most programs take every picture for."""

import io
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from PIL import Image

_SPACES: Final = {"RGB": b"RGB ", "RGBA": b"RGB ", "L": b"GRAY", "CMYK": b"CMYK"}
"""The colour space that a profile names (ICC.1, bytes 16 to 20) for pictures of each mode."""
_BLACK_POINT: Final = 0x2000
"""LittleCMS's flag for black point compensation: dark colours stay apart."""
_PROBES: Final = (
    *((level, level, level) for level in (0, 64, 128, 192, 255)),
    *(
        tuple(high if place in bright else low for place in range(3))
        for low, high in ((0, 255), (80, 160))
        for bright in ({0}, {1}, {2}, {0, 1}, {1, 2}, {0, 2})
    ),
)
"""17 colours: a profile that changes none of them by more than one level is sRGB's."""
_MAX_NAME: Final = 60


def profile_name(profile: bytes) -> str:
    """The name that a profile gives itself, printable and in one line."""
    from PIL import ImageCms

    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile)))
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        name = ""
    plain = "".join(sign if sign.isprintable() else " " for sign in name).strip()
    return plain[:_MAX_NAME] or "another colour profile"


def is_other(profile: object, mode: str) -> bool:
    """Whether a profile is a valid one for a picture of `mode`, and changes its colours."""
    if mode not in _SPACES:
        mode = "RGB"
    if not isinstance(profile, bytes) or profile[16:20] != _SPACES[mode]:
        return False
    if mode == "CMYK":
        return True
    # Only here: few pictures have a profile.
    from PIL import Image, ImageChops

    probe = Image.new("RGB", (len(_PROBES), 1))
    probe.putdata(_PROBES)  # pyright: ignore[reportUnknownMemberType] - Pillow leaves it untyped
    if mode == "L":
        probe = probe.convert("L")
    converted = _converted(probe, profile)
    if converted is None:
        return False
    changes: Any = ImageChops.difference(probe.convert("RGB"), converted.convert("RGB")).getextrema()
    return max(high for _, high in changes) > 1


def to_srgb(image: "Image.Image", profile: object) -> "Image.Image | None":
    """A picture of mode L, RGB, RGBA or CMYK in sRGB (CMYK becomes RGB); None if its profile does not fit it."""
    if not isinstance(profile, bytes) or profile[16:20] != _SPACES.get(image.mode):
        return None
    return _converted(image, profile)


def in_srgb(image: "Image.Image", profile: object) -> "Image.Image":
    """A picture of mode L, RGB or RGBA in sRGB; `image` itself if its profile changes no colour of it."""
    return (to_srgb(image, profile) or image) if is_other(profile, image.mode) else image


def _converted(image: "Image.Image", profile: bytes) -> "Image.Image | None":
    from PIL import ImageCms

    mode = "RGBA" if image.mode == "RGBA" else "RGB"
    try:
        target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))  # pyright: ignore[reportUnknownMemberType, reportUnknownArgumentType] - Pillow leaves it untyped
        source = ImageCms.ImageCmsProfile(io.BytesIO(profile))
        converted = ImageCms.profileToProfile(
            image, source, target, ImageCms.Intent.PERCEPTUAL, mode, flags=ImageCms.Flags(_BLACK_POINT)
        )
    except (ImageCms.PyCMSError, OSError, ValueError, TypeError):
        return None
    if converted is None:
        return None
    converted.info.pop("icc_profile", None)
    return converted.convert("L") if image.mode == "L" else converted
