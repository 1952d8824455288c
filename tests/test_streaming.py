"""Streams: partial pictures on the way to a finished one, and the ways in which a stream can break."""

import base64
import json
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from PIL import Image
from stdio_bench import calls, fetched, handed, pictures_in, report_of, stands
from workbench import GENERATIONS, SMALL, Benches, Canned, encoded, said

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

THREE = {"GPT_IMAGE_2_PARTIAL_IMAGES": "3"}
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}


def partial_names(files: list[str]) -> list[str]:
    return [name for name in files if "-partial-" in name]


def event(kind: str, picture: bytes | str | None, **fields: Any) -> str:
    b64 = base64.b64encode(picture).decode() if isinstance(picture, bytes) else picture
    data = {"type": f"image_generation.{kind}", "b64_json": b64, "created_at": 0, **fields}
    return f"event: {data['type']}\ndata: {json.dumps(data)}\n\n"


def streaming(*events: str) -> Canned:
    body = "".join(events).encode()
    return Canned(lambda _: httpx2.Response(200, content=body, headers={"content-type": "text/event-stream"}))


class Stalling(httpx2.AsyncByteStream):
    """A stream that says something and then nothing more, until it is over."""

    def __init__(self, events: str) -> None:
        self._events = events
        self.over = anyio.Event()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self._events.encode()
        await self.over.wait()

    def wrap(self, _: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        return Canned(lambda _: httpx2.Response(200, stream=self, headers={"content-type": "text/event-stream"}))


async def test_by_default_nothing_is_streamed_since_partial_pictures_cost(benches: Benches) -> None:
    bench = await benches.open()
    await bench.made("generate_image", **FOX)
    assert bench.last().params.keys() == {"model", "prompt", "size"}


@pytest.mark.parametrize("tool", ["generate_image", "edit_image", "start_edit_session"])
async def test_each_partial_picture_is_kept_beside_the_output(benches: Benches, tool: str) -> None:
    bench = await benches.open(THREE)
    images = {} if tool == "generate_image" else {"images": [str(bench.photo())]}
    answer = await bench.made(tool, **FOX, **images)
    sent = bench.last().params
    assert (str(sent["stream"]).lower(), str(sent["partial_images"])) == ("true", "3")
    names = partial_names(bench.files())
    assert [name.rsplit("-", 1)[1] for name in names] == ["1.png", "2.png", "3.png"]
    for name in names:
        with Image.open(bench.folder / name) as picture:
            assert picture.size == (1024, 640)
    assert len(answer.paths) == 1
    assert not any("partial" in block.data[:100] for block in answer.pictures)
    assert bench.knobs.paid == 1


async def test_the_newest_partial_picture_is_named_in_the_progress(benches: Benches) -> None:
    stream = Stalling(event("partial_image", encoded()) * 2)
    bench = await benches.open(THREE, wrap=stream.wrap)
    async with calls(bench) as ongoing:
        call = ongoing.start("generate_image", **FOX)
        message = await call.told(lambda message: "Unfinished picture" in message)
    path = anyio.Path(message.rsplit(": ", 1)[1])
    assert await path.is_file()
    assert await path.read_bytes() == encoded()
    assert path.name.endswith("-partial-2.png")
    stream.over.set()


async def test_several_pictures_are_not_streamed(benches: Benches) -> None:
    bench = await benches.open(THREE)
    answer = await bench.made("generate_image", **FOX, n=2)
    assert "stream" not in bench.last().params
    assert len(answer.paths) == 2
    assert not partial_names(bench.files())


async def test_a_stream_without_a_count_of_its_cost_still_gives_the_picture(benches: Benches) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [Fault("no_usage")]
    answer = await bench.made("generate_image", **FOX)
    assert "named no usage" in answer.text


@pytest.mark.parametrize(
    "refusal",
    [
        Fault(status=400, param="stream", code="unknown_parameter", message="Unknown parameter: 'stream'."),
        Fault(status=400, message="This deployment does not support streaming."),
        Fault(status=422, param="partial_images", message="Extra inputs are not permitted"),
    ],
    ids=["by parameter", "in words", "by the other parameter"],
)
async def test_a_backend_that_refuses_to_stream_is_asked_again_without_once(benches: Benches, refusal: Fault) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [refusal]
    await bench.made("generate_image", **FOX)
    await bench.made("generate_image", **FOX)
    assert ["stream" in seen.params for seen in bench.seen()] == [True, False, False]
    assert bench.knobs.paid == 2


async def test_a_backend_that_refuses_both_ways_is_asked_twice_and_not_more(benches: Benches) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [Fault(status=400, param="stream", message="no stream", times=None)]
    await bench.refused("generate_image", **FOX)
    assert len(bench.seen(GENERATIONS)) == 2


@pytest.mark.parametrize(
    "refusal",
    [Fault(error="moderation_blocked"), Fault("html", status=502), Fault(error="insufficient_quota")],
    ids=str,
)
async def test_any_other_refusal_is_not_asked_again_without_streaming(benches: Benches, refusal: Fault) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [refusal]
    await bench.refused("generate_image", **FOX)
    assert len(bench.seen()) == 1


async def test_a_backend_that_ignores_the_wish_and_answers_at_once_is_fine(benches: Benches) -> None:
    data = [{"b64_json": base64.b64encode(encoded()).decode()}]
    backend = Canned(lambda _: httpx2.Response(200, json={"created": 0, "data": data}))
    bench = await benches.open(THREE, wrap=backend.wrap)
    answer = await bench.made("generate_image", **FOX)
    assert answer.path.read_bytes() == encoded()
    assert len(backend.bodies) == 1


@pytest.mark.parametrize(
    "fault",
    [Fault("no_completed", after=2), Fault("no_completed"), Fault("cut", after=100), Fault("cut", after=150_000)],
    ids=["without its last event", "without any event", "cut at once", "cut in the middle"],
)
async def test_a_stream_that_ends_without_its_picture_may_be_billed_and_is_not_asked_for_again(
    benches: Benches, fault: Fault
) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [fault]
    text = await bench.refused("generate_image", **FOX)
    assert "may have been made and billed" in text
    assert "not asked for again" in text
    assert len(bench.seen()) == 1
    # A stream that ended as it should was the sandbox's, which bills nothing.
    assert ("of unknown outcome" in said(await bench.call("image_costs"))) is (fault.kind == "cut")


@pytest.mark.parametrize("after", [0, 2])
async def test_an_error_inside_a_stream_is_told_and_not_asked_for_again(benches: Benches, after: int) -> None:
    bench = await benches.open(THREE)
    bench.knobs.faults = [Fault("error_event", after=after, error="moderation_blocked")]
    text = await bench.refused("generate_image", **FOX)
    assert "moderation" in text
    assert len(bench.seen()) == 1


async def test_an_error_inside_a_stream_is_not_said_to_be_free(benches: Benches) -> None:
    """The request was let in and pictures came of it: OpenAI bills what it rendered."""
    bench = await benches.open(THREE)
    bench.knobs.faults = [Fault("error_event", after=2, error="server_error")]
    text = await bench.refused("generate_image", **FOX)
    assert bench.knobs.paid == 1
    assert "Nothing was billed" not in text


async def test_partial_pictures_of_a_broken_stream_stay(benches: Benches) -> None:
    """They are all that came of the money."""
    bench = await benches.open(THREE)
    bench.knobs.faults = [Fault("no_completed", after=2)]
    await bench.refused("generate_image", **FOX)
    assert len(partial_names(bench.files())) == 2
    assert not pictures_in(bench)


async def test_a_stream_that_stalls_is_under_way_still_after_the_bounded_wait(benches: Benches) -> None:
    stream = Stalling(event("partial_image", encoded()))
    bench = await benches.open(THREE, wrap=stream.wrap, GPT_IMAGE_2_MAX_WAIT_S="0.1")
    job_id = await handed(bench, "generate_image", **FOX)
    text = await stands(bench, job_id, "Unfinished picture")
    assert "goes on" in text
    assert "was sent to the API already" in said(await bench.call("cancel_image_job", job_id=job_id))
    stream.over.set()
    assert "may have been made and billed" in said(await fetched(bench, job_id))


async def test_a_streamed_picture_is_fetched_like_any_other(benches: Benches) -> None:
    bench = await benches.open(THREE, GPT_IMAGE_2_MAX_WAIT_S="0.05")
    bench.knobs.hold()
    job_id = await handed(bench, "generate_image", **FOX)
    bench.knobs.release()
    answers = [await fetched(bench, job_id) for _ in range(2)]
    assert answers[0] == answers[1]
    assert len(report_of(answers[0])["images"]) == 1
    assert len(pictures_in(bench)) == 1


# Other servers' streams.


async def test_a_stream_of_another_server_gives_its_picture(benches: Benches) -> None:
    bench = await benches.open(THREE, wrap=streaming(event("completed", encoded())).wrap)
    assert (await bench.made("generate_image", **FOX)).path.read_bytes() == encoded()


async def test_partial_pictures_lie_in_a_hidden_folder_beside_the_finished_one(benches: Benches) -> None:
    events = [event("partial_image", encoded(size=(640, 640))), event("completed", encoded())]
    bench = await benches.open(THREE, wrap=streaming(*events).wrap)
    answer = await bench.made("generate_image", **FOX, output_dir="art", filename_prefix="fox")
    assert answer.path.parent == bench.working_dir / "art"
    (partial,) = (answer.path.parent / ".gpt-image-2").iterdir()
    assert partial.name == f"{answer.path.stem}-partial-1.png"
    assert partial.read_bytes() == encoded(size=(640, 640))


@pytest.mark.parametrize(
    "odd",
    [
        event("partial_image", "%%% no base64 %%%", partial_image_index=0),
        event("partial_image", None, partial_image_index=0),
        event("partial_image", b"<html>no picture</html>", partial_image_index=0),
        'data: {"object": "ping"}\n\n',
        ": a comment\n\n",
        'event: something.new\ndata: {"type": "something.new"}\n\n',
    ],
    ids=["broken base64", "no picture", "an HTML page", "an event without a type", "a comment", "an unknown event"],
)
async def test_an_odd_event_before_the_picture_does_not_lose_it(benches: Benches, odd: str) -> None:
    """The picture is paid for, and a partial one is worth no error."""
    bench = await benches.open(THREE, wrap=streaming(odd, event("completed", encoded())).wrap)
    assert (await bench.made("generate_image", **FOX)).path.read_bytes() == encoded()


async def test_a_garbled_event_is_told_as_a_lost_answer_and_kept(benches: Benches) -> None:
    """The stream goes on to nowhere, and the picture may be billed."""
    bench = await benches.open(THREE, wrap=streaming("event: image_generation.completed\ndata: {half\n\n").wrap)
    text = await bench.refused("generate_image", **FOX)
    assert "ended without its picture" in text
    assert "billed" in text
