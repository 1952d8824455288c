"""The studio's page in a real browser: what a person does there, in hosts of several kinds, down to the sent pixels."""

import base64
import email
import gzip
import io
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import anyio
import httpx2
import numpy as np
import pytest
from app_host import ABILITIES, BRING, STRICTEST, AppHost, HostKind, app_host, running_browser
from mcp_types import CallToolResult, TextContent
from patience import PATIENCE_S, look_again
from PIL import Image, ImageChops
from playwright.async_api import Browser
from test_streaming import THREE, Stalling, event
from workbench import SMALL, Bench, Benches, encoded, said

from gpt_image_2_mcp.studio.page import page, page_uri

pytestmark = pytest.mark.anyio

APP = Path(__file__).parent.parent / "app"
FROM_NPM = pytest.mark.skipif(
    not (APP / "node_modules" / ".package-lock.json").exists(), reason="the page's tools are not installed: make app"
)
FOX: dict[str, Any] = {"prompt": "a red fox in the snow", "size": SMALL, "quality": "low"}
NARROW = HostKind(width=350, policy=STRICTEST, theme="dark", scale=2)
PAINTED, KEPT = 0, 255
"""What the mask's alpha says of a pixel: it may change, or it stays."""


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    # Not for the whole session: a loop that is kept for it would be in the way of tests that begin their own.
    async with running_browser() as found:
        if found is None:
            pytest.skip(BRING)
        yield found


@asynccontextmanager
async def opened(browser: Browser, bench: Bench, kind: HostKind | None = None) -> AsyncGenerator[AppHost]:
    """The page; whatever the browser complained about fails the test."""
    with anyio.fail_after(2 * PATIENCE_S):
        async with app_host(browser, bench.client, page_uri(), kind) as host:
            yield host
            assert host.troubles == []


async def made(bench: Bench, host: AppHost, **arguments: Any) -> str:
    """Have a picture made by the model in the chat, and shown; its id."""
    given = {**FOX, **arguments}
    result = await bench.final("generate_image", **given)
    await host.show(given, result)
    return (result.meta or {})["gpt-image-2/result"]["images"][-1]["id"]


def alpha(data: bytes) -> Image.Image:
    """The alpha of a mask."""
    with Image.open(io.BytesIO(data)) as image:
        return image.convert("RGBA").getchannel("A")


class SentMasks(httpx2.AsyncBaseTransport):
    """Passes requests on, and keeps the masks that came to the API: the alpha of each."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self.masks: list[Image.Image] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        kind = request.headers.get("content-type", "")
        if kind.startswith("multipart/"):
            form = email.message_from_bytes(f"Content-Type: {kind}\r\n\r\n".encode() + await request.aread())
            for part in form.walk():
                if part.get_param("name", header="content-disposition") == "mask":
                    data: Any = part.get_payload(decode=True)
                    self.masks.append(alpha(data))
        return await self._inner.handle_async_request(request)


async def the_loop(bench: Bench, browser: Browser, kind: HostKind) -> None:
    """From an empty library to a masked edit, a branch, a comparison and a saved file."""
    async with opened(browser, bench, kind) as host:
        await host.frame.get_by_text("There is no picture yet").wait_for()
        fox = await made(bench, host)
        await host.drawn(fox)
        await host.see("Mask")
        await host.drag(host.frame.locator("canvas.ink"), (0.5, 0.5), (0.7, 0.6))
        await host.write("make the fox blue")
        await host.frame.locator(".compare .divider").wait_for()
        await host.frame.get_by_text("Kept to the pixel").first.wait_for()
        blue = await shown(host)
        assert blue in host.model_context

        await host.write("add snow")
        await host.frame.locator(".turn").nth(2).wait_for()
        await host.frame.locator(".turn[title^='Turn 1']").click()
        assert await shown(host) == blue
        await host.write("add a hat")
        await host.frame.locator(".turn[title^='Turn 3, a branch from 1']").wait_for()
        other = host.frame.get_by_label("Compare with")
        assert await other.locator("option").all_inner_texts() == ["Turn 1", "Original", "Turn 2"]
        await other.select_option(label="Turn 2")
        await host.frame.get_by_label("Before: add snow").wait_for()
        await other.select_option(label="Turn 1")
        assert (await host.frame.locator(".turn[aria-current=true]").get_attribute("title") or "").startswith("Turn 3")
        await host.button("Flip").click()
        await host.button("Changes").click()
        await host.frame.get_by_text("of the picture changed").wait_for()

        await host.see("Look")
        await host.button("Save").click()
        await host.frame.get_by_text("Saved ").wait_for(state="attached")
        ((name, data),) = host.saved.items()
        (path,) = bench.folder.rglob(name)
        assert path.read_bytes() == data
        await host.see("Library")
        await host.frame.locator(".library .card").nth(3).wait_for()


async def shown(host: AppHost) -> str:
    """The id of the picture that is shown."""
    return await host.frame.locator(".facts dd").last.text_content() or ""


async def test_from_an_empty_library_to_a_masked_edit_a_branch_a_comparison_and_a_saved_file(
    bench: Bench, browser: Browser
) -> None:
    await the_loop(bench, browser, HostKind())


@pytest.mark.thorough
async def test_the_same_at_350_pixels_in_the_dark_under_the_strictest_policy(bench: Bench, browser: Browser) -> None:
    await the_loop(bench, browser, NARROW)


OVERLAPPING = """(() => {
    const parts = [...document.querySelector('main').children]
        .filter((each) => each.getBoundingClientRect().height > 1);
    const bottom = (each) => Math.max(...[each, ...each.querySelectorAll('.files li, .cards li')]
        .map((part) => part.getBoundingClientRect().bottom));
    return parts.slice(1).filter((each, at) => bottom(parts[at]) > each.getBoundingClientRect().top + 1)
        .map((each) => each.outerHTML.slice(0, 100));
})()"""
"""The parts of the page that begin above the end of the part before them."""

WATCH = """() => {
    window.seen = [];
    const ink = document.querySelector('canvas.ink');
    for (const type of ['pointerdown', 'pointermove']) {
        ink.addEventListener(type, (event) => {
            if (!event.buttons) return;
            const area = ink.getBoundingClientRect();
            for (const each of event.getCoalescedEvents?.().length ? event.getCoalescedEvents() : [event]) {
                window.seen.push([
                    ((each.clientX - area.left) / area.width) * ink.width,
                    ((each.clientY - area.top) / area.height) * ink.height,
                ]);
            }
        });
    }
}"""
"""Notes where the pointer was, in the picture's pixels, independently of the page."""


@pytest.mark.thorough
@pytest.mark.parametrize(("kind", "steps"), [(HostKind(), 0), (NARROW, 3)], ids=["as it fits", "enlarged"])
async def test_what_the_mouse_paints_comes_to_the_api_as_exactly_these_pixels(
    benches: Benches, browser: Browser, kind: HostKind, steps: int
) -> None:
    sent: list[SentMasks] = []

    def wrap(inner: httpx2.AsyncBaseTransport) -> SentMasks:
        sent.append(SentMasks(inner))
        return sent[-1]

    bench = await benches.open(wrap=wrap)
    async with opened(browser, bench, kind) as host:
        await host.drawn(await made(bench, host))
        await host.see("Mask")
        for _ in range(steps):
            await host.button("Zoom in (+)").click()
        ink, frame = host.frame.locator("canvas.ink"), host.frame.locator(".stage")
        await host.run(f"({WATCH})()")
        await host.drag(frame, (0.4, 0.4), (0.6, 0.55), (0.5, 0.3))
        line = await host.run("window.seen.splice(0)")
        await host.button("Box (X)").click()
        await host.drag(frame, (0.2, 0.5), (0.3, 0.7))
        box = await host.run("window.seen.splice(0)")
        assert await ink.evaluate("canvas => [canvas.width, canvas.height]") == [1024, 640]
        await host.frame.get_by_label("Keep everything else").uncheck()
        await host.write("make it blue")
        await host.frame.locator(".compare").wait_for()
        (edit,) = host.asked("edit")
    painted = alpha(base64.b64decode(edit["mask"]))
    assert painted.size == (1024, 640)
    assert set(painted.tobytes()) == {PAINTED, KEPT}
    (arrived,) = sent[0].masks
    assert ImageChops.difference(arrived, painted).getbbox() is None
    check_painted(painted, line, box)


def check_painted(mask: Image.Image, line: list[list[float]], box: list[list[float]]) -> None:
    """Every pixel within the line or the box may change, every other one stays; the line's edge is a pixel wide."""
    across, down = np.meshgrid(np.arange(1024) + 0.5, np.arange(640) + 0.5)
    away = np.full(across.shape, np.inf)
    for (x1, y1), (x2, y2) in pairwise(line):
        length = max((x2 - x1) ** 2 + (y2 - y1) ** 2, 1e-9)
        along = np.clip(((across - x1) * (x2 - x1) + (down - y1) * (y2 - y1)) / length, 0, 1)
        away = np.minimum(away, np.hypot(across - x1 - along * (x2 - x1), down - y1 - along * (y2 - y1)))
    radius = 0.08 * 1024 / 2
    (left, right), (top, bottom) = (sorted(round(each) for each in pair) for pair in zip(box[0], box[-1], strict=True))
    in_box = (across > left) & (across < right) & (down > top) & (down < bottom)
    may_change = np.asarray(mask) == PAINTED
    assert may_change[in_box | (away < radius - 0.75)].all()
    assert not may_change[~in_box & (away > radius + 0.75)].any()
    assert 500 < in_box.sum() < 200_000


@pytest.mark.thorough
async def test_a_mask_is_painted_by_the_keyboard_alone(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench) as host:
        await host.drawn(await made(bench, host))
        await host.see("Mask")
        ink = host.frame.locator("canvas.ink")
        for key in (
            "Space",
            "Shift+ArrowRight",
            "ArrowDown",
            "Space",
            "b",
            "]",
            "x",
            "Space",
            "Shift+ArrowLeft",
            "Space",
        ):
            await ink.press(key)
        await ink.press("Control+z")
        await ink.press("e")
        assert await host.button("Eraser (E)").get_attribute("aria-pressed") == "true"
        assert await host.frame.locator("input.width").input_value() == "9"
        await host.button("Invert").click()
        await host.button("Invert").click()
        await host.write("make it blue")
        await host.frame.locator(".compare").wait_for()
        (edit,) = host.asked("edit")
    mask = np.asarray(alpha(base64.b64decode(edit["mask"]))) == PAINTED
    assert mask[320, 512:840].all()
    assert not mask[:, :460].any()


@pytest.mark.thorough
@pytest.mark.parametrize("lacking", ["downloadFile", "updateModelContext", "serverTools", "fullscreen"])
async def test_a_host_without_one_ability_has_all_the_others(bench: Bench, browser: Browser, lacking: str) -> None:
    abilities = {name: value for name, value in ABILITIES.items() if name != lacking}
    modes = ("inline",) if lacking == "fullscreen" else ("inline", "fullscreen")
    async with opened(browser, bench, HostKind(abilities=abilities, modes=modes)) as host:
        await host.drawn(await made(bench, host))
        assert await host.button("Save").count() == (lacking != "downloadFile")
        assert await host.button("Larger").count() == (lacking != "fullscreen")
        await host.write("make it blue")
        await host.frame.locator(".compare").wait_for()
        assert await host.frame.get_by_role("alert").count() == 0
        assert bool(host.model_context) == (lacking != "updateModelContext")


@pytest.mark.thorough
async def test_a_host_with_little_room_and_an_older_picture_s_mask(bench: Bench, browser: Browser) -> None:
    """What was painted on one picture is not sent with another."""
    room = HostKind(context={"containerDimensions": {"maxHeight": 400, "width": 350}}, width=350)
    async with opened(browser, bench, room) as host:
        await host.drawn(await made(bench, host))
        await host.see("Mask")
        await host.drag(host.frame.locator("canvas.ink"), (0.5, 0.5), (0.7, 0.6))
        await host.see("Look")
        await host.see("Mask")
        assert await host.button("Undo (Ctrl+Z)").is_enabled()
        await host.drawn(await made(bench, host, prompt="an owl"))
        await host.see("Mask")
        await host.frame.get_by_text("Paint over what may change").wait_for()
        assert await host.run("document.body.offsetHeight") <= 400


@pytest.mark.thorough
async def test_the_whole_window_and_back(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench, HostKind(width=1280)) as host:
        await host.drawn(await made(bench, host))
        await host.button("Larger").click()
        await host.button("Smaller").wait_for()
        assert await host.run("document.querySelector('.stage').clientHeight") > 600
        assert await host.run("document.documentElement.scrollHeight <= innerHeight")
        await host.button("Smaller").click()
        await host.button("Larger").wait_for()
        assert await host.run("document.querySelector('main').clientHeight") <= 500


@pytest.mark.thorough
async def test_a_host_that_passes_no_calls_on_shows_the_answer_s_preview(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench, HostKind(calls_tools=False)) as host:
        await made(bench, host)
        await host.drawn("chat")
        assert await host.frame.locator("nav .tabs button").all_inner_texts() == ["Look"]
        assert "Method not found" in await host.frame.get_by_role("alert").inner_text()


@pytest.mark.thorough
async def test_the_text_of_an_answer_is_enough_to_begin(bench: Bench, browser: Browser) -> None:
    """Some hosts hand `_meta` over to nobody."""
    async with opened(browser, bench) as host:
        answer = await bench.made("generate_image", **FOX)
        bare = CallToolResult(content=[TextContent(text=answer.text)])
        await host.show(FOX, bare)
        await host.drawn(answer.path.stem)


@pytest.mark.thorough
async def test_a_list_opens_the_library_and_a_card_its_picture(bench: Bench, browser: Browser) -> None:
    tool = {"toolInfo": {"tool": {"name": "list_images", "inputSchema": {"type": "object"}}}}
    for prompt in ("a fox", "an owl"):
        await bench.made("generate_image", **FOX | {"prompt": prompt})
    async with opened(browser, bench, HostKind(context=tool)) as host:
        await host.show({}, await bench.call("list_images"))
        await host.frame.locator(".library .card").nth(1).wait_for()
        await host.frame.get_by_role("searchbox").fill("owl")
        await host.frame.locator(".library .card").nth(1).wait_for(state="detached")
        await host.frame.locator(".library .card").click()
        await host.frame.locator(".facts").get_by_text("an owl").first.wait_for()
        assert "looking at" in host.model_context


@pytest.mark.thorough
async def test_a_draft_is_picked_and_made_final(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench) as host:
        await made(bench, host, n=4)
        cards = host.frame.locator(".drafts .card")
        await cards.nth(3).wait_for()
        await cards.nth(1).click()
        assert "picked draft 2 of 4" in host.model_context
        finish = host.button("Finish", exact=False)
        await finish.locator(".price").wait_for()
        await finish.click()
        await host.frame.locator(".compare").wait_for()
        (call,) = host.asked("finish")
        drafts = next(each["pictures"] for each in host.asked("open") if len(each["pictures"]) == 4)
        assert call["picture"] == drafts[1]


@pytest.mark.thorough
async def test_what_waits_can_be_cancelled_and_costs_nothing(benches: Benches, browser: Browser) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with opened(browser, bench) as host:
        await host.drawn(await made(bench, host))
        bench.knobs.hold()
        async with anyio.create_task_group() as group:
            group.start_soon(partial(bench.final, "generate_image", **FOX | {"prompt": "an owl"}))
            await bench.knobs.wait_for(bench.knobs.started + 1)
            await host.write("make it blue")
            await host.button("Cancel").click()
            await host.frame.locator("textarea").wait_for()
            assert await host.frame.get_by_role("alert").count() == 0
            bench.knobs.release()
        assert len(bench.seen("/v1/images/edits")) == 0


@pytest.mark.thorough
async def test_the_unfinished_picture_is_shown_while_it_is_made(benches: Benches, browser: Browser) -> None:
    stream = Stalling(event("partial_image", encoded()))
    bench = await benches.open(THREE, wrap=stream.wrap)
    async with opened(browser, bench) as host:
        await host.write("an owl")
        await host.frame.get_by_label("The unfinished picture").wait_for()
        stream.over.set()
        await host.frame.locator("textarea").wait_for()


@pytest.mark.thorough
async def test_an_error_is_shown_in_the_server_s_words(benches: Benches, browser: Browser) -> None:
    bench = await benches.open(GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.05")
    async with opened(browser, bench) as host:
        await host.drawn(await made(bench, host))
        await host.frame.get_by_label("Quality").select_option("high")
        await host.frame.locator(".problem").wait_for()
        await host.write("make it blue")
        alert = host.frame.get_by_role("alert")
        assert "GPT_IMAGE_2_BUDGET_PER_CALL_USD" in await alert.inner_text()
        assert await host.frame.locator("textarea").input_value() == "make it blue"
        await host.button("Close the message").click()
        assert await alert.count() == 0


@pytest.mark.thorough
async def test_an_old_frame_goes_on_from_the_turn_that_it_shows(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench) as old, opened(browser, bench) as new:
        fox = await made(bench, old)
        await old.drawn(fox)
        await old.write("make it blue")
        await old.frame.locator(".compare").wait_for()
        blue = await shown(old)
        await new.show({}, await bench.call("show_image", image=blue))
        await new.drawn(blue)
        await new.write("add a hat")
        await new.frame.locator(".turn").nth(2).wait_for()
        await old.write("add a scarf")
        await old.frame.locator(".turn[title^='Turn 3, a branch from 1']").wait_for()


@pytest.mark.thorough
async def test_a_frame_that_is_torn_down_loses_nothing(bench: Bench, browser: Browser) -> None:
    bench.knobs.hold()
    async with opened(browser, bench) as host:
        await host.frame.get_by_text("There is no picture yet").wait_for()
        await host.write("an owl")
        await bench.knobs.wait_for(1)
        assert (await host.ask("ui/resource-teardown", {}))["result"] == {}
    bench.knobs.release()
    async with opened(browser, bench) as host:
        while "an owl" not in said(await bench.call("list_images")):
            await look_again()
        await host.see("Library")
        await host.frame.locator(".card").click()
        await host.frame.locator(".facts").get_by_text("an owl").first.wait_for()


async def test_who_went_to_the_library_before_the_first_answer_came_stays_there(bench: Bench, browser: Browser) -> None:
    await bench.made("generate_image", **FOX)
    async with opened(browser, bench) as host:
        host.held["open"] = anyio.Event()
        while not host.asked("open"):
            await host.page.wait_for_timeout(10)
        await host.see("Library")
        host.held["open"].set()
        # The answer has been read: there is a picture to look at.
        await host.button("Look").wait_for()
        assert await host.frame.locator("nav [aria-current]").inner_text() == "Library"
        await host.frame.locator(".card").wait_for()


@pytest.mark.thorough
async def test_an_export_gives_the_files_of_its_targets(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench, HostKind(width=350)) as host:
        await host.drawn(await made(bench, host))
        await host.button("Export").click()
        await host.button("square").click()
        await host.frame.get_by_label("Your own targets").fill("300x200 webp")
        await host.frame.locator(".export .main").click()
        await host.frame.locator(".files li").nth(1).wait_for()
        assert await host.run(OVERLAPPING) == []
        paths = await host.frame.locator(".files code").all_inner_texts()
        sizes = set[tuple[int, int]]()
        for path in paths:
            with Image.open(path) as image:
                sizes.add(image.size)
        assert (300, 200) in sizes
        assert len(sizes) == 2


@pytest.mark.thorough
async def test_the_page_takes_over_the_host_s_colours_and_its_way_to_write_numbers(
    bench: Bench, browser: Browser
) -> None:
    styles = {"variables": {"--color-background-primary": "rgb(1, 2, 3)"}}
    german = HostKind(context={"locale": "de-DE", "timeZone": "Europe/Berlin", "styles": styles})
    async with opened(browser, bench, german) as host:
        await host.drawn(await made(bench, host))
        assert "1.024 × 640" in await host.frame.locator("summary").inner_text()
        assert await host.run("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 3)"
        await host.notify("ui/notifications/host-context-changed", {"locale": "en-US"})
        await host.frame.get_by_text("1,024 × 640").first.wait_for()
        await host.notify("ui/notifications/host-context-changed", {"locale": "no locale", "timeZone": "No/Where"})
        await host.notify("ui/notifications/host-context-changed", {"theme": "dark"})
        await host.comes_to("document.documentElement.style.colorScheme", "dark")
        assert "1,024 × 640" in await host.frame.locator("summary").inner_text()


@pytest.mark.thorough
async def test_a_picture_is_enlarged_to_eight_times_its_pixels_and_moved(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench) as host:
        await host.drawn(await made(bench, host))
        stage = host.frame.locator(".stage")
        for _ in range(12):
            await host.button("Zoom in (+)").click()
        assert "800%" in await host.frame.locator(".zoom").inner_text()
        sheet = "document.querySelector('.sheet').style.transform"
        where = await host.run(
            """(() => {
                const [stage, frame] = ['.stage', '.frame']
                    .map((each) => document.querySelector(each).getBoundingClientRect());
                const across = (stage.x + stage.width / 2 - frame.x) / frame.width;
                return [across, (stage.y + stage.height / 2 - frame.y) / frame.height];
            })()"""
        )
        assert where == pytest.approx([0.5, 0.5], abs=0.01), "what was in the middle stays there"
        before = await host.run(sheet)
        await host.drag(stage, (0.5, 0.5), (0.6, 0.6))
        assert await host.run(sheet) != before
        await stage.press("0")
        assert await host.run(sheet) == ""
        await host.page.mouse.wheel(0, -300)
        assert await host.run(sheet) == "", "the wheel alone belongs to the chat"
        await host.page.keyboard.down("Control")
        await host.page.mouse.wheel(0, -300)
        await host.page.keyboard.up("Control")
        await host.frame.locator(".stage .sheet[style*=scale]").wait_for()


VIEWS = ("Look", "Compare", "Mask", "Drafts", "Library", "Export")


@FROM_NPM
@pytest.mark.thorough
@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [350, 720])
async def test_every_view_is_accessible_and_fits(bench: Bench, browser: Browser, theme: str, width: int) -> None:
    """By axe-core: names, roles, contrasts. And a page in the chat is at most 500 pixels high, and not too wide."""
    axe = (APP / "node_modules/axe-core/axe.min.js").read_text()
    async with opened(browser, bench, HostKind(theme=theme, width=width)) as host:
        await made(bench, host, n=4)
        await host.frame.locator(".drafts .card").nth(3).wait_for()
        await host.frame.locator(".drafts .card").first.click()
        await host.button("Compare").last.click()
        await host.frame.locator(".divider").wait_for()
        assert await host.run("document.querySelector('nav').lastChild.getBoundingClientRect().right <= innerWidth")
        await host.inner.evaluate(axe)
        for view in VIEWS:
            if view == "Export":
                await host.see("Look")
            await host.button(view).first.click()
            await host.frame.locator(f"main[data-view={view.lower()}]").wait_for()
            await host.page.wait_for_timeout(300)
            assert await host.run(OVERLAPPING) == [], view
            found = await host.run("axe.run(document).then((found) => found.violations)")
            told = [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found]
            assert told == [], view
            size = await host.run("[document.body.offsetHeight, document.documentElement.scrollWidth - innerWidth]")
            assert size[0] <= 500, view
            assert size[1] <= 0, view


def test_the_page_holds_nothing_that_hosts_forbid() -> None:
    """`make app` looks for the same, but not everybody who installs the package builds it."""
    text = page()
    assert len(text.encode()) <= 64_000
    assert len(gzip.compress(text.encode(), 9)) <= 24_576
    assert set(re.findall(r"https?://([^/\"'` ]+)", text)) <= {"www.w3.org"}
    assert "<head>" in text
    for forbidden in ("eval(", "new Function", "<form", "<img", "localStorage", "fetch(", "import("):
        assert forbidden not in text, forbidden
