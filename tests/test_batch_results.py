"""What OpenAI keeps of a cheap batch: results that are fetched late, and uploads that are needed no more."""

from pathlib import Path
from typing import Any

import httpx2
import pytest
from fault_proxy import paying
from promises import promise
from stdio_bench import stands
from test_batches import A_DAY, FAST, LOW, ended, foxes, state_of
from workbench import Bench, Benches, said

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio


async def begun_days_ago(bench: Bench, days: int, lines: int = 2) -> str:
    """Have a batch that was submitted and done so long ago; its id."""
    bench.knobs.advance(-days * A_DAY)
    begun = await bench.call("make_batch", items=foxes(lines), when="cheap", common=LOW)
    bench.knobs.advance(days * A_DAY)
    return str(state_of(begun)["job_id"])


@promise("Money", "Before OpenAI deletes results of a batch that are not fetched yet, answers say when it does.")
async def test_results_that_cannot_be_fetched_are_told_of_before_they_are_deleted(
    benches: Benches, tmp_path: Path
) -> None:
    bench = await benches.open(FAST, data_dir=tmp_path / "data")
    bench.knobs.faults = [Fault(status=401, route="contents", message="No access.", times=None)]
    job_id = await begun_days_ago(bench, 28)
    text = await stands(bench, job_id, "It cannot be looked at just now, and is again later: ")
    assert "OpenAI is done with it, and its results are to be fetched" in text
    assert "deletes the results on 20" in text
    bench.knobs.faults.clear()
    state, text = await ended(bench, job_id)
    assert state["done"] == 2
    assert "deletes" not in text
    # A batch that was done a short while ago has time.
    bench.knobs.faults = [Fault(status=401, route="contents", times=None)]
    young = await begun_days_ago(bench, 3, lines=3)
    text = await stands(bench, young, "cannot be looked at")
    assert "deletes" not in text


async def test_results_that_are_gone_are_told_and_not_asked_for_for_ever(tmp_path: Path) -> None:
    async with paying(tmp_path, FAST) as bench:
        job_id = await begun_days_ago(bench, 40)
        state, text = await ended(bench, job_id)
        assert (state["failed"], state["retryable"]) == ([1, 2], []), text
        assert "OpenAI has deleted the results, which it keeps for 30 days" in text


async def test_results_that_are_not_there_yet_are_asked_for_again(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(FAST, data_dir=tmp_path / "data")
    bench.knobs.faults = [Fault(status=404, route="contents", times=None)]
    job_id = await begun_days_ago(bench, 2)
    await stands(bench, job_id, "cannot be looked at")
    bench.knobs.faults.clear()
    assert (await ended(bench, job_id))[0]["done"] == 2


class WithoutLines(httpx2.AsyncBaseTransport):
    """A backend that takes pictures, and no file of lines."""

    def __init__(self, backend: httpx2.AsyncBaseTransport) -> None:
        self.backend = backend

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/files") and b"application/jsonl" in await request.aread():
            return httpx2.Response(400, json={"error": {"message": "No lines today.", "type": "invalid_request_error"}})
        return await self.backend.handle_async_request(request)


async def test_the_uploads_of_a_batch_that_is_not_submitted_are_deleted(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(FAST, wrap=WithoutLines, data_dir=tmp_path / "data")
    bench.photo()
    bench.photo("other.png", size=(640, 1024))
    items: list[dict[str, Any]] = [{"prompt": "a", "images": ["photo.png"]}, {"prompt": "b", "images": ["other.png"]}]
    result = await bench.call("make_batch", items=items, when="cheap", common=LOW)
    assert state_of(result)["state"] == "ended"
    assert "No lines today" in said(result)
    assert (bench.knobs.files_uploaded, bench.knobs.files_deleted) == (2, 2)
