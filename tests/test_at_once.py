"""How much calls take together, in bytes of inputs and in jobs; beyond it, a call is refused and costs nothing."""

import base64

import anyio
import anyio.lowlevel
import pytest
from patience import PATIENCE_S
from promises import promise
from stdio_bench import fetched, handed
from workbench import META, SMALL, Bench, Benches, encoded

from gpt_image_2_mcp.inputs import held_bytes
from gpt_image_2_mcp.jobs import job as job_module

pytestmark = pytest.mark.anyio

SHORT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05"}


@pytest.fixture
async def bench(benches: Benches, monkeypatch: pytest.MonkeyPatch) -> Bench:
    """A server in which inputs may have the bytes of two photos and a half together, and two jobs be under way."""
    monkeypatch.setattr(held_bytes, "MAX_HELD", len(encoded()) * 5 // 2)
    monkeypatch.setattr(job_module, "MAX_UNFINISHED", 2)
    return await benches.open(SHORT)


def source(bench: Bench, kind: str) -> str:
    path = bench.photo(f"{kind}.png")
    data = base64.b64encode(path.read_bytes()).decode()
    return str(path) if kind == "path" else f"data:image/png;base64,{data}"


@promise("Quantity", "The input pictures of all calls under way have at most 850 MB together.")
@pytest.mark.parametrize("kind", ["path", "data"])
async def test_inputs_of_calls_under_way_have_a_bound_together(bench: Bench, kind: str) -> None:
    bench.knobs.hold()
    image = source(bench, kind)
    other = str(bench.photo("other.png"))
    first = await handed(bench, "edit_image", prompt="blue", images=[image, other], size=SMALL)
    await bench.knobs.wait_for(1)
    refused = await bench.refused("edit_image", prompt="red", images=[image], size=SMALL)
    size = len(encoded())
    assert refused == (
        f"The input pictures of all calls under way may have {size * 5 // 2:,} bytes together, and have {2 * size:,}"
        " already: call again when another call has ended, or give smaller pictures. Nothing was sent or paid."
    )
    bench.knobs.release()
    assert META in ((await fetched(bench, first)).meta or {})
    # What ended holds nothing once its thread has let go of it, and neither does what was refused.
    for images in ([image], [image, other]) * 3:
        with anyio.fail_after(PATIENCE_S):
            while (await bench.call("edit_image", prompt="red", images=images, size=SMALL)).is_error:
                await anyio.lowlevel.checkpoint()


async def test_pictures_to_export_count_among_them(bench: Bench) -> None:
    names = [str(bench.photo(f"{number}.png")) for number in range(3)]
    assert "may have" in await bench.refused("export_image", image=names, to=["20x20"])
    assert not (await bench.call("export_image", image=names[:2], to=["20x20"])).is_error


async def test_pictures_that_were_made_here_count_too_when_they_are_exported(bench: Bench) -> None:
    made = await fetched(bench, await handed(bench, "generate_image", prompt="a fox", size=SMALL))
    image = (made.meta or {})[META]["images"][0]
    assert image["size_bytes"] > held_bytes.MAX_HELD
    assert "may have" in await bench.refused("export_image", image=image["id"], to=["20x20"])


async def test_a_picture_that_is_named_eight_times_is_read_and_held_once(bench: Bench) -> None:
    await bench.made("edit_image", prompt="blue", images=[source(bench, "path")] * 8, size=SMALL)
    assert len(bench.last().files) == 8


@promise("Quantity", "At most 100 jobs are under way at once.")
async def test_too_many_jobs_at_once_are_refused(bench: Bench) -> None:
    bench.knobs.hold()
    jobs = [await handed(bench, "generate_image", prompt=prompt, size=SMALL) for prompt in ("a fox", "a hare")]
    refused = await bench.refused("generate_image", prompt="an owl", size=SMALL)
    assert refused == (
        "2 jobs are under way, which is the most at once: call again when one of them has ended, as get_image_job"
        " tells. Nothing was sent or paid."
    )
    bench.knobs.release()
    for job in jobs:
        await fetched(bench, job)
    await bench.made("generate_image", prompt="an owl", size=SMALL)
