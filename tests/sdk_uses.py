"""A process that works on the sandbox, and tells which modules of the `openai` SDK it loads where.

python sdk_uses.py KIND FOLDER, with a kind of `KINDS`: the result is JSON with the modules that `load_resources` has
loaded, those that were loaded past it, and how often another thread went on with it.
"""

import json
import sys
from collections.abc import Awaitable, Callable, Sequence
from contextlib import AsyncExitStack
from importlib.machinery import ModuleSpec
from itertools import pairwise
from pathlib import Path
from threading import Barrier, Thread, get_ident
from traceback import walk_stack
from typing import Any

import anyio
from PIL import Image, ImageDraw
from workbench import SMALL, Bench, Benches

from gpt_image_2_mcp.openai_api.sdk_modules import Resource, load_resources
from gpt_image_2_mcp.sandbox import Fault

SDK = "openai"
LOW: dict[str, Any] = {"size": SMALL, "quality": "low"}
Open = Callable[..., Awaitable[Bench]]
THREADS = 8
"""How many threads begin together."""


class Watch:
    """Notes every module of the SDK that is loaded; it stands before all finders, and finds nothing itself."""

    def __init__(self) -> None:
        self.ours: list[str] = []
        self.others: list[str] = []
        self.threads: list[int] = []
        """Which thread loaded each of them."""

    def find_spec(self, name: str, *_: object) -> ModuleSpec | None:
        if name.partition(".")[0] == SDK:
            is_ours = any(frame.f_code is load_resources.__code__ for frame, _ in walk_stack(None))
            (self.ours if is_ours else self.others).append(name)
            self.threads.append(get_ident())
        return None


async def pictures(open_bench: Open) -> None:
    """Whatever goes through the images route: new pictures and edits, whole and streamed, and errors."""
    bench = await open_bench()
    await bench.made("generate_image", prompt="a fox", **LOW)
    await bench.made("generate_image", prompt="a fox", n=2, **LOW)
    bench.photo()
    await bench.made("edit_image", prompt="bluer", images=["photo.png"], mask="box 0,0 300x300", **LOW)
    for fault in (
        Fault(error="moderation_blocked"),
        Fault("html", status=502),
        Fault("drop"),
        Fault("cut", after=5000),
        Fault("not_an_image"),
    ):
        bench.knobs.faults.append(fault)
        await bench.refused("generate_image", prompt="a fox", **LOW)
    streamed = await open_bench({"GPT_IMAGE_2_PARTIAL_IMAGES": "2"})
    await streamed.made("generate_image", prompt="a bear", **LOW)
    await streamed.made("edit_image", prompt="redder", images=["photo.png"], **LOW)


async def responses(open_bench: Open) -> None:
    """Edits through the Responses API, with their inputs inline and uploaded."""
    bench = await open_bench({"OPENAI_FORCE_RESPONSES_EDITS": "1"})
    bench.photo()
    await bench.made("edit_image", prompt="bluer", images=["photo.png"], **LOW)
    Image.effect_noise((2400, 2400), 100).save(bench.working_dir / "noise.png", compress_level=1)
    await bench.made("edit_image", prompt="smoother", images=["noise.png"], **LOW)
    assert bench.seen("/v1/files")


async def find(open_bench: Open) -> None:
    """Looking for something in a picture."""
    bench = await open_bench()
    image = Image.new("RGB", (1024, 640), "darkgreen")
    ImageDraw.Draw(image).rectangle((600, 300, 900, 450), fill="red")
    image.save(bench.working_dir / "street.png")
    result = await bench.call("show_image", image="street.png", mask="find the red car")
    assert not result.is_error


async def batch(open_bench: Open) -> None:
    """A cheap batch: its files, submitting it, following it, its results."""
    bench = await open_bench({"GPT_IMAGE_2_PICTURES_PER_MINUTE": "6000"}, data_dir=Path(sys.argv[2]) / "data")
    bench.photo()
    items: list[dict[str, Any]] = [{"prompt": "a fox"}, {"prompt": "bluer", "images": ["photo.png"]}]
    begun = await bench.call("make_batch", items=items, when="cheap", common=LOW)
    state = (begun.meta or {})["gpt-image-2/batch"]
    bench.knobs.advance(24 * 3600)
    while state["state"] != "ended":
        state = ((await bench.call("get_image_job", job_id=state["job_id"])).meta or {})["gpt-image-2/batch"]
    assert state["done"] == 2


async def together(_: Open) -> None:
    """Threads that need different parts of the SDK at the same moment."""
    kinds: Sequence[Sequence[Resource]] = (
        ("images",),
        ("responses.responses", "files"),
        ("files", "batches"),
        ("responses.responses",),
    )
    sys.setswitchinterval(1e-6)
    start, done = Barrier(THREADS), list[str]()

    def use(names: Sequence[Resource]) -> None:
        start.wait()
        load_resources(*names)
        done.extend(names)

    threads = [Thread(target=use, args=(kinds[number % len(kinds)],)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == sum(len(kinds[number % len(kinds)]) for number in range(THREADS)), done


KINDS = {work.__name__: work for work in (pictures, responses, find, batch, together)}


async def main(kind: str, folder: Path) -> None:
    watch = Watch()
    sys.meta_path.insert(0, watch)
    async with AsyncExitStack() as stack:
        await KINDS[kind](Benches(stack, folder).open)
    turns = sum(one != another for one, another in pairwise(watch.threads))
    sys.stdout.write(json.dumps([watch.ours, watch.others, turns]))


if __name__ == "__main__":
    anyio.run(main, sys.argv[1], Path(sys.argv[2]))
