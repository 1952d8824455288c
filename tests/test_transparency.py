"""Transparent backgrounds through the tools: native, cut out of a plain ground, from two pictures, and of a file."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from workbench import EDITS, GENERATIONS, SMALL, Bench

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a sticker of a fox", "size": SMALL, "background": "transparent"}


def alpha_of(path: Path) -> NDArray[np.uint8]:
    with Image.open(path) as image:
        assert image.mode == "RGBA"
        return np.asarray(image.getchannel("A"))


async def test_a(bench: Bench) -> None:
    for arguments in (
        {},
        {"model": "gpt-image-2.5-flare"},
        {"background": "transparent-fine"},
        {"output_format": "webp"},
    ):
        answer = await bench.made("generate_image", **{**FOX, **arguments})
        print(answer.text)
        print(answer.report["images"])
        Image.open(answer.path).save(f"/tmp/w/out-{answer.path.name}.png")
    bench.knobs.drift = "mild"
    answer = await bench.made("generate_image", **{**FOX, "background": "transparent-fine", "prompt": "a hairy fox"})
    print(answer.text)
    Image.open(answer.path).save(f"/tmp/w/out-{answer.path.name}.png")
    bench.photo()
    bench.knobs.drift = None
    answer = await bench.made("edit_image", **{**FOX, "images": ["photo.png"]})
    print(answer.text)
    answer = await bench.made("edit_image", images=[answer.report["images"][1]["file_path"]], background="transparent")
    print(answer.text)
    print(answer.report)
    print([seen.params.get("prompt") for seen in bench.seen()])
    print(bench.files())
    assert 0
