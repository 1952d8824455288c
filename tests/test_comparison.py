"""`show_image` with `against`: pictures side by side, and what differs between two."""

import base64
import io

import pytest
from mcp_types import ImageContent
from PIL import Image, ImageOps
from workbench import Bench, picture, said

from gpt_image_2_mcp.library import comparison

pytestmark = pytest.mark.anyio


async def compared(bench: Bench, *against: str) -> tuple[str, Image.Image]:
    result = await bench.call("show_image", image="photo.png", against=list(against))
    text = said(result)
    assert not result.is_error, text
    (block,) = [block for block in result.content if isinstance(block, ImageContent)]
    return text, Image.open(io.BytesIO(base64.b64decode(block.data)))


async def test_what_differs_between_two_pictures_is_told_and_marked(bench: Bench) -> None:
    with Image.open(bench.photo()) as photo:
        other = photo.convert("RGB")
    other.paste("magenta", (200, 100, 400, 260))
    other.save(bench.working_dir / "other.png")
    text, seen = await compared(bench, "other.png")
    assert "% of the picture is drawn differently, marked on the right: `box " in text
    left, upper, width, height = map(
        int, text.split("`box ")[1].split("`")[0].replace("x", ",").replace(" ", ",").split(",")
    )
    for edge, true in zip((left, upper, left + width, upper + height), (200, 100, 400, 260), strict=True):
        assert abs(edge - true) <= 24
    assert seen.width > 3 * 600, "the two, and what differs"


@pytest.mark.thorough
async def test_a_picture_and_itself_and_one_of_another_shape_are_told_apart(bench: Bench) -> None:
    bench.photo()
    bench.photo("same.png")
    bench.photo("tall.png", size=(640, 1024))
    assert "Every pixel of the two is the same." in (await compared(bench, "same.png"))[0]
    ImageOps.invert(picture()).save(bench.working_dir / "other.png")
    text = (await compared(bench, "other.png"))[0]
    assert "They show different things: " in text
    assert "is moved" not in text
    assert "1024x640 and 640x1024, and so cannot be laid on each other" in (await compared(bench, "tall.png"))[0]


async def test_four_pictures_stand_side_by_side(bench: Bench) -> None:
    for name in ("photo.png", "b.png", "c.png", "d.png"):
        bench.photo(name)
    text, seen = await compared(bench, "b.png", "c.png", "d.png")
    assert "Pictures 1 to 4, from left to right." in text
    assert seen.width == 4 * 640 + 5 * 12


async def test_without_the_extra_two_pictures_are_shown_and_it_is_said_how_to_get_it(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.photo()
    bench.photo("b.png")
    monkeypatch.setattr(comparison, "is_installed", lambda: False)
    text, seen = await compared(bench, "b.png")
    assert "install `gpt-image-2-mcp[pixels]`" in text
    assert seen.width == 2 * 640 + 3 * 12
