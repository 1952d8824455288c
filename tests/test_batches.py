"""Batches: many pictures from one call, now or through OpenAI's Batch API."""

from typing import Any

import anyio
import pytest
from patience import PATIENCE_S
from workbench import SMALL, Bench, Benches, said

pytestmark = pytest.mark.anyio

BATCH = "gpt-image-2/batch"
FAST = {"GPT_IMAGE_2_PICTURES_PER_MINUTE": "6000"}
LOW = {"size": SMALL, "quality": "low"}


def state_of(result: Any) -> dict[str, Any]:
    assert not result.is_error, said(result)
    return (result.meta or {})[BATCH]


async def ended(bench: Bench, job_id: str) -> dict[str, Any]:
    """Ask for a batch until it is over, and return its state."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            result = await bench.call("get_image_job", job_id=job_id)
            if state_of(result)["state"] == "ended":
                return state_of(result)


async def test_a_batch_made_now_saves_and_lists_every_picture(benches: Benches) -> None:
    bench = await benches.open(FAST)
    items = [{"prompt": f"fox {n}", "name": f"fox {n}"} for n in range(3)]
    result = await bench.call("make_batch", items=items, common=LOW)
    print(said(result))
    state = state_of(result)
    assert (state["state"], state["done"]) == ("ended", 3)


async def test_a_cheap_batch(benches: Benches, tmp_path: Any) -> None:
    bench = await benches.open(FAST, data_dir=tmp_path / "data")
    bench.knobs.batch_s = 0
    photo = bench.photo()
    items = [{"prompt": f"fox {n}", "name": f"fox {n}"} for n in range(3)] + [
        {"prompt": "moderation-blocked"},
        {"prompt": "edit", "images": [str(photo)]},
    ]
    result = await bench.call("make_batch", items=items, common=LOW, when="cheap")
    print(said(result))
    state = await ended(bench, state_of(result)["job_id"])
    print(said(await bench.call("get_image_job", job_id=state["job_id"])))
    print(said(await bench.call("get_image_job")))
    print(said(await bench.call("list_images")))
    print(said(await bench.call("image_costs")))
    assert (state["state"], state["done"]) == ("ended", 4)
    assert max(bench.knobs.paid_lines.values()) == 1
