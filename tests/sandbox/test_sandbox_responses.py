"""The Responses route: the image tool called by a host model."""

from typing import Any

import httpx2
import pytest
from openai import APIConnectionError, APIStatusError, AsyncOpenAI, BadRequestError, NotFoundError
from openai.types.responses.response_output_item import ImageGenerationCall
from PIL import ImageChops
from sandbox_pictures import SMALL, as_file, data_url, mask, opened, photo, upload

from gpt_image_2_mcp.sandbox import Fault, Knobs

pytestmark = pytest.mark.anyio

TOOL: dict[str, Any] = {"type": "image_generation", "model": "gpt-image-2", "size": SMALL}
ASK: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "input": "a fox",
    "tools": [TOOL],
    "tool_choice": {"type": "image_generation"},
}
NOTHING: dict[str, Any] = {}


async def ask(client: AsyncOpenAI, **params: Any) -> Any:
    create: Any = client.responses.create
    return await create(**{**ASK, **params})


def call_of(response: Any) -> ImageGenerationCall:
    (call,) = (item for item in response.output if isinstance(item, ImageGenerationCall))
    return call


def message(*parts: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(parts)}]


def text(words: str) -> dict[str, Any]:
    return {"type": "input_text", "text": words}


async def test_a_picture_comes_with_what_it_cost_beside_what_its_host_cost(client: AsyncOpenAI, knobs: Knobs) -> None:
    response = await ask(client, tools=[{**TOOL, "quality": "low"}])
    call = call_of(response)
    assert opened(call.result).size == (1024, 640)
    assert (call.status, call.action, call.size, call.quality) == ("completed", "generate", SMALL, "low")
    assert response.tool_usage.image_gen.input_tokens_details.model_dump() == {"image_tokens": 0, "text_tokens": 8}
    assert response.usage.total_tokens == response.usage.input_tokens + response.usage.output_tokens
    assert knobs.paid == 1


async def test_an_edit_takes_files_and_a_mask_and_keeps_the_rest(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.drift = "none"
    before, hole = photo(), (300, 200, 500, 400)
    picture = await client.files.create(file=upload(as_file(before)), purpose="vision")
    stencil = await client.files.create(file=upload(as_file(mask(before.size, hole))), purpose="vision")
    response = await ask(
        client,
        input=message(text("add a hat"), {"type": "input_image", "file_id": picture.id, "detail": "auto"}),
        tools=[{"type": "image_generation", "action": "edit", "input_image_mask": {"file_id": stencil.id}}],
    )
    call = call_of(response)
    assert (call.action, call.size) == ("edit", "1024x640")
    assert ImageChops.difference(before, opened(call.result)).getbbox() == hole
    assert response.tool_usage.image_gen.input_tokens_details.image_tokens == 640


@pytest.mark.parametrize(("action", "done"), [("auto", "edit"), ("edit", "edit"), ("generate", "generate")])
async def test_auto_edits_where_there_is_a_picture(client: AsyncOpenAI, action: str, done: str) -> None:
    parts = message(text("add a hat"), {"type": "input_image", "image_url": data_url(as_file(photo((64, 64))))})
    response = await ask(client, input=parts, tools=[{**TOOL, "action": action}])
    assert call_of(response).action == done


async def test_words_of_all_user_messages_make_the_prompt(client: AsyncOpenAI) -> None:
    response = await ask(
        client,
        input=[
            {"role": "developer", "content": "You paint."},
            {"role": "user", "content": "a fox"},
            {"type": "image_generation_call", "id": "ig_1", "status": "completed", "result": None},
            {"type": "message", "role": "user", "content": [text("in the snow")]},
        ],
    )
    assert call_of(response).revised_prompt == "a fox\nin the snow"


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"model": "gpt-3.5-turbo"}, None, "tools"),
        ({"model": "gpt-4-turbo-2024-04-09"}, None, "tools"),
        ({"model": 5}, "invalid_type", "model"),
        ({"input": None}, "missing_required_parameter", "input"),
        ({"input": 5}, "invalid_type", "input"),
        ({"input": ["x"]}, "invalid_type", "input[0]"),
        ({"input": [{"role": "king", "content": "x"}]}, "invalid_value", "input[0].role"),
        ({"input": [{"role": "user", "content": 5}]}, "invalid_type", "input[0].content"),
        ({"input": message({"type": "input_text"})}, "missing_required_parameter", "input[0].content[0].text"),
        ({"input": message({"type": "input_audio"})}, "invalid_value", "input[0].content[0].type"),
        ({"input": message({"type": "input_image"})}, "invalid_value", "input[0].content[0]"),
        ({"tools": "x"}, "invalid_type", "tools"),
        ({"tools": [5]}, "invalid_type", "tools[0]"),
        ({"tools": [NOTHING]}, "missing_required_parameter", "tools[0].type"),
        ({"tools": [{"type": "web_search"}]}, "invalid_value", "tools[0].type"),
        ({"tools": []}, None, "tool_choice"),
        ({"tools": [{**TOOL, "n": 2}]}, "unknown_parameter", "tools[0].n"),
        ({"tools": [{**TOOL, "quality": "best"}]}, "invalid_value", "tools[0].quality"),
        ({"tools": [{**TOOL, "action": "paint"}]}, "invalid_value", "tools[0].action"),
        ({"tools": [{**TOOL, "size": "10x10"}]}, "invalid_value", "tools"),
        ({"tools": [{**TOOL, "background": "transparent"}]}, "invalid_value", "tools"),
        ({"tools": [{**TOOL, "input_fidelity": "high"}]}, "invalid_input_fidelity_model", "tools"),
        ({"tools": [{**TOOL, "action": "edit"}]}, None, "tools"),
        (
            {"tools": [{**TOOL, "input_image_mask": {"image_url": data_url(as_file(photo((9, 9))))}}]},
            None,
            "tools",
        ),
        ({"previous_response_id": "resp_1"}, "previous_response_not_found", "previous_response_id"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"foo": 1}, "unknown_parameter", "foo"),
    ],
    ids=lambda value: str(value)[:50],
)
async def test_a_request_is_checked(
    http: httpx2.AsyncClient, params: dict[str, Any], code: str | None, param: str
) -> None:
    answer = await http.post("/responses", json={**ASK, **params})
    error = answer.json()["error"]
    assert (answer.status_code, error["code"], error["param"]) == (400, code, param)


async def test_models_that_do_not_exist_are_a_404(client: AsyncOpenAI) -> None:
    with pytest.raises(NotFoundError):
        await ask(client, model="gpt-99")
    with pytest.raises(NotFoundError):
        await ask(client, tools=[{**TOOL, "model": "gpt-image-1"}])


async def test_more_than_sixteen_pictures_are_refused(client: AsyncOpenAI) -> None:
    part = {"type": "input_image", "image_url": data_url(as_file(photo((9, 9))))}
    with pytest.raises(BadRequestError, match="At most 16"):
        await ask(client, input=message(text("x"), *[part] * 17))


async def test_a_moderated_prompt_fails_the_call_and_not_the_response(client: AsyncOpenAI, knobs: Knobs) -> None:
    response = await ask(client, input="a moderation-blocked scene")
    call = call_of(response)
    assert (response.status, call.status, call.result) == ("completed", "failed", None)
    assert call.error is not None
    assert call.error.code == "moderation_blocked"
    assert call.error.moderation_details is not None
    assert call.error.moderation_details.categories == ["violence"]
    assert response.tool_usage.image_gen.total_tokens == 0
    assert knobs.paid == 0


async def test_other_words_in_the_prompt_bring_their_errors_here_too(client: AsyncOpenAI) -> None:
    with pytest.raises(APIStatusError) as caught:
        await ask(client, input="sandbox-unverified fox")
    assert (caught.value.status_code, caught.value.code) == (403, None)
    assert "must be verified" in caught.value.message


async def test_a_stream_shows_the_picture_as_it_comes(client: AsyncOpenAI, knobs: Knobs) -> None:
    stream = await ask(client, stream=True, tools=[{**TOOL, "partial_images": 2}])
    events = [event async for event in stream]
    assert [event.type.removeprefix("response.") for event in events] == [
        "created",
        "in_progress",
        "output_item.added",
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.partial_image",
        "image_generation_call.partial_image",
        "image_generation_call.completed",
        "output_item.done",
        "completed",
    ]
    assert [event.sequence_number for event in events] == list(range(10))
    assert opened(events[5].partial_image_b64).size == (1024, 640)
    assert opened(call_of(events[-1].response).result).size == (1024, 640)
    assert events[-1].response.tool_usage.image_gen.output_tokens == 956 + 200
    assert knobs.paid == 1


@pytest.mark.parametrize("kind", ["empty_data", "bad_base64", "not_an_image", "url", "data_url"])
async def test_a_call_can_come_without_a_picture(client: AsyncOpenAI, knobs: Knobs, kind: Any) -> None:
    knobs.faults = [Fault(kind, route="responses")]
    result = call_of(await ask(client)).result
    assert {
        "empty_data": result is None,
        "url": str(result).startswith("http://sandbox.test/pictures/"),
        "data_url": str(result).startswith("data:image/png;base64,"),
        "bad_base64": str(result).startswith("%"),
        "not_an_image": str(result).startswith("PGh0bWw+"),
    }[kind]


@pytest.mark.parametrize(("kind", "last"), [("no_completed", "partial_image"), ("error_event", "error")])
async def test_a_stream_can_break(client: AsyncOpenAI, knobs: Knobs, kind: Any, last: str) -> None:
    knobs.faults = [Fault(kind, after=1)]
    stream = await ask(client, stream=True, tools=[{**TOOL, "partial_images": 2}])
    events = [event async for event in stream]
    assert events[-1].type.endswith(last)
    assert knobs.paid == 1


async def test_an_answer_can_come_cut_without_usage_or_not_at_all(client: AsyncOpenAI, knobs: Knobs) -> None:
    knobs.faults = [Fault("no_usage"), Fault("other_size", size=(1024, 1024)), Fault("html"), Fault("cut", after=9)]
    assert (await ask(client)).tool_usage is None
    assert opened(call_of(await ask(client)).result).size == (1024, 1024)
    with pytest.raises(APIStatusError):
        await ask(client)
    with pytest.raises(APIConnectionError):
        await ask(client)
    knobs.faults = [Fault("cut", after=9)]
    stream = await ask(client, stream=True)
    with pytest.raises(APIConnectionError):
        await anext(stream)


async def test_a_response_can_go_on_from_an_earlier_one_and_edits_its_picture(
    client: AsyncOpenAI, knobs: Knobs
) -> None:
    """OpenAI's documented way of editing in several turns."""
    knobs.drift = "none"
    first = await ask(client, store=True)
    stencil = data_url(as_file(mask((1024, 640), (300, 200, 500, 400))))
    second = await ask(
        client,
        input="a hat",
        previous_response_id=first.id,
        tools=[{**TOOL, "input_image_mask": {"image_url": stencil}}],
    )
    assert (second.previous_response_id, call_of(second).action) == (first.id, "edit")
    before, after = opened(call_of(first).result), opened(call_of(second).result)
    outside = (0, 0, 1024, 200)
    assert ImageChops.difference(before.crop(outside), after.crop(outside)).getbbox() is None
    assert (await client.responses.retrieve(first.id)).output == first.output
    await client.responses.delete(first.id)
    for refused in (client.responses.retrieve(first.id), ask(client, previous_response_id=first.id)):
        with pytest.raises(APIStatusError, match="not found"):
            await refused


async def test_a_streamed_response_can_be_gone_on_from_and_one_that_is_not_stored_cannot(client: AsyncOpenAI) -> None:
    streamed = [event async for event in await ask(client, stream=True)][-1].response
    assert call_of(await ask(client, previous_response_id=streamed.id)).action == "edit"
    unstored = await ask(client, store=False)
    with pytest.raises(BadRequestError, match="not found"):
        await ask(client, previous_response_id=unstored.id)
