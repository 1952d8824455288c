"""What is painted, through the real SDK."""

import io
from typing import Any

import pytest
from openai import AsyncOpenAI
from openai.types import ImagesResponse
from PIL import Image, ImageChops
from sandbox_pictures import SMALL, as_file, mask, only, opened, photo, png, upload

from gpt_image_2_mcp.sandbox import Knobs
from gpt_image_2_mcp.sandbox.painter import SOFTWARE, edit_size, encode, paint

pytestmark = pytest.mark.anyio


def changed(one: Image.Image, other: Image.Image) -> tuple[int, int, int, int] | None:
    """The box in which two pictures differ."""
    return ImageChops.difference(one.convert("RGB"), other.convert("RGB")).getbbox()


async def test_a_generation_is_exactly_what_was_ordered_and_says_what_it_cost(
    client: AsyncOpenAI, knobs: Knobs
) -> None:
    answer = await client.images.generate(
        model="gpt-image-2", prompt="a red fox in the snow", n=2, size="1536x864", quality="low", output_format="webp"
    )
    assert answer.model_dump(exclude={"created", "data"}, exclude_none=True) == {
        "background": "opaque",
        "output_format": "webp",
        "quality": "low",
        "size": "1536x864",
        "usage": {
            "input_tokens": 12,
            "input_tokens_details": {"text_tokens": 12, "image_tokens": 0},
            "output_tokens": 240,
            "output_tokens_details": {"text_tokens": 0, "image_tokens": 240},
            "total_tokens": 252,
        },
    }
    assert answer.data is not None
    pictures = [opened(image.b64_json) for image in answer.data]
    assert [(picture.format, picture.size) for picture in pictures] == [("WEBP", (1536, 864))] * 2
    assert changed(*pictures)
    assert (knobs.paid, knobs.painted) == (2, 2)


async def test_the_same_prompt_is_the_same_picture_and_another_is_another(client: AsyncOpenAI) -> None:
    async def bytes_of(prompt: str) -> str | None:
        answer = await client.images.generate(model="gpt-image-2", prompt=prompt, size=SMALL)
        assert answer.data is not None
        return answer.data[0].b64_json

    assert await bytes_of("a red fox") == await bytes_of("a red fox")
    assert await bytes_of("a red fox") != await bytes_of("a red fax")


def test_the_pictures_of_one_request_differ_in_more_than_their_small_print() -> None:
    one, two = (paint("a fox", (1024, 1024), index=index, transparent=False, note="note") for index in range(2))
    assert changed(one.crop((0, 200, 1024, 400)), two.crop((0, 200, 1024, 400)))


@pytest.mark.parametrize("size", [(1024, 1024), (1536, 512), (512, 1536), (3840, 2160), (688, 960)])
@pytest.mark.parametrize("prompt", ["fox", "x" * 32_000, "雪の中の赤い狐 " * 40, "\n\t ", "a\x00b\ud800"])
def test_any_prompt_can_be_painted_at_any_size(size: tuple[int, int], prompt: str) -> None:
    assert paint(prompt, size, index=0, transparent=False, note="note").size == size


def test_a_transparent_picture_has_a_background_that_can_be_seen_through() -> None:
    picture = paint("a fox", (1024, 1024), index=0, transparent=True, note="note")
    assert picture.mode == "RGBA"
    assert picture.getchannel("A").getextrema() == (0, 255)
    for output_format in ("png", "webp"):
        with Image.open(io.BytesIO(encode(picture, output_format))) as again:
            assert again.mode == "RGBA"


def test_files_say_that_the_sandbox_made_them() -> None:
    picture = paint("a fox", (1024, 640), index=0, transparent=False, note="note")
    assert Image.open(io.BytesIO(encode(picture, "png"))).info["Software"] == SOFTWARE
    assert Image.open(io.BytesIO(encode(picture, "jpeg"))).info["comment"] == SOFTWARE.encode()
    assert Image.open(io.BytesIO(encode(picture, "webp"))).getexif()[0x0131] == SOFTWARE
    assert len(encode(picture, "jpeg", compression=10)) < len(encode(picture, "jpeg", compression=90))


async def edit(client: AsyncOpenAI, *pictures: bytes, **params: Any) -> ImagesResponse:
    send: Any = client.images.edit
    images = [upload(data) for data in pictures]
    return await send(**{"model": "gpt-image-2", "prompt": "add a hat", "image": images, **params})


async def test_an_edit_without_size_keeps_that_of_its_picture(client: AsyncOpenAI) -> None:
    """The API answers `auto` with sizes that are not divisible by 16."""
    answer = await edit(client, png((1023, 701)))
    assert (answer.size, only(answer).size) == ("1023x701", (1023, 701))


@pytest.mark.parametrize(
    ("given", "painted"),
    [((1023, 701), (1023, 701)), ((300, 200), (1248, 832)), ((8000, 4000), (1456, 720)), ((100, 1000), (592, 1776))],
)
def test_an_edit_of_a_size_that_cannot_be_painted_keeps_its_aspect(
    given: tuple[int, int], painted: tuple[int, int]
) -> None:
    assert edit_size(given) == painted


async def test_turns_of_a_session_build_on_one_another(client: AsyncOpenAI) -> None:
    first = only(await client.images.generate(model="gpt-image-2", prompt="a harbour", size=SMALL))
    second = only(await edit(client, as_file(first), prompt="make it stormy"))
    third = only(await edit(client, as_file(second), prompt="add a lighthouse"))
    for before, after in ((first, second), (second, third)):
        counts = ImageChops.difference(before, after).convert("L").histogram()
        assert 0.3 < counts[0] / sum(counts) < 0.95


async def test_a_masked_edit_without_drift_changes_nothing_outside_of_the_hole(
    client: AsyncOpenAI, knobs: Knobs
) -> None:
    knobs.drift = "none"
    hole = (400, 200, 700, 500)
    before = photo()
    answer = await edit(client, as_file(before), mask=upload(as_file(mask(before.size, hole))))
    assert changed(before, only(answer)) == hole


async def test_a_mask_without_a_hole_changes_nothing(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.drift = "none"
    before = photo()
    answer = await edit(client, as_file(before), mask=upload(as_file(mask(before.size, (0, 0, 0, 0)))))
    assert changed(before, only(answer)) is None


async def test_further_pictures_are_shown_and_counted(client: AsyncOpenAI) -> None:
    one = await edit(client, png(), size="1024x1024")
    three = await edit(client, png(), png((512, 512)), png((341, 512)), size="1024x1024")
    assert changed(only(one), only(three))
    assert one.usage is not None
    assert three.usage is not None
    assert one.usage.input_tokens_details.model_dump() == {"text_tokens": 3, "image_tokens": 640}
    assert three.usage.input_tokens_details.image_tokens == 640 + 1024 + 704


async def test_an_edit_can_keep_a_transparent_background(client: AsyncOpenAI) -> None:
    picture = Image.new("RGBA", (1024, 640), (0, 0, 0, 0))
    picture.paste((200, 30, 40, 255), (300, 200, 600, 500))
    kept = await edit(client, as_file(picture), model="gpt-image-2.5-flare", background="transparent")
    assert only(kept).getchannel("A").getextrema()[0] == 0
    flat = await edit(client, as_file(picture))
    assert only(flat).mode == "RGB"
