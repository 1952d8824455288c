"""`show_image` with `text`: which texts stand in a picture, which do not, and of which that cannot be told."""

from typing import Any

import pytest
from PIL import Image, ImageDraw, ImageFont
from workbench import Bench, said

from gpt_image_2_mcp.images import ocr_extra
from gpt_image_2_mcp.library.texts import told

pytestmark = pytest.mark.anyio


def line(text: str, top: int = 0) -> dict[str, Any]:
    return {"text": text, "box": [10, top, 200, 40]}


@pytest.mark.parametrize(
    ("text", "lines", "unknown", "sentence"),
    [
        ("OPEN", ["open!"], "", "'OPEN': stands there, at `box 10,0 200x40`."),
        ("Summer Sale", ["SUMMER", "SALE"], "", "'Summer Sale': stands there, at `box 10,0 200x90`."),
        ("SALE", ["SUMMER SALE"], "", "'SALE': stands there, at `box 10,0 200x40`."),
        (
            "SUMMER SALE",
            ["SUMER SALE"],
            "",
            "'SUMMER SALE': does not stand there, it reads 'SUMER SALE' at `box 10,0 200x40`.",
        ),
        (
            "Café Mül",
            ["Cafe Mul"],
            "",
            "'Café Mül': could not tell, it reads 'Cafe Mul' at `box 10,0 200x40`, which differs in accents only.",
        ),
        (
            "Привет",
            ["OPEN"],
            "Привет",
            "'Привет': could not tell, the reader does not know Привет. Other text: 'OPEN'.",
        ),
        ("PEN", ["OPEN"], "", "'PEN': does not stand there, it reads 'OPEN' at `box 10,0 200x40`."),
        ("売出", ["大売出し"], "", "'売出': stands there, at `box 10,0 200x40`."),
        ("OPEN", ["a fox"], "", "'OPEN': does not stand there. Other text: 'a fox'."),
        ("50 €", [], "€", "'50 €': does not stand there. No text was found in the picture."),
    ],
)
def test_what_is_said_of_a_text(text: str, lines: list[str], unknown: str, sentence: str) -> None:
    read = [line(each, 50 * number) for number, each in enumerate(lines)]
    assert told([text], read, frozenset(unknown)) == sentence


@pytest.mark.thorough
async def test_the_texts_in_a_picture_are_read(bench: Bench) -> None:
    card = Image.new("RGB", (640, 400), "white")
    pen = ImageDraw.Draw(card)
    pen.text((40, 40), "OPEN", font=ImageFont.load_default(90), fill="black")
    pen.text((40, 200), "SUMER SALE", font=ImageFont.load_default(70), fill="navy")
    card.save(bench.working_dir / "card.png")
    text = said(await bench.call("show_image", image="card.png", text="open|SUMMER SALE"))
    assert "'open': stands there, at `box " in text
    assert "'SUMMER SALE': does not stand there, it reads 'SUMER SALE' at `box " in text


async def test_without_the_extra_it_is_said_how_to_get_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    def find_none(name: str) -> None:
        del name

    monkeypatch.setattr(ocr_extra, "find_spec", find_none)
    ocr_extra.is_installed.cache_clear()
    bench.photo()
    try:
        text = await bench.refused("show_image", image="photo.png", text="OPEN")
    finally:
        ocr_extra.is_installed.cache_clear()
    assert "install `gpt-image-2-mcp[pixels,ocr]`" in text
    assert "`text` names 1 to 20 texts" in await bench.refused("show_image", image="photo.png", text=" | ")
    both = await bench.refused("show_image", image="photo.png", text="OPEN", region="0,0,9,9")
    assert "`region` and `text` are two views" in both
