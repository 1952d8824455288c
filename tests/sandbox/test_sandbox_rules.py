"""What is refused on generations, and in which words."""

import asyncio
from typing import Any

import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from openai import AsyncOpenAI, AuthenticationError, BadRequestError, NotFoundError

from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.sandbox.errors import ApiRefusal
from gpt_image_2_mcp.sandbox.rules import check_size

pytestmark = pytest.mark.anyio


async def refusal(http: httpx2.AsyncClient, **params: Any) -> tuple[int, str | None, str | None, str, str]:
    """Status, code, param, type and message of what a generation is refused with."""
    body = {"model": "gpt-image-2", "prompt": "a fox", **params}
    answer = await http.post("/images/generations", json={k: v for k, v in body.items() if v is not ...})
    error = answer.json()["error"]
    assert answer.headers["x-gpt-image-2-sandbox"] == "1"
    return answer.status_code, error["code"], error["param"], error["type"], error["message"]


@pytest.mark.parametrize(
    ("params", "code", "param"),
    [
        ({"prompt": ...}, "missing_required_parameter", "prompt"),
        ({"prompt": ""}, "empty_string", "prompt"),
        ({"prompt": "x" * 32_001}, "string_above_max_length", "prompt"),
        ({"prompt": 7}, "invalid_type", "prompt"),
        ({"model": ...}, "missing_required_parameter", "model"),
        ({"n": 0}, "integer_below_min_value", "n"),
        ({"n": 11}, "integer_above_max_value", "n"),
        ({"n": "2"}, "invalid_type", "n"),
        ({"n": 1.5}, "invalid_type", "n"),
        ({"n": True}, "invalid_type", "n"),
        ({"quality": "ultra"}, "invalid_value", "quality"),
        ({"quality": "xhigh"}, "invalid_value", "quality"),
        ({"quality": "hd"}, "invalid_value", "quality"),
        ({"background": "green"}, "invalid_value", "background"),
        ({"background": "transparent"}, "invalid_value", "background"),
        ({"output_format": "gif"}, "invalid_value", "output_format"),
        ({"output_format": "bmp"}, "invalid_value", "output_format"),
        ({"output_compression": 50}, "invalid_value", "output_compression"),
        ({"output_compression": 101, "output_format": "webp"}, "integer_above_max_value", "output_compression"),
        ({"moderation": "off"}, "invalid_value", "moderation"),
        ({"partial_images": 4, "stream": True}, "integer_above_max_value", "partial_images"),
        ({"stream": "yes"}, "invalid_type", "stream"),
        ({"stream": True, "n": 2}, "invalid_value", "stream"),
        ({"safety_identifier": "x" * 129}, "string_above_max_length", "safety_identifier"),
        ({"user": None}, "invalid_type", "user"),
        ({"complexity": "high"}, "invalid_value", "complexity"),
        ({"frame_count": 4}, "invalid_value", "frame_count"),
        ({"response_format": "url"}, "unknown_parameter", "response_format"),
        ({"style": "vivid"}, "unknown_parameter", "style"),
        ({"input_fidelity": "high"}, "invalid_input_fidelity_model", "input_fidelity"),
        ({"seed": 1}, "unknown_parameter", "seed"),
        ({"image": "x"}, "unknown_parameter", "image"),
    ],
    ids=lambda value: str(value)[:40],
)
async def test_each_broken_rule_is_a_400_that_names_its_parameter(
    http: httpx2.AsyncClient, knobs: Knobs, params: dict[str, Any], code: str, param: str
) -> None:
    answer = await refusal(http, **params)
    assert answer[:3] == (400, code, param)
    assert knobs.paid == 0


async def test_refusals_are_worded_as_openai_words_them(http: httpx2.AsyncClient) -> None:
    """Clients and people search for these sentences."""
    assert [
        await refusal(http, size="1792x936"),
        await refusal(http, background="transparent"),
        await refusal(http, quality="max"),
        await refusal(http, n=11),
        await refusal(http, foo=1),
        await refusal(http, n="two"),
        await refusal(http, input_fidelity="high"),
    ] == snapshot(
        [
            (
                400,
                "invalid_value",
                "size",
                "image_generation_user_error",
                "Invalid size '1792x936'. Width and height must both be divisible by 16.",
            ),
            (
                400,
                "invalid_value",
                "background",
                "image_generation_user_error",
                "Transparent background is not supported for this model.",
            ),
            (
                400,
                "invalid_value",
                "quality",
                "invalid_request_error",
                "Invalid value: 'max'. Supported values are: 'low', 'medium', 'high', and 'auto'.",
            ),
            (
                400,
                "integer_above_max_value",
                "n",
                "invalid_request_error",
                "Invalid 'n': integer above maximum value. Expected a value <= 10, but got 11 instead.",
            ),
            (400, "unknown_parameter", "foo", "invalid_request_error", "Unknown parameter: 'foo'."),
            (
                400,
                "invalid_type",
                "n",
                "invalid_request_error",
                "Invalid type for 'n': expected an integer, but got a string instead.",
            ),
            (
                400,
                "invalid_input_fidelity_model",
                "input_fidelity",
                "image_generation_user_error",
                "The model 'gpt-image-2' does not support the 'input_fidelity' parameter.",
            ),
        ]
    )


@pytest.mark.parametrize(
    "size",
    [
        "1000x1000",
        "0x0",
        "16x16",
        "640x1024 ",
        "1024",
        "1024x",
        "4000x2000",
        "3856x2160",
        "3840x1264",
        "1024x624",
        "3840x3840",
        "-1024x1024",
        "1024X1024",
        "\N{ARABIC-INDIC DIGIT ONE}024x1024",
        "large",
        "",
    ],
)
async def test_a_size_that_cannot_be_painted_is_the_models_refusal(http: httpx2.AsyncClient, size: str) -> None:
    status, code, param, kind, _ = await refusal(http, size=size)
    assert (status, code, param, kind) == (400, "invalid_value", "size", "image_generation_user_error")


@given(width=st.integers(1, 300), height=st.integers(1, 300), off=st.sampled_from([0, 0, 0, 1, 8]))
@settings(max_examples=300)
def test_a_size_is_taken_exactly_where_all_four_limits_allow_it(width: int, height: int, off: int) -> None:
    """The law of the facts, stated once more: steps of 16, 3:1, edge 3840, 655,360 to 8,294,400 pixels."""
    width, height = width * 16 + off, height * 16
    allowed = (
        off == 0
        and max(width, height) <= 3840
        and max(width, height) <= 3 * min(width, height)
        and 655_360 <= width * height <= 8_294_400
    )
    if allowed:
        assert check_size(f"{width}x{height}") == (width, height)
    else:
        with pytest.raises(ApiRefusal):
            check_size(f"{width}x{height}")


async def test_newer_models_have_what_gpt_image_2_lacks(client: AsyncOpenAI) -> None:
    answer = await client.images.generate(
        model="gpt-image-2.5-flare", prompt="a fox", background="transparent", quality="max", size="1024x640"
    )
    assert (answer.background, answer.quality) == ("transparent", "max")
    newest = await client.images.generate(
        model="gpt-image-2.6-sunburst", prompt="a fox", complexity="high", size="1024x640"
    )
    assert newest.quality == "medium"
    with pytest.raises(BadRequestError, match="Transparent background is not supported with output format 'jpeg'"):
        await client.images.generate(
            model="gpt-image-2.5-flare", prompt="a fox", background="transparent", output_format="jpeg"
        )


@pytest.mark.parametrize(("model", "word"), [("gpt-image-9", "does not exist"), ("dall-e-2", "has been deprecated")])
async def test_a_model_that_is_not_there_is_a_404(client: AsyncOpenAI, model: str, word: str) -> None:
    with pytest.raises(NotFoundError, match=word) as caught:
        await client.images.generate(model=model, prompt="a fox")
    assert caught.value.code == "model_not_found"


async def test_null_stands_for_the_default(http: httpx2.AsyncClient) -> None:
    names = ["n", "size", "quality", "background", "output_format", "output_compression", "moderation", "stream"]
    body = {"model": "gpt-image-2", "prompt": "a fox", **dict.fromkeys(names)}
    answer = await http.post("/images/generations", json=body)
    assert answer.status_code == 200
    assert answer.json()["size"] == "1024x1024"


async def test_a_key_is_needed_and_one_key_is_wrong(http: httpx2.AsyncClient, client: AsyncOpenAI) -> None:
    del http.headers["authorization"]
    answer = await http.get("/models")
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, None)
    with pytest.raises(AuthenticationError) as caught:
        await client.with_options(api_key="sk-invalid").models.list()
    assert caught.value.code == "invalid_api_key"
    assert str(caught.value) == snapshot(
        "Error code: 401 - Incorrect API key provided: sk-inv****alid. You can find your API key at https://platform.openai.com/account/api-keys."
    )


async def test_unknown_routes_methods_and_bodies_are_answered_in_openais_shape(http: httpx2.AsyncClient) -> None:
    answers = [
        await http.post("/foo", json={}),
        await http.get("/images/generations"),
        await http.put("/files/file-1"),
        await http.get("/models/"),
        await http.post("/images/generations", content=b"{", headers={"content-type": "application/json"}),
        await http.post("/images/generations", json=[1]),
        await http.post("/images/generations", data={"prompt": "a fox"}),
        await http.post("/files", json={}),
    ]
    seen = [
        (answer.status_code, answer.json()["error"]["code"], answer.json()["error"]["message"][:70])
        for answer in answers
    ]
    assert seen == snapshot(
        [
            (404, None, "Invalid URL (POST /v1/foo)"),
            (405, "method_not_supported", "Not allowed to GET on /v1/images/generations. (HINT: Perhaps you meant"),
            (405, "method_not_supported", "Not allowed to PUT on /v1/files/file-1. (HINT: Perhaps you meant to ma"),
            (404, None, "Invalid URL (GET /v1/models/)"),
            (400, None, "We could not parse the JSON body of your request. (HINT: This likely m"),
            (400, None, "Invalid body: expected a JSON object."),
            (400, "unsupported_content_type", "Unsupported content type: 'application/x-www-form-urlencoded'. This AP"),
            (400, "unsupported_content_type", "Unsupported content type: 'application/json'. This API method only acc"),
        ]
    )


@pytest.mark.parametrize(
    "value", ["[" * 100_000, "[" * 101 + "]" * 101, "NaN", '"\\ud8"'], ids=["open", "deep", "no number", "cut"]
)
async def test_what_is_no_json_or_too_deep_is_refused(http: httpx2.AsyncClient, value: str) -> None:
    body = f'{{"model": "gpt-image-2", "prompt": "a fox", "n": {value}}}'
    answer = await http.post("/images/generations", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400
    assert "could not parse the JSON body" in answer.json()["error"]["message"]


async def test_a_refusal_can_repeat_half_an_emoji(http: httpx2.AsyncClient) -> None:
    body = r'{"model": "gpt-image-2", "prompt": "a fox", "quality": "\ud83e"}'
    answer = await http.post("/images/generations", content=body, headers={"content-type": "application/json"})
    assert (answer.status_code, answer.json()["error"]["param"]) == (400, "quality")
    assert (await http.get("http://sandbox.test/_sandbox/requests")).status_code == 200


async def test_a_word_in_the_prompt_brings_the_error_that_it_names(client: AsyncOpenAI, knobs: Knobs) -> None:
    with pytest.raises(BadRequestError) as caught:
        await client.images.generate(model="gpt-image-2", prompt="a moderation-blocked scene")
    body = caught.value.body
    assert isinstance(body, dict)
    assert caught.value.code == "moderation_blocked"
    assert body["moderation_details"] == {"moderation_stage": "input", "categories": ["violence"]}
    assert "safety_violations=[violence]" in caught.value.message
    assert str(caught.value.request_id) in caught.value.message
    assert knobs.paid == 0


async def test_two_sandboxes_share_nothing() -> None:
    """Nothing is built at import."""
    one, two = Knobs(), Knobs()
    async with httpx2.AsyncClient(transport=SandboxTransport(build_sandbox(knobs=one))) as http:
        build_sandbox(knobs=two)
        await http.get("http://sandbox.test/v1/models", headers={"authorization": "Bearer x"})
    assert (len(one.requests), len(two.requests)) == (1, 0)
    assert len(asyncio.all_tasks()) <= 2
