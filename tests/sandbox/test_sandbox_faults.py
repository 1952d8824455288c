"""The knobs: what goes wrong on demand, and what is recorded."""

import base64
import hashlib
from typing import Any

import anyio
import httpx2
import pytest
from dirty_equals import IsPartialDict
from openai import APIConnectionError, APIError, APIStatusError, AsyncOpenAI
from patience import PATIENCE_S
from sandbox_pictures import SMALL, only, opened, png, upload

from gpt_image_2_mcp.sandbox import Fault, Knobs, SandboxTransport, build_sandbox, painter
from gpt_image_2_mcp.sandbox import http as http_module

pytestmark = pytest.mark.anyio

BODY = {"model": "gpt-image-2", "prompt": "a fox", "size": SMALL}


async def generate(client: AsyncOpenAI, **params: Any) -> Any:
    create: Any = client.images.generate
    return await create(**{**BODY, **params})


@pytest.mark.parametrize(
    ("error", "status", "code", "kind"),
    [
        ("invalid_api_key", 401, "invalid_api_key", "invalid_request_error"),
        ("must_be_verified", 403, None, "invalid_request_error"),
        ("model_not_found", 404, "model_not_found", "invalid_request_error"),
        ("moderation_blocked", 400, "moderation_blocked", "image_generation_user_error"),
        ("billing_hard_limit_reached", 400, "billing_hard_limit_reached", "billing_limit_user_error"),
        ("billing_not_active", 400, "billing_not_active", "billing_not_active"),
        ("rate_limit_exceeded", 429, "rate_limit_exceeded", "input-images"),
        ("insufficient_quota", 429, "insufficient_quota", "insufficient_quota"),
        ("server_error", 500, None, "server_error"),
        ("overloaded", 503, "server_error", "server_error"),
        ("no_such_route", 404, None, "invalid_request_error"),
    ],
)
async def test_named_errors_are_openais_and_cost_nothing(
    client: AsyncOpenAI, knobs: Knobs, error: Any, status: int, code: str | None, kind: str
) -> None:
    knobs.faults = [Fault(error=error)]
    with pytest.raises(APIStatusError) as caught:
        await generate(client)
    assert (caught.value.status_code, caught.value.code, caught.value.type) == (status, code, kind)
    assert caught.value.request_id
    assert knobs.paid == 0
    await generate(client)
    assert knobs.paid == 1


async def test_an_error_can_be_made_up_in_every_part(client: AsyncOpenAI, knobs: Knobs) -> None:
    headers = {"retry-after": "7", "retry-after-ms": "7000"}
    fault = Fault(status=418, message="short", code="teapot", type="kitchen", param="n", headers=headers, times=2)
    knobs.faults = [fault, Fault(error="rate_limit_exceeded", headers=headers)]
    for _ in range(2):
        with pytest.raises(APIStatusError) as caught:
            await generate(client)
        assert caught.value.body == {"message": "short", "code": "teapot", "type": "kitchen", "param": "n"}
    with pytest.raises(APIStatusError) as caught:
        await generate(client)
    assert caught.value.response.headers["retry-after-ms"] == "7000"
    assert knobs.faults == []


async def test_a_fault_waits_for_its_route(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault(error="server_error", route="edits"), Fault(error="server_error", route="any")]
    with pytest.raises(APIStatusError):
        await client.files.create(file=upload(b"x"), purpose="vision")
    await generate(client)
    assert [fault.route for fault in knobs.faults] == ["edits"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"kind": "fire"},
        {"error": "oops"},
        {"route": "moon"},
        {"times": 0},
        {"after": -1},
        {"kind": "cut", "route": "lines"},
        {"kind": "url", "route": "files"},
        {"kind": "batch_failed"},
    ],
)
def test_a_fault_that_could_never_come_up_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"no kind|no named|no route|times|cannot happen"):
        Fault(**wrong)


@pytest.mark.parametrize("status", [200, 502])
async def test_a_page_of_html_can_come_instead(client: AsyncOpenAI, knobs: Knobs, status: int) -> None:
    knobs.faults = [Fault("html", status=status)]
    if status == 200:
        assert isinstance(await generate(client), str)
    else:
        with pytest.raises(APIStatusError):
            await generate(client)
    assert knobs.paid == 0


@pytest.mark.parametrize("kind", ["cut", "drop"])
async def test_a_lost_answer_is_billed(client: AsyncOpenAI, knobs: Knobs, kind: Any) -> None:
    knobs.faults = [Fault(kind, after=100)]
    with pytest.raises(APIConnectionError):
        await generate(client, n=2)
    assert knobs.paid == 2


async def test_a_cut_answer_has_as_many_bytes_as_asked_for(http: httpx2.AsyncClient, knobs: Knobs) -> None:
    knobs.faults = [Fault("cut", after=100)]
    async with http.stream("POST", "/images/generations", json=BODY) as answer:
        chunks = answer.aiter_raw()
        read = await anext(chunks)
        with pytest.raises(httpx2.RemoteProtocolError):
            await anext(chunks)
    assert len(read) == 100


async def test_a_picture_can_come_by_address(http: httpx2.AsyncClient, client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("url"), Fault("data_url")]
    by_url, by_data = (await generate(client)).data[0], (await generate(client)).data[0]
    assert by_url.b64_json is by_data.b64_json is None
    fetched = await http.get(by_url.url, headers={"authorization": ""})
    assert fetched.headers["content-type"] == "image/png"
    assert base64.b64encode(fetched.content).decode() == by_data.url.removeprefix("data:image/png;base64,")
    assert (await http.get("http://sandbox.test/pictures/none")).status_code == 404


async def test_an_answer_can_lack_what_it_should_have(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("no_usage"), Fault("empty_data"), Fault("not_an_image"), Fault("bad_base64")]
    assert (await generate(client)).usage is None
    assert (await generate(client)).data == []
    assert base64.b64decode((await generate(client)).data[0].b64_json).startswith(b"<html>")
    with pytest.raises(ValueError, match="base64"):
        opened((await generate(client)).data[0].b64_json)
    assert knobs.paid == 4


async def test_a_picture_can_have_another_size_than_asked_for(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("other_size", size=(1536, 1024))]
    answer = await generate(client)
    assert (answer.size, only(answer).size) == ("1536x1024", (1536, 1024))


async def events_of(client: AsyncOpenAI) -> list[Any]:
    return [event async for event in await generate(client, stream=True, partial_images=3)]


async def test_a_stream_can_end_without_its_picture(client: AsyncOpenAI, knobs: Knobs) -> None:
    endings = [Fault("no_completed", after=2), Fault("no_completed", after=9), Fault("no_usage"), Fault("empty_data")]
    knobs.faults = endings
    assert [event.type for event in await events_of(client)] == ["image_generation.partial_image"] * 2
    assert len(await events_of(client)) == 3
    assert (await events_of(client))[-1].usage is None
    assert (await events_of(client))[-1].b64_json == ""
    assert knobs.paid == 4


async def test_a_stream_can_carry_an_error(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("error_event", after=1, error="moderation_blocked"), Fault("error_event")]
    with pytest.raises(APIError, match="safety system"):
        await events_of(client)
    with pytest.raises(APIError, match="had an error"):
        await events_of(client)


async def test_a_stream_can_stall_until_its_caller_gives_up(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("stall", after=1)]
    with anyio.fail_after(PATIENCE_S):
        stream = await generate(client, stream=True, partial_images=3)
        assert (await anext(stream)).type == "image_generation.partial_image"
        with anyio.move_on_after(0.05) as waited:
            await anext(stream)
        assert waited.cancelled_caught
        await stream.close()
        await knobs.wait_for(1, what="left")
    assert (knobs.paid, knobs.running) == (1, 0)


@pytest.mark.parametrize("fault", [Fault("hang"), Fault("stall")])
async def test_a_request_can_hang_until_its_caller_gives_up(client: AsyncOpenAI, knobs: Knobs, fault: Fault) -> None:
    knobs.faults = [fault]
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generate, client)
            await knobs.wait_for(1)
            tasks.cancel_scope.cancel()
        await knobs.wait_for(1, what="left")
    assert (knobs.paid, knobs.painted) == (1, 0)


async def test_held_requests_wait_for_their_release(client: AsyncOpenAI, knobs: Knobs) -> None:
    answers: list[Any] = []

    async def one() -> None:
        answers.append(await generate(client))

    knobs.hold()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(one)
            await knobs.wait_for(3)
            assert (knobs.running, knobs.paid, answers) == (3, 0, [])
            assert (await client.models.list()).data
            knobs.release()
    assert len(answers) == 3
    assert (knobs.max_running, knobs.running, knobs.paid) == (3, 0, 3)


async def test_a_caller_that_leaves_while_held_is_billed(client: AsyncOpenAI, knobs: Knobs) -> None:
    """An abandoned request is billed all the same."""
    knobs.hold()
    with anyio.fail_after(PATIENCE_S):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(generate, client)
            await knobs.wait_for(1)
            tasks.cancel_scope.cancel()
        await knobs.wait_for(1, what="left")
    assert (knobs.paid, knobs.painted, knobs.running) == (1, 0, 0)


async def test_an_answer_can_be_late(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.delay_s = 0.05
    started = anyio.current_time()
    await generate(client)
    assert anyio.current_time() - started >= 0.05


async def test_requests_are_recorded_without_their_key(client: AsyncOpenAI, knobs: Knobs) -> None:
    data = png((64, 64))
    await client.images.edit(model="gpt-image-2", prompt="a hat", size=SMALL, image=[upload(data)])
    await generate(client, n=1)
    edit, generation = knobs.requests
    assert (edit.method, edit.path, edit.has_key) == ("POST", "/v1/images/edits", True)
    assert edit.content_type.startswith("multipart/form-data; boundary=")
    assert edit.fields == ("prompt", "model", "size", "image[]")
    (file,) = edit.files
    assert (file.field, file.name, file.mime_type, file.size) == ("image[]", "photo.png", "image/png", len(data))
    assert file.sha256 == hashlib.sha256(data).hexdigest()
    assert generation.params == {**BODY, "n": 1}
    assert "sk-test" not in repr(knobs)


async def test_long_data_urls_are_recorded_cut_short(http: httpx2.AsyncClient, knobs: Knobs) -> None:
    """A thousand requests are kept, and each may bring megabytes."""
    prompt, url = "x" * 32_000, "data:image/png;base64," + "A" * 100_000
    await http.post("/images/edits", json={**BODY, "prompt": prompt, "images": [{"image_url": url}]})
    params = knobs.requests[0].params
    assert params["prompt"] == prompt
    assert params["images"] == [{"image_url": f"{url[:64]}… ({len(url)} characters)"}]


async def test_a_body_over_the_limit_is_refused(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_module, "MAX_BODY", 1000)
    assert (await http.post("/images/generations", json={**BODY, "prompt": "x" * 1000})).status_code == 413
    form = await http.post("/images/edits", data=BODY, files=[("image", upload(b"x" * 1000))])
    assert form.status_code == 413


async def test_knobs_turn_over_http_too() -> None:
    """What a sandbox in a process of its own is tested with."""
    transport = SandboxTransport(build_sandbox())
    async with httpx2.AsyncClient(transport=transport, base_url="http://sandbox.test") as http:
        faults = [{"kind": "error", "error": "server_error"}, {"kind": "other_size", "size": [1024, 1024]}]
        state = await http.post("/_sandbox/knobs", json={"faults": faults, "delay_s": 0, "hold": True})
        assert state.json() == IsPartialDict(faults=2, held=True, paid=0)
        assert (await http.post("/_sandbox/release")).json() == IsPartialDict(held=False)
        headers = {"authorization": "Bearer x"}
        failed = await http.post("/v1/images/generations", json=BODY, headers=headers)
        made = await http.post("/v1/images/generations", json=BODY, headers=headers)
        assert (failed.status_code, made.json()["size"]) == (500, "1024x1024")
        assert (await http.get("/_sandbox/state")).json() == IsPartialDict(faults=0, paid=1, requests=2)
        first = (await http.get("/_sandbox/requests")).json()[0]
        assert first == IsPartialDict(path="/v1/images/generations", params=BODY, has_key=True)
        assert "moderation-blocked" in (await http.get("/")).text


@pytest.mark.parametrize(
    "wish",
    [
        [],
        {"foo": 1},
        {"delay_s": "1"},
        {"delay_s": -1},
        {"faults": None},
        {"faults": [1]},
        {"faults": [{"kind": "fire"}]},
        {"faults": [{"foo": 1}]},
    ],
    ids=str,
)
async def test_a_wrong_turn_of_the_knobs_is_refused(http: httpx2.AsyncClient, knobs: Knobs, wish: Any) -> None:
    answer = await http.post("http://sandbox.test/_sandbox/knobs", json=wish)
    assert answer.status_code == 400
    assert knobs.state() == Knobs().state()


async def test_no_json_turns_no_knob(http: httpx2.AsyncClient) -> None:
    assert (
        await http.post(
            "http://sandbox.test/_sandbox/knobs", content=b"{", headers={"content-type": "application/json"}
        )
    ).status_code == 400


async def test_a_bug_of_the_sandbox_is_not_hidden(http: httpx2.AsyncClient, monkeypatch: pytest.MonkeyPatch) -> None:
    """It answers 500, with the sandbox's headers, and raises: a test must not take it for OpenAI's refusal."""

    def broken(*_: object, **__: object) -> None:
        raise LookupError("a bug")

    monkeypatch.setattr(painter, "paint", broken)
    # A prompt of its own: pictures that were painted before are kept.
    async with http.stream("POST", "/images/generations", json=BODY | {"prompt": "a bug"}) as answer:
        assert (answer.status_code, answer.headers["x-gpt-image-2-sandbox"]) == (500, "1")
        with pytest.raises(LookupError, match="a bug"):
            await answer.aread()


async def test_every_answer_carries_openais_headers(http: httpx2.AsyncClient, knobs: Knobs) -> None:
    knobs.faults = [Fault("html"), Fault(error="rate_limit_exceeded")]
    answers = [
        await http.post("/images/generations", json=BODY),
        await http.post("/images/generations", json=BODY),
        await http.post("/images/generations", json={**BODY, "stream": True}),
        await http.get("/nowhere"),
        await http.get("/models", headers={"authorization": ""}),
    ]
    assert [answer.status_code for answer in answers] == [502, 429, 200, 404, 401]
    for answer in answers:
        assert answer.headers["x-gpt-image-2-sandbox"] == "1"
        assert answer.headers["x-request-id"].startswith("req_")
        assert int(answer.headers["openai-processing-ms"]) >= 1
        assert {"openai-version", "x-ratelimit-limit-requests", "x-ratelimit-reset-tokens"} <= answer.headers.keys()
    assert len({answer.headers["x-request-id"] for answer in answers}) == 5
