"""`/v1/batches` through the real SDK, on a clock that the test moves."""

import pytest
from openai import AsyncOpenAI
from sandbox_batches import ids_in, line, lines_of, send
from sandbox_pictures import opened

from gpt_image_2_mcp.sandbox import Knobs

pytestmark = pytest.mark.anyio


async def test_a_batch_goes_from_validating_to_completed(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.batch_s = 1000
    batch = await send(client, *(line(f"fox-{number}") for number in range(4)), metadata={"job": "7"})
    assert (batch.status, batch.metadata, batch.output_file_id) == ("validating", {"job": "7"}, None)
    assert batch.expires_at == batch.created_at + 24 * 3600
    seen: list[tuple[str, int]] = []
    for _ in range(6):
        knobs.advance(199)
        batch = await client.batches.retrieve(batch.id)
        assert batch.request_counts is not None
        seen.append((batch.status, batch.request_counts.completed))
    assert seen == [
        ("in_progress", 0),
        ("in_progress", 1),
        ("in_progress", 2),
        ("in_progress", 3),
        ("finalizing", 4),
        ("completed", 4),
    ]
    assert batch.request_counts is not None
    assert batch.request_counts.total == 4
    assert batch.error_file_id is None
    ids = await ids_in(client, batch.output_file_id)
    assert sorted(ids) == ["fox-0", "fox-1", "fox-2", "fox-3"]
    assert ids != sorted(ids)
    (first, *_) = [line async for line in lines_of(client, batch.output_file_id)]
    assert first["response"]["status_code"] == 200
    assert first["error"] is None
    assert opened(first["response"]["body"]["data"][0]["b64_json"]).size == (1024, 640)
    assert (knobs.paid, knobs.paid_at_half, dict(knobs.paid_lines)) == (0, 4, dict.fromkeys(sorted(ids), 1))
