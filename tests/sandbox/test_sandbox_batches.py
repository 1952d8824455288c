"""`/v1/batches` through the real SDK, on a clock that the tests move."""

import asyncio
from typing import Any

import pytest
from openai import AsyncOpenAI, BadRequestError, ConflictError, NotFoundError
from openai.types import Batch
from sandbox_batches import EDITS, GENERATIONS, ids_in, line, lines_of, send
from sandbox_pictures import as_file, data_url, mask, opened, png, upload

from gpt_image_2_mcp.sandbox import Knobs

pytestmark = pytest.mark.anyio

DAY = 24 * 3600


def counts(batch: Batch) -> tuple[int, int, int]:
    """Its lines: in all, completed and failed."""
    found = batch.request_counts
    assert found is not None
    return found.total, found.completed, found.failed


async def test_a_batch_goes_from_validating_to_completed(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 1000
    batch = await send(client, *(line(f"fox-{number}") for number in range(4)), metadata={"job": "7"})
    assert (batch.status, batch.metadata, batch.output_file_id) == ("validating", {"job": "7"}, None)
    assert batch.expires_at == batch.created_at + DAY
    seen: list[tuple[str, int]] = []
    for _ in range(6):
        knobs.advance(199)
        batch = await client.batches.retrieve(batch.id)
        seen.append((batch.status, counts(batch)[1]))
    running = [("in_progress", done) for done in range(4)]
    assert seen == [*running, ("finalizing", 4), ("completed", 4)]
    assert (counts(batch), batch.error_file_id, batch.model) == ((4, 4, 0), None, "gpt-image-2")
    assert batch.completed_at == batch.created_at + 1000
    assert (knobs.paid, knobs.paid_at_half) == (0, 4)
    assert knobs.paid_lines == {f"fox-{number}": 1 for number in range(4)}


async def test_a_lines_answer_is_that_of_the_direct_call(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    direct = await client.images.generate(
        model="gpt-image-2", prompt="a fox", size="1024x640", quality="low", output_format="jpeg", n=2
    )
    batch = await send(client, line("a", prompt="a fox", output_format="jpeg", n=2))
    assert (batch.status, batch.completed_at) == ("validating", None)
    batch = await client.batches.retrieve(batch.id)
    (found,) = [line async for line in lines_of(client, batch.output_file_id)]
    assert (found["custom_id"], found["error"], found["response"]["status_code"]) == ("a", None, 200)
    body = found["response"]["body"]
    assert {**body, "created": 0} == {**direct.to_dict(), "created": 0}
    assert batch.usage is not None
    assert direct.usage is not None
    assert batch.usage.total_tokens == direct.usage.total_tokens
    assert knobs.paid_at_half == 2


async def test_lines_come_back_in_another_order_unless_told(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    sent = ["a", "b"]
    for is_shuffled in (True, False):
        knobs.batch_shuffled = is_shuffled
        batch = await send(client, *(line(name) for name in sent))
        batch = await client.batches.retrieve(batch.id)
        assert await ids_in(client, batch.output_file_id) == (sent[::-1] if is_shuffled else sent)


async def test_edits_take_their_pictures_by_file_and_by_url(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    photo = await client.files.create(file=upload(png((64, 64))), purpose="vision")
    hole = data_url(as_file(mask((64, 64), (0, 0, 32, 32))))
    batch = await send(
        client,
        line("masked", EDITS, images=[{"file_id": photo.id}], mask={"image_url": hole}),
        line("two", EDITS, images=[{"image_url": data_url(png((64, 64)))}, {"file_id": photo.id}]),
        line("none", EDITS),
        line("unknown", EDITS, images=[{"file_id": "file-none"}]),
        line("both", EDITS, images=[{"file_id": photo.id, "image_url": hole}]),
        line("broken", EDITS, images=[{"image_url": data_url(b"no picture")}]),
        endpoint=EDITS,
    )
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("completed", (6, 2, 4))
    made = {line["custom_id"]: line["response"]["body"] async for line in lines_of(client, batch.output_file_id)}
    assert sorted(made) == ["masked", "two"]
    assert opened(made["masked"]["data"][0]["b64_json"]).size == (1024, 640)
    two = made["two"]["usage"]["input_tokens_details"]["image_tokens"]
    assert two == 2 * made["masked"]["usage"]["input_tokens_details"]["image_tokens"]
    failed = [line async for line in lines_of(client, batch.error_file_id)]
    said = {line["custom_id"]: (line["response"]["status_code"], line["response"]["body"]["error"]) for line in failed}
    assert {name: (status, error["param"]) for name, (status, error) in said.items()} == {
        "none": (400, "images"),
        "unknown": (404, "images[0].file_id"),
        "both": (400, "images[0]"),
        "broken": (400, "image"),
    }
    assert knobs.paid_at_half == 2


@pytest.mark.parametrize("how", ["deleted", "expired"])
async def test_a_reference_must_be_there_when_its_line_runs(client: AsyncOpenAI, knobs: Knobs, how: str) -> None:
    knobs.batch_s = 10_000
    photo = await client.files.create(
        file=upload(png((64, 64))), purpose="vision", expires_after={"anchor": "created_at", "seconds": 5400}
    )
    names = ("a", "b")
    batch = await send(client, *(line(name, EDITS, images=[{"file_id": photo.id}]) for name in names), endpoint=EDITS)
    knobs.advance(5300)  # The first line has run at 5,000 s, the second one runs at 9,000 s.
    if how == "deleted":
        await client.files.delete(photo.id)
    knobs.advance(5000)
    await client.files.create(file=upload(b"x"), purpose="vision")  # It makes room, and drops what has expired.
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch)) == ("completed", (2, 1, 1))


async def test_a_batch_with_failures_alone_has_no_output(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    batch = await send(client, line("a", size="1x1"), line("b", stream=True))
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch), batch.output_file_id) == ("completed", (2, 0, 2), None)
    assert sorted(await ids_in(client, batch.error_file_id)) == ["a", "b"]
    assert (knobs.paid_at_half, dict(knobs.paid_lines)) == (0, {})


async def test_a_batch_expires_and_keeps_what_it_finished(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 2 * DAY
    batch = await send(client, *(line(str(number)) for number in range(4)))
    knobs.advance(DAY)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.expired_at) == ("expired", batch.expires_at)
    made, failed = await ids_in(client, batch.output_file_id), await ids_in(client, batch.error_file_id)
    assert sorted(made + failed) == ["0", "1", "2", "3"]
    assert counts(batch) == (4, len(made), len(failed)) == (4, 2, 2)
    (first, *_) = [line async for line in lines_of(client, batch.error_file_id)]
    assert (first["response"], first["error"]["code"]) == (None, "batch_expired")
    assert set(knobs.paid_lines) == set(made)


async def test_a_batch_may_expire_while_it_is_validated(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 20 * DAY
    batch = await send(client, line("a"))
    knobs.advance(3 * DAY)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.in_progress_at, counts(batch)) == ("expired", None, (1, 0, 1))
    assert await ids_in(client, batch.error_file_id) == ["a"]
    assert knobs.paid_at_half == 0


async def test_a_cancelled_batch_keeps_what_it_finished(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 1000
    batch = await send(client, *(line(str(number)) for number in range(4)))
    knobs.advance(600)
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    knobs.advance(90)
    assert (await client.batches.retrieve(batch.id)).status == "cancelling"
    knobs.advance(20)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, counts(batch), batch.error_file_id) == ("cancelled", (4, 2, 0), None)
    assert set(await ids_in(client, batch.output_file_id)) == set(knobs.paid_lines)
    with pytest.raises(ConflictError, match="Cannot cancel a batch with status 'cancelled'"):
        await client.batches.cancel(batch.id)


async def test_a_batch_that_is_cancelled_at_once_makes_nothing(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 1000
    batch = await send(client, line())
    assert (await client.batches.cancel(batch.id)).status == "cancelling"
    knobs.advance(2 * DAY)
    batch = await client.batches.retrieve(batch.id)
    assert (batch.status, batch.in_progress_at, batch.output_file_id, batch.error_file_id) == (
        "cancelled",
        None,
        None,
        None,
    )
    assert knobs.paid_at_half == 0


async def test_batches_are_listed_page_by_page_the_newest_first(client: AsyncOpenAI) -> None:
    assert (await client.batches.list()).data == []
    ids = [(await send(client, line())).id for _ in range(3)][::-1]
    page = await client.batches.list(limit=2)
    assert ([batch.id for batch in page.data], page.has_more) == (ids[:2], True)
    assert [batch.id async for batch in client.batches.list(limit=2)] == ids
    assert [batch.id for batch in (await client.batches.list(after=ids[0])).data] == ids[1:]
    for limit in (0, 101):
        with pytest.raises(BadRequestError):
            await client.batches.list(limit=limit)


async def test_an_unknown_batch_is_not_found(client: AsyncOpenAI) -> None:
    for look in (client.batches.retrieve, client.batches.cancel):
        with pytest.raises(NotFoundError, match="No batch found with id 'batch_none'"):
            await look("batch_none")


AFTER = {"anchor": "created_at", "seconds": 3600}
LIFETIME = "output_expires_after"


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"endpoint": "/v1/chat/completions"}, "invalid_value", "endpoint"),
        ({"endpoint": None}, "missing_required_parameter", "endpoint"),
        ({"completion_window": "1h"}, "invalid_value", "completion_window"),
        ({"metadata": {"job": 7}}, "invalid_type", "metadata.job"),
        ({"metadata": {"k" * 65: "x"}}, "string_above_max_length", "metadata"),
        ({"metadata": {"job": "x" * 513}}, "string_above_max_length", "metadata.job"),
        ({"metadata": {str(number): "x" for number in range(17)}}, "object_above_max_properties", "metadata"),
        ({"metadata": "x"}, "invalid_type", "metadata"),
        ({LIFETIME: {"seconds": 3600}}, "missing_required_parameter", f"{LIFETIME}.anchor"),
        ({LIFETIME: {**AFTER, "anchor": "now"}}, "invalid_value", f"{LIFETIME}.anchor"),
        (
            {LIFETIME: {"anchor": "created_at"}},
            "missing_required_parameter",
            f"{LIFETIME}.seconds",
        ),
        (
            {LIFETIME: {**AFTER, "seconds": 3599}},
            "integer_below_min_value",
            f"{LIFETIME}.seconds",
        ),
        ({LIFETIME: {**AFTER, "seconds": "1h"}}, "invalid_type", f"{LIFETIME}.seconds"),
        ({LIFETIME: 3600}, "invalid_type", LIFETIME),
        ({"extra_body": {"model": "gpt-image-2"}}, "unknown_parameter", "model"),
    ],
)
async def test_the_parameters_of_a_batch_are_checked(
    client: AsyncOpenAI, knobs: Knobs, params: dict[str, Any], code: str, param: str
) -> None:
    with pytest.raises(BadRequestError) as refused:
        await send(client, line(), **params)
    assert (refused.value.code, refused.value.param) == (code, param)
    assert knobs.batches == 0


async def test_a_batchs_input_has_to_be_a_file_for_batches(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError, match="No such File object"):
        await client.batches.create(input_file_id="file-none", endpoint=GENERATIONS, completion_window="24h")
    photo = await client.files.create(file=upload(png((64, 64))), purpose="vision")
    with pytest.raises(BadRequestError, match="purpose"):
        await client.batches.create(input_file_id=photo.id, endpoint=GENERATIONS, completion_window="24h")
    with pytest.raises(BadRequestError, match=r"Must be \.jsonl"):
        await client.files.create(file=upload(b"{}", "lines.json"), purpose="batch")


async def test_an_output_is_a_file_like_any_other(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    batch = await send(client, line("a"), line("b", size="1x1"), output_expires_after=AFTER)
    batch = await client.batches.retrieve(batch.id)
    assert batch.output_file_id is not None
    assert batch.error_file_id is not None
    content = (await client.files.content(batch.output_file_id)).content
    assert (await client.files.content(batch.output_file_id)).content == content
    file = await client.files.retrieve(batch.output_file_id)
    assert (file.bytes, file.purpose, file.expires_at) == (len(content), "batch_output", file.created_at + 3600)
    listed = [file.id for file in (await client.files.list(purpose="batch_output")).data]
    assert sorted(listed) == sorted([batch.output_file_id, batch.error_file_id])
    await client.files.delete(batch.error_file_id)
    with pytest.raises(NotFoundError):
        await client.files.content(batch.error_file_id)
    knobs.advance(3601)
    with pytest.raises(NotFoundError):
        await client.files.content(batch.output_file_id)


async def test_an_output_is_painted_as_it_is_read(client: AsyncOpenAI, knobs: Knobs) -> None:
    """However many pictures an output has, one line of it is in memory at a time."""
    knobs.batch_s, knobs.uncompressed = 0, True
    batch = await send(client, *(line(str(number)) for number in range(500)))
    batch = await client.batches.retrieve(batch.id)
    assert (counts(batch), knobs.paid_at_half, knobs.painted) == ((500, 500, 0), 500, 0)
    found = lines_of(client, batch.output_file_id)
    for number in range(1, 3):
        body = (await anext(found))["response"]["body"]
        assert len(body["data"][0]["b64_json"]) > 1024 * 640 * 3
        assert knobs.painted <= number + 2  # The next one may be on its way.
    await found.aclose()
    painted = knobs.painted
    await client.batches.retrieve(batch.id)
    assert knobs.painted <= painted + 1


async def test_a_line_runs_once_however_many_look(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 0
    photo = data_url(png((64, 64)))
    batch = await send(client, *(line(name, EDITS, images=[{"image_url": photo}]) for name in "abc"), endpoint=EDITS)
    found = await asyncio.gather(*(client.batches.retrieve(batch.id) for _ in range(5)))
    assert [counts(batch) for batch in found] == [(3, 3, 0)] * 5
    assert len({batch.output_file_id for batch in found}) == 1
    assert knobs.paid_lines == dict.fromkeys("abc", 1)
