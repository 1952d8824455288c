"""Writes pictures as files that others use: with XMP and dots per inch, and below a number of bytes."""

import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple

from ..parameters.sizes import MAX_WEBP_EDGE
from .normalize import has_transparency, on_plain_ground

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer
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
MAX_MEMORY: Final = 1400 << 20
"""Bytes that making a file may take, in a process of its own: as many as an exact edit."""
MAX_FILE_BYTES: Final = 160_000_000
"""The most bytes of a file: a PNG of 100 megapixels can have more, and a JPEG of them has 50 million."""
_BASE: Final = 72 << 20
"""Bytes of it that Python and Pillow take, and the files themselves."""


class FormatLimits(NamedTuple):
    """What a format takes, and what writing it costs."""

    edge: int
    """The longest edge in pixels."""
    pixels: int | None
    """The most pixels, where the format says so."""
    memory: tuple[int, int]
    """The most bytes of memory for each pixel, the scaled picture among them: opaque, and with transparency (measured
    with Pillow 13, 2026-11)."""
    instead: str
    """What to take instead."""


LIMITS: Final[Mapping[WrittenFormat, FormatLimits]] = {
    "png": FormatLimits(2**31 - 1, None, (7, 10), "jpeg"),
    "jpeg": FormatLimits(65_535, None, (7, 11), "png"),
    "webp": FormatLimits(MAX_WEBP_EDGE, None, (12, 38), "png or jpeg"),
    # AV1's level 6, the highest that the profiles of AVIF have.
    "avif": FormatLimits(16_384, 35_651_584, (34, 38), "jpeg or webp"),
    "tiff": FormatLimits(2**31 - 1, None, (12, 15), "png or jpeg"),
    # PDF 1.7, annex C: a page has 14,400 units, of which a pixel has one at 72 dpi.
    "pdf": FormatLimits(14_400, None, (7, 11), "a higher dpi, such as a3@300 pdf, or tiff"),
    "ico": FormatLimits(256, None, (10, 10), "png"),
    "icns": FormatLimits(1024, None, (10, 10), "png"),
}
_LARGE: Final = 20_000_000
"""Pixels above which a file is written faster and a little larger: a PNG would take half a minute at the usual level of
compression, and an optimized JPEG six bytes of memory for each pixel."""
_FINE: Final = 90
"""The JPEG quality from which on every pixel keeps its colour."""


@dataclass(frozen=True, slots=True)
class Written:
    """A file in memory, and what was given up for its bytes or its format."""

    data: bytes
    note: str = ""


def check_format(kind: WrittenFormat, size: tuple[int, int], *, dpi: int | None) -> None:
    """Check that a format takes a picture of this size.

    Raises:
        ValueError: it does not; the text says the rule and what to take instead.

    """
    limits = LIMITS[kind]
    edge = limits.edge * (dpi or 72) // 72 if kind == "pdf" else limits.edge
    if max(size) > edge:
        rule = f"edges of at most {edge:,} pixels" + (f" at {dpi or 72} dpi" if kind == "pdf" else "")
    elif limits.pixels is not None and size[0] * size[1] > limits.pixels:
        rule = f"at most {limits.pixels:,} pixels"
    else:
        return
    raise ValueError(f"would be {size[0]}x{size[1]}, and {kind} takes {rule}: take {limits.instead}, or a smaller size")


def check_memory(image: "Image.Image", size: tuple[int, int], kind: WrittenFormat) -> None:
    """Check that a file of `size` can be made of a decoded picture within `MAX_MEMORY`.

    Raises:
        ValueError: it cannot; the text says the rule and what to take instead.

    """
    has_alpha = image.mode == "RGBA"
    needed = _BASE + image.width * image.height * (10 if has_alpha else 7)
    needed += size[0] * size[1] * LIMITS[kind].memory[has_alpha]
    if needed > MAX_MEMORY:
        raise ValueError(
            f"has {image.width}x{image.height} pixels{' with transparency' if has_alpha else ''}, and a {kind} of"
            f" {size[0]}x{size[1]} of it would take {needed / 1e6:,.0f} MB of memory to make, where"
            f" {MAX_MEMORY / 1e6:,.0f} MB are the most: take {LIMITS[kind].instead}, or a smaller size"
        )


class _LimitedFile(io.BytesIO):
    """A file in memory of at most `MAX_FILE_BYTES`."""

    def write(self, data: "ReadableBuffer") -> int:
        if self.tell() + memoryview(data).nbytes > MAX_FILE_BYTES:
            raise ValueError(
                f"would have more than {MAX_FILE_BYTES:,} bytes, which is the most: take jpeg, or a smaller size"
            )
        return super().write(data)


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
    check_format(kind, image.size, dpi=dpi)
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
        into = _LimitedFile()
        image.save(into, kind, **_options(kind, quality, image, dpi=dpi, xmp=xmp))
        return into.getvalue()

    return save


def _options(kind: WrittenFormat, quality: int, image: "Image.Image", *, dpi: int | None, xmp: str) -> dict[str, Any]:
    resolution = {"dpi": (dpi, dpi)} if dpi else {}
    described = {"xmp": xmp.encode()} if xmp else {}
    is_large = image.width * image.height > _LARGE
    match kind:
        case "png":
            from PIL.PngImagePlugin import PngInfo

            info = PngInfo()
            if xmp:
                info.add_itxt("XML:com.adobe.xmp", xmp)
            return {"pnginfo": info, "compress_level": 3 if is_large else 6, **resolution}
        case "jpeg":
            sampling = "4:4:4" if quality >= _FINE else "4:2:0"
            return {"quality": quality, "subsampling": sampling, "optimize": not is_large, **resolution, **described}
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
