"""What goes wrong with batches: lines and files that break the rules, and faults."""

import asyncio
from typing import Any

import httpx2
import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, InternalServerError, RateLimitError
from sandbox_batches import GENERATIONS, ids_in, jsonl, line, lines_of, send

from gpt_image_2_mcp.sandbox import Fault, Knobs, batch_input

pytestmark = pytest.mark.anyio

GOOD = line("good")


def without(name: str) -> dict[str, Any]:
    return {key: value for key, value in line("b").items() if key != name}


@pytest.mark.parametrize(
    ("second", "code", "param"),
    [
        (b"{no json}\n", "invalid_json_line", None),
        (b"\xef\xbb\xbf" + jsonl(line("b")), "invalid_json_line", None),
        (b"[" * 100_000 + b"\n", "invalid_json_line", None),
        (b"[1]\n", "invalid_json_line", None),
        (without("custom_id"), "missing_required_parameter", "custom_id"),
        (without("method"), "missing_required_parameter", "method"),
        (without("url"), "missing_required_parameter", "url"),
        (without("body"), "missing_required_parameter", "body"),
        ({**line(), "custom_id": 7}, "invalid_type", "custom_id"),
        ({**line(), "body": "a fox"}, "invalid_type", "body"),
        ({**line(), "method": "GET"}, "invalid_value", "method"),
        (line("b", "/v1/images/edits"), "invalid_url", "url"),
        (line("good"), "duplicate_custom_id", "custom_id"),
        (line("b", model=None), "missing_required_parameter", "body.model"),
        (line("b", model="gpt-4.1"), "model_not_found", "body.model"),
        (line("b", model="gpt-image-2.5-flare"), "mismatched_model", "body.model"),
    ],
)
async def test_a_wrong_line_fails_the_batch_before_anything_is_billed(
    client: AsyncOpenAI, knobs: Knobs, second: dict[str, Any] | bytes, code: str, param: str | None
) -> None:
    knobs.batch_s = 1000
    batch = await send(client, GOOD, second, line("third"))
    assert (batch.status, batch.errors) == ("validating", None)
    knobs.advance(1000)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.failed_at) == ("failed", batch.created_at + 100)
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert [(error.code, error.line, error.param) for error in batch.errors.data] == [(code, 2, param)]
    assert (batch.output_file_id, batch.error_file_id, knobs.paid_at_half) == (None, None, 0)


async def test_every_wrong_line_is_told(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    batch = await client.batches.retrieve((await send(client, b"x\n", GOOD, b"\n", b"y")).id)
    assert batch.errors is not None
    assert [error.line for error in batch.errors.data or []] == [1, 4]


@pytest.mark.parametrize(
    ("limits", "data", "code"),
    [
        ({}, b"\n\n", "empty_file"),
        ({"MAX_LINES": 1}, jsonl(line("a"), line("b")), "too_many_tasks"),
        ({"MAX_BATCH_BYTES": 10}, jsonl(GOOD), "file_too_large"),
    ],
)
async def test_a_file_of_the_wrong_size_fails_the_batch(
    client: AsyncOpenAI,
    knobs: Knobs,
    monkeypatch: pytest.MonkeyPatch,
    limits: dict[str, int],
    data: bytes,
    code: str,
) -> None:
    knobs.batch_s = 0
    assert (batch_input.MAX_LINES, batch_input.MAX_BATCH_BYTES) == (50_000, 200 * 1024 * 1024)
    for name, value in limits.items():
        monkeypatch.setattr(batch_input, name, value)
    batch = await client.batches.retrieve((await send(client, data)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert [(error.code, error.line) for error in batch.errors.data or []] == [(code, None)]


async def test_too_many_queued_tokens_fail_a_batch(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    knobs.faults = [Fault(kind="batch_failed", route="batches")]
    batch = await client.batches.retrieve((await send(client, GOOD)).id)
    assert batch.status == "failed"
    assert batch.errors is not None
    assert batch.errors.data is not None
    assert batch.errors.data[0].code == "token_limit_exceeded"
    assert "Enqueued token limit reached for gpt-image-2" in str(batch.errors.data[0].message)
    assert (await client.batches.retrieve((await send(client, GOOD)).id)).status == "completed"


async def test_some_lines_fail_by_their_prompts_and_by_faults(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s, knobs.batch_shuffled = 0, False
    knobs.faults = [Fault(error="server_error", route="lines")]
    batch = await send(
        client,
        line("broken"),
        line("refused", prompt="moderation-blocked"),
        line("limited", prompt="sandbox-rate-limit"),
        line("proxied", prompt="sandbox-bad-gateway"),
        line("good", prompt="sandbox-no-answer"),
    )
    batch = await client.batches.retrieve(batch.id)
    found = [line async for line in lines_of(client, batch.error_file_id)]
    assert {line["custom_id"]: line["response"]["status_code"] for line in found} == {
        "broken": 500,
        "refused": 400,
        "limited": 429,
        "proxied": 502,
    }
    (refused,) = [line["response"] for line in found if line["custom_id"] == "refused"]
    assert refused["body"]["error"]["code"] == "moderation_blocked"
    assert refused["request_id"] in refused["body"]["error"]["message"]
    assert await ids_in(client, batch.output_file_id) == ["good"]
    assert knobs.paid_lines == {"good": 1}


@pytest.mark.parametrize("kind", ["not_an_image", "bad_base64", "empty_data", "no_usage", "url", "other_size"])
async def test_a_billed_line_can_come_without_what_was_wanted(client: AsyncOpenAI, knobs: Knobs, kind: Any) -> None:
    knobs.batch_s = 0
    knobs.faults = [Fault(kind=kind, route="lines")]
    batch = await client.batches.retrieve((await send(client, GOOD)).id)
    (found,) = [line async for line in lines_of(client, batch.output_file_id)]
    body = found["response"]["body"]
    assert ("usage" in body) is (kind != "no_usage")
    assert (body["data"] == []) is (kind == "empty_data")
    assert [*(body["data"] or [{}])[0]] == {"url": ["url"], "empty_data": []}.get(kind, ["b64_json"])
    assert body["size"] == ("1536x1024" if kind == "other_size" else "1024x640")
    assert knobs.paid_lines == {"good": 1}


async def test_the_reading_of_an_output_can_be_cut_off(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s, knobs.batch_shuffled = 0, False
    batch = await client.batches.retrieve((await send(client, line("a"), line("b"))).id)
    assert batch.output_file_id is not None
    whole = (await client.files.content(batch.output_file_id)).content
    knobs.faults = [Fault(kind="cut", after=whole.index(b"\n") + 100, route="contents")]
    found = lines_of(client, batch.output_file_id)
    assert (await anext(found))["custom_id"] == "a"
    with pytest.raises(httpx2.RemoteProtocolError):
        await anext(found)
    assert (await client.files.content(batch.output_file_id)).content == whole
    assert knobs.paid_lines == {"a": 1, "b": 1}


@pytest.mark.parametrize("kind", ["drop", "hang"])
async def test_a_batch_may_be_created_though_its_answer_is_lost(client: AsyncOpenAI, knobs: Knobs, kind: Any) -> None:
    knobs.faults = [Fault(kind=kind, route="batches")]
    sending = asyncio.create_task(send(client, GOOD, metadata={"intent": "7"}))
    if kind == "hang":
        await knobs.wait_for(1)
        sending.cancel()
    with pytest.raises((APIConnectionError, asyncio.CancelledError)):
        await sending
    (batch,) = [batch async for batch in client.batches.list()]
    assert batch.metadata == {"intent": "7"}


async def test_a_cancelling_may_be_lost_or_take_effect_without_an_answer(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 1000
    batch = await send(client, GOOD)
    knobs.faults = [Fault(error="server_error", route="cancels"), Fault(kind="drop", route="cancels")]
    with pytest.raises(InternalServerError):
        await client.batches.cancel(batch.id)
    assert (await client.batches.retrieve(batch.id)).cancelling_at is None
    with pytest.raises(APIConnectionError):
        await client.batches.cancel(batch.id)
    assert (await client.batches.retrieve(batch.id)).status == "cancelling"


@pytest.mark.parametrize(
    ("fault", "error", "is_created"),
    [
        (Fault(error="server_error", route="batches"), InternalServerError, False),
        (Fault(error="rate_limit_exceeded", route="batches"), RateLimitError, False),
        (Fault(kind="html", route="batches"), InternalServerError, False),
        (Fault(error="server_error", route="polls"), InternalServerError, True),
        (Fault(error="server_error", route="contents"), InternalServerError, True),
    ],
)
async def test_each_route_can_be_made_to_fail(
    client: AsyncOpenAI, knobs: Knobs, fault: Fault, error: type[APIStatusError], is_created: bool
) -> None:
    knobs.batch_s = 0
    knobs.faults = [fault]

    async def whole() -> None:
        batch = await client.batches.retrieve((await send(client, GOOD)).id)
        assert batch.output_file_id is not None
        await client.files.content(batch.output_file_id)

    with pytest.raises(error):
        await whole()
    assert knobs.batches == int(is_created)
    await whole()


async def test_a_fault_of_pictures_spares_batches(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    knobs.faults = [Fault(error="server_error", times=None)]
    batch = await client.batches.retrieve((await send(client, GOOD)).id)
    assert await ids_in(client, batch.output_file_id) == ["good"]
    knobs.faults = [Fault(error="server_error", route="any", times=None)]
    with pytest.raises(InternalServerError):
        await client.batches.retrieve(batch.id)


async def test_the_clock_moves_over_http(http: httpx2.AsyncClient, client: AsyncOpenAI, knobs: Knobs) -> None:
    for body in ({"batch_s": -1}, {"advance_s": True}, {"batch_shuffled": 1}, {"uncompressed": "no"}):
        assert (await http.post("http://sandbox.test/_sandbox/knobs", json=body)).status_code == 400
    url = "http://sandbox.test/_sandbox/knobs"
    state = (await http.post(url, json={"batch_s": 3600, "batch_shuffled": False, "uncompressed": True})).json()
    assert (state["batch_s"], state["batch_shuffled"], state["uncompressed"]) == (3600, False, True)
    batch = await client.batches.create(
        input_file_id=(await client.files.create(file=("a.jsonl", jsonl(GOOD)), purpose="batch")).id,
        endpoint=GENERATIONS,
        completion_window="24h",
    )
    await http.post(url, json={"advance_s": 3600})
    assert (await client.batches.retrieve(batch.id)).status == "completed"
    state = (await http.get("http://sandbox.test/_sandbox/state")).json()
    assert (state["batches"], state["paid"], state["paid_at_half"]) == (1, 0, 1)
    assert state["paid_lines"] == dict(knobs.paid_lines) == {"good": 1}
