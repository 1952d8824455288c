"""Writes pictures as files that others use: with XMP and dots per inch, and below a number of bytes."""

import io
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal

from ..parameters.sizes import MAX_WEBP_EDGE
from .normalize import has_transparency, on_plain_ground

if TYPE_CHECKING:
    from PIL import Image

WrittenFormat = Literal["png", "jpeg", "webp", "avif", "tiff", "pdf", "ico", "icns"]

LOSSY: Final = frozenset({"jpeg", "webp", "avif"})
"""The formats whose quality is lowered until a file is small enough."""
QUALITY: Final = {"jpeg": 92, "webp": 90, "avif": 80}
"""The qualities without a limit of bytes."""
MIN_QUALITY: Final = 20
"""The least quality that a limit of bytes may take: below it a picture is no use."""
PALETTES: Final = (256, 128, 64, 32)
"""Numbers of colours of a PNG that has to be smaller."""
EDGES: Final = {"webp": MAX_WEBP_EDGE, "jpeg": 65_535, "ico": 256, "icns": 1024}
"""The longest edge that a format takes."""
_FINE: Final = 90
"""The JPEG quality from which on every pixel keeps its colour."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file in memory, and what was given up for its bytes or its format."""

    data: bytes
    note: str = ""


def write_picture(
    image: "Image.Image",
    kind: WrittenFormat,
    *,
    quality: int | None = None,
    limit: int | None = None,
    dpi: int | None = None,
    xmp: str = "",
) -> Written:
    """Write a picture of mode L, RGB or RGBA; `limit` is the most bytes that it may have.

    Raises:
        ValueError: it cannot be so small, or is too large for the format.

    """
    most = EDGES.get(kind)
    if most is not None and max(image.size) > most:
        raise ValueError(f"{kind} takes edges of at most {most:,} pixels")
    note = ""
    if image.mode == "RGBA" and not has_transparency(image):
        image = image.convert("RGB")
    if kind in {"jpeg", "pdf"} and image.mode == "RGBA":
        image, ground = on_plain_ground(image)
        note = f"transparency on {ground}, since {kind} has none"
    save = _saver(image, kind, dpi=dpi, xmp=xmp)
    data = save(quality or QUALITY.get(kind, 0))
    if limit is None or len(data) <= limit:
        return Written(data, note)
    found = _below(save, limit) if kind in LOSSY else None
    if found is None and kind == "png":
        found = _fewer_colours(image, limit, dpi=dpi, xmp=xmp)
    if found is None:
        way_out = "take a larger limit or a smaller size"
        if kind not in LOSSY:
            way_out = "take webp or jpeg"
        else:
            data = save(MIN_QUALITY)
        raise ValueError(
            f"cannot be a {kind} of {limit:,} bytes at {image.width}x{image.height}: it has {len(data):,}; {way_out}"
        )
    return Written(found.data, "; ".join(filter(None, [note, found.note])))


def _below(save: Callable[[int], bytes], limit: int) -> Written | None:
    """The best quality whose file has at most `limit` bytes, by bisection."""
    low, high, best = MIN_QUALITY, 95, None
    while low <= high:
        middle = (low + high) // 2
        data = save(middle)
        if len(data) <= limit:
            best, low = Written(data, f"quality {middle}"), middle + 1
        else:
            high = middle - 1
    return best


def _fewer_colours(image: "Image.Image", limit: int, *, dpi: int | None, xmp: str) -> Written | None:
    from PIL import Image as Pillow

    method = Pillow.Quantize.FASTOCTREE if image.mode == "RGBA" else Pillow.Quantize.MEDIANCUT
    for count in PALETTES:
        data = _saver(image.quantize(count, method), "png", dpi=dpi, xmp=xmp)(0)
        if len(data) <= limit:
            return Written(data, f"a palette of {count} colours")
    return None


def _saver(image: "Image.Image", kind: WrittenFormat, *, dpi: int | None, xmp: str) -> Callable[[int], bytes]:
    """A function from a quality to the file."""

    def save(quality: int) -> bytes:
        into = io.BytesIO()
        image.save(into, kind, **_options(kind, quality, image, dpi=dpi, xmp=xmp))
        return into.getvalue()

    return save


def _options(kind: WrittenFormat, quality: int, image: "Image.Image", *, dpi: int | None, xmp: str) -> dict[str, Any]:
    resolution = {"dpi": (dpi, dpi)} if dpi else {}
    described = {"xmp": xmp.encode()} if xmp else {}
    match kind:
        case "png":
            from PIL.PngImagePlugin import PngInfo

            info = PngInfo()
            if xmp:
                info.add_itxt("XML:com.adobe.xmp", xmp)
            large = image.width * image.height > 20_000_000  # noqa: PLR2004 - more would take half a minute
            return {"pnginfo": info, "compress_level": 3 if large else 6, **resolution}
        case "jpeg":
            sampling = "4:4:4" if quality >= _FINE else "4:2:0"
            return {"quality": quality, "subsampling": sampling, "optimize": True, **resolution, **described}
        case "webp":
            return {"quality": quality, "alpha_quality": 100, "method": 4, **described}
        case "avif":
            return {"quality": quality, "speed": 6, **described}
        case "tiff":
            return {"compression": "tiff_lzw", **resolution}
        case "pdf":
            return {"resolution": float(dpi or 72), "quality": 95}
        case "ico" | "icns":
            return {}
