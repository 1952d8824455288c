"""Asked twice, paid once: clients and models repeat a call that timed out."""

import re
from typing import Any

import pytest
from patience import rounds
from promises import promise
from stdio_bench import (
    PROTOCOLS,
    Program,
    boxed,
    calls,
    fetched,
    handed,
    job_of,
    joined,
    listed,
    pictures_in,
    reached,
    report_of,
    running,
    stands,
)
from workbench import SMALL, Bench, Benches, said

from gpt_image_2_mcp.jobs import repeated
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

SHORT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.05"}
LONGER = {"GPT_IMAGE_2_MAX_WAIT_S": "1"}
"""For calls whose first answer must know whether they joined: within it their inputs are read."""
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}
AGAIN = re.compile(r"earlier identical call \(job-[0-9a-f]+\).*nothing was paid again")


async def given_up(bench: Bench, tool: str = "generate_image", **arguments: Any) -> str:
    """A job that was sent and is held there, and whose caller was handed its id."""
    bench.knobs.hold()
    before = bench.knobs.started
    job_id = await handed(bench, tool, **(arguments or FOX))
    await reached(bench, before + 1)
    return job_id


async def test_the_same_call_after_a_handle_gets_that_job_and_says_so(benches: Benches) -> None:
    bench = await benches.open(LONGER)
    job_id = await given_up(bench)
    again = await bench.call("generate_image", **FOX)
    assert job_of(again) == job_id
    assert "your earlier identical call" in said(again)
    assert "nothing is paid again" in said(again)
    bench.knobs.release()
    await fetched(bench, job_id)
    assert bench.knobs.paid == 1
    assert len(pictures_in(bench)) == 1


@promise(
    "Repetitions",
    "A call that is repeated after it was given up is not paid again, as [Slow "
    "pictures](docs/slow-pictures.md#when-a-call-is-repeated) says.",
)
async def test_the_same_call_after_a_cancelled_one_gets_its_picture_and_says_so(each_era: Bench) -> None:
    bench = each_era
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        first = ongoing.start("generate_image", **FOX)
        await reached(bench, 1)
        await first.give_up()
        second = ongoing.start("generate_image", **FOX)
        await second.told(lambda message: message.startswith("Rendering"))
        bench.knobs.release()
        answer = await second.answer()
    assert AGAIN.search(said(answer))
    assert bench.knobs.paid == bench.knobs.started == 1
    assert [block.type for block in answer.content][:2] == ["text", "image"]


async def test_two_joiners_of_one_job_get_the_same_picture_which_is_paid_once(benches: Benches) -> None:
    bench = await benches.open()
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        first = ongoing.start("generate_image", **FOX)
        await reached(bench, 1)
        await first.give_up()
        joiners = [ongoing.start("generate_image", **FOX) for _ in range(2)]
        for joiner in joiners:
            await joiner.told(lambda message: message.startswith("Rendering"))
        bench.knobs.release()
        answers = [await joiner.answer() for joiner in joiners]
    for answer in answers:
        assert AGAIN.search(said(answer))
        assert [block.type for block in answer.content][:2] == ["text", "image"]
    assert report_of(answers[0]) == report_of(answers[1])
    assert bench.knobs.paid == 1
    assert len(pictures_in(bench)) == 1


async def test_a_joined_answer_is_the_first_calls_but_for_the_word_that_it_is(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench)
    bench.knobs.release()
    await reached(bench, 1, what="paid")
    # Its own words say when it is done, and asking for them does not fetch it.
    await listed(bench, f"{job_id}: done")
    joined = await bench.call("generate_image", **FOX)
    assert AGAIN.search(said(joined))
    plain = await fetched(bench, job_id)
    assert joined.content[1:] == plain.content[1:]
    assert {**report_of(joined), "warnings": []} == report_of(plain)


async def test_a_second_identical_call_while_the_first_waits_is_a_second_picture(bench: Bench) -> None:
    """Whoever asks twice at once wants two."""
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        both = [ongoing.start("generate_image", **FOX) for _ in range(2)]
        await reached(bench, 2)
        bench.knobs.release()
        reports = [report_of(await call.answer()) for call in both]
    assert [report["warnings"] for report in reports] == [[], []]
    assert bench.knobs.paid == 2
    assert len(pictures_in(bench)) == 2


async def test_a_call_whose_client_timed_out_without_saying_so_is_joined_and_both_are_answered(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such a client repeats the call, and still has the first one open."""
    monkeypatch.setattr(repeated, "SILENT_TIMEOUT_S", 0.0)
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        first = ongoing.start("generate_image", **FOX)
        await reached(bench, 1)
        second = ongoing.start("generate_image", **FOX)
        await second.told(lambda message: message.startswith("Rendering"))
        bench.knobs.release()
        answers = [await first.answer(), await second.answer()]
    assert [bool(AGAIN.search(said(answer))) for answer in answers] == [False, True]
    assert report_of(answers[0])["images"] == report_of(answers[1])["images"]
    assert bench.knobs.paid == 1
    # Both have read it: the same call is a new picture.
    await bench.made("generate_image", **FOX)
    assert bench.knobs.paid == 2


async def test_a_call_that_was_joined_is_not_stopped_when_its_repetition_is_cancelled(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(repeated, "SILENT_TIMEOUT_S", 0.0)
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    async with calls(bench) as ongoing:
        bench.knobs.hold()
        ongoing.start("generate_image", prompt="a dog", size=SMALL)
        await reached(bench, 1)
        first = ongoing.start("generate_image", **FOX)
        await first.told(lambda message: message == "Next in the queue")
        second = ongoing.start("generate_image", **FOX)
        await second.told(lambda message: message == "Next in the queue")
        await second.give_up()
        bench.knobs.release()
        assert report_of(await first.answer())["images"]
    assert bench.knobs.paid == 2


async def cancelled(program: Program, number: int) -> None:
    """Cancel a call whose answer is on its way: the client has given it up before reading it."""
    await program.write({"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}})


@pytest.mark.parametrize("version", [PROTOCOLS[-2], PROTOCOLS[-1]])
async def test_an_answer_that_crossed_the_cancellation_is_given_again(sandbox_url: str, version: str) -> None:
    async with boxed(sandbox_url) as box, running(box.environ, version=version) as program:
        await program.greet()

        async def twice(tool: str, **arguments: Any) -> None:
            first = await program.call(tool, **arguments)
            made = await program.answer(first)
            await cancelled(program, first)
            again = await program.answer(await program.call(tool, **arguments))
            assert AGAIN.search(again["content"][0]["text"])
            assert again["content"][1:] == made["content"][1:]

        await twice("generate_image", **FOX)
        assert await box.count("paid") == 1
        # `last` is what it was to the call that was given up.
        await twice("edit_image", prompt="a blue fox", images=["last"], size=SMALL)
        assert await box.count("paid") == 2
        # Both were read at last, so the same call is a new picture.
        await program.answer(await program.call("generate_image", **FOX))
        assert await box.count("paid") == 3


async def test_a_job_that_was_fetched_is_not_joined_again(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench)
    bench.knobs.release()
    await fetched(bench, job_id)
    another = await given_up(bench)
    assert another != job_id
    bench.knobs.release()
    assert not AGAIN.search(said(await fetched(bench, another)))
    assert bench.knobs.paid == 2


async def test_a_call_that_was_answered_is_not_joined(bench: Bench) -> None:
    reports = [report_of(await bench.call("generate_image", **FOX)) for _ in range(2)]
    assert reports[0]["images"][0]["file_path"] != reports[1]["images"][0]["file_path"]
    assert bench.knobs.paid == 2


async def test_a_stopped_job_is_not_joined(benches: Benches) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_MAX_CONCURRENCY="1")
    running = await given_up(bench, prompt="a dog", size=SMALL)
    stopped = await handed(bench, "generate_image", **FOX)
    await stands(bench, stopped, "Next in the queue")
    await bench.call("cancel_image_job", job_id=stopped)
    assert (await fetched(bench, stopped)).is_error
    another = await handed(bench, "generate_image", **FOX)
    assert another != stopped
    bench.knobs.release()
    assert report_of(await fetched(bench, another))["images"]
    assert report_of(await fetched(bench, running))["images"]
    assert bench.knobs.paid == 2


async def test_a_queued_job_is_joined(benches: Benches) -> None:
    bench = await benches.open(SHORT, GPT_IMAGE_2_MAX_CONCURRENCY="1")
    await given_up(bench, prompt="a dog", size=SMALL)
    queued = await handed(bench, "generate_image", **FOX)
    await stands(bench, queued, "Next in the queue")
    assert await joined(bench, "generate_image", **FOX) == queued
    bench.knobs.release()
    await fetched(bench, queued)
    assert bench.knobs.paid == 2


@pytest.mark.parametrize(
    "other",
    [{"prompt": "a fox."}, {"quality": "low"}, {"n": 2}, {"output_dir": "elsewhere"}, {"user": "someone"}],
    ids=str,
)
async def test_another_argument_is_another_job(benches: Benches, other: dict[str, Any]) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench)
    assert await given_up(bench, **(FOX | other)) != job_id


async def test_a_default_that_is_written_out_is_the_same_call(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench)
    assert await joined(bench, "generate_image", prompt="a fox", size="1024X640", n=1, quality="auto") == job_id


@pytest.mark.parametrize(
    "prompt", [" a fox at a cafe\u0301", "a fox at a caf\u00e9\n", "a fox\r\n at  a\tcaf\u00e9"], ids=ascii
)
async def test_blanks_and_ways_to_write_a_letter_make_no_other_call(benches: Benches, prompt: str) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench, prompt=prompt, size=SMALL)
    assert await joined(bench, "generate_image", prompt="a fox at a caf\u00e9", size=SMALL) == job_id
    (sent,) = bench.seen()
    assert sent.params["prompt"] == prompt


async def test_the_same_bytes_behind_a_path_are_the_same_call_and_other_bytes_another(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    photo = bench.photo()
    first = await given_up(bench, "edit_image", prompt="a hat", images=[str(photo)])
    assert await joined(bench, "edit_image", prompt="a hat", images=[str(photo)]) == first
    bench.photo(size=(1024, 656))
    other = await given_up(bench, "edit_image", prompt="a hat", images=[str(photo)])
    assert other != first
    bench.knobs.release()
    for job_id in (first, other):
        await fetched(bench, job_id)
    assert bench.knobs.paid == 2
    first_sent, other_sent = (seen.files[0].sha256 for seen in bench.seen())
    assert first_sent != other_sent


async def test_the_same_words_for_another_tool_are_another_call(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    arguments = {"prompt": "a hat", "images": [str(bench.photo())]}
    edit = await given_up(bench, "edit_image", **arguments)
    assert await given_up(bench, "start_edit_session", **arguments) != edit


async def test_a_failure_that_nobody_heard_is_heard_by_whoever_asks_again_and_only_once(benches: Benches) -> None:
    """It may have been billed: the person is told of it before a second one is paid for."""
    bench = await benches.open(LONGER)
    bench.knobs.faults = [Fault("drop")]
    job_id = await given_up(bench)
    bench.knobs.release()
    await listed(bench, f"{job_id}: failed")
    heard = await bench.call("generate_image", **FOX)
    assert heard.is_error
    assert "billed" in said(heard)
    assert bench.knobs.started == 1
    await given_up(bench)
    assert bench.knobs.started == 2


async def test_a_failure_of_an_earlier_call_says_whose_it_is(benches: Benches) -> None:
    bench = await benches.open(LONGER)
    bench.knobs.faults = [Fault("drop")]
    job_id = await given_up(bench)
    bench.knobs.release()
    await listed(bench, f"{job_id}: failed")
    assert "earlier" in said(await bench.call("generate_image", **FOX))


async def test_a_repeated_turn_of_a_session_is_the_turn_that_was_asked_for(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="0.3")
    begun = await bench.made("start_edit_session", prompt="a hat", images=[str(bench.photo())], size=SMALL)
    turn = {"session_id": begun.session_id, "prompt": "a red hat", "size": SMALL}
    job_id = await given_up(bench, "continue_edit_session", **turn)
    assert await joined(bench, "continue_edit_session", **turn) == job_id
    bench.knobs.release()
    assert report_of(await fetched(bench, job_id))["turn"] == 2
    assert bench.knobs.paid == 2


@pytest.mark.slow
async def test_a_call_right_after_its_own_cancel_is_no_victim_of_it(benches: Benches) -> None:
    """A client that gives up in the queue and asks again at once means it."""
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="0.02", GPT_IMAGE_2_MAX_CONCURRENCY="1")
    await given_up(bench, prompt="a dog", size=SMALL)
    for _ in range(rounds(8, 40)):
        queued = await handed(bench, "generate_image", **FOX)
        await stands(bench, queued, "Next in the queue")
        await bench.call("cancel_image_job", job_id=queued)
        again = await handed(bench, "generate_image", **FOX)
        assert again != queued
        await stands(bench, again, "Next in the queue")
        await bench.call("cancel_image_job", job_id=again)


async def test_last_means_the_same_when_a_call_is_repeated(benches: Benches) -> None:
    """The picture that nobody fetched is not the last one yet: the repeated call would be another."""
    bench = await benches.open(SHORT)
    bench.knobs.hold()
    fox = await handed(bench, "generate_image", prompt="a fox", size=SMALL)
    bench.knobs.release()
    await fetched(bench, fox)
    bench.knobs.hold()
    edit = await handed(bench, "edit_image", prompt="bluer", images=["last"], size=SMALL)
    bench.knobs.release()
    await listed(bench, f"{edit}: done")
    await bench.made("edit_image", prompt="bluer", images=["last"], size=SMALL)
    assert bench.knobs.paid == 2
