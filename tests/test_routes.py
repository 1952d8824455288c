"""The two routes of an edit: which refusals of `/images/edits` lead to the Responses API, and what happens there."""

import hashlib
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from inline_snapshot import external_file, snapshot
from patience import PATIENCE_S, look_again
from PIL import Image
from workbench import EDITS, RESPONSES, SMALL, Answer, Bench, Benches, Canned, encoded, folded

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

FORCED = {"OPENAI_FORCE_RESPONSES_EDITS": "1"}


@pytest.fixture
async def forced(benches: Benches) -> Bench:
    """A server whose edits all go through the Responses API."""
    bench = await benches.open(FORCED)
    bench.photo()
    return bench


async def edited(bench: Bench, **arguments: Any) -> Answer:
    if not (bench.working_dir / "photo.png").exists():
        bench.photo()
    return await bench.made("edit_image", **({"prompt": "bluer", "images": ["photo.png"], "size": SMALL} | arguments))


def tool_of(bench: Bench) -> dict[str, Any]:
    tools: Any = bench.seen(RESPONSES)[-1].params["tools"]
    (tool,) = tools
    return tool


def contents(bench: Bench, kind: str) -> list[dict[str, Any]]:
    """The parts of the last request's input that are of this kind."""
    messages: Any = bench.seen(RESPONSES)[-1].params["input"]
    return [part for message in messages for part in message["content"] if part["type"] == kind]


def noise(path: Path, size: int = 1200) -> Path:
    """A picture of over 4 MB, since nothing in it can be compressed."""
    data = hashlib.shake_256(path.name.encode()).digest(size * size * 3)
    Image.frombytes("RGB", (size, size), data).save(path, compress_level=1)
    return path


# Which way an edit goes.


async def test_an_edit_goes_directly_where_it_can(bench: Bench) -> None:
    await edited(bench)
    assert [seen.path for seen in bench.seen()] == [EDITS]


REFUSALS = {
    "the historical 400": Fault(error="edits_refused", route="edits", times=None),
    "405": Fault(status=405, message="Not allowed to POST on /v1/images/edits.", route="edits", times=None),
    "501": Fault(status=501, message="Not implemented.", route="edits", times=None),
    "404 without a code": Fault(error="no_such_route", route="edits", times=None),
    "404 of a web server": Fault("html", status=404, route="edits", times=None),
    "405 of a web server": Fault("html", status=405, route="edits", times=None),
}


@pytest.mark.parametrize("refusal", REFUSALS.values(), ids=REFUSALS)
async def test_a_refusal_of_the_route_leads_to_the_responses_api_and_is_remembered(
    bench: Bench, refusal: Fault
) -> None:
    bench.knobs.faults = [refusal]
    first = await edited(bench)
    second = await edited(bench)
    assert [seen.path for seen in bench.seen()] == [EDITS, RESPONSES, RESPONSES]
    assert bench.knobs.paid == 2
    assert "Edits go through the Responses API instead for the next minutes." in first.text
    assert "Edited through the Responses API, with gpt-4.1-mini as the host model." in second.text
    assert "for the next minutes" not in second.text


async def test_what_a_fall_back_says(bench: Bench) -> None:
    bench.knobs.faults = [REFUSALS["the historical 400"]]
    answer = await edited(bench)
    assert folded(bench.plain(answer.text)) == snapshot("""\
Edited: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes.
FOLDER/sandbox/edit-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
From: WORK/photo.png
Tokens: 642 in, 956 out; free, gpt-image-2 would have cost about $0.0341.
Note: OpenAI does not edit with 'gpt-image-2' on /images/edits (400); the backend says: "Invalid
value: 'gpt-image-2'. Value must be 'dall-e-2'" (request id req_ID; said by the sandbox, not by
OpenAI). Edits go through the Responses API instead for the next minutes.
Note: Edited through the Responses API, with gpt-4.1-mini as the host model.\
""")


async def test_another_process_finds_out_by_itself(benches: Benches) -> None:
    one = await benches.open()
    one.knobs.faults = [REFUSALS["405"]]
    await edited(one)
    other = await benches.open()
    await edited(other)
    assert [seen.path for seen in other.seen()] == [EDITS]


async def test_a_session_falls_back_as_well(bench: Bench) -> None:
    bench.photo()
    bench.knobs.faults = [REFUSALS["405"]]
    first = await bench.made("start_edit_session", prompt="bluer", images=["photo.png"], size=SMALL)
    await bench.made("continue_edit_session", session_id=first.session_id, prompt="greener", size=SMALL)
    assert [seen.path for seen in bench.seen()] == [EDITS, RESPONSES, RESPONSES]


WAIT_1_MS = {"retry-after-ms": "1"}
OTHER_REFUSALS = {
    "moderation": Fault(error="moderation_blocked", route="edits"),
    "a bad key": Fault(error="invalid_api_key", route="edits"),
    "an unverified organization": Fault(error="must_be_verified", route="edits"),
    "an unknown model": Fault(error="model_not_found", route="edits"),
    "a rate limit": Fault(error="rate_limit_exceeded", route="edits", times=3, headers=WAIT_1_MS),
    "no credit": Fault(error="insufficient_quota", route="edits"),
    "a billing limit": Fault(error="billing_hard_limit_reached", route="edits"),
    "a server's failure": Fault(error="server_error", route="edits", times=3, headers=WAIT_1_MS),
    "a bad gateway": Fault("html", status=502, route="edits"),
    "a lost connection": Fault("drop", route="edits"),
    "another value": Fault(status=400, code="invalid_value", param="size", message="Invalid size.", route="edits"),
    "another word on the model": Fault(
        status=400, code="invalid_value", param="model", message="Invalid value: 'x'.", route="edits"
    ),
    "a bad picture": Fault(status=400, code="invalid_image_file", param="image", message="Bad.", route="edits"),
}


@pytest.mark.parametrize("refusal", OTHER_REFUSALS.values(), ids=OTHER_REFUSALS)
async def test_any_other_refusal_is_that_refusal_and_no_reason_to_fall_back(bench: Bench, refusal: Fault) -> None:
    bench.photo()
    bench.knobs.faults = [refusal]
    await bench.refused("edit_image", prompt="bluer", images=["photo.png"], size=SMALL)
    assert {seen.path for seen in bench.seen()} == {EDITS}
    assert len(bench.seen()) == refusal.times
    await edited(bench)
    assert bench.last().path == EDITS


async def test_a_404_that_both_routes_give_decides_nothing(bench: Bench) -> None:
    """A gateway that knows no address for a moment has said nothing of its routes."""
    bench.photo()
    bench.knobs.faults = [Fault("html", status=404, route=route) for route in ("edits", "responses")]
    await bench.refused("edit_image", prompt="bluer", images=["photo.png"], size=SMALL)
    await edited(bench)
    assert [seen.path for seen in bench.seen()] == [EDITS, RESPONSES, EDITS]


async def test_a_generation_never_falls_back(bench: Bench) -> None:
    bench.knobs.faults = [Fault(error="no_such_route", route="generations")]
    await bench.refused("generate_image", prompt="a fox", size=SMALL)
    assert RESPONSES not in [seen.path for seen in bench.seen()]


async def test_forced_edits_never_try_the_direct_route(forced: Bench) -> None:
    answer = await edited(forced)
    assert [seen.path for seen in forced.seen()] == [RESPONSES]
    assert "Edited through the Responses API" in answer.text


# What is asked of the Responses API.


async def test_the_prompt_the_pictures_and_what_was_chosen_are_sent_and_nothing_else(forced: Bench) -> None:
    await edited(forced, quality="low", output_format="webp", output_compression=50, moderation="low", user="kim")
    request = forced.last().params
    assert (request["model"], request["tool_choice"], request["user"]) == (
        "gpt-4.1-mini",
        {"type": "image_generation"},
        "kim",
    )
    assert tool_of(forced) == {
        "type": "image_generation",
        "model": "gpt-image-2",
        "action": "edit",
        "size": SMALL,
        "quality": "low",
        "output_format": "webp",
        "output_compression": 50,
        "moderation": "low",
    }
    assert [part["text"] for part in contents(forced, "input_text")] == ["bluer"]
    (image,) = contents(forced, "input_image")
    assert image["image_url"].startswith("data:image/png;base64,")


async def test_what_was_left_at_its_default_is_not_sent(forced: Bench) -> None:
    await edited(forced, size="auto")
    assert tool_of(forced) == {"type": "image_generation", "model": "gpt-image-2", "action": "edit"}
    assert set(forced.last().params) == {"model", "input", "tools", "tool_choice"}


@pytest.mark.thorough
async def test_a_mask_goes_along(forced: Bench) -> None:
    forced.mask()
    answer = await edited(forced, mask="mask.png")
    assert tool_of(forced)["input_image_mask"]["image_url"].startswith("data:image/png;base64,")
    assert len(contents(forced, "input_image")) == 1
    with Image.open(forced.working_dir / "photo.png") as before, Image.open(answer.path) as after:
        assert after.convert("RGB").getpixel((600, 320)) == before.getpixel((600, 320))


async def test_several_pictures_are_as_many_calls_side_by_side(forced: Bench) -> None:
    forced.knobs.hold()
    answers: list[Answer] = []

    async def ask() -> None:
        answers.append(await edited(forced, n=3))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(PATIENCE_S):
            await forced.knobs.wait_for(3, what="running")
        forced.knobs.release()
    (answer,) = answers
    assert len(answer.paths) == 3
    assert answer.report["applied"]["n"] == 3
    assert sorted(path.stem.rpartition("-")[2] for path in answer.paths) == ["1", "2", "3"]


async def test_ten_pictures_do_not_ask_for_ten_at_once(forced: Bench) -> None:
    answer = await edited(forced, n=6)
    assert len(answer.paths) == 6
    assert 1 < forced.knobs.max_running <= 4


async def test_the_pictures_that_came_are_kept_where_one_did_not(forced: Bench) -> None:
    forced.knobs.faults = [Fault(error="moderation_blocked", route="responses")]
    answer = await edited(forced, n=3)
    assert len(answer.paths) == 2
    assert answer.report["applied"]["n"] == 2
    assert [forced.plain(warning) for warning in answer.report["warnings"]] == external_file(
        "texts/partial_failure.json"
    )
    for warning in answer.report["warnings"]:
        assert warning in answer.text


async def test_many_long_failures_beside_a_picture_stay_short(forced: Bench) -> None:
    forced.knobs.faults = [
        Fault(status=400, message=f"{number} " + "word " * 200, route="responses") for number in range(9)
    ]
    answer = await edited(forced, n=10)
    assert len(answer.text) < 8000
    assert str(answer.path) in answer.text


async def test_the_error_is_told_where_no_picture_came(forced: Bench) -> None:
    forced.knobs.faults = [Fault(error="moderation_blocked", route="responses", times=2)]
    text = await forced.refused("edit_image", prompt="bluer", images=["photo.png"], n=2)
    assert "moderation refused" in text


async def test_a_prompt_that_moderation_refuses_inside_the_tool_is_told_like_any_other(forced: Bench) -> None:
    """There the response itself succeeds, and holds a call that failed."""
    text = await forced.refused("edit_image", prompt="moderation-blocked", images=["photo.png"])
    assert folded(forced.plain(text)) == snapshot("""\
OpenAI's moderation refused this for violence. Asking again with the same words will not help:
change the prompt or the picture (request id req_ID; said by the sandbox, not by OpenAI).\
""")


@pytest.mark.parametrize(
    "fault",
    [Fault("empty_data"), Fault("bad_base64"), Fault("not_an_image"), Fault("html", status=200)],
    ids=lambda f: f.kind,
)
async def test_an_answer_without_a_usable_picture_is_told(forced: Bench, fault: Fault) -> None:
    forced.knobs.faults = [fault]
    text = await forced.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert "answered" in text
    assert all("unread-" in name for name in forced.files())


# Large inputs.


@pytest.mark.thorough
async def test_large_pictures_are_uploaded_once_for_all_calls_and_deleted(forced: Bench) -> None:
    noise(forced.working_dir / "large.png")
    forced.mask(size=(1200, 1200))
    answer = await edited(forced, images=["large.png"], mask="mask.png", n=2, size="1200x1200")
    assert len(answer.paths) == 2
    assert (forced.knobs.files_uploaded, forced.knobs.files_deleted) == (2, 2)
    uploads = [seen for seen in forced.seen("/v1/files") if seen.method == "POST"]
    for upload in uploads:
        assert upload.params["purpose"] == "vision"
        assert int(str(upload.params["expires_after[seconds]"])) >= 3600
    assert uploads[0].files[0].sha256 == hashlib.sha256((forced.working_dir / "large.png").read_bytes()).hexdigest()
    assert list(contents(forced, "input_image")[0]) == ["type", "detail", "file_id"]
    assert list(tool_of(forced)["input_image_mask"]) == ["file_id"]


async def test_small_pictures_are_not_uploaded(forced: Bench) -> None:
    await edited(forced)
    assert forced.knobs.files_uploaded == 0


UPLOAD_FAILURES = {
    "the edit is refused": Fault(error="moderation_blocked", route="responses"),
    "the edit's answer is lost": Fault("drop", route="responses"),
    "the edit's answer is broken": Fault("bad_base64", route="responses"),
}


@pytest.mark.parametrize("fault", UPLOAD_FAILURES.values(), ids=UPLOAD_FAILURES)
async def test_uploads_are_deleted_also_where_the_edit_fails(forced: Bench, fault: Fault) -> None:
    noise(forced.working_dir / "large.png")
    forced.knobs.faults = [fault]
    await forced.refused("edit_image", prompt="bluer", images=["large.png"])
    assert (forced.knobs.files_uploaded, forced.knobs.files_deleted) == (1, 1)


async def test_an_upload_that_fails_is_told_and_leaves_no_other_behind(forced: Bench) -> None:
    noise(forced.working_dir / "large.png")
    forced.mask(size=(1200, 1200))

    async def fail_the_second() -> None:
        with anyio.fail_after(PATIENCE_S):
            while not forced.knobs.files_uploaded:
                await look_again()
        forced.knobs.faults = [Fault(error="server_error", route="files", times=None)]

    text = ""
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(fail_the_second)
        text = await forced.refused("edit_image", prompt="bluer", images=["large.png"], mask="mask.png", keep="off")
    assert folded(forced.plain(text)) == snapshot("""\
An input picture could not be uploaded for the edit, so nothing was made: OpenAI failed on its side;
the backend says: "The server had an error while processing your request. Sorry about that! You can
retry your request, or contact us through our help center at help.openai.com if the error persists.
(Please include the request ID req_ID in your message.)". Nothing was billed; ask again in a minute
(https://status.openai.com) (request id req_ID; said by the sandbox, not by OpenAI).\
""")
    assert (forced.knobs.files_uploaded, forced.knobs.files_deleted) == (1, 1)
    assert forced.knobs.paid == 0


async def test_a_caller_who_gives_up_leaves_no_upload_behind(forced: Bench) -> None:
    noise(forced.working_dir / "large.png")
    forced.knobs.hold()
    with anyio.move_on_after(PATIENCE_S) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(
                forced.client.call_tool, "edit_image", {"prompt": "bluer", "images": ["large.png"], "size": SMALL}
            )
            with anyio.fail_after(PATIENCE_S):
                await forced.knobs.wait_for(1)
            scope.cancel()
    forced.knobs.release()
    with anyio.fail_after(PATIENCE_S):
        while not forced.knobs.files_deleted:
            await look_again()
    assert forced.knobs.left == 0


# The host model, and what it costs.


async def test_a_host_model_too_old_for_the_tool_is_told_with_the_variable_that_names_it(benches: Benches) -> None:
    bench = await benches.open(FORCED, OPENAI_RESPONSES_EDIT_MODEL="gpt-4")
    bench.photo()
    text = await bench.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert "OPENAI_RESPONSES_EDIT_MODEL" in text
    assert folded(bench.plain(text)) == snapshot("""\
OpenAI refused the request (parameter 'tools'); the backend says: "Hosted tool 'image_generation' is
not supported with gpt-4" (request id req_ID; said by the sandbox, not by OpenAI). The edit went
through the Responses API with the host model 'gpt-4': if that model is too old for the image tool,
set OPENAI_RESPONSES_EDIT_MODEL to a newer one, such as 'gpt-4.1-mini'.\
""")


async def test_a_host_model_that_is_not_there_is_told_with_the_variable_that_names_it(benches: Benches) -> None:
    bench = await benches.open(FORCED, OPENAI_RESPONSES_EDIT_MODEL="gpt-11")
    bench.photo()
    text = await bench.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert "OPENAI_RESPONSES_EDIT_MODEL" in text
    assert "gpt-11" in text
    assert "GPT_IMAGE_2_MODEL" not in text


NOT_THE_HOST = {
    "moderation": Fault(error="moderation_blocked", route="responses"),
    "billing": Fault(error="billing_hard_limit_reached", route="responses"),
    "a bad picture": Fault(status=400, code="invalid_image_file", message="Bad picture.", route="responses"),
}


@pytest.mark.parametrize(
    "fault",
    [pytest.param(fault, id=name) for name, fault in NOT_THE_HOST.items()],
)
async def test_a_refusal_that_says_its_reason_does_not_blame_the_host_model(forced: Bench, fault: Fault) -> None:
    forced.knobs.faults = [fault]
    text = await forced.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert "OPENAI_RESPONSES_EDIT_MODEL" not in text


async def test_the_cost_counts_the_picture_and_the_host_model(forced: Bench) -> None:
    """gpt-4.1-mini: $0.40 a million tokens in, $1.60 out (OpenAI's price page, 2026-11-22)."""
    answer = await edited(forced)
    usage = answer.report["usage"]
    details = usage["input_tokens_details"]
    image = 5 * details["text_tokens"] + 8 * details["image_tokens"] + 30 * usage["output_tokens"]
    # The sandbox's host model reads what the image model reads, and says 24 tokens.
    host = Decimal("0.4") * usage["input_tokens"] + Decimal("1.6") * 24
    assert answer.report["cost_usd_estimated"] == float((image + host) / 1_000_000)


async def test_the_cost_is_unknown_where_that_of_the_host_model_is(benches: Benches) -> None:
    bench = await benches.open(FORCED)
    bench.knobs.faults = [Fault("no_usage", route="responses")]
    answer = await edited(bench)
    assert answer.report["cost_usd_estimated"] is None
    assert answer.report["usage"] is None


async def test_a_response_that_breaks_off_gives_its_picture_and_not_the_host_models_usage(benches: Benches) -> None:
    """The usage that stands there counts the text model's tokens, at another price."""
    bluer = encoded(size=(64, 48))
    item = {"type": "image_generation_call", "result": b64encode(bluer).decode()}
    usage = {"input_tokens": 9, "output_tokens": 9, "total_tokens": 18}
    body = json.dumps({"usage": usage, "output": [item]}).encode()

    async def begun() -> AsyncIterator[bytes]:
        yield body[:-2]
        raise httpx2.ReadError("reset")

    backend = Canned(lambda _: httpx2.Response(200, content=begun()))
    bench = await benches.open(FORCED, wrap=backend.wrap)
    bench.photo()
    made = await bench.made("edit_image", prompt="bluer", images=["photo.png"])
    assert made.path.read_bytes() == bluer
    assert "broke off; 1 of 1 pictures arrived whole" in made.text
    assert "named no usage; cost unknown" in made.text
    assert len(backend.bodies) == 1


@pytest.mark.parametrize("status", [200, 500])
async def test_a_picture_that_was_sent_is_not_taken_for_one_that_was_made(benches: Benches, status: int) -> None:
    """Proxies repeat the request in their errors."""
    backend = Canned(lambda request: httpx2.Response(status, content=b"This failed: " + request.content))
    bench = await benches.open(FORCED, wrap=backend.wrap)
    bench.photo()
    text = await bench.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert "billed" in text
