"""Every test starts from nothing: no variable of ours, a home and a working directory of its own."""

import gc
import os
import re
import subprocess
import sys
from collections import defaultdict
from collections.abc import AsyncIterator, Generator, Iterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path
from tempfile import TemporaryDirectory, mkdtemp

import pytest
from hypothesis import settings
from patience import ALL_ROUNDS, PATIENCE_S
from postgres_server import Server, running_server
from stdio_bench import Box, boxed
from workbench import Bench, Benches

from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.settings import Settings

pytest_plugins = ["no_processes_left", "no_skips"]

# A machine under load is no error.
settings.register_profile("all rounds", deadline=None)
settings.register_profile("few rounds", deadline=None, max_examples=20)
settings.load_profile("all rounds" if ALL_ROUNDS else "few rounds")

MOST_CASES = 3
"""Cases of one test function that `make test` runs."""


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave the thorough tests, and of a test with many cases most of them, to `make test-all`."""
    if ALL_ROUNDS or config.option.keyword or any("[" in arg for arg in config.args):
        return
    cases = defaultdict[str, list[pytest.Item]](list)
    for item in items:
        if not item.get_closest_marker("thorough"):
            cases[item.nodeid.partition("[")[0]].append(item)
    chosen = {item for found in cases.values() for item in _spread(found)}
    config.hook.pytest_deselected(items=[item for item in items if item not in chosen])
    items[:] = [item for item in items if item in chosen]


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Generator[None, object, object]:
    """Look for no garbage in what is imported and collected, now or later: all of it stays to the end."""
    gc.disable()
    try:
        return (yield)
    finally:
        gc.freeze()
        gc.enable()


def _spread(cases: Sequence[pytest.Item]) -> Sequence[pytest.Item]:
    """At most `MOST_CASES`, evenly from the first to the last."""
    step = max((len(cases) - 1) / (MOST_CASES - 1), 1)
    return [cases[round(step * number)] for number in range(min(len(cases), MOST_CASES))]


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def nothing_from_outside(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """A developer's own key, proxy or Pictures folder has no part in a test."""
    for name in (*os.environ, *Settings.variables()):
        if name.startswith(("OPENAI_", "GPT_IMAGE_2_", "XDG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name, raising=False)
    # A folder of their own: numbered ones are counted anew each time, which takes the longer the more there are.
    people = tmp_path_factory.getbasetemp() / "people"
    people.mkdir(exist_ok=True)
    place = Path(mkdtemp(dir=people))
    for name in ("HOME", "USERPROFILE"):
        monkeypatch.setenv(name, str(place))
    working_dir = place / "somewhere"
    working_dir.mkdir()
    monkeypatch.chdir(working_dir)


@pytest.fixture
async def benches() -> AsyncIterator[Benches]:
    """Opens servers with settings of the test's choice."""
    async with AsyncExitStack() as stack:
        # A short path, since errors cut long ones and snapshots hold errors.
        root = stack.enter_context(TemporaryDirectory(prefix="b", ignore_cleanup_errors=True))
        yield Benches(stack, Path(root))


@pytest.fixture
async def bench(benches: Benches) -> Bench:
    """A server as most people have it: a key, and a folder."""
    return await benches.open()


@pytest.fixture(params=["2026-07-28", "initialize"])
async def each_era(benches: Benches, request: pytest.FixtureRequest) -> Bench:
    """The same with a client of the newest protocol, and with one that opens with `initialize`."""
    return await benches.open(legacy=request.param == "initialize")


@pytest.fixture(scope="session")
def sandbox_url() -> Iterator[str]:
    """The address of a sandbox in a process of its own, as `gpt-image-2-mcp sandbox` gives it; `…/v1`."""
    command = [sys.executable, "-m", "gpt_image_2_mcp", "sandbox", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        found = re.search(r"OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1)", process.stderr.readline())
        assert found
        yield found[1]
        process.terminate()
        out, _ = process.communicate(timeout=PATIENCE_S)
        assert out == ""


@pytest.fixture
async def box(sandbox_url: str) -> AsyncIterator[Box]:
    """The controls of that sandbox."""
    async with boxed(sandbox_url) as box:
        yield box


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[Server]:
    """A PostgreSQL server."""
    with running_server(in_memory=True) as server:
        yield server


@pytest.fixture
def postgres(postgres_server: Server) -> Iterator[PostgresUrl]:
    """A PostgreSQL database, empty."""
    url = postgres_server.database()
    yield url
    postgres_server.drop(url)
