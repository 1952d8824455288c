"""Looking at what came back: a picture that is blank or not what was asked for is saved as it came, and told of."""

import hashlib
import io

import anyio
import pytest
from album import file_of
from PIL import Image, ImageDraw
from workbench import SMALL, Bench, Benches, canned, encoded, said

from gpt_image_2_mcp.images import facts
from gpt_image_2_mcp.images.blank import blank_text
from gpt_image_2_mcp.sandbox.faults import Fault

pytestmark = pytest.mark.anyio


@pytest.mark.parametrize("kind", ["png", "jpeg", "webp"])
async def test_a_blank_picture_is_saved_and_told_of(bench: Bench, kind: str) -> None:
    bench.knobs.faults = [Fault("blank")]
    made = await bench.made("generate_image", prompt="a fox", size=SMALL, output_format=kind)
    assert made.report["warnings"] == [
        f"{made.path.name} looks blank: all of it, or nearly all, is one colour (#FFFFFF)."
    ]
    data = await anyio.Path(made.path).read_bytes()
    assert hashlib.sha256(data).hexdigest() == made.report["images"][0]["sha256"]


async def test_a_blank_picture_is_told_of_without_previews_too(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_INLINE="none")
    made = await bench.call("generate_image", prompt="a fox; sandbox-blank", size="3840x2160")
    assert "looks blank: all of it, or nearly all, is one colour (#FFFFFF)." in said(made)


async def test_every_picture_of_another_size_or_format_is_told_of(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(encoded(), encoded(size=(640, 1024)), encoded("JPEG")).wrap)
    made = await bench.made("generate_image", prompt="a fox", size="1024x640", n=3)
    assert "The API changed the size: asked for 1024x640, got 640x1024." in made.report["warnings"]
    assert "The API changed the format: asked for png, got jpeg." in made.report["warnings"]


async def test_words_in_a_prompt_show_what_such_pictures_look_like(bench: Bench) -> None:
    other = await bench.made("generate_image", prompt="a fox; sandbox-other-format", size=SMALL, quality="low")
    assert "The API changed the format: asked for png, got jpeg." in other.text
    size = await bench.made("generate_image", prompt="a fox; sandbox-other-size", size=SMALL, quality="low")
    assert "The API changed the size: asked for 1024x640, got 1536x1024." in size.text


def drawn(draw: bool, mode: str = "RGB", ground: object = "white") -> bytes:
    picture = Image.new(mode, (1024, 1024), ground)  # type: ignore[arg-type]
    if draw:
        ImageDraw.Draw(picture).ellipse((300, 300, 500, 500), outline="red", width=9)
    return file_of(picture)


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (drawn(draw=False), "one colour (#FFFFFF)"),
        (drawn(draw=False, ground=(9, 20, 30)), "one colour (#09141E)"),
        (drawn(draw=False, mode="RGBA", ground=(0, 0, 0, 0)), "transparent"),
        (drawn(draw=True), None),
        (drawn(draw=True, mode="RGBA", ground=(0, 0, 0, 0)), None),
        (encoded(), None),
        (encoded()[:300], None),
    ],
    ids=["white", "dark", "clear", "a ring", "a cut-out ring", "a gradient", "damaged"],
)
def test_only_a_picture_that_shows_nothing_is_called_blank(data: bytes, told: str | None) -> None:
    text = blank_text(data, facts(data), name="it")
    assert text is None if told is None else text == f"it looks blank: all of it, or nearly all, is {told}."


def test_a_line_drawing_is_not_blank() -> None:
    picture = Image.new("RGB", (1024, 1024), "white")
    ImageDraw.Draw(picture).line((100, 500, 900, 520), fill="black", width=3)
    out = io.BytesIO()
    picture.save(out, "WEBP")
    assert blank_text(out.getvalue(), facts(out.getvalue()), name="it") is None
