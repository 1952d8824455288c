"""`/v1/files`, `/v1/models` and what a client can look up."""

import httpx2
import pytest
from openai import AsyncOpenAI, BadRequestError, NotFoundError
from sandbox_pictures import png, upload

from gpt_image_2_mcp.sandbox import Fault, Knobs
from gpt_image_2_mcp.sandbox import state as boxes

pytestmark = pytest.mark.anyio


async def test_a_file_lives_from_its_upload_to_its_deletion(client: AsyncOpenAI, knobs: Knobs) -> None:
    data = png((64, 64))
    file = await client.files.create(
        file=upload(data), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    assert file.expires_at == file.created_at + 3600
    assert (file.filename, file.bytes, file.purpose, file.status) == ("photo.png", len(data), "vision", "processed")
    assert await client.files.retrieve(file.id) == file
    assert (await client.files.content(file.id)).content == data
    assert [found.id async for found in client.files.list()] == [file.id]
    assert (await client.files.delete(file.id)).deleted
    for again in (client.files.retrieve, client.files.delete, client.files.content):
        with pytest.raises(NotFoundError, match="No such File object"):
            await again(file.id)
    assert (knobs.files_uploaded, knobs.files_deleted) == (1, 1)


async def test_a_file_is_gone_once_it_has_expired(client: AsyncOpenAI, knobs: Knobs) -> None:
    file = await client.files.create(
        file=upload(b"x"), purpose="vision", expires_after={"anchor": "created_at", "seconds": 3600}
    )
    knobs.advance(3601)
    with pytest.raises(NotFoundError):
        await client.files.retrieve(file.id)


@pytest.mark.parametrize(
    ("form", "code", "param"),
    [
        ({}, "missing_required_parameter", "purpose"),
        ({"purpose": "fun"}, "invalid_value", "purpose"),
        ({"purpose": "vision", "name": "x"}, "unknown_parameter", "name"),
        ({"purpose": "vision", "expires_after[seconds]": "9"}, "missing_required_parameter", "expires_after[anchor]"),
        ({"purpose": "vision", "expires_after[anchor]": "now"}, "invalid_value", "expires_after[anchor]"),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at"},
            "missing_required_parameter",
            "expires_after[seconds]",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "3599"},
            "integer_below_min_value",
            "expires_after[seconds]",
        ),
        (
            {"purpose": "vision", "expires_after[anchor]": "created_at", "expires_after[seconds]": "1h"},
            "invalid_type",
            "expires_after[seconds]",
        ),
    ],
)
async def test_an_upload_is_checked(http: httpx2.AsyncClient, form: dict[str, str], code: str, param: str) -> None:
    answer = await http.post("/files", data=form, files=[("file", upload(b"x"))])
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_an_upload_without_a_file_is_refused(http: httpx2.AsyncClient) -> None:
    parts = {"purpose": (None, "vision")}
    assert (await http.post("/files", files=parts)).json()["error"]["code"] == "missing_required_parameter"
    parts["file"] = (None, "text")
    assert (await http.post("/files", files=parts)).json()["error"]["code"] == "invalid_type"


async def test_files_are_listed_as_asked_for(client: AsyncOpenAI) -> None:
    ids = [(await client.files.create(file=upload(b"x"), purpose="vision")).id for _ in range(3)]
    other = await client.files.create(file=upload(b"x", "lines.jsonl"), purpose="batch")
    assert other.expires_at == other.created_at + 2_592_000
    assert [file.id for file in (await client.files.list(purpose="vision")).data] == ids[::-1]
    page = await client.files.list(purpose="vision", order="asc", limit=2)
    assert ([file.id for file in page.data], page.has_more) == (ids[:2], True)
    assert [file.id async for file in client.files.list(purpose="vision", order="asc", limit=2)] == ids
    assert (await client.files.list(after="file-none")).data == []
    with pytest.raises(BadRequestError):
        await client.files.list(limit=0)
    with pytest.raises(BadRequestError):
        await client.files.list(order="up")  # pyright: ignore[reportArgumentType]  # that is the point


async def test_files_are_bounded(client: AsyncOpenAI, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boxes, "MAX_FILES", 1)
    await client.files.create(file=upload(b"x"), purpose="vision")
    with pytest.raises(BadRequestError, match="keeps at most 1 files"):
        await client.files.create(file=upload(b"x"), purpose="vision")


async def test_an_upload_can_be_made_to_fail(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault(error="insufficient_quota", route="files")]
    with pytest.raises(Exception, match="exceeded your current quota"):
        await client.files.create(file=upload(b"x"), purpose="vision")


async def test_models_are_listed_with_the_day_they_go(client: AsyncOpenAI) -> None:
    rows = {model.id: model async for model in client.models.list()}
    assert rows["gpt-4.1-mini"].shutdown_date == "2027-01-14"
    assert rows["gpt-image-2"].shutdown_date is None
    assert "dall-e-2" not in rows
    assert (await client.models.retrieve("gpt-image-2.5-flare")).id == "gpt-image-2.5-flare"
    for name in ("dall-e-2", "gpt-image-9"):
        with pytest.raises(NotFoundError):
            await client.models.retrieve(name)
