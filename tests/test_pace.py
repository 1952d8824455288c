"""The pace of batches beside single pictures, and their order."""

import anyio
import pytest
from workbench import Benches, said

from gpt_image_2_mcp.openai_api.picture_pace import PicturePace
from gpt_image_2_mcp.openai_api.rate_limiter import RateLimiter
from gpt_image_2_mcp.openai_api.request_status import RequestStatus

pytestmark = pytest.mark.anyio

LOW = {"quality": "low"}


@pytest.mark.thorough
async def test_single_pictures_hold_a_batch_up_for_a_minute_at_most_and_the_finish_counts_it(benches: Benches) -> None:
    bench = await benches.open({"GPT_IMAGE_2_MAX_WAIT_S": "0.5"}, GPT_IMAGE_2_PICTURES_PER_MINUTE="5")
    for prompt in ("a fox", "a hen"):
        await bench.made("generate_image", prompt=prompt, n=10, **LOW)
    result = await bench.call("make_batch", items=["a cat", "a dog"], common=LOW)
    # A minute for what was taken, and two pictures at five a minute.
    assert "about 2 min to go" in said(result), said(result)
    await bench.call("cancel_image_job", job_id=(result.meta or {})["gpt-image-2/batch"]["job_id"])


async def test_no_request_of_a_batch_overtakes_an_earlier_larger_one() -> None:
    pace = PicturePace(1200)
    pace.take(1200)
    limiter = RateLimiter(4, pace)
    order: list[int] = []

    async def ask(pictures: int) -> None:
        async with limiter.slot(RequestStatus(pictures=pictures, is_paced=True)):
            order.append(pictures)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask, 4)
        tasks.start_soon(ask, 1)
    assert order == [4, 1]
