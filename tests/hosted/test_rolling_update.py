"""One replica after another is restarted behind haproxy, as the documents have it, while people have pictures made."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from patience import PATIENCE_S, look_again
from ports import free_port
from promises import promise
from stdio_bench import Box
from workbench import JOB, META, SMALL, said

from gpt_image_2_mcp.database.url import PostgresUrl

from .conftest import ALICE, BOB
from .parts.composed import HOSTING
from .parts.haproxy import running_haproxy
from .served import Served, served, write_tokens
from .test_fleet_processes import environ

pytestmark = [pytest.mark.anyio, pytest.mark.thorough]

AT_ONCE = 4
"""Pictures that each person waits for at the same time."""
TOKENS = {"alice": ALICE, "bob": BOB}


class Replica:
    """A replica that can be restarted at the same port."""

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self.port, self._metrics = free_port(), free_port()
        self._folder = folder
        self._env = {**env, "GPT_IMAGE_2_METRICS_PORT": str(self._metrics)}
        self._stack = ExitStack()
        self.start()

    def start(self) -> None:
        running = served(self._folder, "--port", str(self.port), env=self._env)
        self.server = self._stack.enter_context(running)

    def end(self) -> int:
        """Have it end as an update does; gives its exit status."""
        self.server.process.terminate()
        status = self.server.process.wait(PATIENCE_S)
        self._stack.close()
        return status

    def metrics(self) -> dict[str, float]:
        """The sums by the names of the metrics, and of jobs by their outcome."""
        sums = dict[str, float]()
        for line in httpx2.get(f"http://127.0.0.1:{self._metrics}/metrics", timeout=PATIENCE_S).text.splitlines():
            if line.startswith("gpt_image_2_"):
                name, _, value = line.rpartition(" ")
                outcome = name.partition('outcome="')[2].partition('"')[0]
                key = " ".join(filter(None, [name.partition("{")[0], outcome]))
                sums[key] = sums.get(key, 0) + float(value)
        return sums


@dataclass
class Load:
    """People who have one picture after the other made."""

    server: Served
    pictures: list[str] = field(default_factory=list[str])
    failures: list[str] = field(default_factory=list[str])
    asked: int = 0
    is_enough: bool = False

    async def draw(self, token: str) -> None:
        while not self.is_enough:
            self.asked += 1
            prompt = f"{self.asked} foxes"
            try:
                async with self.server.client(token) as client:
                    result = await client.call_tool(
                        "generate_image", {"prompt": prompt, "size": SMALL, "quality": "low"}
                    )
                    while JOB in (result.meta or {}):
                        job_id = (result.meta or {})[JOB]["job_id"]
                        result = await client.call_tool("get_image_job", {"job_id": job_id})
            except Exception as error:  # noqa: BLE001 - whatever a client is told
                self.failures.append(repr(error))
                return
            if result.is_error:
                self.failures.append(said(result))
            else:
                self.pictures += [image["id"] for image in (result.meta or {})[META]["images"]]

    async def go_on(self) -> None:
        """Wait until as many pictures more are made as are waited for at once."""
        enough = len(self.pictures) + AT_ONCE * len(TOKENS)
        with anyio.fail_after(PATIENCE_S):
            while len(self.pictures) < enough and not self.failures:
                await look_again()


@asynccontextmanager
async def under_load(port: int, replica: Replica, folder: Path) -> AsyncGenerator[Load]:
    load = Load(Served(f"http://127.0.0.1:{port}", replica.server.process, folder))
    async with anyio.create_task_group() as tasks:
        for token in TOKENS.values():
            for _ in range(AT_ONCE):
                tasks.start_soon(load.draw, token)
        try:
            yield load
        finally:
            load.is_enough = True


@promise("Several replicas", "While one replica after another is restarted, no call fails and no picture is paid twice")
async def test_replicas_are_restarted_one_after_another_while_pictures_are_made(
    tmp_path: Path, team_database: PostgresUrl, box: Box
) -> None:
    env = environ(tmp_path, team_database, box, GPT_IMAGE_2_MAX_WAIT_S=str(PATIENCE_S), GPT_IMAGE_2_MAX_CONCURRENCY="3")
    env["GPT_IMAGE_2_TOKENS_FILE"] = str(write_tokens(tmp_path, TOKENS))
    await box.turn(delay_s=0.5)
    replicas = [Replica(tmp_path / name, env) for name in ("one", "other")]
    config = (HOSTING / "haproxy.cfg").read_text(encoding="utf-8")
    try:
        with running_haproxy(config, [one.port for one in replicas], environ={"STORE_HOST": "none"}) as port:
            async with under_load(port, replicas[0], tmp_path) as load:
                await load.go_on()
                for replica in replicas:
                    assert await anyio.to_thread.run_sync(replica.end) == 0
                    await load.go_on()
                    await anyio.to_thread.run_sync(replica.start)
                    await load.go_on()
            assert load.failures == []
            assert len(load.pictures) == len(set(load.pictures)) == load.asked == await box.count("paid")
            # Since the last restart, by what Prometheus reads.
            sums = [replica.metrics() for replica in replicas]
            assert [one["gpt_image_2_leases"] for one in sums] == [2, 2]
            assert [one["gpt_image_2_queue_length"] for one in sums] == [0, 0]
            jobs, pictures = (
                sum(one.get(name, 0) for one in sums)
                for name in ("gpt_image_2_jobs_total done", "gpt_image_2_pictures_total")
            )
            assert 0 < jobs == pictures < load.asked
            assert not {"gpt_image_2_jobs_total lost", "gpt_image_2_jobs_total failed"} & {*sums[0], *sums[1]}
    finally:
        for replica in replicas:
            replica.end()
