"""What clients are told of: new pictures, new turns, and ids to choose from."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.shared.subscriptions import ResourcesListChanged, ResourceUpdated
from mcp_types import ResourceTemplateReference, TextResourceContents
from patience import PATIENCE_S
from workbench import KEY, SMALL, Bench, Benches, canned, encoded, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.sandbox import SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

PICTURE, SESSION = "gpt-image-2://pictures/{id}", "gpt-image-2://sessions/{id}"
LOW = {"size": SMALL, "quality": "low"}


async def begun(bench: Bench) -> str:
    """A session's id."""
    await bench.made("generate_image", **LOW, prompt="a red fox")
    return (await bench.made("start_edit_session", **LOW, prompt="bluer", images=["last"])).session_id


@asynccontextmanager
async def older_client(root: Path) -> AsyncGenerator[tuple[Client, list[Any]]]:
    """A client that opens with `initialize`, and the notifications that reach it."""
    heard: list[Any] = []

    async def hear(message: Any) -> None:
        heard.append(message)

    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(root)})
    transport = SandboxTransport(build_sandbox())
    server = build_server(lambda: open_service(settings, transport=transport, working_dir=root, home=root))
    async with Client(server, mode="legacy", message_handler=hear) as client:
        yield client, heard


async def test_a_client_of_today_hears_of_pictures_and_of_the_turns_it_listens_to(bench: Bench) -> None:
    session_id = await begun(bench)
    uri = SESSION.replace("{id}", session_id)
    async with bench.client.listen(resources_list_changed=True, resource_subscriptions=[uri]) as events:
        await bench.made("continue_edit_session", **LOW, session_id=session_id, prompt="greener")
        with anyio.fail_after(PATIENCE_S):
            heard = [await anext(aiter(events)) for _ in range(2)]
    assert heard == [ResourcesListChanged(), ResourceUpdated(uri=uri)]


async def test_the_end_of_a_session_is_news_too(bench: Bench) -> None:
    session_id = await begun(bench)
    uri = SESSION.replace("{id}", session_id)
    async with bench.client.listen(resources_list_changed=True, resource_subscriptions=[uri]) as events:
        await bench.call("end_edit_session", session_id=session_id)
        with anyio.fail_after(PATIENCE_S):
            heard = [await anext(aiter(events)) for _ in range(2)]
    assert heard == [ResourcesListChanged(), ResourceUpdated(uri=uri)]


@pytest.mark.filterwarnings("ignore::mcp.shared.exceptions.MCPDeprecationWarning")
async def test_an_older_client_hears_of_what_it_subscribed_to(tmp_path: Path) -> None:
    async with older_client(tmp_path) as (client, heard):
        resources = client.server_capabilities.resources
        assert resources is not None
        assert (resources.list_changed, resources.subscribe) == (True, True)
        made = await client.call_tool("generate_image", {**LOW, "prompt": "a red fox"})
        begun = await client.call_tool("start_edit_session", {**LOW, "prompt": "bluer", "images": ["last"]})
        session_id: str = (begun.meta or {})["gpt-image-2/result"]["session_id"]
        uri = SESSION.replace("{id}", session_id)
        with pytest.raises(MCPError, match="There is no picture or session"):
            await client.session.subscribe_resource("gpt-image-2://pictures/none")  # pyright: ignore[reportDeprecated]
        await client.session.subscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        await client.call_tool("continue_edit_session", {**LOW, "session_id": session_id, "prompt": "greener"})
        await client.session.unsubscribe_resource(uri)  # pyright: ignore[reportDeprecated]
        await client.call_tool("continue_edit_session", {**LOW, "session_id": session_id, "prompt": "redder"})
        await client.list_tools()
        await anyio.wait_all_tasks_blocked()
    methods = [getattr(message, "method", None) for message in heard]
    assert methods.count("notifications/resources/list_changed") == 4
    assert methods.count("notifications/resources/updated") == 1
    assert not made.is_error


async def test_a_session_is_read_as_json_with_its_tree(each_era: Bench) -> None:
    session_id = await begun(each_era)
    await each_era.made("continue_edit_session", **LOW, session_id=session_id, prompt="greener", from_turn=0)
    uri = SESSION.replace("{id}", session_id)
    (contents,) = (await each_era.client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    assert contents.mime_type == "application/json"
    assert "├ 1" in contents.text
    assert '"head": 2' in contents.text
    assert uri in {resource.uri for resource in (await each_era.client.list_resources()).resources}
    await each_era.call("end_edit_session", session_id=session_id)
    assert uri not in {resource.uri for resource in (await each_era.client.list_resources()).resources}
    assert (await each_era.client.read_resource(uri)).contents, "one that ended is read all the same"


async def test_ids_are_offered_while_they_are_typed(each_era: Bench) -> None:
    session_id = await begun(each_era)

    async def offered(template: str, typed: str, argument: str = "id") -> list[str]:
        ref = ResourceTemplateReference(uri=template)
        return (await each_era.client.complete(ref, {"name": argument, "value": typed})).completion.values

    assert await offered(SESSION, "session-") == [session_id]
    assert await offered(SESSION, session_id[:12]) == [session_id]
    turn, fox = await offered(PICTURE, "")
    assert (turn.partition("-")[0], fox.partition("-")[0]) == ("session", "image")
    assert await offered(PICTURE, "IMAGE-2") == [fox]
    assert await offered(PICTURE, "%") == []
    assert await offered(PICTURE, "", argument="other") == []
    assert await offered("gpt-image-2://other/{id}", "") == []


@pytest.mark.thorough
async def test_an_offer_of_ids_says_whether_there_are_more(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(*[encoded("WEBP", (64, 64))] * 10).wrap)
    ref = ResourceTemplateReference(uri=PICTURE)
    for number in range(10):
        await bench.made("generate_image", prompt=f"foxes {number}", n=10)
    all_of_them = (await bench.client.complete(ref, {"name": "id", "value": "image-"})).completion
    assert (len(all_of_them.values), all_of_them.total, all_of_them.has_more) == (100, 100, False)
    await bench.made("generate_image", prompt="foxes", n=10)
    some = (await bench.client.complete(ref, {"name": "id", "value": "image-"})).completion
    assert (len(some.values), some.total, some.has_more) == (100, None, True)


async def test_going_back_branches_and_the_answer_shows_the_tree(each_era: Bench) -> None:
    session_id = await begun(each_era)
    await each_era.made("continue_edit_session", **LOW, session_id=session_id, prompt="greener")
    back = await each_era.made("continue_edit_session", **LOW, session_id=session_id, prompt="redder", from_turn=1)
    assert (back.report["turn"], back.report["parent_turn"]) == (3, 1)
    assert '├ 2 "greener"' in back.text
    assert '└ 3 "redder"  <- the next turn is made from here' in back.text
    text = await each_era.refused("continue_edit_session", session_id=session_id, prompt="x", from_turn=9)
    assert "which has turns 1 to 3" in text
    assert session_id in said(await each_era.call("list_edit_sessions"))


@pytest.mark.thorough
async def test_a_turn_takes_more_references_and_a_mask(bench: Bench) -> None:
    session_id = await begun(bench)
    photo, mask = bench.photo(), bench.mask()
    await bench.made(
        "continue_edit_session", **LOW, session_id=session_id, prompt="with 2", images=[str(photo)], mask=str(mask)
    )
    assert [file.field for file in bench.last().files] == ["image[]", "image[]", "mask"]
