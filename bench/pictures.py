"""Makes the pictures of the answers: like photos, since the size of a PNG and the time to decode it depend on that."""

import base64
import io
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from PIL import Image, ImageChops

NOISE = 2.6
"""Strength of the noise on the gradients: a PNG of it takes about 1.5 bytes a pixel, as one of a photo-like picture."""
COMPRESSION = 6


def paint(sizes: Iterable[str], folder: Path) -> Mapping[str, bytes]:
    """Paint a PNG of each size and write its base64 to `folder/SIZE.b64`."""
    names = list(sizes)
    with ThreadPoolExecutor(2) as pool:
        pictures = dict(zip(names, pool.map(painted, names), strict=True))
    for name, data in pictures.items():
        folder.joinpath(f"{name}.b64").write_bytes(base64.b64encode(data))
    return pictures


def pixels(size: str) -> int:
    """The number of pixels of `WxH`."""
    width, height = _edges(size)
    return width * height


def painted(size: str) -> bytes:
    """A PNG; no two are the same, because of the noise."""
    edges = _edges(size)
    channels: list[Image.Image] = []
    for angle in (0, 90, 180):
        gradient = Image.linear_gradient("L").rotate(angle)
        smooth = gradient.resize(edges, Image.Resampling.BICUBIC)  # pyright: ignore[reportUnknownMemberType] - numpy's
        # The noise lies around 128, which is taken off again.
        channels.append(ImageChops.add(smooth, Image.effect_noise(edges, NOISE), scale=1, offset=-128))
    out = io.BytesIO()
    Image.merge("RGB", channels).save(out, "PNG", compress_level=COMPRESSION)
    return out.getvalue()


def _edges(size: str) -> tuple[int, int]:
    width, _, height = size.partition("x")
    return int(width), int(height)
