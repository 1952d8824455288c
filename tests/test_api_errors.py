"""What a person is told when the API says no, and what is asked for again: nothing that may have been billed."""

import json
from base64 import b64encode
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from inline_snapshot import external_file, snapshot
from promises import promise
from workbench import GENERATIONS, KEY, SMALL, Bench, Benches, Canned, encoded, folded

from gpt_image_2_mcp.openai_api import retry
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

SOON = {"retry-after-ms": "1"}
"""The wait that a refusal names, so that no test has to wait."""


async def told(bench: Bench, *faults: Fault) -> str:
    """The text of a generation that meets these faults; it never repeats the key or shows our code."""
    bench.knobs.faults = list(faults)
    text = await bench.refused("generate_image", prompt="a red fox", size=SMALL)
    assert KEY not in text
    assert "Traceback" not in text
    assert ".py" not in text
    return bench.plain(text)


async def told_of_each(bench: Bench, faults: dict[str, Fault]) -> dict[str, str]:
    return {case: await told(bench, fault) for case, fault in faults.items()}


# The table of OpenAI's errors.


async def test_each_refusal_says_what_to_do(bench: Bench) -> None:
    refusals = {
        "a bad key": Fault(error="invalid_api_key"),
        "401 without a code": Fault(status=401, message="You must be a member of an organization to use the API."),
        "an unverified organization": Fault(error="must_be_verified"),
        "a key without the permission": Fault(status=403, message="You have insufficient permissions."),
        "an unknown model": Fault(error="model_not_found"),
        "an unknown address": Fault(error="no_such_route"),
        "moderation": Fault(error="moderation_blocked"),
        "a billing limit": Fault(error="billing_hard_limit_reached"),
        "billing that is off": Fault(error="billing_not_active"),
        "no credit": Fault(error="insufficient_quota"),
        "a parameter": Fault(status=400, code="invalid_value", param="size", message="Invalid size '1x1'."),
        "a proxy's own error": Fault(status=422, message="litellm.BadRequestError: no deployment."),
    }
    texts = await told_of_each(bench, refusals)
    assert texts == external_file("texts/refusals.json")
    assert all("req_ID" in text for text in texts.values())
    # Each was asked for once, and nothing was paid.
    assert len(bench.seen()) == len(refusals)
    assert bench.knobs.paid == 0


async def test_a_refusal_by_moderation_names_the_violation_whichever_way_it_is_told(bench: Bench) -> None:
    message = "Your request was rejected by the safety system. safety_violations=[sexual, self-harm]."
    text = await told(bench, Fault(status=400, code="moderation_blocked", message=message))
    assert "sexual, self-harm" in text
    text = await told(bench, Fault(status=400, code="moderation_blocked", message="Rejected."))
    assert "moderation refused this." in text


QUOTA = "litellm.RateLimitError: OpenAIException - You exceeded your current quota, please check your plan."
LIMIT = "litellm.BadRequestError: OpenAIException - Billing hard limit has been reached."
SAFETY = "Your request was rejected by the safety system. safety_violations=[violence]."
AZURE = {"violence": {"filtered": True}, "hate": {"filtered": False}}


@pytest.mark.parametrize(
    ("status", "error", "words"),
    [
        (429, {"message": QUOTA, "type": None, "code": "429"}, "refuses to bill this account (insufficient_quota)"),
        (429, {"message": "no", "type": "insufficient_quota", "code": "429"}, "refuses to bill this account"),
        (400, {"message": LIMIT, "code": "400"}, "refuses to bill this account (billing_hard_limit_reached)"),
        (400, {"message": "no", "type": "billing_limit_user_error", "code": "400"}, "add credit or raise"),
        (400, {"message": SAFETY, "type": "image_generation_user_error", "code": "400"}, "refused this for violence"),
        (400, {"message": "no", "code": "content_policy_violation"}, "moderation refused this"),
        (
            400,
            {"message": "no", "code": "content_filter", "innererror": {"content_filter_result": AZURE}},
            "moderation refused this for violence. Asking again",
        ),
        (404, {"message": "The model `x` does not exist or you do not have access to it.", "code": "404"}, "no model"),
    ],
    ids=lambda value: str(value)[:60] if not isinstance(value, int) else None,
)
async def test_a_refusal_is_known_by_its_type_or_words_where_a_proxy_drops_its_code(
    benches: Benches, status: int, error: dict[str, Any], words: str
) -> None:
    """LiteLLM puts the status in the code's place, and Azure has codes of its own."""
    backend = Canned(lambda _: httpx2.Response(status, json={"error": error}, headers=SOON))
    bench = await benches.open(wrap=backend.wrap)
    assert words in await told(bench)
    assert len(backend.bodies) == 1


async def test_a_proxy_without_a_deployment_is_not_taken_for_openais_limit(benches: Benches) -> None:
    error = {"message": "No deployments available for selected model, Try again in 5 seconds.", "code": "429"}
    backend = Canned(lambda _: httpx2.Response(429, json={"error": error}, headers=SOON))
    text = await told(await benches.open(wrap=backend.wrap))
    assert "The proxy at OPENAI_BASE_URL has nothing to send it to" in text
    assert len(backend.bodies) == 3


async def test_a_key_that_the_api_repeats_is_not_repeated(bench: Bench) -> None:
    """OpenAI stars the middle of a key out; a proxy may repeat the whole of it."""
    for message in (f"Incorrect API key provided: {KEY}.", f"No such key '{KEY}' in team x"):
        for status in (400, 401, 403, 429, 500):
            text = await told(bench, Fault(status=status, message=message, code="insufficient_quota"))
            assert KEY[3:] not in text


# What is asked for again.


REPEATED = {
    "a rate limit": Fault(error="rate_limit_exceeded", headers=SOON, times=None),
    "a failure of the server": Fault(error="server_error", headers=SOON, times=None),
    "an overloaded server": Fault(error="overloaded", headers=SOON, times=None),
    "a rate limit of a proxy": Fault("html", status=429, headers=SOON, times=None),
}


@pytest.mark.parametrize("fault", REPEATED.values(), ids=REPEATED)
async def test_what_cannot_have_been_billed_is_asked_for_three_times_at_most(bench: Bench, fault: Fault) -> None:
    await told(bench, fault)
    assert len(bench.seen(GENERATIONS)) == 3
    assert bench.knobs.paid == 0


@pytest.mark.parametrize("fault", REPEATED.values(), ids=REPEATED)
async def test_what_passes_at_the_next_try_is_no_error(bench: Bench, fault: Fault) -> None:
    bench.knobs.faults = [replace(fault, times=2)]
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert len(bench.seen(GENERATIONS)) == 3
    assert bench.knobs.paid == 1
    assert len(answer.paths) == 1


async def test_what_is_said_when_three_tries_did_not_help(bench: Bench) -> None:
    assert await told_of_each(bench, REPEATED) == external_file("texts/repeated.json")


async def test_a_wait_that_is_too_long_to_sit_out_is_told(bench: Bench) -> None:
    text = await told(bench, Fault(error="rate_limit_exceeded", headers={"retry-after": "900"}, times=None))
    assert folded(text) == snapshot("""\
OpenAI's rate limit was reached; the backend says: "Rate limit reached for gpt-image-2 in
organization org-sandbox on input-images per min: Limit 5, Used 5, Requested 1. Please try again in
240ms. Visit https://platform.openai.com/account/rate-limits to learn more". Wait 900 s and ask
again; limits for your tier: https://platform.openai.com/settings/organization/limits (request id
req_ID; said by the sandbox, not by OpenAI).\
""")
    assert len(bench.seen()) == 1


@pytest.mark.parametrize(
    ("message", "headers"),
    [
        ("Please try again in 2ms.", {}),
        ("Limit 5. Please try again in 0.002s. Visit us.", {}),
        ("no word", {"retry-after": "0.002"}),
        ("Please try again in 20s.", {"retry-after-ms": "2"}),
        ("Please try again in 20s.", {"retry-after": "0"}),
    ],
)
async def test_the_wait_that_a_rate_limit_names_is_the_wait(
    bench: Bench, message: str, headers: dict[str, str]
) -> None:
    """Without it the second try would wait for half a second and the third for one: longer than `PATIENCE` allows."""
    fault = Fault(error="rate_limit_exceeded", message=message, headers=headers, times=2)
    bench.knobs.faults = [fault]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(retry, "FIRST_WAIT_S", 3600.0)
        await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert len(bench.seen()) == 3


PERHAPS_BILLED = {
    "a lost connection": Fault("drop"),
    "half an answer": Fault("cut", after=2000),
    "an answer cut before its body": Fault("cut", after=0),
    "a bad gateway": Fault("html", status=502),
    "an unavailable gateway": Fault("html", status=503),
    "a gateway that waited too long": Fault("html", status=504),
    "a failure in other words": Fault(status=500, message="Something went wrong.", type="api_error"),
    "a bad gateway in JSON": Fault(status=502, message="upstream connect error", type="server_error"),
}


@promise("Money", "What may have been billed is never sent a second time by this program itself.")
async def test_what_may_have_been_billed_is_never_asked_for_again(bench: Bench) -> None:
    for number, fault in enumerate(PERHAPS_BILLED.values(), start=1):
        await told(bench, fault)
        assert len(bench.seen()) == number
        assert bench.knobs.paid <= number


async def test_what_may_have_been_billed_is_said_to_be_so(bench: Bench) -> None:
    texts = await told_of_each(bench, PERHAPS_BILLED)
    assert texts == external_file("texts/perhaps_billed.json")
    assert all("billed" in text for text in texts.values())


class Broken(httpx2.AsyncBaseTransport):
    """A network that fails the first `times` requests."""

    def __init__(self, inner: httpx2.AsyncBaseTransport, failure: Exception, times: int) -> None:
        self._inner = inner
        self._failure = failure
        self._times = times
        self.requests = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self.requests += 1
        if self.requests <= self._times:
            raise self._failure
        return await self._inner.handle_async_request(request)


def breaking(failure: Exception, times: int = 99) -> tuple[Callable[[httpx2.AsyncBaseTransport], Broken], list[Broken]]:
    made: list[Broken] = []

    def wrap(inner: httpx2.AsyncBaseTransport) -> Broken:
        made.append(Broken(inner, failure, times))
        return made[0]

    return wrap, made


@pytest.fixture
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A failed connection names no wait, and no test waits for seconds."""
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)


NEVER_SENT = [httpx2.ConnectError("[Errno 111] Connection refused"), httpx2.ConnectTimeout("")]


@pytest.mark.usefixtures("hurried")
@pytest.mark.parametrize("failure", NEVER_SENT, ids=lambda failure: type(failure).__name__)
async def test_a_connection_that_was_never_made_is_tried_again(benches: Benches, failure: Exception) -> None:
    wrap, networks = breaking(failure, times=2)
    bench = await benches.open(wrap=wrap)
    await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert networks[0].requests == 3
    assert bench.knobs.paid == 1


@pytest.mark.usefixtures("hurried")
async def test_a_network_that_is_down_is_told(benches: Benches) -> None:
    wrap, networks = breaking(NEVER_SENT[0])
    bench = await benches.open(wrap=wrap, OPENAI_BASE_URL="http://kim:hunter2@proxy.test:8080/v1")
    text = await told(bench)
    assert folded(text) == snapshot("""\
Could not connect to http://proxy.test:8080 (Connection refused); nothing was sent or billed. Check
the network and a proxy if there is one, and OPENAI_BASE_URL if it is set; then ask again.\
""")
    assert "hunter2" not in text
    assert networks[0].requests == 3


@pytest.mark.parametrize(
    "failure",
    [httpx2.ReadTimeout(""), httpx2.ReadError(""), httpx2.WriteTimeout(""), httpx2.RemoteProtocolError("gone")],
    ids=lambda failure: type(failure).__name__,
)
async def test_a_request_that_was_sent_is_never_sent_again(benches: Benches, failure: Exception) -> None:
    wrap, networks = breaking(failure)
    bench = await benches.open(wrap=wrap)
    text = await told(bench)
    assert "may have been made and billed" in text
    assert networks[0].requests == 1


async def test_a_timeout_says_so(benches: Benches) -> None:
    wrap, _ = breaking(httpx2.ReadTimeout(""))
    assert folded(await told(await benches.open(wrap=wrap))) == snapshot("""\
https://api.openai.com did not answer in time. The picture may have been made and billed without
reaching us, so it was not asked for again: look at https://platform.openai.com/usage, then decide
whether to ask once more.\
""")


@pytest.mark.parametrize("status", [400, 429, 500])
async def test_a_failure_whose_body_breaks_off_is_a_lost_answer(benches: Benches, status: int) -> None:
    async def begun() -> AsyncIterator[bytes]:
        yield b'{"error": {'
        raise httpx2.ReadError("reset")

    backend = Canned(lambda _: httpx2.Response(status, content=begun()))
    text = await told(await benches.open(wrap=backend.wrap))
    assert "dropped the connection before the answer was complete" in text
    assert len(backend.bodies) == 1


async def test_an_answer_that_cannot_be_unpacked_says_so(benches: Benches) -> None:
    wrap, networks = breaking(httpx2.DecodingError("Error -3 while decompressing data"))
    text = await told(await benches.open(wrap=wrap))
    assert text.startswith("https://api.openai.com sent an answer that cannot be read as HTTP. The picture may have")
    assert networks[0].requests == 1


# Another address.


@promise("Backend", "Prompts, pictures and the key go to the address that you named: no redirect is followed.")
@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("through", ["", "1"], ids=["images", "responses"])
async def test_a_redirect_takes_nothing_elsewhere(benches: Benches, status: int, through: str) -> None:
    """The prompt, the pictures and the key are for the backend that the person named."""
    backend = Canned(lambda _: httpx2.Response(status, headers={"location": "https://kim:pw@else.test/v1/x?key=1"}))
    bench = await benches.open(wrap=backend.wrap, OPENAI_FORCE_RESPONSES_EDITS=through)
    text = await bench.refused("edit_image", prompt="a red fox", size=SMALL, images=[str(bench.photo())])
    assert len(backend.bodies) == 1
    assert folded(text.replace(str(status), "3xx")) == snapshot("""\
The API's address redirects to 'https://else.test/v1/x?…' (status 3xx), where nothing was sent: a
redirect is not followed with a prompt, pictures and a key. Check OPENAI_BASE_URL; if the other
address is right, name it there, up to /v1.\
""")


async def test_a_redirect_to_nowhere_is_told_as_well(benches: Benches) -> None:
    for location in ("", "/v2/images", "http://[", "x" * 5000):
        headers = {"location": location} if location else {}
        backend = Canned(lambda _, headers=headers: httpx2.Response(307, headers=headers))
        text = await told(await benches.open(wrap=backend.wrap))
        assert len(backend.bodies) == 1
        assert "OPENAI_BASE_URL" in text
        assert len(text) < 700


# Answers that are none.


async def test_an_answer_without_a_usable_picture_says_what_came(bench: Bench) -> None:
    answers = {
        "a web page": Fault("html", status=200),
        "no picture": Fault("empty_data"),
        "broken base64": Fault("bad_base64"),
        "no image": Fault("not_an_image"),
    }
    texts = await told_of_each(bench, answers)
    assert texts == external_file("texts/answers.json")
    assert all("OPENAI_BASE_URL" in text for text in texts.values())
    assert len(bench.seen()) == len(answers)
    # What may have a picture in it is kept as it came; an empty list has none.
    assert ["unread-" in name for name in bench.files()] == [True] * (len(answers) - 1)


ODD_BODIES: dict[str, bytes] = {
    "nothing": b"",
    "a list": b"[]",
    "a word": b'"ok"',
    "an empty object": b"{}",
    "data that is null": b'{"data": null}',
    "data that is a text": b'{"data": "abc"}',
    "rows that are no objects": b'{"data": [null, 7, "x"]}',
    "a row that is empty": b'{"data": [{}]}',
    "an error in spite of its status": b'{"error": {"message": "no model loaded", "code": 17}}',
    "an error that is a text": b'{"error": "no model loaded"}',
    "half of it": b'{"data": [{"b64_json": "iVBOR',
    "no text at all": b"\xff\xfe\x00\x01",
}


@pytest.mark.parametrize("body", ODD_BODIES.values(), ids=ODD_BODIES)
async def test_an_answer_of_any_other_shape_is_told_in_a_sentence(benches: Benches, body: bytes) -> None:
    headers = {"content-type": "application/json", "x-request-id": "req_odd"}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, content=body, headers=headers)).wrap)
    text = await told(bench)
    assert text.endswith("(request id req_odd).")
    assert 40 < len(text) < 700


async def test_an_error_inside_a_success_is_that_error(benches: Benches) -> None:
    """LiteLLM and others answer 200 and put the error into the body."""
    body = {"error": {"message": "no model loaded", "code": 17}}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    assert "no model loaded" in await told(bench)


ODD_ERRORS: dict[str, Any] = {
    "an error that is a text": {"error": "not loaded"},
    "a detail": {"detail": "Not Found"},
    "a list": ["no"],
    "an error without words": {"error": {}},
    "an error whose words are null": {"error": {"message": None, "code": None}},
    "an error whose words are a list": {"error": {"message": ["a", "b"], "code": 7, "param": 3}},
}


@pytest.mark.parametrize("status", [400, 404, 429, 500])
@pytest.mark.parametrize("body", ODD_ERRORS.values(), ids=ODD_ERRORS)
async def test_an_error_of_any_other_shape_is_told_in_a_sentence(benches: Benches, body: Any, status: int) -> None:
    headers = {"x-request-id": "req_odd", "retry-after-ms": "1"}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(status, json=body, headers=headers)).wrap)
    text = await told(bench)
    assert "req_odd" in text
    assert "Error executing tool" not in text
    assert 40 < len(text) < 700


async def test_a_picture_given_as_a_data_url_is_saved_like_any_other(bench: Bench) -> None:
    bench.knobs.faults = [Fault("data_url")]
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    again = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert answer.path.read_bytes() == again.path.read_bytes()


async def test_a_data_url_in_the_place_of_base64_is_read_as_well(benches: Benches) -> None:
    url = f"data:image/png;base64,{b64encode(encoded()).decode()}"
    body = {"data": [{"b64_json": url}]}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    answer = await bench.made("generate_image", prompt="a red fox")
    assert answer.path.read_bytes() == encoded()


async def test_pictures_are_found_in_json_however_it_is_written(benches: Benches) -> None:
    """With white space, with escaped slashes, with a text that quotes an answer, and with other fields around them."""
    pictures = [encoded(size=(64, edge)) for edge in (64, 80, 96, 112)]
    plain, spaced, slashes, url = (b64encode(data).decode() for data in pictures)
    assert "/" in slashes
    prompt = json.dumps('say "b64_json":"AAAA" and \\"b64_json":"QUFB"')
    with_escapes = slashes.replace("/", "\\/")
    rows = [
        f'{{"revised_prompt": {prompt}, "b64_json":"{plain}"}}',
        f'{{"b64_json" : \t "{spaced}", "index": 1}}',
        f'{{"b64_json":"{with_escapes}"}}',
        f'{{"b64_json":"data:image/png;base64,{url}"}}',
        '{"b64_json":""}',
    ]
    body = f'{{"data": [{", ".join(rows)}], "quality": "high"}}'.encode()
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, content=body)).wrap)
    answer = await bench.made("generate_image", prompt="a red fox", n=5, quality="high")
    assert [path.read_bytes() for path in answer.paths] == pictures
    assert answer.report["applied"]["quality"] == "high"


async def test_a_picture_by_an_address_inside_the_network_is_not_fetched(benches: Benches) -> None:
    """A backend must not be able to make this computer ask its neighbours."""
    body = {"data": [{"url": "http://169.254.169.254/latest/meta-data/secret?token=abc"}]}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    text = await told(bench)
    assert "could not be fetched" in text


async def test_good_pictures_are_kept_where_others_of_the_same_answer_are_broken(benches: Benches) -> None:
    good = b64encode(encoded()).decode()
    body = {"data": [{"b64_json": "%%%"}, {"b64_json": good}, {"b64_json": b64encode(b"<html>").decode()}, {}]}
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json=body)).wrap)
    answer = await bench.made("generate_image", prompt="a red fox", n=4)
    assert len(answer.paths) == 1
    warnings = [bench.plain(warning) for warning in answer.report["warnings"]]
    assert warnings == external_file("texts/broken_beside_good.json")


async def test_the_request_id_of_a_success_is_in_the_report(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert answer.report["request_id"].startswith("req_")


@pytest.mark.parametrize("kind", ["empty_data", "bad_base64", "not_an_image"])
async def test_an_error_about_the_sandboxs_answer_says_that_it_was_the_sandbox(bench: Bench, kind: Any) -> None:
    assert "sandbox" in await told(bench, Fault(kind))


@pytest.mark.parametrize("url", ["data:image/png;base64," + "QUFB" * 5000, "http://10.0.0.1/" + "a" * 20_000])
async def test_an_address_that_leads_to_no_picture_is_not_repeated_whole(benches: Benches, url: str) -> None:
    bench = await benches.open(wrap=Canned(lambda _: httpx2.Response(200, json={"data": [{"url": url}]})).wrap)
    assert len(await bench.refused("generate_image", prompt="a red fox")) < 8000


async def test_an_answer_without_a_usable_picture_says_that_it_may_have_been_billed(bench: Bench) -> None:
    assert "billed" in await told(bench, Fault("not_an_image"))
