"""Batches to send, and what came back."""

import json
from collections.abc import AsyncGenerator
from typing import Any

from openai import AsyncOpenAI
from openai.types import Batch
from sandbox_pictures import SMALL

GENERATIONS, EDITS = "/v1/images/generations", "/v1/images/edits"


def line(custom_id: str = "a", url: str = GENERATIONS, **body: Any) -> dict[str, Any]:
    body = {"model": "gpt-image-2", "prompt": f"a fox, {custom_id}", "size": SMALL, "quality": "low", **body}
    return {"custom_id": custom_id, "method": "POST", "url": url, "body": body}


def jsonl(*lines: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(line).encode() + b"\n" for line in lines)


async def send(client: AsyncOpenAI, *lines: dict[str, Any] | bytes, **params: Any) -> Batch:
    """Upload lines, which may be raw bytes, and create their batch."""
    data = b"".join(line if isinstance(line, bytes) else jsonl(line) for line in lines)
    file = await client.files.create(file=("lines.jsonl", data), purpose="batch")
    wanted: dict[str, Any] = {"endpoint": GENERATIONS, "completion_window": "24h", **params}
    return await client.batches.create(input_file_id=file.id, **wanted)


async def lines_of(client: AsyncOpenAI, file_id: str | None) -> AsyncGenerator[dict[str, Any]]:
    """Read an output as it comes in; one that is not there has no lines."""
    if file_id is None:
        return
    async with client.files.with_streaming_response.content(file_id) as response:
        async for text in response.iter_lines():
            yield json.loads(text)


async def ids_in(client: AsyncOpenAI, file_id: str | None) -> list[str]:
    return [line["custom_id"] async for line in lines_of(client, file_id)]
