"""Hostile answers on the other route: the Responses API, and the uploads of large input images for it."""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx2
import pytest
from PIL import Image
from promises import promise
from workbench import SMALL, Benches, Canned, said

from .answers import FORGED, small_picture
from .test_answers import STEERING

pytestmark = pytest.mark.anyio

CALL = {"type": "image_generation_call", "status": "completed"}
MADE: dict[str, Any] = {"output": [{**CALL, "result": small_picture()}]}

RESPONSES: dict[str, tuple[Any, bool]] = {
    "output a number": ({"output": 5}, False),
    "output null": ({"output": None}, False),
    "output of numbers": ({"output": [5]}, False),
    "output without types": ({"output": [{}]}, False),
    "a result that is a number": ({"output": [{**CALL, "result": 5}]}, False),
    "content a number": ({"output": [{"type": "message", "content": 5}]}, False),
    "words that are lists": ({"output": [{"type": "message", "content": [{"text": [FORGED]}]}]}, False),
    "forged words": ({"output": [{"type": "message", "content": [{"text": FORGED}]}]}, False),
    "an error that is a text": ({"output": [{**CALL, "error": FORGED}]}, False),
    "an error that is a list": ({"output": [{**CALL, "error": [[FORGED]]}]}, False),
    "a quality with lines": ({"output": [{**MADE["output"][0], "quality": FORGED * 1000}]}, True),
    "usage that cannot be": ({**MADE, "usage": {"input_tokens": 10**30, "output_tokens": -1}}, True),
    "cached tokens a text": (
        {**MADE, "usage": {"input_tokens": 5, "output_tokens": 5, "input_tokens_details": {"cached_tokens": "x"}}},
        True,
    ),
    "tool usage a list": ({**MADE, "tool_usage": [1]}, True),
    "forty pictures": ({"output": MADE["output"] * 40}, True),
    "no object": ([1], False),
}

UPLOADS: dict[str, bytes] = {
    "no JSON": b"<html>",
    "nothing": b"",
    "an empty object": b"{}",
    "a list": b"[]",
    "null": b"null",
    "an id that is a number": b'{"id": 5}',
    "an id that is an object": b'{"id": {"a": 1}}',
    "half a surrogate pair": b'{"id": "\\ud800"}',
    "a path": b'{"id": "../../x?y#z"}',
    "lines": b'{"id": "a\\r\\nx: y"}',
    "a long id": json.dumps({"id": "x" * 1_000_000}).encode(),
}


def large(path: Path) -> Path:
    """A picture that is uploaded: one of over 4 MB, which no compression helps."""
    Image.frombytes("RGB", (1300, 1300), os.urandom(1300 * 1300 * 3)).save(path)
    return path


async def edited(
    benches: Benches, answer: Callable[[httpx2.Request], httpx2.Response], *, is_uploaded: bool = False
) -> tuple[str, bool]:
    bench = await benches.open(OPENAI_FORCE_RESPONSES_EDITS="1", wrap=Canned(answer).wrap)
    photo = large(bench.working_dir / "large.png") if is_uploaded else bench.photo(size=(64, 64))
    result = await bench.final("edit_image", prompt="a hat", images=[str(photo)], size=SMALL)
    text = said(result)
    assert "error in this program" not in text
    assert not STEERING.search(text)
    assert not any(line.startswith("Generated 9") for line in text.splitlines())
    assert len(text) < 8_000
    return text, bool(result.is_error)


@pytest.mark.parametrize("name", RESPONSES)
async def test_a_hostile_response_is_told_in_bounds(benches: Benches, name: str) -> None:
    body, is_made = RESPONSES[name]
    text, is_error = await edited(benches, lambda _: httpx2.Response(200, json=body))
    assert is_error is not is_made, text


@promise("Backend", "No answer to an upload ends in an error of this program.")
@pytest.mark.parametrize("name", UPLOADS)
async def test_a_hostile_answer_to_an_upload_is_told_in_bounds(benches: Benches, name: str) -> None:
    """A picture may be made all the same: what the upload is called means nothing here."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith("/files"):
            return httpx2.Response(200, content=UPLOADS[name], headers={"content-type": "application/json"})
        return httpx2.Response(200, json=MADE)

    await edited(benches, answer, is_uploaded=True)
