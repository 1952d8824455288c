"""Pictures to send, and what came back."""

import base64
import io

from openai.types import ImagesResponse
from PIL import Image, ImageDraw, ImageOps

SMALL = "1024x640"
"""The smallest landscape that the model paints: quick."""


def as_file(picture: Image.Image, file_format: str = "PNG", **options: object) -> bytes:
    out = io.BytesIO()
    picture.save(out, file_format, **options)
    return out.getvalue()


def photo(size: tuple[int, int] = (1024, 640), mode: str = "RGB") -> Image.Image:
    """A gradient with a disc: no two neighbouring columns alike."""
    picture = ImageOps.fit(Image.linear_gradient("L"), size).convert("RGB")
    ImageDraw.Draw(picture).ellipse((2, 2, size[0] // 2, size[1] // 2), fill=(200, 40, 60))
    return picture.convert(mode)


def png(size: tuple[int, int] = (1024, 640), mode: str = "RGB") -> bytes:
    return as_file(photo(size, mode))


def mask(size: tuple[int, int], hole: tuple[int, int, int, int]) -> Image.Image:
    """Opaque but for the hole."""
    picture = Image.new("RGBA", size, (0, 0, 0, 255))
    picture.paste((0, 0, 0, 0), hole)
    return picture


def upload(data: bytes, name: str = "photo.png", mime_type: str = "image/png") -> tuple[str, bytes, str]:
    return name, data, mime_type


def data_url(data: bytes, mime_type: str = "image/png") -> str:
    return f"data:{mime_type};base64,{base64.b64encode(data).decode()}"


def opened(b64: str | None) -> Image.Image:
    assert b64 is not None
    picture = Image.open(io.BytesIO(base64.b64decode(b64, validate=True)))
    picture.load()
    return picture


def only(answer: ImagesResponse) -> Image.Image:
    """The one picture of an answer."""
    assert answer.data is not None
    (image,) = answer.data
    return opened(image.b64_json)
