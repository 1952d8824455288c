"""Saved pictures and their records, for tests of contact sheets, the gallery and regions."""

import hashlib
import io
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from PIL import Image

from gpt_image_2_mcp.catalogue.picture_record import Picture, PictureRecord
from gpt_image_2_mcp.errors import UnreadableSource

MADE = datetime(2026, 11, 22, 14, 3, tzinfo=UTC)


def saved(folder: Path, data: bytes | None, *, name: str = "image-20261122-140300-00000a", **fields: Any) -> Picture:
    """A picture with its record; None of data: its file is gone."""
    path = folder / f"{name}.png"
    width = height = 0
    if data is not None:
        path.write_bytes(data)
        with Image.open(io.BytesIO(data)) as image:
            width, height = image.size
    record = {
        "id": name,
        "kind": "image",
        "sha256": hashlib.sha256(data or b"").hexdigest(),
        "size_bytes": len(data or b""),
        "format": "png",
        "width": width,
        "height": height,
        "model": "gpt-image-2",
        "prompt": "A fox",
        "made": MADE,
    }
    return Picture(path=path, record=PictureRecord.model_validate({**record, **fields}))


def read(picture: Picture) -> bytes:
    try:
        data = picture.path.read_bytes()
    except OSError:
        raise UnreadableSource("gone") from None
    if hashlib.sha256(data).hexdigest() != picture.record.sha256:
        raise UnreadableSource("changed")
    return data


def file_of(image: Image.Image, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    image.save(out, kind)
    return out.getvalue()


def flat(colour: tuple[int, ...], size: tuple[int, int] = (288, 288)) -> bytes:
    """Return a PNG of one colour; with four channels it is an RGBA picture."""
    return file_of(Image.new("RGBA" if len(colour) == len("RGBA") else "RGB", size, colour))


def opened(data: bytes | None) -> Image.Image:
    assert data is not None
    image = Image.open(io.BytesIO(data))
    image.load()
    return image


def colour_at(image: Image.Image, x: int, y: int) -> tuple[int, ...]:
    return tuple(image.convert("RGBA").crop((x, y, x + 1, y + 1)).tobytes())


def near(one: tuple[int, ...], other: tuple[int, ...], *, by: int = 16) -> bool:
    """Whether two colours are the same up to JPEG's errors; transparency is compared if both colours have it."""
    return all(abs(a - b) <= by for a, b in zip(one, other, strict=False))
