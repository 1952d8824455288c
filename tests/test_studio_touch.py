"""The studio's page under fingers, as on a phone: enlarging, moving and painting."""

import base64
from collections.abc import AsyncIterator, Sequence

import numpy as np
import pytest
from app_host import BRING, AppHost, HostKind, running_browser
from playwright.async_api import Browser, CDPSession, FloatRect
from test_studio_page import PAINTED, alpha, made, opened
from workbench import Bench

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

PHONE = HostKind(width=390, height=780, has_touch=True)
SCALE = "new DOMMatrix(document.querySelector('.sheet').style.transform).a"

Place = tuple[float, float]


@pytest.fixture(scope="module")
async def browser() -> AsyncIterator[Browser]:
    async with running_browser() as found:
        if found is None:
            pytest.skip(BRING)
        yield found


class Fingers:
    """Fingers on a part of the page, which is named by its selector; places are shares of its width and height."""

    def __init__(self, session: CDPSession, area: FloatRect) -> None:
        self._session = session
        self._area = area

    async def send(self, kind: str, *places: Place) -> None:
        """Say where all fingers are now."""
        area = self._area
        points = [
            {"x": area["x"] + x * area["width"], "y": area["y"] + y * area["height"], "id": number}
            for number, (x, y) in enumerate(places)
        ]
        # Its type says too little of the parameters.
        call = {"type": kind, "touchPoints": points}
        await self._session.send("Input.dispatchTouchEvent", call)  # pyright: ignore[reportUnknownMemberType]

    async def draw(self, *places: Place) -> None:
        """Draw a line with one finger."""
        await self.send("touchStart", places[0])
        for place in places[1:]:
            await self.send("touchMove", place)
        await self.send("touchEnd")

    async def pinch(self, *, apart: Sequence[float]) -> None:
        """Move two fingers apart or together, around the middle: one comes first, and leaves last."""
        await self.send("touchStart", (0.5 - apart[0], 0.5))
        for step, share in enumerate(apart):
            await self.send("touchMove" if step else "touchStart", (0.5 - share, 0.5), (0.5 + share, 0.5))
        await self.send("touchEnd", (0.5 - apart[-1], 0.5))
        await self.send("touchMove", (0.3, 0.3))
        await self.send("touchEnd")


async def on(host: AppHost, selector: str) -> Fingers:
    area = await host.frame.locator(selector).bounding_box()
    assert area is not None
    return Fingers(await host.page.context.new_cdp_session(host.page), area)


async def test_two_fingers_enlarge_one_moves_and_two_taps_fit(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench, PHONE) as host:
        await host.drawn(await made(bench, host))
        fingers = await on(host, ".stage")
        await fingers.pinch(apart=(0.05, 0.1, 0.15, 0.2))
        assert await host.run(SCALE) == pytest.approx(4)
        before = await host.run("document.querySelector('.sheet').style.transform")
        await fingers.draw((0.5, 0.5), (0.55, 0.6), (0.6, 0.7))
        assert await host.run("document.querySelector('.sheet').style.transform") != before
        for _ in range(2):
            await fingers.draw((0.5, 0.4))
        await host.frame.locator(".stage .sheet:not([style*=scale])").wait_for()


async def test_a_finger_paints_and_a_second_one_enlarges_without_a_trace(bench: Bench, browser: Browser) -> None:
    async with opened(browser, bench, PHONE) as host:
        await host.drawn(await made(bench, host))
        await host.see("Mask")
        fingers = await on(host, "canvas.ink")
        await fingers.draw((0.3, 0.5), (0.4, 0.5), (0.5, 0.5))
        await fingers.pinch(apart=(0.05, 0.1, 0.15, 0.2))
        assert await host.run(SCALE) == pytest.approx(4)
        await host.write("make it blue")
        await host.frame.locator(".compare").wait_for()
        (edit,) = host.asked("edit")
    mask = np.asarray(alpha(base64.b64decode(edit["mask"]))) == PAINTED
    assert mask[320, 320:500].all()
    assert not mask[:250].any()
    assert not mask[:, 560:].any()
