"""What a hostile Batch API answers costs at most its own line, and never the pictures of the others."""

import base64
import json
import re
from collections.abc import Callable
from typing import Any

import anyio
import httpx2
import pytest
from patience import PATIENCE_S
from promises import promise
from workbench import SMALL, Bench, Benches, Canned, encoded, said

pytestmark = pytest.mark.anyio

BATCH = "gpt-image-2/batch"
PICTURE = base64.b64encode(encoded()).decode()
MADE = f'{{"status_code": 200, "body": {{"data": [{{"b64_json": "{PICTURE}"}}]}}}}'
NOT_BILLED = '{"status_code": 400, "body": {"error": {"message": "no"}}}'


class HostileBatches:
    """A Batch API: `answers` has the response of each line, `facts` what else stands in a batch, by the request."""

    def __init__(
        self, *answers: str, created: dict[str, Any] | None = None, seen: dict[str, Any] | None = None
    ) -> None:
        self.answers = answers
        self.created = created or {}
        self.seen = seen or {}
        self.ids: list[str] = []
        self.mark = ""
        self.before = b""

    def answer(self, request: httpx2.Request) -> httpx2.Response:
        path = request.url.path
        if path.endswith("/content"):
            lines = (
                f'{{"custom_id": "{name}", "response": {body}}}\n'.encode()
                for name, body in zip(self.ids, self.answers, strict=True)
            )
            return httpx2.Response(200, content=self.before + b"".join(lines))
        if request.method == "POST" and path.endswith("/files"):
            self.ids = [name.decode() for name in re.findall(rb'"custom_id": "([^"]+)"', request.content)]
            return httpx2.Response(200, json={"id": "file-1"})
        if request.method == "POST" and path.endswith("/batches"):
            self.mark = json.loads(request.content)["metadata"]["gpt_image_2_mcp"]
            return self._batch({"status": "in_progress"} | self.created)
        if path.endswith("/batches"):
            return httpx2.Response(200, json={"data": [5, {"metadata": [1]}, json.loads(self._batch({}).content)]})
        return self._batch(self.seen)

    def _batch(self, facts: dict[str, Any]) -> httpx2.Response:
        common = {"id": "batch_1", "status": "completed", "output_file_id": "file-2", "input_file_id": "file-1"}
        body = {**common, "metadata": {"gpt_image_2_mcp": self.mark}, **facts}
        return httpx2.Response(200, content=json.dumps(body), headers={"content-type": "application/json"})


async def ended(benches: Benches, tmp_path: Any, backend: HostileBatches) -> tuple[dict[str, Any], Bench]:
    """Submit a line for each answer; how the batch stands when it is over."""
    bench = await benches.open(wrap=Canned(backend.answer).wrap, data_dir=tmp_path / "data")
    items = [{"prompt": f"fox {number}"} for number, _ in enumerate(backend.answers)]
    common = {"size": SMALL, "quality": "low"}
    result = await bench.call("make_batch", items=items, when="cheap", common=common)
    state = (result.meta or {})[BATCH]
    with anyio.fail_after(PATIENCE_S):
        while state["state"] != "ended":
            result = await bench.call("get_image_job", job_id=state["job_id"])
            state = (result.meta or {})[BATCH]
    assert "error in this program" not in said(result)
    return state, bench


@promise("Backend", "A line of a batch's results that cannot be read costs no other line its picture.")
@pytest.mark.parametrize(
    "answer",
    [
        '{"status_code": 1e999}',
        '{"status_code": 200, "body": {"data": ' + "[" * 100_000 + "]" * 100_000 + "}}",
        "null",
        '"x"',
        '{"status_code": null, "body": {"data": []}}',
        '{"status_code": 200, "body": {"data": [{"b64_json": "#0"}]}}',
    ],
)
async def test_a_line_that_cannot_be_read_costs_itself_alone_and_may_be_billed(
    benches: Benches, tmp_path: Any, answer: str
) -> None:
    state, _ = await ended(benches, tmp_path, HostileBatches(answer, MADE))
    assert (state["done"], state["failed"], state["retryable"]) == (1, [1], [])


async def test_a_picture_that_comes_with_an_odd_status_is_saved(benches: Benches, tmp_path: Any) -> None:
    state, _ = await ended(benches, tmp_path, HostileBatches(MADE.replace("200", "500", 1), NOT_BILLED))
    assert (state["done"], state["retryable"]) == (1, [2])


@pytest.mark.parametrize("request_kind", ["created", "seen"])
@pytest.mark.parametrize(
    "facts",
    [
        {"request_counts": [1]},
        {"request_counts": {"total": -1, "completed": 10**40, "failed": "x"}},
        {"errors": "boo"},
        {"errors": {"data": [1, {"code": ["\ud800"], "message": "\x1b[31m", "line": "z" * 1000}]}},
        {"metadata": [1]},
        {"error_file_id": {"a": 1}},
        {"error_file_id": "../../v1/x"},
    ],
)
async def test_odd_facts_about_a_batch_change_nothing(
    benches: Benches, tmp_path: Any, request_kind: str, facts: dict[str, Any]
) -> None:
    # Without an id, the batch is found by its mark.
    created = {"created": {**facts, "id": None}} if request_kind == "created" else {"seen": facts}
    state, _ = await ended(benches, tmp_path, HostileBatches(MADE, **created))
    assert state["done"] == 1


ENDLESS: list[Callable[[], bytes]] = [lambda: b"\n" * 1_000_000, lambda: b'{"custom_id":"another-1"}\n' * 100_000]


@pytest.mark.thorough
@pytest.mark.parametrize("before", ENDLESS)
async def test_lines_that_were_not_asked_for_are_read_up_to_a_bound(
    benches: Benches, tmp_path: Any, before: Callable[[], bytes]
) -> None:
    backend = HostileBatches(MADE)
    backend.before = before()
    state, _ = await ended(benches, tmp_path, backend)
    assert (state["done"], state["failed"]) == (0, [1])
