"""What is refused on edits: pictures, masks, forms, references."""

import io
import struct
import zlib
from typing import Any

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError
from PIL import Image
from sandbox_pictures import SMALL, as_file, data_url, mask, only, opened, photo, png, upload

from gpt_image_2_mcp.sandbox import Fault, Knobs

pytestmark = pytest.mark.anyio

FORM = {"model": "gpt-image-2", "prompt": "add a hat", "size": SMALL}
REFERENCE = {"image_url": data_url(png((64, 64)))}
NO_REFERENCE: dict[str, str] = {}
NO_PICTURES: list[str] = []


async def refused(client: AsyncOpenAI, **params: Any) -> tuple[str | None, str | None, str]:
    """Code, param and message that an edit is refused with."""
    edit: Any = client.images.edit
    with pytest.raises(BadRequestError) as caught:
        await edit(**{"model": "gpt-image-2", "prompt": "add a hat", **params})
    return caught.value.code, caught.value.param, caught.value.message


def sixteen_bit() -> bytes:
    return as_file(Image.new("I;16", (64, 64), 4000))


def sixteen_bit_colour() -> bytes:
    """A PNG that Pillow cannot write: 4 by 4 pixels, 16 bits a sample."""

    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = struct.pack(">IIBBBBB", 4, 4, 16, 2, 0, 0, 0)
    rows = zlib.compress((b"\0" + b"\x12\x34" * 12) * 4)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", rows) + chunk(b"IEND", b"")


def animated(file_format: str) -> bytes:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "blue")]
    return as_file(frames[0], file_format, save_all=True, append_images=frames[1:])


@pytest.mark.parametrize(
    "data",
    [
        b"no picture",
        b"",
        png((64, 64))[:200],
        as_file(photo((64, 64), "CMYK"), "JPEG"),
        as_file(photo((64, 64), "P")),
        as_file(photo((64, 64), "1")),
        sixteen_bit(),
        animated("PNG"),
        animated("WEBP"),
        animated("MPO"),
        as_file(photo((64, 64)), "GIF"),
        as_file(photo((64, 64)), "BMP"),
    ],
    ids=["text", "empty", "cut", "cmyk", "palette", "1-bit", "16-bit", "apng", "animated-webp", "mpo", "gif", "bmp"],
)
async def test_a_picture_that_openai_does_not_read_is_refused(client: AsyncOpenAI, knobs: Knobs, data: bytes) -> None:
    code, param, message = await refused(client, image=[upload(png((64, 64))), upload(data)])
    assert (code, param) == ("invalid_image_file", "image")
    assert "image 2" in message
    assert knobs.paid == 0


async def test_a_sixteen_bit_colour_picture_is_refused_though_pillow_reads_it(client: AsyncOpenAI) -> None:
    data = sixteen_bit_colour()
    assert Image.open(io.BytesIO(data)).mode == "RGB"
    assert (await refused(client, image=upload(data)))[0] == "invalid_image_file"


@pytest.mark.parametrize(
    ("file_format", "mode", "mime_type"),
    [
        ("PNG", "RGBA", "image/png"),
        ("PNG", "L", "image/png"),
        ("JPEG", "RGB", "image/jpeg"),
        ("WEBP", "RGB", "image/webp"),
    ],
)
async def test_plain_pictures_are_taken(client: AsyncOpenAI, file_format: str, mode: str, mime_type: str) -> None:
    data = as_file(photo((200, 100), mode), file_format)
    answer = await client.images.edit(
        model="gpt-image-2", prompt="add a hat", image=upload(data, mime_type=mime_type), size=SMALL
    )
    assert only(answer).size == (1024, 640)


async def test_a_file_without_a_picture_type_is_refused_before_it_is_read(client: AsyncOpenAI) -> None:
    """The SDK names bare bytes `application/octet-stream`."""
    code, param, message = await refused(client, image=png((64, 64)))
    assert (code, param) == ("unsupported_file_mimetype", "image")
    assert "application/octet-stream" in message


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (png((64, 64)), "mask image missing alpha channel"),
        (as_file(mask((32, 32), (0, 0, 9, 9))), "mask size does not match image size"),
        (as_file(photo((64, 64)), "JPEG"), "mask image must be a PNG"),
        (b"no picture", "not a valid PNG"),
        (b"\0" * (4 * 1024 * 1024), "less than 4 MB"),
    ],
)
async def test_a_mask_has_rules_of_its_own(client: AsyncOpenAI, data: bytes, words: str) -> None:
    code, param, message = await refused(client, image=upload(png((64, 64))), mask=upload(data))
    assert (code, param) == ("invalid_image_file", "mask")
    assert words in message


async def test_a_picture_must_stay_under_50_mb(client: AsyncOpenAI) -> None:
    data = png((64, 64)) + b"\0" * (50 * 1024 * 1024)
    code, _, message = await refused(client, image=upload(data))
    assert code == "invalid_image_file"
    assert "50 MB" in message


async def test_there_are_at_most_sixteen_pictures(client: AsyncOpenAI, knobs: Knobs) -> None:
    small = upload(png((64, 64)))
    assert (await refused(client, image=[small] * 17))[:2] == ("array_above_max_length", "image")
    await client.images.edit(model="gpt-image-2", prompt="a collage", image=[small] * 16, size=SMALL)
    assert knobs.requests[-1].fields.count("image[]") == 16


@pytest.mark.parametrize(
    ("fields", "files", "code", "param"),
    [
        (FORM, [], "missing_required_parameter", "image"),
        ({**FORM, "image": "text"}, [], "invalid_type", "image"),
        (FORM, [("image", "f"), ("image", "f")], "duplicate_parameter", "image"),
        (FORM, [("image", "f"), ("mask", "f"), ("mask", "f")], "duplicate_parameter", "mask"),
        (FORM, [("image", "f"), ("prompt2", "f")], "unknown_parameter", "prompt2"),
        (FORM, [("image", "f"), ("user", "f")], "invalid_type", "user"),
        ({**FORM, "n": "two"}, [("image", "f")], "invalid_type", "n"),
        ({**FORM, "n": "11"}, [("image", "f")], "integer_above_max_value", "n"),
        ({**FORM, "stream": "1"}, [("image", "f")], "invalid_type", "stream"),
        ({**FORM, "response_format": "url"}, [("image", "f")], "unknown_parameter", "response_format"),
        ({**FORM, "images": "x"}, [("image", "f")], "unknown_parameter", "images"),
    ],
)
async def test_a_form_is_checked_like_json(
    http: httpx2.AsyncClient, fields: dict[str, str], files: list[tuple[str, str]], code: str, param: str
) -> None:
    parts: list[Any] = [(name, (None, value)) for name, value in fields.items()]
    parts += [(name, upload(png((64, 64)))) for name, _ in files]
    answer = await http.post("/images/edits", files=parts)
    assert (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["param"]) == (400, code, param)


async def test_a_form_that_breaks_off_is_a_400(http: httpx2.AsyncClient) -> None:
    headers = {"content-type": "multipart/form-data; boundary=b"}
    answer = await http.post("/images/edits", content=b"--b\r\nnonsense", headers=headers)
    assert answer.status_code == 400


@pytest.mark.parametrize("moderation", ["low", "auto"])
async def test_moderation_is_taken_on_edits_though_the_sdk_has_no_word_for_it(
    client: AsyncOpenAI, knobs: Knobs, moderation: str
) -> None:
    await client.images.edit(
        model="gpt-image-2",
        prompt="add a hat",
        image=upload(png((64, 64))),
        size=SMALL,
        extra_body={"moderation": moderation},
    )
    assert knobs.requests[-1].params["moderation"] == moderation


async def test_json_edits_take_data_urls_and_files(client: AsyncOpenAI, http: httpx2.AsyncClient) -> None:
    hole = (100, 100, 300, 300)
    before = photo()
    file = await client.files.create(file=upload(as_file(mask(before.size, hole))), purpose="vision")
    answer = await http.post(
        "/images/edits",
        json={
            "model": "gpt-image-2",
            "prompt": "add a hat",
            "images": [{"image_url": data_url(as_file(before))}],
            "mask": {"file_id": file.id},
        },
    )
    assert answer.status_code == 200, answer.text
    after = opened(answer.json()["data"][0]["b64_json"])
    assert after.getpixel((20, 400)) == before.getpixel((20, 400))
    assert after.getpixel((110, 110)) != before.getpixel((110, 110))


@pytest.mark.parametrize(
    ("change", "code", "param"),
    [
        ({"images": None}, "missing_required_parameter", "images"),
        ({"images": NO_PICTURES}, "array_below_min_length", "images"),
        ({"images": [REFERENCE] * 17}, "array_above_max_length", "images"),
        ({"images": "x"}, "invalid_type", "images"),
        ({"images": ["x"]}, "invalid_type", "images[0]"),
        ({"images": [NO_REFERENCE]}, "invalid_value", "images[0]"),
        ({"images": [{**REFERENCE, "file_id": "f"}]}, "invalid_value", "images[0]"),
        ({"images": [{"url": "x"}]}, "unknown_parameter", "images[0].url"),
        ({"images": [{"image_url": "http://example.org/a.png"}]}, "invalid_value", "images[0].image_url"),
        ({"images": [{"image_url": "a.png"}]}, "invalid_value", "images[0].image_url"),
        ({"images": [{"image_url": "data:image/png;base64,%%"}]}, "invalid_value", "images[0].image_url"),
        ({"images": [{"image_url": 7}]}, "invalid_type", "images[0].image_url"),
        ({"images": [{"file_id": 7}]}, "invalid_type", "images[0].file_id"),
        ({"images": [{"image_url": "data:image/png;base64,AAAA"}]}, "invalid_image_file", "image"),
        ({"image": "x"}, "unknown_parameter", "image"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_references_in_json_are_checked(
    http: httpx2.AsyncClient, change: dict[str, Any], code: str, param: str
) -> None:
    answer = await http.post("/images/edits", json={**FORM, "images": [REFERENCE], **change})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_a_file_that_is_not_there_is_a_404(http: httpx2.AsyncClient) -> None:
    answer = await http.post("/images/edits", json={**FORM, "images": [{"file_id": "file-none"}]})
    assert answer.status_code == 404


async def test_the_edits_route_can_be_refused_as_it_once_was(client: AsyncOpenAI, knobs: Knobs) -> None:
    """The answer that sends a client to the Responses route."""
    knobs.faults = [Fault(error="edits_refused", route="edits", times=None)]
    await client.images.generate(model="gpt-image-2", prompt="a fox", size=SMALL)
    for _ in range(2):
        assert await refused(client, image=upload(png((64, 64)))) == (
            "invalid_value",
            "model",
            "Error code: 400 - Invalid value: 'gpt-image-2'. Value must be 'dall-e-2'.",
        )
