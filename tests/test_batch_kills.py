"""`kill -9` while a cheap batch is submitted, polled, downloaded and saved: what is paid is saved once, and once only.

Starting the program takes a second, so `drive` runs in a process that has loaded everything, and forks a child for each
process that is killed.
"""

import json
import os
import random
import signal
import sqlite3
import subprocess
import sys
import threading
from collections import Counter
from collections.abc import Generator, Mapping
from contextlib import closing
from pathlib import Path
from time import monotonic
from typing import Any

import anyio
import pytest
from fault_proxy import DATABASE, FaultProxy, control, until
from forked_children import fork_for_each_line
from patience import PATIENCE_S, look_again, rounds
from PIL import Image
from promises import promise
from workbench import KEY, SMALL, picture

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.batches.batch import BatchStatus
from gpt_image_2_mcp.parameters.models import MakeBatchRequest, parse
from gpt_image_2_mcp.service.images import ImageService
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="Windows has neither fork nor SIGKILL")

LINES = 4
KILLS_A_ROUND = 2
ROUNDS = int(os.environ.get("GPT_IMAGE_2_BATCH_KILLS", "0")) // KILLS_A_ROUND or rounds(1, 50)
LONG_AGO_S = 3600
OVER = "after its end"
SHORTER, LONGER = 0.7, 1.1


# In the processes that are killed.


def drive() -> None:
    """Load what a child needs, and fork one for each line on stdin."""
    import sqlalchemy
    from genai_prices import Usage, calc_price
    from PIL import JpegImagePlugin, PngImagePlugin

    from gpt_image_2_mcp.billing import charge_table, ledger
    from gpt_image_2_mcp.catalogue import batch_table
    from gpt_image_2_mcp.database import sqlite
    from gpt_image_2_mcp.openai_api import backend, batch_lines

    del sqlalchemy, JpegImagePlugin, PngImagePlugin, charge_table, ledger, batch_table, sqlite, backend, batch_lines
    calc_price(Usage(input_tokens=1, output_tokens=1), "gpt-image-2", provider_id="openai")
    fork_for_each_line(_child)


async def _child(order: Mapping[str, Any]) -> None:
    """Open a service as a server does at its start, begin a batch, and go on until none is open."""
    os.dup2(os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND), 2)
    root = Path(order["root"])
    settings = Settings.read(order["environ"])
    async with open_service(settings, working_dir=root, home=root, data_dir=root / "data") as service:
        await service.resume_batches()
        if order["items"]:
            arguments = {"items": order["items"], "when": "cheap", "common": {"size": SMALL, "quality": "low"}}
            plan = await service.batches.plan(parse(MakeBatchRequest, arguments))
            await service.batches.start(plan, client=None)
        with anyio.fail_after(PATIENCE_S):
            while not all(batch.is_over for batch in await _batches(service)):
                await look_again()
    if order["stays"]:
        # What is to be killed is there to be killed, and no other process has got its number.
        await anyio.sleep_forever()


async def _batches(service: ImageService) -> list[BatchStatus]:
    """The batches, looked at now."""
    return [await service.batches.status(batch.row.id) for batch in await service.batches.recent(9)]


# In the test.


class Driver:
    """That process, from the outside."""

    def __init__(self, base_url: str) -> None:
        line = [sys.executable, "-c", "import test_batch_kills; test_batch_kills.drive()"]
        pipe = subprocess.PIPE
        self.process = subprocess.Popen(line, stdin=pipe, stdout=pipe, text=True, cwd=Path(__file__).parent)
        self.environ = {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": base_url, "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "50"}

    def begin(self, root: Path, items: list[dict[str, Any]], *, stays: bool = False) -> int:
        """Have a child begin; its process id."""
        environ = {**self.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "p")}
        order = {"root": str(root), "log": str(root / "log"), "items": items, "environ": environ, "stays": stays}
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return self.line()

    def line(self) -> int:
        assert self.process.stdout is not None
        return int(self.process.stdout.readline())

    def kill_after(self, seconds: float, root: Path, items: list[dict[str, Any]]) -> None:
        child = self.begin(root, items, stays=True)
        threading.Event().wait(seconds)
        os.kill(child, signal.SIGKILL)
        self.line()

    def to_end(self, root: Path, items: list[dict[str, Any]]) -> None:
        self.begin(root, items)
        assert self.line() == 0, (root / "log").read_text(encoding="utf-8")


@pytest.fixture
def proxy(sandbox_url: str) -> Generator[FaultProxy]:
    """A backend that costs money."""
    with FaultProxy(sandbox_url) as proxy:
        yield proxy.listen()


@pytest.fixture
def driver(proxy: FaultProxy) -> Generator[Driver]:
    driver = Driver(proxy.url)
    try:
        yield driver
    finally:
        driver.process.kill()
        driver.process.communicate(timeout=PATIENCE_S)


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    path = root / "data" / DATABASE
    if not path.exists():
        return []
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        if not connection.execute("SELECT name FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - a name of the test's


def let_time_pass(root: Path) -> None:
    """A submission that had no answer is long ago, so that one that the list does not have never happened."""
    for row in rows(root, "batches"):
        parts = [{**part, "asked_s": part["asked_s"] - LONG_AGO_S} for part in json.loads(row["parts"])]
        with closing(sqlite3.connect(root / "data" / DATABASE)) as connection, connection:
            connection.execute("UPDATE batches SET parts = ? WHERE id = ?", (json.dumps(parts), row["id"]))


def how_far(root: Path) -> str:
    """What a process that was killed had reached, in words."""
    found = rows(root, "batches")
    if not found:
        return "before the batch was written down"
    if found[0]["state"] != "open":
        return OVER if found[0]["state"] == "ended" else "before it was submitted"
    saved = len(rows(root, "pictures"))
    states = {part["state"] for part in json.loads(found[0]["parts"])}
    return "while it was submitted" if "creating" in states and not saved else f"with {saved} pictures recorded"


def paid_lines(sandbox_url: str, root: Path) -> Counter[str]:
    """How often each line of the batches of this folder was billed."""
    own = tuple(f"{row['id']}-" for row in rows(root, "batches"))
    billed: dict[str, int] = control(sandbox_url, "state")["paid_lines"]
    return Counter({name: count for name, count in billed.items() if own and name.startswith(own)})


def check(root: Path, billed: Counter[str]) -> None:
    """Every paid line is saved and recorded once, was billed once, and its charge is settled."""
    assert set(billed.values()) <= {1}, billed
    listed = Counter(row["job_id"] for row in rows(root, "pictures"))
    assert listed == billed, (root / "log").read_text(encoding="utf-8")
    files = [Path(row["path"]) for row in rows(root, "pictures")]
    assert sorted((root / "p").rglob("*.png")) == sorted(files)
    for path in files:
        with Image.open(path) as image:
            image.load()
    settled = Counter(row["job"] for row in rows(root, "charges") if row["state"] == "settled")
    assert settled == billed
    assert {row["state"] for row in rows(root, "charges")} <= {"settled", "released"}
    assert {row["state"] for row in rows(root, "batches")} <= {"ended"}


def test_a_batch_that_was_killed_before_it_was_marked_is_seen_to_be_over_when_it_is_asked_for(
    driver: Driver, proxy: FaultProxy, tmp_path: Path
) -> None:
    """The row is written, and the file by which a start sees that a batch is open is not there."""
    picture().save(tmp_path / "photo.png")
    proxy.flaws.append("stalled before the headers")
    child = driver.begin(tmp_path, [{"prompt": "a fox", "images": ["photo.png"]}], stays=True)
    until(lambda: proxy.asked > 0 and bool(rows(tmp_path, "batches")))
    os.kill(child, signal.SIGKILL)
    driver.line()
    (tmp_path / "data" / f"{DATABASE}-open-batches").unlink()
    driver.to_end(tmp_path, [])
    (batch,) = rows(tmp_path, "batches")
    assert batch["state"] == "ended"
    assert "nothing of it is billed" in batch["details"]


@promise(
    "Crashes", "A cheap batch that is killed at any moment is never submitted twice, and no paid line of it is lost."
)
@pytest.mark.slow
def test_kills_at_any_moment_submit_nothing_twice_and_lose_no_paid_line(
    driver: Driver, sandbox_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    seed = int(os.environ.get("KILL_TEST_SEED", random.SystemRandom().randrange(10**6)))
    chance = random.Random(seed)  # noqa: S311 - the moments of a test keep no secret
    with capsys.disabled():
        sys.stderr.write(f"\nbatch kill test: KILL_TEST_SEED={seed}\n")
    control(sandbox_url, "knobs", batch_s=0)
    submitted, longest = 0, [0.0]
    killed_in: Counter[str] = Counter()
    for number in range(-1, ROUNDS):
        root = tmp_path / f"round{number}"
        root.mkdir()
        picture().save(root / "photo.png")
        items: list[dict[str, Any]] = [{"prompt": f"kill {number} {line}"} for line in range(LINES - 1)]
        items.append({"prompt": f"kill {number} edit", "images": ["photo.png"]})
        if number >= 0:
            for kill, asked in enumerate((items, [])):
                driver.kill_after(chance.uniform(0.0, longest[kill]), root, asked)
                killed_in[reached := how_far(root)] += 1
                # On a machine whose load changes, the kills stay spread over what a round takes.
                longest[kill] *= SHORTER if reached == OVER else LONGER
            let_time_pass(root)
        began = monotonic()
        driver.to_end(root, [] if number >= 0 else items)
        if number < 0:
            longest = [monotonic() - began] * KILLS_A_ROUND
        billed = paid_lines(sandbox_url, root)
        submitted += bool(billed) and number >= 0
        check(root, billed)
        assert number >= 0 or sum(billed.values()) == LINES
    with capsys.disabled():
        moments = ", ".join(f"{count} {moment}" for moment, count in killed_in.most_common())
        sys.stderr.write(f"{killed_in.total()} kills ({moments}), {submitted} of {ROUNDS} batches paid\n")
    assert submitted or ROUNDS < 10
