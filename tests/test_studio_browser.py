"""The studio as `gpt-image-2-mcp studio` opens it: a real browser, the host's page, and the studio's in its frame."""

import base64
from functools import partial
from pathlib import Path

import anyio.to_thread
import pytest
from app_host import BRING, running_browser
from patience import PATIENCE_S
from stdio_bench import Box
from test_studio_host import start

pytestmark = pytest.mark.anyio


@pytest.mark.thorough
async def test_a_person_makes_a_picture_is_asked_about_its_price_and_saves_it(tmp_path: Path, box: Box) -> None:
    async with running_browser() as browser:
        if browser is None:
            pytest.skip(BRING)
        limit = {"GPT_IMAGE_2_CONFIRM_OVER_USD": "0.001"}
        studio = await anyio.to_thread.run_sync(partial(start, tmp_path, **box.environ, **limit))
        page = await browser.new_page(locale="en-GB")
        page.set_default_timeout(PATIENCE_S * 1000)
        troubles: list[str] = []
        page.on("console", lambda said: troubles.append(said.text) if said.type in {"error", "warning"} else None)
        page.on("pageerror", lambda error: troubles.append(str(error)))
        await page.goto(studio.opened)
        frame, question = page.frame_locator("#page"), page.get_by_role("dialog")
        await frame.get_by_role("textbox").fill("a red fox")
        make = frame.get_by_role("button", name="Make")
        await make.click()
        assert "will cost about $" in await question.inner_text()
        await question.get_by_role("button", name="Cancel").click()
        await frame.get_by_text("You did not agree to the price").wait_for()
        assert await box.count("started") == 0

        # The words are still there.
        await make.click()
        await question.get_by_role("button", name="Go ahead").click()
        canvas = frame.locator("canvas[data-picture]").first
        await canvas.wait_for()
        picture = await canvas.get_attribute("data-picture")
        async with page.expect_download() as saved:
            await frame.get_by_role("button", name="Save").click()
        file = await anyio.Path(await (await saved.value).path()).read_bytes()
        part = await anyio.to_thread.run_sync(partial(studio.ask, op="original", picture=picture))
        assert file.startswith(base64.b64decode(part["data"]))
        assert len(file) == part["size"]

        # The address holds no secret any more, and the page can be loaded anew.
        assert page.url == f"{studio.origin}/"
        await page.reload()
        await canvas.wait_for()
        assert troubles == []
        studio.process.kill()
        studio.process.communicate()
        await frame.get_by_role("searchbox").fill("owl")
        await page.get_by_text("The studio's command has ended").wait_for()
