"""Jobs: what goes on without its caller, what can be stopped, and how many requests are under way at once."""

import json
import re
from collections.abc import Iterator
from typing import Any

import anyio
import httpx2
import pytest
from patience import MOMENT_S, PATIENCE_S
from stdio_bench import Hands, calls, fetched, handed, job_of, listed, pictures_in, reached, report_of, stands
from workbench import EDITS, GENERATIONS, JOB, META, RESPONSES, SMALL, Bench, Benches, encoded, said, sent_sha256

from gpt_image_2_mcp.jobs import durations
from gpt_image_2_mcp.openai_api import client as api_client
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

SHORT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05"}
ONE = {**SHORT, "GPT_IMAGE_2_MAX_CONCURRENCY": "1"}


@pytest.fixture
def hands(benches: Benches) -> Iterator[Hands]:
    """Set up after `benches`, so let go before they wait for what is under way."""
    del benches
    hands = Hands()
    yield hands
    hands.let_go()


async def sent(bench: Bench, prompt: str = "a fox", **arguments: Any) -> str:
    """A job that was sent and is held."""
    bench.knobs.hold()
    before = bench.knobs.started
    job_id = await handed(bench, "generate_image", prompt=prompt, size=SMALL, **arguments)
    await reached(bench, before + 1)
    return job_id


async def queued(bench: Bench, prompt: str, words: str = "Next in the queue") -> str:
    job_id = await handed(bench, "generate_image", prompt=prompt, size=SMALL)
    await stands(bench, job_id, words)
    return job_id


# Finding them.


async def test_without_an_id_the_recent_jobs_are_listed_the_newest_first(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    assert "There are no jobs" in said(await bench.call("get_image_job"))
    done = await sent(bench, "a fox " * 100)
    bench.knobs.release()
    path = report_of(await fetched(bench, done))["images"][0]["file_path"]
    rendering = await sent(bench, "a cat")
    headline, first, second = said(await bench.call("get_image_job")).splitlines()
    assert headline == "2 recent jobs, running ones first, then newest first:"
    assert first.startswith(f'- {rendering}: rendering, generate_image "a cat", ')
    assert second.startswith(f'- {done}: done, generate_image "a fox a fox')
    assert second.endswith(path)
    assert len(second) < 400


async def test_a_job_under_way_is_listed_before_newer_ones_that_are_done(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    slow = await sent(bench, "a slow whale")
    newer = await sent(bench, "a fox")
    await bench.call("cancel_image_job", job_id=newer, abandon=True)
    lines = said(await bench.call("get_image_job")).splitlines()[1:]
    assert [line.split(":")[0].removeprefix("- ") for line in lines] == [slow, newer]
    bench.knobs.release()


@pytest.mark.parametrize("tool", ["get_image_job", "cancel_image_job"])
async def test_an_unknown_job_is_an_error_that_says_how_to_find_the_known_ones(bench: Bench, tool: str) -> None:
    text = await bench.refused(tool, job_id="job-000000000000")
    assert "'job-000000000000'" in text
    assert "get_image_job without a job_id" in text


@pytest.mark.thorough
async def test_the_list_of_many_jobs_stays_short(benches: Benches) -> None:
    bench = await benches.open()
    bench.knobs.faults = [Fault(error="moderation_blocked", times=None)]
    for number in range(60):
        await bench.call("generate_image", prompt=f"{number} " + "fox " * 100, size=SMALL)
    text = said(await bench.call("get_image_job"))
    assert len(text) < 8000
    assert re.search(r"… and \d+ older$", text)


# Stopping them.


async def test_a_queued_job_is_stopped_and_nothing_of_it_is_sent_or_paid(benches: Benches) -> None:
    bench = await benches.open(ONE)
    running = await sent(bench)
    waiting = await queued(bench, "a cat")
    text = said(await bench.call("cancel_image_job", job_id=waiting))
    assert f"{waiting} is stopped" in text
    assert "nothing was billed" in text
    stopped = await fetched(bench, waiting)
    assert stopped.is_error
    assert "stopped before anything was sent" in said(stopped)
    bench.knobs.release()
    await fetched(bench, running)
    assert [seen.params["prompt"] for seen in bench.seen()] == ["a fox"]
    assert bench.knobs.paid == 1
    assert f"{waiting}: stopped" in said(await bench.call("get_image_job"))


async def test_what_a_program_reads_of_a_stopped_job_is_that_it_is_stopped(benches: Benches) -> None:
    bench = await benches.open(ONE)
    await sent(bench)
    waiting = await queued(bench, "a cat")
    result = await bench.call("cancel_image_job", job_id=waiting)
    assert (result.meta or {})[JOB] == {"job_id": waiting, "state": "stopped"}


async def test_a_sent_job_finishes_and_is_saved_whoever_cancels_it_and_says_so(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await sent(bench)
    for _ in range(2):
        result = await bench.call("cancel_image_job", job_id=job_id)
        assert not result.is_error
        assert "was sent to the API already and is billed" in said(result)
        assert (result.meta or {})[JOB] == {"job_id": job_id, "state": "rendering"}
    bench.knobs.release()
    assert report_of(await fetched(bench, job_id))["images"]
    assert bench.knobs.left == 0
    assert len(pictures_in(bench)) == 1
    assert "is done already; get_image_job" in said(await bench.call("cancel_image_job", job_id=job_id))


async def test_an_abandoned_job_frees_its_callers_and_its_place_and_is_saved_when_it_comes(
    benches: Benches, hands: Hands
) -> None:
    bench = await benches.open(wrap=hands.wrap, GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        silent = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await hands.arrived(1)
        next_one = ongoing.start("generate_image", prompt="a cat", size=SMALL)
        await next_one.told(lambda message: message == "Next in the queue")
        (job_id,) = re.findall(r"(job-\w+): rendering", said(await bench.call("get_image_job")))
        # Without the word it goes on, and the answer tells what the word does.
        assert "With `abandon` true" in said(await bench.call("cancel_image_job", job_id=job_id))
        assert not silent.done.is_set()
        given = await bench.call("cancel_image_job", job_id=job_id, abandon=True)
        assert (given.meta or {})[JOB] == {"job_id": job_id, "state": "abandoned"}
        answer = await silent.answer()
        assert answer.is_error
        assert said(answer) == said(given)
        assert "is billed all the same" in said(answer)
        assert f"{job_id}: abandoned" in said(await bench.call("get_image_job"))
        # The same call again is another job, after the one that waited.
        again = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        for number, like in ((2, "JPEG"), (3, "WEBP")):
            (await hands.arrived(number)).give(answered(encoded(like)))
        assert not (await next_one.answer()).is_error
        assert not (await again.answer()).is_error
        # It comes after all.
        hands.replies[0].give(answered(encoded("PNG")))
        await listed(bench, f"{job_id}: done")
        (image,) = report_of(await fetched(bench, job_id))["images"]
        assert image["id"] in said(await bench.call("list_images"))
        assert (bench.folder / image["file_path"]).read_bytes() == encoded("PNG")


async def test_of_an_abandoned_job_no_further_request_is_sent(benches: Benches, hands: Hands) -> None:
    bench = await benches.open(
        SHORT, wrap=hands.wrap, OPENAI_FORCE_RESPONSES_EDITS="1", GPT_IMAGE_2_MAX_CONCURRENCY="1"
    )
    job_id = await handed(bench, "edit_image", prompt="a hat", images=[str(bench.photo())], n=3)
    await hands.arrived(1)
    await bench.call("cancel_image_job", job_id=job_id, abandon=True)
    hands.replies[0].give(hosted(encoded("WEBP")))
    await listed(bench, f"{job_id}: done")
    assert len(hands.replies) == 1
    assert len(report_of(await fetched(bench, job_id))["images"]) == 1


async def test_the_same_call_after_an_abandoned_one_is_another_job(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await sent(bench)
    await bench.call("cancel_image_job", job_id=job_id, abandon=True)
    assert await handed(bench, "generate_image", prompt="a fox", size=SMALL) != job_id


async def test_a_queued_job_that_is_abandoned_is_stopped(benches: Benches) -> None:
    bench = await benches.open(ONE)
    await sent(bench)
    waiting = await queued(bench, "a cat")
    assert "is stopped" in said(await bench.call("cancel_image_job", job_id=waiting, abandon=True))


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """A request that has no answer at once is taken for one that is never answered."""
    monkeypatch.setattr(durations, "SILENT_TIMES", 0.0)
    # Long enough for a busy machine to be refused before: a request whose slot was given up is not sent again.
    monkeypatch.setattr(durations, "MIN_SILENCE_S", 0.5)


@pytest.mark.usefixtures("impatient")
async def test_requests_that_are_never_answered_let_others_by_but_not_ever_more(benches: Benches, hands: Hands) -> None:
    bench = await benches.open(wrap=hands.wrap, GPT_IMAGE_2_MAX_CONCURRENCY="2")
    async with calls(bench) as ongoing:
        pending = [ongoing.start("generate_image", prompt=f"fox {number}", size=SMALL) for number in range(5)]
        await hands.arrived(4)
        with anyio.move_on_after(MOMENT_S):
            await hands.arrived(5)
        assert len(hands.replies) == 4
        # The first one is answered after all: its caller gets the picture, and another one may be silent.
        hands.replies[0].give(answered(encoded("WEBP")))
        (number,) = [re.sub(r"\D", "", hands.replies[0].body["prompt"])]
        assert report_of(await pending[int(number)].answer())["images"]
        hands.replies[1].give(answered(encoded("WEBP")))
        hands.replies[2].give(answered(encoded("WEBP")))
        (await hands.arrived(5)).give(answered(encoded("WEBP")))
        hands.replies[3].give(answered(encoded("WEBP")))
        for call in pending:
            assert report_of(await call.answer())["images"]


@pytest.mark.usefixtures("impatient")
async def test_a_request_that_is_never_answered_after_a_rate_limit_lets_others_by(
    benches: Benches, hands: Hands
) -> None:
    """After a rate limit requests go one at a time, which must not mean: never again."""
    bench = await benches.open(wrap=hands.wrap, GPT_IMAGE_2_MAX_CONCURRENCY="2")
    async with calls(bench) as ongoing:
        ongoing.start("generate_image", prompt="a fox", size=SMALL)
        (await hands.arrived(1)).rate_limited(s=0.001)
        await hands.arrived(2)
        other = ongoing.start("generate_image", prompt="a cat", size=SMALL)
        (await hands.arrived(3)).give(answered(encoded("WEBP")))
        assert report_of(await other.answer())["images"]


async def test_the_call_that_waits_for_a_stopped_job_is_told(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        call = ongoing.start("generate_image", prompt="a cat", size=SMALL)
        await call.told(lambda message: message == "Next in the queue")
        lines = said(await bench.call("get_image_job")).splitlines()
        (job_id,) = [line.split(":")[0][2:] for line in lines if "a cat" in line]
        await bench.call("cancel_image_job", job_id=job_id)
        answer = await call.answer()
    assert answer.is_error
    assert "nothing was billed" in said(answer)


async def test_a_failed_job_cannot_be_stopped(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    bench.knobs.faults = [Fault(error="moderation_blocked")]
    job_id = await sent(bench)
    bench.knobs.release()
    await fetched(bench, job_id)
    assert "has failed already" in said(await bench.call("cancel_image_job", job_id=job_id))


# Side by side.


@pytest.mark.parametrize("at_once", [1, 4, 5])
async def test_twelve_calls_at_once_are_all_answered_and_never_more_than_allowed_are_under_way(
    benches: Benches, at_once: int
) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY=str(at_once))
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        twelve = [ongoing.start("generate_image", prompt=f"fox {n}", size=SMALL) for n in range(12)]
        await reached(bench, at_once, what="running")
        bench.knobs.release()
        reports = [report_of(await call.answer()) for call in twelve]
    assert [report["prompt"] for report in reports] == [f"fox {n}" for n in range(12)]
    assert bench.knobs.max_running == at_once
    assert bench.knobs.paid == 12
    assert len(set(pictures_in(bench))) == 12


async def test_calls_that_come_at_once_are_sent_in_the_order_in_which_they_came(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        twelve = [ongoing.start("generate_image", prompt=f"fox {n}", size=SMALL) for n in range(12)]
        for call in twelve:
            await call.answer()
    assert [seen.params["prompt"] for seen in bench.seen()] == [f"fox {n}" for n in range(12)]


async def test_calls_are_sent_in_the_order_in_which_they_came(benches: Benches) -> None:
    bench = await benches.open(ONE)
    jobs = [await sent(bench, "fox 0"), await queued(bench, "fox 1")]
    jobs += [await queued(bench, f"fox {n}", f"behind {n - 1} other") for n in range(2, 6)]
    bench.knobs.release()
    for job_id in jobs:
        await fetched(bench, job_id)
    assert [seen.params["prompt"] for seen in bench.seen()] == [f"fox {n}" for n in range(6)]


async def test_a_stopped_job_leaves_its_place_in_the_queue_to_the_next(benches: Benches) -> None:
    bench = await benches.open(ONE)
    jobs = [await sent(bench, "fox 0"), await queued(bench, "fox 1"), await queued(bench, "fox 2", "behind 1 other")]
    await bench.call("cancel_image_job", job_id=jobs[1])
    await stands(bench, jobs[2], "Next in the queue")
    bench.knobs.release()
    assert report_of(await fetched(bench, jobs[2]))["images"]
    assert bench.knobs.paid == 2


async def test_a_rate_limit_holds_back_all_that_follow_and_none_of_them_fails(benches: Benches, hands: Hands) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_MAX_CONCURRENCY="2", wrap=hands.wrap)
    picture = encoded("WEBP")
    jobs = [await handed(bench, "generate_image", prompt="fox 0", size=SMALL)]
    limited = await hands.arrived(1)
    limited.rate_limited(s=2 * MOMENT_S)
    refused_at = anyio.current_time()
    await stands(bench, jobs[0], "before it is sent", unless=lambda: len(hands.replies) > 1)
    jobs += [await handed(bench, "generate_image", prompt=f"fox {n}", size=SMALL) for n in range(1, 4)]
    for place in range(2, 6):
        reply = await hands.arrived(place)
        assert reply.at - refused_at >= 1.9 * MOMENT_S
        reply.give(answered(picture))
    for job_id in jobs:
        assert report_of(await fetched(bench, job_id))["images"]


async def test_a_longer_rate_limit_holds_back_those_too_who_wait_for_a_shorter_one(
    benches: Benches, hands: Hands
) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_MAX_CONCURRENCY="3", wrap=hands.wrap)
    jobs = [await handed(bench, "generate_image", prompt=f"fox {number}", size=SMALL) for number in range(2)]
    await hands.arrived(2)
    hands.replies[0].rate_limited(s=4 * MOMENT_S)
    await stands(bench, jobs[0], "before it is sent")
    third = await handed(bench, "generate_image", prompt="fox 2", size=SMALL)
    await stands(bench, third, "before it is sent")
    assert len(hands.replies) == 2
    hands.replies[1].rate_limited(s=5 * MOMENT_S)
    refused_at = anyio.current_time()
    assert (await hands.arrived(3)).at - refused_at >= 4.9 * MOMENT_S


class Limited(httpx2.AsyncBaseTransport):
    """A backend that takes one request every 60 ms and tells the others how long to wait, as OpenAI's does."""

    def __init__(self, inner: httpx2.AsyncBaseTransport) -> None:
        self._inner = inner
        self._next = 0.0
        self.refused = 0

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        wait = self._next - anyio.current_time()
        if wait > 0:
            self.refused += 1
            await request.aread()
            headers = {"retry-after-ms": str(int(wait * 1000) + 1)}
            error = {"message": "Rate limit reached.", "type": "input-images", "code": "rate_limit_exceeded"}
            return httpx2.Response(429, json={"error": error}, headers=headers)
        self._next = anyio.current_time() + 0.06
        return await self._inner.handle_async_request(request)


async def test_twelve_calls_at_once_under_a_rate_limit_are_slow_and_none_fails(benches: Benches) -> None:
    """The smallest tier makes five pictures a minute; twelve calls are then twelve pictures in three minutes."""
    bench = await benches.open(wrap=Limited)
    async with calls(bench) as ongoing:
        twelve = [ongoing.start("generate_image", prompt=f"fox {n}", size=SMALL) for n in range(12)]
        answers = [await call.answer() for call in twelve]
    assert [said(answer) for answer in answers if answer.is_error] == []


@pytest.mark.thorough
async def test_after_a_rate_limit_requests_go_one_by_one_for_a_while(benches: Benches) -> None:
    """All at once they would meet it again."""
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="4")
    draft: dict[str, Any] = {"size": SMALL, "quality": "low"}
    bench.knobs.faults = [Fault(error="rate_limit_exceeded", headers={"retry-after-ms": "1"})]
    await bench.made("generate_image", prompt="fox", **draft)
    assert bench.knobs.started == 2
    bench.knobs.delay_s = 0.2
    async with calls(bench) as ongoing:
        four = [ongoing.start("generate_image", prompt=f"fox {n}", **draft) for n in range(4)]
        for call in four:
            assert report_of(await call.answer())["images"]
        assert bench.knobs.max_running == 1
        bench.knobs.delay_s = 0
        for n in range(4, 8):
            await bench.made("generate_image", prompt=f"fox {n}", **draft)
        bench.knobs.hold()
        for n in range(8, 12):
            ongoing.start("generate_image", prompt=f"fox {n}", **draft)
        await reached(bench, 4, what="running")
        bench.knobs.release()


async def test_a_rate_limited_call_that_waits_can_be_stopped(benches: Benches) -> None:
    """Nothing of it is billed while the API says no."""
    bench = await benches.open(SHORT)
    bench.knobs.faults = [Fault(error="rate_limit_exceeded", headers={"retry-after": "100"})]
    job_id = await handed(bench, "generate_image", prompt="a fox", size=SMALL)
    await reached(bench, 1)
    await stands(bench, job_id, "before it is sent")
    assert "is stopped" in said(await bench.call("cancel_image_job", job_id=job_id))
    assert bench.knobs.paid == 0


def answered(picture: bytes) -> httpx2.Response:
    import base64

    return httpx2.Response(200, json={"created": 0, "data": [{"b64_json": base64.b64encode(picture).decode()}]})


def hosted(picture: bytes) -> httpx2.Response:
    """An answer of the Responses route."""
    import base64

    call = {"type": "image_generation_call", "status": "completed", "result": base64.b64encode(picture).decode()}
    return httpx2.Response(200, json={"id": "resp_1", "object": "response", "output": [call]})


# Several pictures of one call.


async def test_of_several_pictures_on_the_responses_route_those_that_came_are_kept(benches: Benches) -> None:
    bench = await benches.open(OPENAI_FORCE_RESPONSES_EDITS="1")
    bench.knobs.faults = [Fault(error="moderation_blocked", route="responses"), Fault("drop", route="responses")]
    answer = await bench.made("edit_image", prompt="a hat", images=[str(bench.photo())], n=4)
    assert len(answer.paths) == len(answer.pictures) == 2
    assert all(path.is_file() for path in answer.paths)
    assert "2 of the 4 pictures" in answer.text
    assert "moderation" in answer.text
    assert "billed" in answer.text
    assert bench.knobs.started == 4


async def test_one_answer_that_makes_no_sense_does_not_lose_the_other_pictures(benches: Benches, hands: Hands) -> None:
    """They were paid for; other servers behind OPENAI_BASE_URL answer in their own ways."""
    bench = await benches.open(wrap=hands.wrap, OPENAI_FORCE_RESPONSES_EDITS="1", GPT_IMAGE_2_MAX_CONCURRENCY="2")
    async with calls(bench) as ongoing:
        call = ongoing.start("edit_image", prompt="a hat", images=[str(bench.photo())], n=3)
        await hands.arrived(2)
        hands.replies[0].give(httpx2.Response(200, json={"id": "resp_1", "output": [None]}))
        # The third one has its place, so that one is over.
        await hands.arrived(3)
        for reply in hands.replies[1:]:
            reply.give(hosted(encoded("WEBP")))
        answer = await call.answer()
    assert not answer.is_error, said(answer)
    assert len(pictures_in(bench)) == 2


async def test_a_picture_that_comes_after_the_time_limit_is_saved_all_the_same(
    benches: Benches, hands: Hands, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is paid for, whoever gave it up."""
    monkeypatch.setattr(api_client, "WHOLE_ANSWER_TIMEOUT_S", 0.3)
    bench = await benches.open(wrap=hands.wrap)
    assert "did not answer in time" in await bench.refused("generate_image", prompt="a fox", size=SMALL)
    assert pictures_in(bench) == []
    hands.replies[0].give(answered(encoded("WEBP")))
    with anyio.fail_after(PATIENCE_S):
        while not pictures_in(bench):
            await bench.call("get_image_job")
    (name,) = pictures_in(bench)
    assert (bench.folder / name).read_bytes() == encoded("WEBP")


async def test_uploads_count_among_the_requests_that_are_under_way(benches: Benches, hands: Hands) -> None:
    """At most so many requests to the API at once."""
    bench = await benches.open(
        wrap=hands.wrap,
        OPENAI_FORCE_RESPONSES_EDITS="1",
        GPT_IMAGE_2_MAX_CONCURRENCY="1",
    )
    photo = bench.photo("large.png", (1600, 1600), compress_level=0)
    assert photo.stat().st_size > 4_000_000
    async with calls(bench) as ongoing:
        for number in range(3):
            ongoing.start("edit_image", prompt=f"hat {number}", images=[str(photo)])
        await hands.arrived(1)
        with anyio.move_on_after(MOMENT_S):
            await hands.arrived(2)
        assert len(hands.replies) == 1


# Sessions.


async def test_a_turn_that_became_a_job_moves_its_session_on(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="1")
    begun = await bench.made("start_edit_session", prompt="a hat", images=[str(bench.photo())], size=SMALL)
    bench.knobs.hold()
    turn = {"session_id": begun.session_id, "size": SMALL}
    job_id = await handed(bench, "continue_edit_session", prompt="a red hat", **turn)
    await reached(bench, 2)
    bench.knobs.release()
    second = report_of(await fetched(bench, job_id))
    assert (second["session_id"], second["turn"]) == (begun.session_id, 2)
    third = await bench.made("continue_edit_session", prompt="a green hat", **turn)
    assert third.report["turn"] == 3
    made = [image for report in (begun.report, second) for image in report["images"]]
    paths = [path for image in made for path in bench.folder.rglob(f"{image['id']}.png")]
    assert [seen.files[0].sha256 for seen in bench.seen(EDITS)[1:]] == [sent_sha256(path) for path in paths]


async def test_a_turn_that_nobody_fetches_moves_its_session_on_too(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="1")
    bench.knobs.hold()
    begun = await handed(bench, "start_edit_session", prompt="a hat", images=[str(bench.photo())], size=SMALL)
    await reached(bench, 1)
    bench.knobs.release()
    await listed(bench, f"{begun}: done")
    (session_id,) = re.findall(r"session-[0-9a-f]{24}", said(await bench.call("list_edit_sessions")))
    turn = await bench.made("continue_edit_session", session_id=session_id, prompt="a red hat", size=SMALL)
    assert turn.report["turn"] == 2


async def test_a_fetch_of_a_job_id_with_spaces_around_it_finds_it(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await sent(bench)
    assert job_of(await bench.call("get_image_job", job_id=f" {job_id}\n")) == job_id


async def test_what_is_read_by_programs_is_json_and_names_the_routes(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await sent(bench)
    bench.knobs.release()
    result = await fetched(bench, job_id)
    assert json.loads(json.dumps((result.meta or {})[META]))["images"]
    assert {seen.path for seen in bench.seen()} == {GENERATIONS}
    assert not bench.seen(RESPONSES)
