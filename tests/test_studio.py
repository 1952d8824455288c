"""The tool of the studio's page: each operation, through a real client on the sandbox."""

import hashlib
import json
import secrets
from typing import Any

import anyio
import pytest
from patience import PATIENCE_S
from workbench import SMALL, Bench, said

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
    return (await bench.made("generate_image", prompt="a fox", size=SMALL)).path.stem


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
    for uri in (page_uri(), "ui://gpt-image-2/studio-00000000.html"):
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
