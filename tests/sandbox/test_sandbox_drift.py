"""What the sandbox's edits do to the pixels that were to stay."""

import httpx2
import pytest
from openai import AsyncOpenAI
from PIL import Image, ImageChops
from sandbox_pictures import SMALL, as_file, mask, only, upload

from gpt_image_2_mcp.sandbox import Knobs

pytestmark = pytest.mark.anyio

HOLE = (400, 200, 700, 420)


async def edited(client: AsyncOpenAI, before: Image.Image, *, prompt: str = "a pond") -> Image.Image:
    hole = upload(as_file(mask(before.size, HOLE)))
    answer = await client.images.edit(model="gpt-image-2", prompt=prompt, image=upload(as_file(before)), mask=hole)
    return only(answer)


def changed_share(before: Image.Image, after: Image.Image, *, level: int = 0) -> float:
    """The share of the pixels outside of the hole that differ by more than `level` in a colour."""
    bands = ImageChops.difference(before, after).split()
    most = ImageChops.lighter(ImageChops.lighter(bands[0], bands[1]), bands[2])
    most.paste(0, HOLE)
    return sum(most.histogram()[level + 1 :]) / (before.width * before.height)


async def test_a_masked_edit_draws_about_a_hundredth_of_the_rest_anew(client: AsyncOpenAI) -> None:
    before = only(await client.images.generate(model="gpt-image-2", prompt="a harbour", size=SMALL))
    after = await edited(client, before)
    assert 0.004 < changed_share(before, after) < 0.012
    assert changed_share(before, after, level=60) > 0.003


@pytest.mark.thorough
@pytest.mark.parametrize("drift", ["mild", "strong", "bleed"])
async def test_a_drift_that_a_prompt_names_changes_the_whole_picture(client: AsyncOpenAI, drift: str) -> None:
    before = only(await client.images.generate(model="gpt-image-2", prompt="a harbour", size=SMALL))
    after = await edited(client, before, prompt=f"a pond, sandbox-drift-{drift}")
    assert after.size == before.size
    assert changed_share(before, after) > 0.8
    assert ImageChops.difference(after, await edited(client, before, prompt=f"sandbox-drift-{drift}")).getbbox()
    again = await edited(client, before, prompt=f"a pond, sandbox-drift-{drift}")
    assert ImageChops.difference(after, again).getbbox() is None


async def test_a_resized_edit_has_another_size_that_the_model_makes(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.drift = "resized"
    before = only(await client.images.generate(model="gpt-image-2", prompt="a harbour", size="1536x1024"))
    assert (await edited(client, before)).size == (1184, 800)


async def test_bleeding_passes_the_mask_by_40_pixels(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.drift = "bleed"
    before = Image.new("RGB", (1024, 640), (128, 128, 128))
    after = await edited(client, before)
    strong = ImageChops.difference(before, after).convert("L").point([0] * 40 + [255] * 216)  # pyright: ignore[reportUnknownMemberType]
    box = strong.getbbox()
    assert box is not None
    assert all(abs(found - wanted) < 12 for found, wanted in zip(box, (360, 160, 740, 460), strict=True))


async def test_the_drift_is_a_knob_over_http(http: httpx2.AsyncClient) -> None:
    root = str(http.base_url).removesuffix("/v1/")
    assert (await http.get(f"{root}/_sandbox/state")).json()["drift"] is None
    assert (await http.post(f"{root}/_sandbox/knobs", json={"drift": "strong"})).json()["drift"] == "strong"
    wrong = await http.post(f"{root}/_sandbox/knobs", json={"drift": "wild"})
    assert wrong.status_code == 400
    assert "mild" in wrong.json()["error"]["message"]


async def test_a_plain_background_is_painted_where_a_prompt_asks_for_its_colour(client: AsyncOpenAI) -> None:
    prompt = "a red fox, alone on a plain background of the colour #00ff00"
    picture = only(await client.images.generate(model="gpt-image-2", prompt=prompt, size=SMALL))
    assert picture.mode == "RGB"
    counts = {colour: count for count, colour in picture.getcolors(picture.width * picture.height) or []}
    assert counts.get((0, 255, 0), 0) > 0.1 * picture.width * picture.height
