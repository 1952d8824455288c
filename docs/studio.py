"""Photographs the studio for docs/studio.md, for `make docs`: each view in light and dark, and in 350 pixels.

The page runs in the host of the tests, on the sandbox, in a real Chromium. Without one the pictures stay as they are.
"""

import asyncio
import io
import sys
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any, Final

from PIL import Image
from playwright.async_api import Browser

ROOT: Final = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tests"))

from app_host import BRING, AppHost, HostKind, app_host, running_browser  # noqa: E402
from workbench import Bench, Benches  # noqa: E402

from gpt_image_2_mcp.studio.page import page_uri  # noqa: E402

WIDE, NARROW = 720, 350
MARGIN: Final = 12
REST_MS: Final = 1500
"""Until pixels and prices have come."""
BAY: Final = {"prompt": "a bay at dusk", "size": "1536x1024", "quality": "low"}
GROUND: Final = (128, 128, 134)

Shots = dict[str, Image.Image]


async def main() -> None:
    """Write docs/studio-*.jpg."""
    async with running_browser() as browser:
        if browser is None:
            sys.stderr.write(f"The pictures of the studio were left: {BRING}\n")
            return
        light = await photographed(browser, HostKind(width=WIDE))
        dark = await photographed(browser, HostKind(width=WIDE, theme="dark"))
        narrow = await photographed(browser, HostKind(width=NARROW, scale=2))
        narrow_dark = await photographed(browser, HostKind(width=NARROW, scale=2, theme="dark"))
    for name, picture in light.items():
        save(name, side_by_side([picture, dark[name]]))
    half = len(narrow) // 2
    shots = [*list(narrow.values())[:half], *list(narrow_dark.values())[half:]]
    save("narrow", side_by_side([each.resize((NARROW, each.height // 2), Image.Resampling.LANCZOS) for each in shots]))


async def photographed(browser: Browser, kind: HostKind) -> Shots:
    """Every view, by its name."""
    shots: Shots = {}
    async with AsyncExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="studio", ignore_cleanup_errors=True))
        bench = await Benches(stack, Path(folder)).open(GPT_IMAGE_2_PARTIAL_IMAGES="0")
        host = await stack.enter_async_context(app_host(browser, bench.client, page_uri(), kind))
        for name, go in STEPS.items():
            await go(bench, host)
            await host.page.mouse.move(kind.width - 1, kind.height - 1)
            await host.page.wait_for_timeout(REST_MS)
            height = await host.run("document.body.offsetHeight")
            data = await host.page.screenshot(clip={"x": 0, "y": 0, "width": kind.width, "height": height})
            with Image.open(io.BytesIO(data)) as image:
                shots[name] = image.convert("RGB")
        if host.troubles:
            raise RuntimeError(f"the browser complained: {host.troubles}")
    return shots


async def look(bench: Bench, host: AppHost) -> None:
    """A picture that the chat has made."""
    result = await bench.final("generate_image", **BAY)
    await host.show(BAY, result)
    await host.frame.locator(".stage canvas[data-picture]").wait_for()


async def mask(_bench: Bench, host: AppHost) -> None:
    """A painted part, and what to do there."""
    await host.see("Mask")
    await host.drag(host.frame.locator("canvas.ink"), (0.38, 0.28), (0.46, 0.28), (0.46, 0.38), (0.38, 0.38))
    await host.frame.locator("textarea").fill("two moons instead of one")


async def compare(_bench: Bench, host: AppHost) -> None:
    """What came of it, beside what it was made from."""
    await host.frame.locator("textarea").press("Enter")
    await host.frame.locator(".compare .divider").wait_for()
    await host.frame.locator(".slider").fill("38")


async def timeline(_bench: Bench, host: AppHost) -> None:
    """Further turns, one of them a branch, and what changed in the last."""
    for start, prompt in (("Turn 1", "more waves"), ("Turn 2", "a small boat"), ("Turn 1", "snow on the hills")):
        await host.frame.locator(f".turn[title^='{start}']").click()
        turns = await host.frame.locator(".turn").count()
        await host.write(prompt)
        await host.frame.locator(".turn").nth(turns).wait_for()
        await host.frame.locator("textarea").wait_for()
    await host.button("Changes").click()
    await host.frame.get_by_text("of the picture changed").wait_for()


async def drafts(bench: Bench, host: AppHost) -> None:
    """Four drafts of one call, one of them picked."""
    given: dict[str, Any] = {"prompt": "a bay at dusk, long shadows", "size": "1536x1024", "quality": "low", "n": 4}
    await host.show(given, await bench.final("generate_image", **given))
    await host.frame.locator(".card canvas[data-picture]").nth(3).wait_for()
    await host.frame.locator(".card").nth(1).click()


async def library(bench: Bench, host: AppHost) -> None:
    """All that was made."""
    for prompt in ("hills under a moon", "mountains in fog", "dunes at night", "a lighthouse at night"):
        await bench.final("generate_image", prompt=prompt, size="1024x1024", quality="low")
    await host.see("Library")
    await host.frame.locator(".card canvas[data-picture]").nth(4).wait_for()


async def export(_bench: Bench, host: AppHost) -> None:
    """Targets, two of them chosen."""
    await host.see("Look")
    await host.button("Export").click()
    await host.button("story").click()
    await host.button("og").click()


STEPS: Final[dict[str, Callable[[Bench, AppHost], Awaitable[None]]]] = {
    "look": look,
    "mask": mask,
    "compare": compare,
    "timeline": timeline,
    "drafts": drafts,
    "library": library,
    "export": export,
}
"""The way through the views."""


def side_by_side(pictures: list[Image.Image]) -> Image.Image:
    """The pictures in a row, on one ground."""
    height = max(each.height for each in pictures)
    sheet = Image.new("RGB", (sum(each.width + MARGIN for each in pictures) + MARGIN, height + 2 * MARGIN), GROUND)
    left = MARGIN
    for picture in pictures:
        sheet.paste(picture, (left, MARGIN))
        left += picture.width + MARGIN
    return sheet


def save(name: str, picture: Image.Image) -> None:
    """Write one picture of the document."""
    picture.save(ROOT / "docs" / f"studio-{name}.jpg", quality=88, subsampling=0, optimize=True)


if __name__ == "__main__":
    asyncio.run(main())
