"""A network that fails at every place where it can: what is paid, what is asked for again, and what a person reads.

The real program's own HTTP stack on real sockets; behind the proxy is the sandbox as a server, whose count of billed
pictures is the truth.
"""

from collections.abc import AsyncGenerator, Callable, Generator
from contextlib import asynccontextmanager
from itertools import repeat
from pathlib import Path
from typing import get_args

import anyio
import anyio.to_thread
import httpx2
import pytest
from fault_proxy import BILLED, FaultProxy, Flaw, control, until
from inline_snapshot import snapshot
from mcp import Client
from patience import PATIENCE_S
from PIL import Image
from promises import promise
from workbench import KEY, SMALL, Answer, Bench, folded

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.openai_api import client as api_client
from gpt_image_2_mcp.openai_api import retry
from gpt_image_2_mcp.sandbox import Knobs
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

DRAFT = {"prompt": "a red fox", "size": SMALL, "quality": "low"}
HARMLESS: frozenset[Flaw] = frozenset(("dripped",))
"""The picture comes all the same."""
SLOW: frozenset[Flaw] = frozenset(
    (
        "never read",
        "stalled before the headers",
        "stalled after the headers",
        "stalled in the body",
        "dripped without end",
    )
)
"""Only a time limit ends these."""
BROKEN: list[Flaw] = [flaw for flaw in get_args(Flaw) if flaw not in HARMLESS]


@pytest.fixture
def proxy(sandbox_url: str) -> Generator[FaultProxy]:
    with FaultProxy(sandbox_url) as proxy:
        yield proxy


@pytest.fixture
def hurried(flaw: Flaw, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where only a time limit ends it: seconds instead of the ten minutes that an answer may take."""
    if flaw in SLOW:
        monkeypatch.setattr(api_client, "ANSWER_TIMEOUT_S", PATIENCE_S / 90)
        monkeypatch.setattr(api_client, "WHOLE_ANSWER_TIMEOUT_S", PATIENCE_S / 45)


@pytest.fixture
def paid(sandbox_url: str) -> Callable[[], int]:
    """How many pictures the backend has billed since the test began."""
    before = control(sandbox_url, "state")["paid"]
    return lambda: control(sandbox_url, "state")["paid"] - before


@asynccontextmanager
async def behind(proxy: FaultProxy, root: Path, **environ: str) -> AsyncGenerator[Bench]:
    """A server whose backend is reached through the proxy."""
    folder = root / "pictures"
    settings = Settings.read(
        {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": proxy.url,
            "GPT_IMAGE_2_OUTPUT_DIR": str(folder),
            **environ,
        }
    )
    service = open_service(settings, working_dir=root, home=root, data_dir=root / "data")
    server = build_server(lambda: service)
    async with Client(server) as client:
        yield Bench(client, Knobs(), folder, root, root, server)


def where(text: str, proxy: FaultProxy) -> str:
    return folded(text.replace(proxy.url.removesuffix("/v1"), "http://BACKEND"))


DROPPED = """\
http://BACKEND dropped the connection before the answer was complete. The picture may have been made
and billed without reaching us, so it was not asked for again: look at
https://platform.openai.com/usage, then decide whether to ask once more.\
"""
GARBLED = """\
http://BACKEND sent an answer that cannot be read as HTTP. The picture may have been made and billed
without reaching us, so it was not asked for again: look at https://platform.openai.com/usage, then
decide whether to ask once more.\
"""
LATE = """\
http://BACKEND did not answer in time. The picture may have been made and billed without reaching
us, so it was not asked for again: look at https://platform.openai.com/usage, then decide whether to
ask once more.\
"""


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("flaw", BROKEN)
async def test_a_broken_answer_is_never_asked_for_again(
    flaw: Flaw, proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    """A request whose first byte was sent may be billed: one try, and the person decides."""
    proxy.listen()
    proxy.flaws.extend(repeat(flaw, 5))
    async with behind(proxy, tmp_path) as bench:
        text = await bench.refused("generate_image", **DRAFT)
        # The backend goes on with what its caller has given up.
        await anyio.to_thread.run_sync(until, lambda: (proxy.asked, paid()) == (1, flaw in BILLED))
        proxy.flaws.clear()
        # And the server works on.
        await bench.made("generate_image", **DRAFT)
    assert (proxy.asked, paid()) == (2, 1 + (flaw in BILLED))
    assert KEY not in text
    # What had arrived of the body is kept.
    told, kept, _ = text.partition(" What arrived is kept in ")
    assert bool(kept) is flaw.endswith("in the body")
    assert where(told, proxy) == (LATE if flaw in SLOW else GARBLED if flaw == "garbled" else DROPPED)


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize(
    ("tool", "flaw"),
    [
        ("edit_image", "reset at once"),
        ("edit_image", "cut before the headers"),
        ("edit_image", "cut in the body"),
        ("edit_image", "garbled"),
        ("edit_image", "never read"),
        ("start_edit_session", "cut in the body"),
    ],
)
async def test_an_edit_is_never_asked_for_again_either(
    tool: str, flaw: Flaw, proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    """Nor does it go another way: the Responses API would bill it a second time."""
    proxy.listen()
    proxy.flaws.extend(repeat(flaw, 5))
    async with behind(proxy, tmp_path) as bench:
        await bench.refused(tool, **DRAFT, images=[str(bench.photo())])
    await anyio.to_thread.run_sync(until, lambda: (proxy.asked, paid()) == (1, flaw in BILLED))


@pytest.mark.parametrize("flaw", [flaw for flaw in BROKEN if flaw not in SLOW])
async def test_a_stream_is_never_asked_for_again_either(
    flaw: Flaw, proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    """A backend that cannot stream is asked without streaming: a broken stream is not that."""
    proxy.listen()
    proxy.flaws.extend(repeat(flaw, 5))
    async with behind(proxy, tmp_path, GPT_IMAGE_2_PARTIAL_IMAGES="1") as bench:
        await bench.refused("generate_image", **DRAFT)
    assert (proxy.asked, paid()) == (1, flaw in BILLED)


async def test_a_dripping_answer_comes_whole(proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path) -> None:
    proxy.listen()
    proxy.flaws.append("dripped")
    async with behind(proxy, tmp_path) as bench:
        answer: Answer = await bench.made("generate_image", **DRAFT)
    with Image.open(answer.path) as image:
        image.load()
    assert (proxy.asked, paid()) == (1, 1)


@promise("Backend", "An answer that is not complete after 15 minutes is given up, and counts as spent.")
def test_an_answer_that_drips_ends_with_the_time_for_the_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its thread too, which nobody waits for by then."""
    assert list(api_client.with_deadline(iter([b"1", b"2"]))) == [b"1", b"2"]
    monkeypatch.setattr(api_client, "WHOLE_ANSWER_TIMEOUT_S", -1.0)
    with pytest.raises(httpx2.TimeoutException):
        list(api_client.with_deadline(iter([b"1", b"2"])))


@promise("Money", "What never left this computer does not count.")
async def test_a_refused_connection_is_tried_again_and_nothing_is_paid(
    proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    """Nothing was sent, so trying again is safe; three times are enough."""
    async with behind(proxy, tmp_path) as bench:
        text = await bench.refused("generate_image", **DRAFT)
    assert (proxy.asked, paid()) == (0, 0)
    assert where(text, proxy) == snapshot("""\
Could not connect to http://BACKEND (Connection refused); nothing was sent or billed. Check the
network and a proxy if there is one, and OPENAI_BASE_URL if it is set; then ask again.\
""")


async def test_a_backend_that_comes_up_in_the_meantime_is_reached(
    proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is waited for between two tries is used to start it."""
    pause, waits = anyio.sleep, list[float]()

    async def listen_first(seconds: float) -> None:
        waits.append(seconds)
        if len(waits) == 1:
            await anyio.to_thread.run_sync(proxy.listen)
        await pause(seconds / 100)

    monkeypatch.setattr(retry.anyio, "sleep", listen_first)
    async with behind(proxy, tmp_path) as bench:
        await bench.made("generate_image", **DRAFT)
    assert (bool(waits), proxy.asked, paid()) == (True, 1, 1)


@pytest.mark.parametrize("flaw", ["cut in the body", "reset before the headers", "hung up at once"])
async def test_what_was_lost_counts_against_the_budget(flaw: Flaw, proxy: FaultProxy, tmp_path: Path) -> None:
    proxy.listen()
    proxy.flaws.append(flaw)
    async with behind(proxy, tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="0.004") as bench:
        await bench.refused("generate_image", **DRAFT)
        assert "GPT_IMAGE_2_BUDGET_PER_DAY_USD" in await bench.refused("generate_image", **DRAFT)
    assert proxy.asked == 1


async def test_several_pictures_lost_on_the_responses_route_are_each_paid_once(
    proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    proxy.listen()
    proxy.flaws.extend(["cut in the body", "reset in the body", "cut after the headers"])
    async with behind(proxy, tmp_path, OPENAI_FORCE_RESPONSES_EDITS="1") as bench:
        await bench.refused("edit_image", **DRAFT, n=3, images=[str(bench.photo())])
    assert (proxy.asked, paid()) == (3, 3)


async def test_the_proxy_itself_changes_nothing_but_the_mark(
    proxy: FaultProxy, paid: Callable[[], int], tmp_path: Path
) -> None:
    proxy.listen()
    async with behind(proxy, tmp_path) as bench:
        answer = await bench.made("generate_image", **DRAFT)
    assert not answer.report["sandbox"]
    assert "cost about $0.0033" in answer.text
    assert (proxy.asked, paid()) == (1, 1)
