"""How long a call waits, what it is told meanwhile, and what becomes of work whose caller gave up."""

import math
import re
from itertools import pairwise

import anyio
import pytest
from anyio.abc import SocketAttribute
from mcp_types import ImageContent
from stdio_bench import boxed, calls, fetched, handed, job_of, pictures_in, reached, report_of, running, stands
from workbench import JOB, META, SMALL, Bench, Benches, said

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

SHORT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05"}
"""A wait that is over before any picture is made."""


# The bounded wait, then a handle.


async def test_a_call_that_waited_long_enough_answers_with_a_job_id_and_how_to_fetch_it(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    bench.knobs.hold()
    result = await bench.call("generate_image", prompt="a fox", size=SMALL)
    job_id = job_of(result)
    assert not result.is_error
    assert [block.type for block in result.content] == ["text"]
    assert result.structured_content is None
    assert re.fullmatch(r"job-[0-9a-f]+", job_id)
    for words in ("0.05 s", "goes on", "get_image_job", job_id, "do not repeat"):
        assert words in said(result)
    assert (result.meta or {})[JOB]["tool"] == "generate_image"


@pytest.mark.parametrize("inline", ["preview", "full", "none"])
async def test_a_fetch_gives_what_the_first_call_would_have_given_as_often_as_it_is_asked(
    benches: Benches, inline: str
) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_INLINE=inline)
    bench.knobs.hold()
    job_id = await handed(bench, "generate_image", prompt="a fox", size="1024x1024", n=2)
    waiting = await bench.call("get_image_job", job_id=job_id)
    assert job_of(waiting) == job_id
    bench.knobs.release()
    first, *others = [await fetched(bench, job_id) for _ in range(3)]
    assert len(report_of(first)["images"]) == 2
    assert [block.type for block in first.content].count("image") == (0 if inline == "none" else 3), "and their sheet"
    assert all(other == first for other in others)


async def test_an_answer_that_was_given_in_time_can_be_fetched_again_and_is_the_same(each_era: Bench) -> None:
    """What a client lost, cut or refused is not lost: the recent jobs are listed."""
    answered = await each_era.call("generate_image", prompt="a fox", size="1024x1024")
    listed = said(await each_era.call("get_image_job"))
    (job_id,) = re.findall(r"job-[0-9a-f]+", listed)
    assert await fetched(each_era, job_id) == answered


async def test_the_waiting_call_is_answered_with_the_picture_as_soon_as_it_is_there(bench: Bench) -> None:
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        call = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        bench.knobs.release()
        assert META in ((await call.answer()).meta or {})


async def test_0_waits_as_long_as_it_takes(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="0")
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        call = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        await call.told(lambda message: message.startswith("Rendering"))
        assert not call.done.is_set()
        bench.knobs.release()
        assert report_of(await call.answer())["images"]


async def test_an_error_is_fetched_like_a_picture(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    bench.knobs.faults = [Fault(error="moderation_blocked")]
    bench.knobs.hold()
    job_id = await handed(bench, "generate_image", prompt="a fox", size=SMALL)
    bench.knobs.release()
    results = [await fetched(bench, job_id) for _ in range(2)]
    assert [result.is_error for result in results] == [True, True]
    assert "moderation" in said(results[0])
    assert results[0] == results[1]
    assert f"{job_id}: failed" in said(await bench.call("get_image_job"))


async def test_the_time_that_inputs_take_counts(benches: Benches) -> None:
    """A client gives up by its own clock, whatever the time went to."""
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
        bench = await benches.open(SHORT, GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{port}")
        url = f"http://127.0.0.1:{port}/never.png"
        job_id = await handed(bench, "edit_image", prompt="a hat", images=[url])
        assert "Reading the request's pictures" in said(await bench.call("get_image_job", job_id=job_id))
        stopped = said(await bench.call("cancel_image_job", job_id=job_id))
        assert "nothing was billed" in stopped
    assert not bench.seen()


async def test_a_job_that_was_handed_out_while_it_reads_its_inputs_is_listed(benches: Benches) -> None:
    async with await anyio.create_tcp_listener(local_host="127.0.0.1") as listener:
        port: int = listener.extra(SocketAttribute.local_port)  # noqa: S610 - no Django
        bench = await benches.open(SHORT, GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{port}")
        job_id = await handed(bench, "edit_image", prompt="a hat", images=[f"http://127.0.0.1:{port}/never.png"])
        listed = said(await bench.call("get_image_job"))
        await bench.call("cancel_image_job", job_id=job_id)
        assert job_id in listed


async def test_the_bound_counts_from_the_call_and_not_from_the_first_message(sandbox_url: str) -> None:
    """A client may open with anything, and call an hour later."""
    async with boxed(sandbox_url) as box, running({**box.environ, "GPT_IMAGE_2_MAX_WAIT_S": "0.3"}) as program:
        await program.greet()
        # Answered by the server proper, which takes longer than the bound to load.
        await program.answer(await program.call("get_image_job"))
        await box.turn(hold=True)
        asked = anyio.current_time()
        result = await program.answer(await program.call("generate_image", prompt="a fox", size=SMALL))
        waited = anyio.current_time() - asked
        await box.release()
        assert JOB in result["_meta"]
        assert waited >= 0.3


# Progress.


@pytest.mark.thorough
async def test_progress_grows_stays_below_its_total_and_comes_every_few_seconds(benches: Benches) -> None:
    """Clients drop a call that is silent for 5 seconds or so, and refuse a value that does not grow."""
    bench = await benches.open()
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        call = ongoing.start("generate_image", prompt="a fox", size=SMALL, quality="low")
        # Seconds in the server's own event loop: where the machine is slow, they pass as slowly as the server works.
        seconds = 0
        while len(call.notes) < 3:
            assert seconds < 5
            with anyio.move_on_after(1) as second:
                await call.heard.wait()
            seconds += second.cancelled_caught
        bench.knobs.release()
        await call.answer()
    values = [value for value, _, _ in call.notes]
    assert all(earlier < later for earlier, later in pairwise(values))
    assert all(total == 100 and 0 < value < 100 for value, total, _ in call.notes)
    assert call.messages[0] == "Preparing the request"
    assert re.fullmatch(
        r"Rendering a picture of 1024x640 at low quality for \d+ s; such pictures usually take \d+ s", call.messages[-1]
    )


async def test_how_long_such_pictures_take_is_learned_from_earlier_ones(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    bench.knobs.hold()
    guessed = await stands(bench, await handed(bench, "generate_image", prompt="a fox", size=SMALL), "Rendering")
    bench.knobs.release()
    (job_id,) = set(re.findall(r"job-[0-9a-f]+", guessed))
    await fetched(bench, job_id)
    bench.knobs.hold()
    learned = await stands(bench, await handed(bench, "generate_image", prompt="a cat", size=SMALL), "Rendering")
    before, after = (int(re.findall(r"usually take (\d+) s", text)[0]) for text in (guessed, learned))
    assert after < before


async def test_a_wait_that_the_api_asks_for_is_told(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    bench.knobs.faults = [Fault(error="rate_limit_exceeded", headers={"retry-after": "100"})]
    held = await handed(bench, "generate_image", prompt="a fox", size=SMALL)
    assert re.search(r"Waiting \d+ s before it is sent", await stands(bench, held, "Waiting"))
    behind = await handed(bench, "generate_image", prompt="a cat", size=SMALL)
    assert "Waiting" in await stands(bench, behind, "before it is sent")
    for job_id in (held, behind):
        await bench.call("cancel_image_job", job_id=job_id)
    assert bench.knobs.paid == 0


async def test_waiting_again_is_told_of_progress_too(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="0.3")
    bench.knobs.hold()
    job_id = await handed(bench, "generate_image", prompt="a fox", size=SMALL)
    async with calls(bench) as ongoing:
        call = ongoing.start("get_image_job", job_id=job_id)
        await call.told(lambda message: message.startswith("Rendering"))


@pytest.mark.parametrize("version", ["2025-06-18"])
async def test_no_progress_is_sent_to_whoever_did_not_ask_for_it(version: str, sandbox_url: str) -> None:
    environ = {"GPT_IMAGE_2_MAX_WAIT_S": "0.7"}
    async with boxed(sandbox_url) as box, running({**box.environ, **environ}, version=version) as program:
        await box.turn(hold=True)
        await program.greet()
        silent = await program.call("generate_image", prompt="a fox", size=SMALL)
        told = await program.call("generate_image", token="mine", prompt="a cat", size=SMALL)
        assert JOB in (await program.answer(silent))["_meta"]
        assert JOB in (await program.answer(told))["_meta"]
        assert {note["progressToken"] for note in program.progress} == {"mine"}
        assert {message["id"] for message in program.messages if "id" in message} >= {silent, told}


async def test_a_call_in_the_queue_is_told_how_many_are_before_it(benches: Benches) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_MAX_CONCURRENCY="1")
    bench.knobs.hold()
    jobs = [await handed(bench, "generate_image", prompt="fox 0", size=SMALL)]
    await reached(bench, 1)
    for number, words in enumerate(["Next in the queue", "Queued behind 1 other request.", "behind 2 other requests"]):
        jobs.append(await handed(bench, "generate_image", prompt=f"fox {number + 1}", size=SMALL))
        await stands(bench, jobs[-1], words)
    bench.knobs.release()
    for job_id in jobs:
        assert report_of(await fetched(bench, job_id))["images"]


# Giving up.


async def test_a_cancelled_call_that_was_sent_goes_on_and_its_picture_is_saved(each_era: Bench) -> None:
    bench = each_era
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        call = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        await call.give_up()
        (job_id,) = re.findall(r"job-[0-9a-f]+", said(await bench.call("get_image_job")))
        assert f"{job_id}: rendering" in said(await bench.call("get_image_job"))
        bench.knobs.release()
        report = report_of(await fetched(bench, job_id))
    assert bench.knobs.left == 0
    assert bench.knobs.paid == 1
    assert pictures_in(bench) == [f"sandbox/{report['images'][0]['filename']}"]


async def test_a_cancelled_call_that_was_queued_is_stopped_and_never_sent(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        first = ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        second = ongoing.start("generate_image", prompt="a cat", size=SMALL)
        await second.told(lambda message: message == "Next in the queue")
        await second.give_up()
        bench.knobs.release()
        await first.answer()
        listed = said(await bench.call("get_image_job"))
    assert ": stopped," in listed
    assert [seen.params["prompt"] for seen in bench.seen()] == ["a fox"]
    assert bench.knobs.paid == 1


async def test_giving_up_a_fetch_does_not_stop_what_the_first_caller_still_waits_for(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        ongoing.start("generate_image", prompt="a fox", size=SMALL)
        await reached(bench, 1)
        queued = ongoing.start("generate_image", prompt="a cat", size=SMALL)
        await queued.told(lambda message: message == "Next in the queue")
        listed = said(await bench.call("get_image_job"))
        job_id = next(line.split(":")[0][2:] for line in listed.splitlines() if "a cat" in line)
        fetch = ongoing.start("get_image_job", job_id=job_id)
        await fetch.told(lambda message: message == "Next in the queue")
        await fetch.give_up()
        bench.knobs.release()
        assert report_of(await queued.answer())["images"]


async def test_a_bound_of_hours_is_kept_as_it_is(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S=str(math.pi * 3600))
    assert report_of(await bench.call("generate_image", prompt="a fox", size=SMALL))["images"]
    assert not [block for block in (await bench.call("get_image_job")).content if isinstance(block, ImageContent)]
