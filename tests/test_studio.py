"""The tool of the studio's page: each operation, through a real client on the sandbox."""

import base64
import hashlib
import io
import json
import secrets
from pathlib import Path
from typing import Any

import anyio
import pytest
from fault_proxy import paying
from patience import PATIENCE_S
from PIL import Image, ImageChops
from promises import promise
from test_consent import DEAR, LIMIT, YES, Person
from workbench import SMALL, Bench, Benches, said

from gpt_image_2_mcp.studio.page import page, page_uri

pytestmark = pytest.mark.anyio

SHOWN_BY = (
    *("generate_image", "edit_image", "start_edit_session", "continue_edit_session", "list_images", "show_image"),
)


def click() -> str:
    """What the page sends with a click."""
    return secrets.token_hex(16)


async def ask(bench: Bench, op: str, **arguments: Any) -> dict[str, Any]:
    """What the page is answered."""
    result = await bench.call("studio_app", op=op, **arguments)
    assert not result.is_error, said(result)
    return json.loads(said(result))


async def refused(bench: Bench, op: str, **arguments: Any) -> str:
    result = await bench.call("studio_app", op=op, **arguments)
    assert result.is_error, said(result)
    return said(result)


async def done(bench: Bench, job: str) -> dict[str, Any]:
    """What came of a job, once it has ended."""
    with anyio.fail_after(PATIENCE_S):
        while not (answer := await ask(bench, "job", job=job))["done"]:
            assert answer["state"] in {"queued", "running"}
    return answer


async def edited(bench: Bench, **arguments: Any) -> dict[str, Any]:
    """What came of an edit."""
    answer = await done(bench, (await ask(bench, "edit", click=click(), **arguments))["job"])
    assert "error" not in answer, answer
    return answer


async def drawn(bench: Bench) -> str:
    """The id of a new picture."""
    return (await bench.made("generate_image", prompt="a fox", size=SMALL, quality="low")).path.stem


async def test_the_tools_whose_answers_the_page_can_show_link_to_it(each_era: Bench) -> None:
    for tool in (await each_era.client.list_tools()).tools:
        meta = tool.meta or {}
        if tool.name in SHOWN_BY:
            assert meta == {"ui": {"resourceUri": page_uri()}, "ui/resourceUri": page_uri()}
        elif tool.name == "studio_app":
            assert meta == {"ui": {"visibility": ["app"]}}
        else:
            assert not meta


async def test_the_page_is_read_under_its_address_and_that_of_an_earlier_version(each_era: Bench) -> None:
    for uri in (page_uri(), "ui://studio/00000000"):
        (found,) = (await each_era.client.read_resource(uri)).contents
        assert found.mime_type == "text/html;profile=mcp-app"
        assert found.meta == {"ui": {"prefersBorder": True}}
        assert found.model_dump()["text"] == page()
    assert hashlib.sha256(page().encode()).hexdigest()[:8] in page_uri()


async def test_open_gives_a_session_with_its_turns_and_what_the_shown_picture_was_made_from(bench: Bench) -> None:
    fox = await drawn(bench)
    first = await edited(bench, picture=fox, prompt="make it blue", quality="low")
    second = await edited(bench, session=first["session"], prompt="add a hat", quality="low")
    branch = await edited(bench, session=first["session"], from_turn=1, prompt="add a scarf", quality="low")
    found = await ask(bench, "open", pictures=second["pictures"])
    session = found["session"]
    assert [(turn["number"], turn["parent"]) for turn in session["turns"]] == [(1, None), (2, 1), (3, 1)]
    assert session["origin"] == fox
    assert session["head"] == 3
    assert (found["shown"], found["before"]) == (second["pictures"][0], first["pictures"][0])
    known = {each["id"]: each for each in found["pictures"]}
    assert {fox, *first["pictures"], *second["pictures"], *branch["pictures"]} == set(known)
    assert known[fox]["prompt"] == "a fox"
    assert (await ask(bench, "open", pictures=first["pictures"]))["before"] == fox


async def test_the_same_click_is_the_same_job(bench: Bench) -> None:
    fox, same = await drawn(bench), click()
    jobs = set[str]()

    async def press() -> None:
        jobs.add((await ask(bench, "edit", click=same, picture=fox, prompt="make it blue", quality="low"))["job"])

    async with anyio.create_task_group() as both:
        both.start_soon(press)
        both.start_soon(press)
    (job,) = jobs
    first = await done(bench, job)
    await press()
    assert jobs == {job}
    assert await done(bench, job) == first
    assert len(bench.seen("/v1/images/edits")) == 1
    assert (await ask(bench, "edit", click=click(), picture=fox, prompt="make it blue", quality="low"))["job"] != job


async def test_a_picture_to_look_at_is_a_webp_of_the_asked_size(bench: Bench) -> None:
    fox = await drawn(bench)
    for edge, size in ((300, (300, 188)), (1024, (1024, 640)), (2048, (1024, 640))):
        seen = await ask(bench, "picture", picture=fox, edge=edge)
        with Image.open(io.BytesIO(base64.b64decode(seen["data"]))) as image:
            assert (seen["type"], image.format, image.size) == ("image/webp", "WEBP", size)
        assert (seen["width"], seen["height"]) == size


async def test_the_parts_of_an_original_are_the_file_s_bytes(bench: Bench) -> None:
    """Noise, so that the file has several parts."""
    path = bench.photo("noise.png")
    Image.effect_noise((900, 900), 200).convert("RGB").save(path)
    made = await bench.made("edit_image", images=[str(path)], prompt="x", size="1024x1024", quality="high")
    parts, offset, name = list[bytes](), 0, ""
    while True:
        part = await ask(bench, "original", picture=made.path.stem, offset=offset)
        parts.append(base64.b64decode(part["data"]))
        assert len(parts[-1]) <= 384 * 1024
        offset, name = part["next"], part["name"]
        if not offset:
            break
    assert len(parts) > 1
    assert b"".join(parts) == made.path.read_bytes()
    assert (name, part["size"], part["type"]) == (made.path.name, made.path.stat().st_size, "image/png")
    assert "number up to" in await refused(bench, "original", picture=made.path.stem, offset=part["size"] + 1)


def painted(size: tuple[int, int], box: tuple[int, int, int, int]) -> str:
    """A mask as the page paints it: transparent in `box`."""
    image = Image.new("RGBA", size, (0, 0, 0, 255))
    image.paste((0, 0, 0, 0), box)
    out = io.BytesIO()
    image.save(out, "PNG")
    return base64.b64encode(out.getvalue()).decode()


@pytest.mark.thorough
async def test_an_edit_with_a_mask_changes_only_what_was_painted(bench: Bench) -> None:
    fox, box = await drawn(bench), (200, 120, 420, 330)
    answer = await edited(bench, picture=fox, prompt="a red hat", quality="low", mask=painted((1024, 640), box))
    found = await ask(bench, "open", pictures=answer["pictures"])
    (shown,) = (each for each in found["pictures"] if each["id"] == found["shown"])
    assert shown["role"] == "exact"
    assert shown["proof"]["differing_outside"] == 0
    assert shown["proof"]["text"].startswith("Kept to the pixel")
    assert "only where they had painted" in answer["told"]
    paths = {each["id"]: each["file_path"] for each in found["pictures"]}
    with Image.open(paths[fox]) as before, Image.open(paths[shown["id"]]) as after:
        differ = ImageChops.difference(before.convert("RGB"), after.convert("RGB")).getbbox()
    assert differ is not None
    left, upper, right, lower = differ
    assert (left, upper) >= box[:2]
    assert right <= box[2]
    assert lower <= box[3]
    seen = await ask(bench, "map", picture=fox, against=shown["id"], edge=512)
    assert 0 < seen["share"] < 1
    assert "drawn differently" in seen["text"]
    assert seen["width"] == 512
    same = await ask(bench, "map", picture=fox, against=fox)
    assert (same["share"], same["data"]) == (0.0, None)


async def test_the_price_is_that_of_the_click_and_a_budget_refuses_it(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.03")
    fox = await drawn(bench)
    low = await ask(bench, "price", action="edit", picture=fox, prompt="x", quality="low")
    assert low["text"].startswith("about $0.0")
    assert 0 < float(low["usd"]) < 0.03
    masked = await ask(bench, "price", action="edit", picture=fox, quality="low", mask=True)
    assert float(masked["usd"]) >= float(low["usd"])
    assert float((await ask(bench, "price", action="generate", quality="low", n=2))["usd"]) > 0
    refusal = await refused(bench, "price", action="finish", picture=fox, quality="high")
    assert "GPT_IMAGE_2_BUDGET_PER_CALL_USD" in refusal
    job = (await ask(bench, "finish", click=click(), picture=fox))["job"]
    assert (await done(bench, job))["error"] == refusal
    assert len(bench.seen()) == 1


async def test_a_draft_is_finished_from_its_own_picture(bench: Bench) -> None:
    drafts = (await bench.made("generate_image", prompt="a fox", size=SMALL, quality="low", n=3)).paths
    found = await ask(bench, "open", pictures=[path.stem for path in drafts])
    assert found["sheet"] == [path.stem for path in drafts]
    answer = await done(bench, (await ask(bench, "finish", click=click(), picture=drafts[1].stem))["job"])
    (picture,) = answer["pictures"]
    known = {each["id"]: each for each in (await ask(bench, "open", pictures=[picture]))["pictures"]}
    assert known[picture]["parents"] == [drafts[1].stem]
    assert known[picture]["quality"] == "high"
    assert (known[picture]["width"], known[picture]["height"]) == (1024, 640)
    assert known[picture]["prompt"] == "a fox"
    assert f"as the final picture of the draft {drafts[1].stem}, with the words 'a fox'" in answer["told"]
    assert "layout" in answer["text"]


async def test_pictures_are_made_from_an_empty_library(bench: Bench) -> None:
    empty = await ask(bench, "open")
    assert empty == {"pictures": [], "session": None, "sheet": [], "shown": None, "before": None}
    assert (await ask(bench, "search", query=""))["pictures"] == []
    job = (await ask(bench, "generate", click=click(), prompt="a fox", size=SMALL, quality="low"))["job"]
    (fox,) = (await done(bench, job))["pictures"]
    assert (await ask(bench, "open"))["shown"] == fox
    assert [each["id"] for each in (await ask(bench, "search", query="fox"))["pictures"]] == [fox]
    assert (await ask(bench, "search", query="dog"))["pictures"] == []


@promise("Repetitions", "A click in the studio is paid for once, also after a restart.")
async def test_a_click_is_the_same_job_after_a_restart(benches: Benches, tmp_path: Path) -> None:
    first, same = await benches.open(data_dir=tmp_path / "data"), click()
    job = (await ask(first, "generate", click=same, prompt="a fox", size=SMALL, quality="low"))["job"]
    answer = await done(first, job)
    await first.client.__aexit__(None, None, None)
    second = await benches.open(data_dir=tmp_path / "data")
    assert (await ask(second, "generate", click=same, prompt="a fox", size=SMALL, quality="low"))["job"] == job
    assert (await done(second, job))["pictures"] == answer["pictures"]
    assert not second.seen()


async def test_a_click_is_the_same_job_in_another_process_while_it_is_made(benches: Benches, tmp_path: Path) -> None:
    first, same = await benches.open(data_dir=tmp_path / "data"), click()
    first.knobs.hold()
    job = (await ask(first, "generate", click=same, prompt="a fox", size=SMALL, quality="low"))["job"]
    with anyio.fail_after(PATIENCE_S):
        await first.knobs.wait_for(1)
    second = await benches.open(data_dir=tmp_path / "data")
    assert (await ask(second, "generate", click=same, prompt="a fox", size=SMALL, quality="low"))["job"] == job
    assert (await ask(second, "job", job=job))["state"] == "running"
    first.knobs.release()
    assert (await done(second, job))["pictures"] == (await done(first, job))["pictures"]
    assert not second.seen()


async def test_a_click_joins_no_other_job_and_is_not_joined_by_the_same_words(bench: Bench) -> None:
    """Two clicks with the same words are two pictures: a person wants another one."""
    bench.knobs.hold()
    words = {"prompt": "a fox", "size": SMALL, "quality": "low"}
    one, two = [(await ask(bench, "generate", click=click(), **words))["job"] for _ in range(2)]
    bench.knobs.release()
    assert (await done(bench, one))["pictures"] != (await done(bench, two))["pictures"]
    assert len(bench.seen()) == 2


async def test_without_a_history_the_page_works_as_long_as_the_server_runs(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_HISTORY="off")
    made = await edited(bench, picture=await drawn(bench), prompt="make it blue", quality="low")
    assert (await ask(bench, "open", pictures=made["pictures"]))["before"]


async def test_an_edit_of_a_session_that_has_ended_begins_a_new_one(bench: Bench) -> None:
    first = await edited(bench, picture=await drawn(bench), prompt="make it blue", quality="low")
    await bench.call("end_edit_session", session_id=first["session"])
    again = await edited(bench, session=first["session"], prompt="add a hat", quality="low")
    assert again["session"] not in {None, first["session"]}
    found = await ask(bench, "open", pictures=again["pictures"])
    assert found["before"] == first["pictures"][0]


async def test_a_job_is_stopped_while_it_is_queued(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_CONCURRENCY="1")
    bench.knobs.hold()
    one, two = [(await ask(bench, "generate", click=click(), prompt=each, size=SMALL))["job"] for each in ("a", "b")]
    with anyio.fail_after(PATIENCE_S):
        while (await ask(bench, "job", job=one))["state"] == "queued":
            pass
    waiting = await ask(bench, "job", job=two)
    assert (waiting["done"], waiting["state"]) == (False, "queued")
    assert "Nothing of it was sent" in (await ask(bench, "cancel", job=two))["text"]
    assert "error" in await done(bench, two)
    assert "billed whatever happens" in (await ask(bench, "cancel", job=one))["text"]
    bench.knobs.release()
    assert (await done(bench, one))["pictures"]


async def test_files_are_exported_for_the_targets_that_are_named(bench: Bench) -> None:
    fox = await drawn(bench)
    names = (await ask(bench, "targets"))["names"]
    assert {"story", "favicon", "a4"} <= set(names)
    made = await ask(bench, "export", click=click(), pictures=[fox], to=["200x200 webp", "card.png"])
    assert [file["width"] for file in made["files"]] == [200, 1024]
    sizes = [len(await anyio.Path(file["file_path"]).read_bytes()) for file in made["files"]]
    assert sizes == [file["size_bytes"] for file in made["files"]]


WRONG: list[tuple[dict[str, Any], str]] = [
    ({}, "`op` is one of open, picture"),
    ({"op": "delete"}, "`op` is one of"),
    ({"op": ["open"]}, "`op` is one of"),
    ({"op": "open", "pictures": ["/etc/passwd"]}, "A picture is named by its id here"),
    ({"op": "open", "pictures": ["image-20260101-000000-abcdef"]}, "There is no picture"),
    ({"op": "open", "pictures": ["image-20260101-000000-abcdef"] * 101}, "`pictures` must be"),
    ({"op": "open", "session": "session-x"}, "There is no session"),
    ({"op": "picture", "picture": "../x.png"}, "A picture is named by its id here"),
    ({"op": "picture", "picture": "image-20260101-000000-abcdef", "edge": 4096}, "`edge` must be a whole number"),
    ({"op": "picture"}, "`picture` is missing"),
    ({"op": "original", "picture": "image-20260101-000000-abcdef", "offset": -1}, "`offset` must be"),
    ({"op": "edit", "prompt": "x", "picture": "last"}, "`click` is missing"),
    ({"op": "edit", "prompt": "x", "click": "job"}, "`click` is 16 random bytes"),
    ({"op": "edit", "prompt": "x", "click": "0" * 32}, "Name the picture to change"),
    ({"op": "edit", "prompt": "x", "click": "0" * 32, "mask": "photo.png"}, "`mask` is a PNG in base64"),
    ({"op": "edit", "prompt": "x", "click": "0" * 32, "session": "session-x"}, "There is no session"),
    ({"op": "edit", "prompt": "x", "click": "0" * 32, "images": ["/etc/passwd"]}, "There is no parameter `images`"),
    ({"op": "generate", "prompt": " ", "click": "0" * 32}, "must say something"),
    ({"op": "generate", "prompt": "x", "click": "0" * 32, "n": 11}, "`n` must be"),
    ({"op": "finish", "picture": "image-20260101-000000-abcdef", "click": "0" * 32}, "There is no picture"),
    ({"op": "job", "job": "job-x"}, "There is no job"),
    ({"op": "cancel", "job": "job-x"}, "There is no job"),
    ({"op": "export", "pictures": ["image-20260101-000000-abcdef"], "to": ["x" * 10]}, "target"),
]


@promise("Reading", "The studio's page names pictures by their ids alone, and has no other file read.")
async def test_a_wrong_call_is_refused_in_words(bench: Bench) -> None:
    """A model can call the tool too, where a client shows it: it reads no file and sends nothing."""
    for arguments, words in WRONG:
        result = await bench.call("studio_app", **arguments)
        assert result.is_error, arguments
        assert words in said(result)
    assert not bench.seen()


@promise("Consent", "A click in the studio above your limit is asked about by the client, as a call is.")
@pytest.mark.parametrize("legacy", [False, True], ids=["2026-07-28", "initialize"])
async def test_a_dear_click_is_asked_about_once_and_never_again_for_the_same_job(tmp_path: Path, legacy: bool) -> None:
    person = Person("accept", YES)
    async with paying(tmp_path, LIMIT, ask=person, legacy=legacy) as bench:
        same = click()
        job = (await ask(bench, "generate", click=same, **DEAR))["job"]
        assert len((await done(bench, job))["pictures"]) == 1
        assert (await ask(bench, "generate", click=same, **DEAR))["job"] == job
        assert len(person.asked) == bench.knobs.paid == 1
        assert "1 picture of 1024x640 at quality medium" in person.asked[0]


async def test_a_dear_click_is_refused_without_a_yes_and_where_the_client_cannot_ask(tmp_path: Path) -> None:
    for person, words in ((Person("decline"), "did not agree to the price"), (None, "which this client cannot do")):
        root = tmp_path / words
        root.mkdir()
        async with paying(root, LIMIT, ask=person) as bench:
            assert words in await refused(bench, "generate", click=click(), **DEAR)
            assert not bench.seen()
