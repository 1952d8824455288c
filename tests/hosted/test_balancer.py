"""A balancer that sends a request again: one wish is paid for once, whichever replicas it reaches."""

import os
import random
import signal
import sys
from pathlib import Path
from typing import Any, Literal

import anyio
import anyio.to_thread
import httpx2
import pytest
from fault_proxy import until
from mcp import MCPError
from mcp_types import CallToolResult
from patience import PATIENCE_S, rounds
from promises import promise
from stdio_bench import Box, job_of
from workbench import JOB, SMALL, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .parts.haproxy import running_haproxy
from .served import Era, Served
from .test_fleet_processes import LEASE_S, TOKEN, answered, has_bytes, rows, two

pytestmark = [pytest.mark.anyio]

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
PATIENT = {"GPT_IMAGE_2_MAX_WAIT_S": str(PATIENCE_S), "GPT_IMAGE_2_MAX_CONCURRENCY": "4"}

FOXES = rounds(4, 24)
NO_SIGSTOP = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGSTOP")

BAD_BALANCER = """
defaults
  mode http
  timeout connect 5s
  timeout client 90s
  timeout server 2s
  retries 3
  retry-on all-retryable-errors
  option redispatch 1
  option http-server-close

listen images
  bind :443
  balance roundrobin
  default-server check inter 500ms fall 2 rise 1
  server images-1 images-1:8000
  server images-2 images-2:8000
"""
"""It repeats what may have been paid for, and waits for shorter than a picture takes."""


class Twice(httpx2.AsyncHTTPTransport):
    """The way to two replicas: each call reaches both at once, and the answer is that of one of them."""

    def __init__(self, others: list[Served], *, by: int) -> None:
        super().__init__()
        self._others = others
        self._by = by
        self.answers: list[str] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        content = await request.aread()
        if b'"tools/call"' not in content:
            return await super().handle_async_request(request)
        found = list[httpx2.Response]()

        async def send(server: Served) -> None:
            url = request.url.copy_with(port=int(server.address.rpartition(":")[2]))
            headers = {**request.headers, "host": f"{url.host}:{url.port}"}
            again = httpx2.Request(request.method, url, headers=headers, content=content, extensions=request.extensions)
            response = await super(Twice, self).handle_async_request(again)
            body = await response.aread()
            self.answers.append(body.decode())
            found.append(httpx2.Response(response.status_code, headers=response.headers, content=body))

        async with anyio.create_task_group() as tasks:
            for server in self._others:
                tasks.start_soon(send, server)
        return found[self._by]


@promise("Several replicas", "A request that a balancer sends to two replicas is paid for once")
@pytest.mark.parametrize("era", ["auto", pytest.param("legacy", marks=pytest.mark.thorough)])
async def test_a_request_that_reaches_two_replicas_at_once_is_paid_for_once(
    era: Era, tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    await box.turn(delay_s=0.2)
    async with two(tmp_path, team_database, box, **PATIENT) as (one, _, other, _):
        transport = Twice([one, other], by=0)
        async with one.client(TOKEN, era=era, transport=transport) as alice:
            for number in range(1, 4):
                made = await alice.call_tool("generate_image", FOX)
                assert not made.is_error, said(made)
                # The same words again, after they were answered: another picture.
                assert await box.count("paid") == number
        assert sum("nothing was paid again" in answer for answer in transport.answers) == 3
        # Two requests that are not the same make two, also at once, as on one replica.
        async with one.client(TOKEN, era=era) as alice, other.client(TOKEN, era=era) as again:
            await again.list_tools()
            async with anyio.create_task_group() as tasks:
                for client in (alice, again):
                    tasks.start_soon(client.call_tool, "generate_image", FOX)
        assert await box.count("paid") == 5
        # Each answer has left, so that the same words are a new wish on every replica.
        await anyio.to_thread.run_sync(until, lambda: rows(team_database, "NOT fetched") == 0)


@promise("Several replicas", "Behind a balancer that repeats what was sent, a picture is paid for once")
@pytest.mark.thorough
@pytest.mark.parametrize("how", ["SIGKILL", "SIGTERM", pytest.param("SIGSTOP", marks=NO_SIGSTOP)])
async def test_a_replica_fails_behind_a_balancer_that_repeats_what_was_sent(
    how: Literal["SIGKILL", "SIGTERM", "SIGSTOP"], tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    chance = random.Random(how)  # noqa: S311 - the moments of a test
    await box.turn(delay_s=0.5)
    async with two(tmp_path, team_database, box, **PATIENT) as (one, _, other, direct):
        ports = [int(server.address.rpartition(":")[2]) for server in (one, other)]
        with running_haproxy(BAD_BALANCER, ports) as port:
            address = Served(f"http://127.0.0.1:{port}", one.process, tmp_path)
            outcomes = dict[int, CallToolResult | Exception]()

            async def draw(number: int) -> None:
                try:
                    async with address.client(TOKEN) as client:
                        outcomes[number] = await client.call_tool("generate_image", FOX | {"prompt": f"{number} foxes"})
                except* (MCPError, httpx2.HTTPError) as error:
                    # No replica could be reached, or the balancer has given up.
                    outcomes[number] = error

            try:
                async with anyio.create_task_group() as tasks:
                    for number in range(FOXES):
                        tasks.start_soon(draw, number)
                        await anyio.sleep(chance.uniform(0, 0.3))
                        if number == FOXES // 2:
                            os.kill(one.process.pid, getattr(signal, how))
                if how == "SIGSTOP":
                    await anyio.sleep(2 * LEASE_S)
            finally:
                if how == "SIGSTOP":
                    os.kill(one.process.pid, signal.SIGCONT)
        assert len(outcomes) == FOXES
        assert any(isinstance(outcome, CallToolResult) and not outcome.is_error for outcome in outcomes.values())
        assert await box.count("started") <= FOXES, "each wish is sent once at most"
        for outcome in outcomes.values():
            if isinstance(outcome, CallToolResult) and not outcome.is_error:
                made = outcome
                if JOB in (outcome.meta or {}):
                    # It was passed on, or waits for a replica that sleeps.
                    made = await answered(direct, job_of(outcome))
                assert await has_bytes(direct, made)
