"""A database that is away, full or locked for a while costs no record: what it could not take waits in a file.

"Locked" is another program in a transaction on the same file; "full" is a limit of SQLite's own on the file.
"""

import json
import re
import shutil
import signal
import sqlite3
import sys
from collections.abc import Callable, Generator
from contextlib import closing, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import psycopg
import pytest
from fault_proxy import paying, until
from patience import PATIENCE_S
from postgres_server import Server
from power_cut import Disk
from sqlalchemy import event
from sqlalchemy.pool import QueuePool
from stdio_bench import reached
from workbench import SMALL, Answer, Bench, said

from gpt_image_2_mcp.catalogue.sidecar import read_sidecar
from gpt_image_2_mcp.database.url import PostgresUrl
from gpt_image_2_mcp.persistence.spool import Spool
from gpt_image_2_mcp.shared_parts import DATABASE

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
URL = "GPT_IMAGE_2_DATABASE_URL"
WAITING = "it is not in the catalogue yet, and is added as soon as the database can be written"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for shortly, and what has failed is tried again at once."""
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.SHORT_BUSY_SECONDS", 0.01)
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 0.0)


@contextmanager
def locked(root: Path) -> Generator[None]:
    """Another program has the database file for itself."""
    (root / "data").mkdir(exist_ok=True)
    with closing(sqlite3.connect(root / "data" / DATABASE, isolation_level=None)) as connection:
        connection.execute("BEGIN EXCLUSIVE")
        yield


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - names of the test's


def spooled(root: Path) -> list[Any]:
    """The lines that wait, as JSON."""
    texts: list[str] = []
    for path in (root / "data").glob("waiting-*.jsonl"):
        # It may be written out and removed at this moment.
        with suppress(FileNotFoundError):
            texts.append(path.read_text())
    return [json.loads(line) for text in texts for line in text.splitlines()]


def sidecar(path: Path) -> dict[str, Any]:
    return json.loads((path.parent / ".gpt-image-2" / f"{path.stem}.json").read_text())


async def made_while(bench: Bench, away: Callable[[], Any], tool: str = "generate_image", **arguments: Any) -> Answer:
    """Make pictures whose answer comes while the database is away."""
    answers: list[Answer] = []
    answered = anyio.Event()

    async def call() -> None:
        answers.append(await bench.made(tool, **{**FOX, **arguments}))
        answered.set()

    sent = len(bench.knobs.requests)
    bench.knobs.hold()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(call)
        await reached(bench, sent + 1)
        with away():
            bench.knobs.release()
            with anyio.fail_after(PATIENCE_S):
                await answered.wait()
    return answers[0]


@pytest.mark.parametrize("n", [1, 2])
async def test_what_a_locked_database_cannot_take_is_written_once_when_it_can(n: int, tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        first = await bench.made("generate_image", **FOX)
        answer = await made_while(bench, lambda: locked(tmp_path), n=n)
        assert WAITING in answer.text
        assert "is held by another process" in answer.text
        assert sidecar(answer.paths[0])["prompt"] == "a fox"
        text = said(await bench.call("list_images"))
        assert all(path.stem in text for path in answer.paths)
        assert "done" in said(await bench.call("get_image_job"))
    assert {row["id"] for row in rows(tmp_path, "pictures")} == {path.stem for path in [first.path, *answer.paths]}
    assert [row["state"] for row in rows(tmp_path, "jobs")] == ["done", "done"]
    assert [row["fetched"] for row in rows(tmp_path, "jobs")] == [1, 1]
    costs = [(row["state"], row["pictures"]) for row in rows(tmp_path, "charges")]
    assert costs == [("settled", 1), ("settled", n)]
    assert all(row["nano_usd"] for row in rows(tmp_path, "charges"))
    assert not spooled(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="it reads what a descriptor leads to")
async def test_what_waits_outlasts_a_power_cut(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    disk = Disk(monkeypatch)
    async with paying(tmp_path) as bench:
        for number in range(2):
            answer = await made_while(bench, lambda: locked(tmp_path), prompt=f"fox {number}")
            left = disk.after_power_cut(tmp_path / "data")
            (waiting,) = (content for name, content in left.items() if name.startswith("waiting-") and content)
            assert answer.paths[0].stem.encode() in waiting


async def test_a_list_says_that_it_lacks_what_still_waits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RETRY_SECONDS", "RETRY_FACTOR"):
        monkeypatch.setattr(f"gpt_image_2_mcp.database.retry.{name}", 1e9)
    async with paying(tmp_path) as bench:
        await made_while(bench, lambda: locked(tmp_path))
        with locked(tmp_path):
            assert "is held by another process" in await bench.refused("list_images")
        for tool in ("list_images", "image_costs"):
            assert "waits for it, and is in no list and no sum yet" in said(await bench.call(tool))
        # Before something is written, it is tried again in any case.
        assert "waits for it" not in (await bench.made("generate_image", **FOX)).text
        assert "2 pictures" in (text := said(await bench.call("list_images")))
        assert "waits for it" not in text


async def test_what_is_sent_while_the_database_is_locked_leaves_a_trace_in_case_of_a_kill(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        await bench.call("list_images")
        bench.knobs.hold()
        async with anyio.create_task_group() as tasks:
            with locked(tmp_path):
                tasks.start_soon(partial(bench.made, "generate_image", **FOX))
                await reached(bench, 1)
            async with paying(tmp_path) as other:
                assert ": rendering" in said(await other.call("get_image_job"))
                assert [row["state"] for row in rows(tmp_path, "charges")] == ["unknown"]
                assert len(rows(tmp_path, "jobs")) == 1
            bench.knobs.release()
    assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled"]
    assert [row["state"] for row in rows(tmp_path, "jobs")] == ["done"]


async def test_a_session_that_begins_and_goes_on_while_the_database_is_locked_is_one_session(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        bench.photo()
        begun = await made_while(bench, lambda: locked(tmp_path), "start_edit_session", images=["photo.png"])
        assert begun.report["turn"] == 1
        assert sidecar(begun.path)["place"]["session_id"] == begun.session_id
        session = {"session_id": begun.session_id}
        second = await made_while(bench, lambda: locked(tmp_path), "continue_edit_session", prompt="bluer", **session)
        assert WAITING in second.text
        third = await bench.made("continue_edit_session", **FOX, **session)
        assert third.report["turn"] == 3
        assert sidecar(second.path)["place"]["turn"] == 2
    assert [row["turn"] for row in rows(tmp_path, "pictures")] == [1, 2, 3]


async def test_the_next_start_writes_what_a_full_database_could_not_take(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The same call again is another picture then: the first answer was given."""
    pages = 1

    def limit(connection: sqlite3.Connection, *_: object) -> None:
        # SQLite takes no limit below the present size.
        connection.execute(f"PRAGMA max_page_count = {pages}")

    try:
        monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 3600.0)
        async with paying(tmp_path) as bench:
            await bench.made("generate_image", **FOX)
            event.listen(QueuePool, "checkout", limit)
            try:
                long = {**FOX, "prompt": "fox " * 8000}
                answer = await bench.made("generate_image", **long)
            finally:
                pages = 1_000_000
            assert WAITING in answer.text
            assert "cannot grow: the disk is full" in answer.text
        monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 0.0)
        async with paying(tmp_path) as bench:
            await anyio.to_thread.run_sync(until, lambda: not spooled(tmp_path))
            assert [row["id"] for row in rows(tmp_path, "pictures")][1:] == [answer.path.stem]
            assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled", "settled"]
            again = await bench.made("generate_image", **long)
            assert again.path != answer.path
            assert bench.knobs.paid == 1
    finally:
        event.remove(QueuePool, "checkout", limit)
    assert len(rows(tmp_path, "charges")) == 3


async def test_without_history_only_the_money_waits(tmp_path: Path) -> None:
    forgetful = {"GPT_IMAGE_2_HISTORY": "off"}
    async with paying(tmp_path, forgetful) as bench:
        await bench.made("generate_image", **FOX)
        await made_while(bench, lambda: locked(tmp_path), prompt="a secret fox")
        assert len(spooled(tmp_path)) == 1
        assert "secret" not in json.dumps(spooled(tmp_path))
        assert "in 2 calls" in said(await bench.call("image_costs"))
    assert not rows(tmp_path, "pictures")


async def test_a_process_without_history_writes_what_another_one_has_left(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        answer = await made_while(bench, lambda: locked(tmp_path))
        async with paying(tmp_path, {"GPT_IMAGE_2_HISTORY": "off"}) as other:
            assert "in 1 call" in said(await other.call("image_costs"))
        assert [row["id"] for row in rows(tmp_path, "pictures")] == [answer.path.stem]


# A replay that is killed, or meets what it cannot write.

REPLAY = """\
import os, signal, sys
from pathlib import Path
import anyio
from sqlalchemy import Engine, event
from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.persistence.unit_of_work import Repositories
from gpt_image_2_mcp.settings import Settings

root, moment, dies_at = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
count = 0

def step(*_):
    global count
    count += 1
    if count == dies_at:
        os.kill(os.getpid(), signal.SIGKILL)

async def main():
    event.listen(Engine, "commit", step) if moment == "commit" else None
    settings = Settings.read({"OPENAI_API_KEY": "sk-x", "GPT_IMAGE_2_OUTPUT_DIR": str(root / "pictures")})
    async with open_service(settings, working_dir=root / "work", home=root / "home", data_dir=root / "data") as service:
        repositories = service._writer.repositories
        replay = repositories.replay_line
        def replay_and_die(repositories, line):
            replay(repositories, line)
            step()
        if moment == "line":
            repositories.replay_line = replay_and_die
        await service.sessions.active()

anyio.run(main)
"""
"""Uses the database as any start does, and kills itself at a commit, or after a line."""


async def killed_in_mid_replay(root: Path, moment: str, dies_at: int) -> None:
    command = [sys.executable, "-c", REPLAY, str(root), moment, str(dies_at)]
    with anyio.fail_after(PATIENCE_S):
        ended = await anyio.run_process(command, check=False)
    assert ended.returncode == -signal.SIGKILL, ended.stderr.decode()


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform == "win32", reason="it kills with SIGKILL")
async def test_a_kill_in_the_middle_of_a_replay_loses_and_doubles_nothing(tmp_path: Path) -> None:
    async with paying(tmp_path, GPT_IMAGE_2_MAX_CONCURRENCY="3") as bench:
        bench.photo()
        ids: list[str] = []
        with locked(tmp_path):
            for prompt in ("a fox", "an owl"):
                made = await bench.made("generate_image", **{**FOX, "prompt": prompt}, n=2)
                ids += [path.stem for path in made.paths]
            ids.append((await bench.made("start_edit_session", **FOX, images=["photo.png"])).path.stem)
            assert len(spooled(tmp_path)) >= 3
            left = tmp_path / "left.jsonl"
            [path] = (tmp_path / "data").glob("*.jsonl")
            shutil.copy(path, left)
            path.unlink()
    for moment, dies_at in (("commit", 2), ("line", 1), ("line", 2), ("line", 3)):
        shutil.copy(left, path)
        await killed_in_mid_replay(tmp_path, moment, dies_at)
        assert len(spooled(tmp_path)) == len(left.read_text().splitlines())
    async with paying(tmp_path) as bench:
        text = said(await bench.call("list_images"))
        assert all(name in text for name in ids)
    assert len(rows(tmp_path, "pictures")) == 5
    assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled"] * 3
    assert [row["state"] for row in rows(tmp_path, "jobs")] == ["done"] * 3
    assert len(rows(tmp_path, "sessions")) == 1
    assert not spooled(tmp_path)


async def test_a_line_that_can_never_be_written_is_set_aside_and_blocks_no_other(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """The last one is what a kill in the middle of writing leaves; what is appended after it is whole."""
    async with paying(tmp_path) as bench:
        await bench.made("generate_image", **FOX)
        with locked(tmp_path):
            first = await bench.made("generate_image", **{**FOX, "prompt": "an owl"})
            [path] = (tmp_path / "data").glob("*.jsonl")
            broken = ['{"end": {"pictures": [{}]}}', '{"later": 1}', '{"end": {"char']
            path.write_text("\n".join([broken[0], broken[1], path.read_text().strip(), broken[2]]))
            second = await bench.made("generate_image", **{**FOX, "prompt": "a cat"})
        text = said(await bench.call("list_images"))
        assert first.path.stem in text
        assert second.path.stem in text
        assert not path.exists()
        aside = path.with_suffix(".rejected.jsonl")
        assert aside.read_text().splitlines() == broken
        assert str(aside) in caplog.text


def test_databases_have_a_spool_of_their_own_whose_name_tells_no_password(tmp_path: Path) -> None:
    one = Spool.of(PostgresUrl("postgresql://me:one@host/a"), tmp_path)
    assert one == Spool.of(PostgresUrl("postgresql://me:two@host/a"), tmp_path)
    others = [PostgresUrl("postgresql://me:one@host/b"), tmp_path / "a.db", tmp_path / "b.db"]
    assert len({one, *(Spool.of(other, tmp_path) for other in others)}) == 4
    assert Spool.of(None, tmp_path) is None


# A database that cannot be used from the first.


@pytest.mark.thorough
async def test_a_database_that_is_locked_at_first_use_is_used_when_it_can_be(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        bench.photo()
        with locked(tmp_path):
            session = await bench.made("start_edit_session", **FOX, images=["photo.png"])
            assert WAITING in session.text
            turn = await bench.made("continue_edit_session", **FOX, session_id=session.session_id)
            assert turn.report["turn"] == 2
            assert turn.path.stem in said(await bench.call("list_images"))
        third = await bench.made("continue_edit_session", **FOX, session_id=session.session_id)
        assert third.report["turn"] == 3
        assert WAITING not in third.text
    assert [row["turn"] for row in rows(tmp_path, "pictures")] == [1, 2, 3]
    assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled"] * 3


@pytest.mark.thorough
@pytest.mark.parametrize("is_open", [True, False])
async def test_a_locked_database_delays_a_request_once_and_not_at_each_transaction(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, is_open: bool
) -> None:
    """With a budget, the request is refused after the same time."""
    # Much longer than the rest of a call takes; each of its transactions would wait as long.
    busy = PATIENCE_S / 15
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.BUSY_SECONDS", busy)
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 3600.0)
    async with paying(tmp_path) as free, paying(tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="5") as limited:
        if is_open:
            for bench in (free, limited):
                await bench.made("generate_image", **FOX)
        with locked(tmp_path):
            with anyio.fail_after(2.5 * busy):
                await free.made("generate_image", **{**FOX, "prompt": "an owl"})
            with anyio.fail_after(2.5 * busy):
                assert "is held by another process" in await limited.refused("generate_image", **FOX, n=2)
            assert len(limited.knobs.requests) == int(is_open)


async def test_every_answer_says_that_the_database_does_not_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The writer thread waits for a lock here; a disk or a server may never answer."""
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.BUSY_SECONDS", PATIENCE_S)
    async with paying(tmp_path, GPT_IMAGE_2_MAX_WAIT_S="0.1") as bench:
        bench.knobs.hold()
        await bench.call("generate_image", **FOX)
        assert "has not answered" not in said(await bench.call("generate_image", **{**FOX, "prompt": "an owl"}))
        monkeypatch.setattr("gpt_image_2_mcp.persistence.writer_thread.STUCK_SECONDS", 0.0)
        with locked(tmp_path):
            waits = await bench.call("generate_image", **{**FOX, "prompt": "a cat"})
            assert re.search(r"The database has not answered for \d+ s. Pictures are saved all the same", said(waits))
            assert "has not answered" in await bench.refused("generate_image", prompt="a fox", size="7x7")
            monkeypatch.setattr("gpt_image_2_mcp.persistence.writer_thread.READ_SECONDS", 0.1)
            for tool, arguments in (("list_images", {}), ("show_image", {"image": "last"}), ("list_edit_sessions", {})):
                assert "has not answered for" in await bench.refused(tool, **arguments)


async def test_the_start_after_a_kill_writes_the_records_that_are_missing(tmp_path: Path) -> None:
    """A process that is killed between its transaction and the record leaves a row without a record."""
    async with paying(tmp_path) as bench:
        bench.photo()
        made = await bench.made("start_edit_session", **FOX, images=["photo.png"])
        gone = await bench.made("generate_image", **FOX)
    record = made.path.parent / ".gpt-image-2" / f"{made.path.stem}.json"
    before = read_sidecar(record)
    record.unlink()
    gone.path.unlink()
    (gone.path.parent / ".gpt-image-2" / f"{gone.path.stem}.json").unlink()
    (tmp_path / "data" / f"{DATABASE}-alive" / "killed.alive").touch()
    async with paying(tmp_path) as bench:
        await anyio.to_thread.run_sync(until, record.exists)
        assert read_sidecar(record) == before
        assert not any(gone.path.stem in name for name in bench.files()), "it was deleted, and stays so"


# PostgreSQL.


@contextmanager
def stopped(server: Server) -> Generator[None]:
    server.stop()
    try:
        yield
    finally:
        server.start()


@pytest.mark.parametrize("is_open", [True, False])
async def test_a_server_that_is_stopped_for_a_while_costs_no_record(
    tmp_path: Path, postgres_server: Server, postgres: PostgresUrl, is_open: bool
) -> None:
    async with paying(tmp_path, {URL: postgres.text}) as bench:
        if is_open:
            await bench.call("image_costs")
            answer = await made_while(bench, lambda: stopped(postgres_server))
        else:
            with stopped(postgres_server):
                answer = await bench.made("generate_image", **FOX)
                assert answer.path.stem in said(await bench.call("list_images"))
        assert WAITING in answer.text
        assert "s3cret" not in json.dumps(spooled(tmp_path))
        assert answer.path.stem in said(await bench.call("list_images"))
        with closing(psycopg.connect(postgres.text)) as connection:
            assert connection.execute("SELECT id FROM pictures").fetchall() == [(answer.path.stem,)]
            assert connection.execute("SELECT state FROM charges").fetchall() == [("settled",)]
            assert connection.execute("SELECT state FROM jobs").fetchall() == [("done",)]
    assert not spooled(tmp_path)
