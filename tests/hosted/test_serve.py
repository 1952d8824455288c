"""`gpt-image-2-mcp serve`: the protocol over HTTP in both eras, each person apart, and its end."""

import asyncio
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from itertools import cycle
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fault_proxy import until
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult
from patience import PATIENCE_S
from promises import promise
from stdio_bench import Box
from workbench import META, said

from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.hosting.web_server import listen

from .conftest import ALICE, BOB
from .served import ERAS, Era, Served, asking, drawn, served

pytestmark = pytest.mark.anyio

NOT_HERE = "This server is not on your computer"


def report(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, said(result)
    assert result.meta is not None
    return result.meta[META]


# The protocol.


async def test_an_answer_is_sent_as_soon_as_it_is_written() -> None:
    """Otherwise its body waits until the client has acknowledged the headers, which takes it 40 ms."""
    taken: asyncio.Future[asyncio.StreamWriter] = asyncio.get_running_loop().create_future()
    with listen("127.0.0.1", 0) as sock:
        # As uvicorn serves it.
        async with await asyncio.start_server(lambda _, writer: taken.set_result(writer), sock=sock):
            _, client = await asyncio.open_connection(*sock.getsockname())
            connection = (await taken).get_extra_info("socket")
            assert connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            client.close()
            (await taken).close()


@pytest.mark.parametrize("era", ERAS)
async def test_both_eras_make_pictures_and_find_them(alone: Served, era: Era) -> None:
    async with alone.client(era=era) as client:
        made = await drawn(client, f"a fox, {era}")
        listed = said(await client.call_tool("list_images", {"query": era}))
        assert f"a fox, {era}" in listed
        assert str(alone.folder) not in said(made) + listed
        again = await client.call_tool("edit_image", {"prompt": "a red fox", "images": ["last"]})
        assert not again.is_error, said(again)


async def test_the_tools_name_no_folder_of_this_computer(alone: Served) -> None:
    async with alone.client() as client:
        tools = {tool.name: tool for tool in (await client.list_tools()).tools}
        named = {name for tool in tools.values() for name in tool.input_schema["properties"]}
        assert not {"output_dir", "file", "as_page"} & named
        assert "upload_link" in tools
        assert "on this computer" not in (client.instructions or "")


@promise("Reading", "A server for a team reads no path that a call names, and does not tell whether it exists")
@pytest.mark.parametrize(
    ("tool", "arguments"),
    [
        ("edit_image", {"prompt": "a fox", "images": ["/etc/hostname"]}),
        ("edit_image", {"prompt": "a fox", "images": ["file:///etc/hostname"]}),
        ("edit_image", {"prompt": "a fox", "images": ["~/photo.png"]}),
        ("edit_image", {"prompt": "a fox", "images": ["photo.png"]}),
        ("show_image", {"image": "/etc/no-such-file"}),
        ("show_image", {"image": "/etc/passwd"}),
        ("show_image", {"image": "/root/.claude/image-cache/1/1.png"}),
        ("export_image", {"image": ["/etc/passwd"], "to": ["512x512"]}),
        ("export_image", {"image": ["last"], "to": ["512x512"], "output_dir": "/tmp"}),  # noqa: S108
        ("export_image", {"image": ["last"], "to": ["512x512 out/fox.png"]}),
        ("generate_image", {"prompt": "a fox", "output_dir": "/tmp"}),  # noqa: S108
        ("start_edit_session", {"prompt": "a fox", "images": ["last"], "output_dir": "sub"}),
        ("make_batch", {"file": "/etc/list.csv"}),
        ("make_batch", {"file": "list.jsonl"}),
        ("list_images", {"as_page": True}),
        ("make_batch", {"items": ["a fox"], "output_dir": "/tmp"}),  # noqa: S108
        ("make_batch", {"items": ['{"prompt": "a fox", "images": ["/etc/passwd"]}']}),
    ],
)
async def test_no_path_of_the_server_is_read_or_written(alone: Served, tool: str, arguments: dict[str, object]) -> None:
    async with alone.client() as client:
        await drawn(client)
        text = said(await client.call_tool(tool, arguments))
        assert NOT_HERE in text
        assert "exist" not in text


@pytest.mark.parametrize("who", ["alone", "served_team"])
@pytest.mark.thorough
async def test_no_answer_names_a_folder_of_the_server(request: pytest.FixtureRequest, who: str) -> None:
    server: Served = request.getfixturevalue(who)
    async with server.client(ALICE if who == "served_team" else None) as client:

        async def told(tool: str, **arguments: Any) -> str:
            result = await client.call_tool(tool, arguments)
            text = result.model_dump_json()
            assert str(server.folder) not in text, (tool, text[:3000])
            return text

        await told("generate_image", prompt="a fox", quality="low", n=2)
        session = await told("start_edit_session", prompt="a red fox", images=["last"], quality="low")
        (session_id,) = set(re.findall(r"session-[0-9a-f]{24}", session))
        await told("continue_edit_session", prompt="a blue fox", session_id=session_id, quality="low")
        await told("continue_edit_session", session_id=session_id, from_turn=1)
        await told("list_edit_sessions")
        await told("list_images", contact_sheet=True)
        await told("list_images", as_page=True)
        await told("list_images", session_id=session_id)
        await told("show_image", image="last")
        await told("show_image", image="no-such-picture")
        await told("export_image", image=["last"], to=["512x512 jpeg", "favicon"])
        await told("make_batch", items=["a cat"], common='{"quality": "low"}')
        await told("get_image_job")
        await told("upload_link", name="cat.png", size=1000, type="image/png")
        await told("image_costs", like="last")
        await told("edit_image", prompt="a dog", images=["data:image/png;base64,AAAA"])
        await told("end_edit_session", session_id=session_id)
        for op in ("open", "search", "targets"):
            await told("studio_app", op=op)
        for resource in (await client.list_resources()).resources:
            assert str(server.folder) not in resource.model_dump_json()
            assert str(server.folder) not in (await client.read_resource(str(resource.uri))).model_dump_json()


async def test_a_mask_that_is_a_path_is_refused(alone: Served) -> None:
    async with alone.client() as client:
        await drawn(client)
        result = await client.call_tool("edit_image", {"prompt": "x", "images": ["last"], "mask": "/etc/mask.png"})
        assert NOT_HERE in said(result)


async def test_what_is_not_a_call_is_refused_with_its_status(alone: Served) -> None:
    assert httpx2.get(alone.url).status_code == 405
    assert httpx2.delete(alone.url).status_code == 405
    assert httpx2.get(f"{alone.address}/").status_code == 404
    assert httpx2.get(f"{alone.address}/.well-known/oauth-protected-resource").status_code == 404
    assert alone.post(body=b"{").status_code == 400
    assert httpx2.get(f"{alone.address}/healthz").text == httpx2.get(f"{alone.address}/readyz").text == "ok"


async def test_a_request_that_is_too_large_is_refused(alone: Served) -> None:
    assert alone.post(body=b" " * (16 * 2**20 + 1)).status_code == 413

    def pieces() -> Iterator[bytes]:
        yield from (b" " * 2**20 for _ in range(17))

    refused = httpx2.post(alone.url, content=pieces(), headers={"content-type": "application/json"}, timeout=PATIENCE_S)
    assert refused.status_code == 413


# Whose name it is.


@promise("Several people", "A server for a team answers to its own name alone, and to no page of another site")
@pytest.mark.parametrize(
    ("status", "headers"),
    [
        (421, {"host": "evil.example.com"}),
        (421, {"host": "127.0.0.1.evil.example.com"}),
        (421, {"host": "evil.example.com@127.0.0.1"}),
        (421, {"host": "images.example.com:444"}),
        (421, {"host": ""}),
        (403, {"origin": "https://evil.example.com"}),
        (403, {"origin": "null"}),
        (403, {"origin": "http://images.example.com"}),
        (403, {"origin": "https://images.example.com.evil.com"}),
        (401, {"host": "images.example.com"}),
        (401, {"host": "images.example.com:443", "origin": "https://images.example.com"}),
        (401, {"origin": "http://localhost:6274"}),
    ],
)
async def test_only_the_own_name_is_answered(served_team: Served, status: int, headers: dict[str, str]) -> None:
    assert served_team.post(headers=headers).status_code == status


async def test_two_hosts_in_one_request_are_refused(served_team: Served) -> None:
    port = int(served_team.address.rpartition(":")[2])
    with socket.create_connection(("127.0.0.1", port), PATIENCE_S) as connection:
        connection.sendall(b"GET /mcp HTTP/1.1\r\nHost: localhost\r\nHost: evil.example.com\r\n\r\n")
        assert re.match(rb"HTTP/1.1 4(00|21) ", connection.recv(1000))


# People.


@promise("Several people", "On a server for a team, each person has pictures, sessions, jobs and `last` of their own")
@pytest.mark.parametrize("era", ERAS)
@pytest.mark.thorough
async def test_two_people_do_not_see_each_other(served_team: Served, era: Era) -> None:
    async with served_team.client(ALICE, era=era) as alice, served_team.client(BOB, era=era) as bob:
        made = report(await drawn(alice, f"the secret of alice, {era}"))
        (picture,) = made["images"]
        uri = f"gpt-image-2://pictures/{picture['id']}"
        assert (await alice.read_resource(uri)).contents
        for tool, arguments in (
            ("show_image", {"image": "last"}),
            ("show_image", {"image": picture["id"]}),
            ("generate_image", {"like": picture["id"]}),
            ("get_image_job", {"job_id": made["job_id"]} if "job_id" in made else {}),
            ("list_images", {"query": "secret"}),
        ):
            assert "secret of alice" not in said(await bob.call_tool(tool, arguments)), tool
        assert all(picture["id"] not in str(one.uri) for one in (await bob.list_resources()).resources)
        assert "secret of alice" in said(await alice.call_tool("show_image", {"image": "last"}))


def pictures_in(folder: Path) -> list[Path]:
    return list(folder.rglob("*.png"))


class Balanced(httpx2.AsyncHTTPTransport):
    """Sends each request to the next of several replicas, as a balancer does."""

    def __init__(self, *replicas: Served) -> None:
        super().__init__()
        self.ports = cycle([int(replica.address.rpartition(":")[2]) for replica in replicas])

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        request.url = request.url.copy_with(port=next(self.ports))
        return await super().handle_async_request(request)


@pytest.mark.thorough
async def test_the_question_before_a_dear_call_is_answered_by_another_replica(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    """What the client carries from the question to the answer is sealed with the secret of both."""
    env = asking(tmp_path, team_database, box, {"alice": ALICE})
    asked = list[str]()

    async def answer(_: object, params: ElicitRequestParams) -> ElicitResult:
        asked.append(params.message)
        return ElicitResult(action="accept", content={"go_ahead": True})

    with served(tmp_path / "1", env=env) as one, served(tmp_path / "2", env=env) as two:
        balanced = Balanced(one, two)
        for number in (1, 2, 3):
            async with one.client(ALICE, elicitation_callback=answer, transport=balanced) as client:
                result = await drawn(client, f"fox {number}")
                assert not result.is_error, said(result)
            assert len(asked) == number
    assert await box.count("paid") == 3


# The end.


@pytest.mark.thorough
async def test_a_server_that_is_told_to_end_saves_what_is_paid(tmp_path: Path, box: Box) -> None:
    with served(tmp_path, env={**box.environ, "GPT_IMAGE_2_MAX_WAIT_S": "1"}) as server:
        await box.turn(hold=True)
        async with server.client() as client:
            assert "get_image_job" in said(await drawn(client))
            await box.reached(1)
            server.process.terminate()
            until(lambda: httpx2.get(f"{server.address}/readyz").status_code == 503)
            assert httpx2.get(f"{server.address}/healthz").status_code == 200
        await box.release()
        assert await anyio.to_thread.run_sync(server.process.wait, PATIENCE_S) == 0
        assert pictures_in(tmp_path)
        assert await box.count("paid") == 1


@pytest.mark.thorough
async def test_a_stream_of_news_does_not_hold_up_the_end(tmp_path: Path) -> None:
    with served(tmp_path, "--sandbox", env={}) as server:
        async with server.client() as client, client.listen(resources_list_changed=True) as news:
            await drawn(client)
            await anext(aiter(news))
            began = anyio.current_time()
            server.process.terminate()
            assert await anyio.to_thread.run_sync(server.process.wait, PATIENCE_S) == 0
            assert anyio.current_time() - began < PATIENCE_S / 2
        assert not [line for line in server.said if "Traceback" in line or "ASGI" in line]


# What everybody else has of it: nothing.


def loaded(modules: str, *prefixes: str) -> list[str]:
    """What is loaded of packages in a process that has imported these modules."""
    code = f"import sys, {modules}; print(*[name for name in sys.modules if name.startswith(tuple(sys.argv[1:]))])"
    done = subprocess.run([sys.executable, "-c", code, *prefixes], capture_output=True, text=True, check=True)
    return done.stdout.split()


@pytest.mark.thorough
def test_stdio_imports_nothing_of_it() -> None:
    stdio = "gpt_image_2_mcp.server.stdio.connection, gpt_image_2_mcp.server.stdio.session"
    of_servers = ("gpt_image_2_mcp.host", "gpt_image_2_mcp.picture_store", "obstore", "opentelemetry.sdk", "psycopg")
    assert loaded(stdio, *of_servers) == []


def test_a_server_that_nobody_has_asked_has_loaded_little_of_the_program_and_no_sqlite() -> None:
    """An idle replica would take ten mebibytes more."""
    server = "gpt_image_2_mcp.hosting.serve, gpt_image_2_mcp.database.store, gpt_image_2_mcp.database.schema"
    package = ("app", "server.tools", "service.images", "batches", "library", "generation", "jobs", "inputs", "studio")
    assert loaded(server, "sqlite3", "sqlalchemy.dialects.sqlite", *(f"gpt_image_2_mcp.{one}" for one in package)) == []
