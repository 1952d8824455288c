"""What waits in the spool is written in its order, also beside other processes, and before what depends on it."""

from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from fault_proxy import paying
from patience import PATIENCE_S
from sqlalchemy import exc
from stdio_bench import reached
from test_spool import FOX, WAITING, locked, made_while, rows, spooled
from workbench import said

from gpt_image_2_mcp.database.liveness import try_lock
from gpt_image_2_mcp.persistence.spool import Spool
from gpt_image_2_mcp.sandbox import Fault
from gpt_image_2_mcp.shared_parts import DATABASE

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Locks are waited for shortly; the database is tried again only where something depends on it."""
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.BUSY_SECONDS", 0.2)
    monkeypatch.setattr("gpt_image_2_mcp.database.sqlite.SHORT_BUSY_SECONDS", 0.01)
    monkeypatch.setattr("gpt_image_2_mcp.persistence.spool.LOCK_SECONDS", 0.05)
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_SECONDS", 3600.0)
    monkeypatch.setattr("gpt_image_2_mcp.database.retry.RETRY_FACTOR", 1e6)


def spool_of(root: Path) -> Spool:
    spool = Spool.of(root / "data" / DATABASE, root / "data")
    assert spool is not None
    return spool


async def test_a_job_that_was_handed_out_before_is_known_as_sent(tmp_path: Path) -> None:
    """Its row says that it is queued: after a kill, it would be deleted as never asked for."""
    patience = {"GPT_IMAGE_2_MAX_WAIT_S": "0.1", "GPT_IMAGE_2_MAX_CONCURRENCY": "1"}
    async with paying(tmp_path, patience) as bench:
        bench.knobs.hold()
        await bench.call("generate_image", **FOX)
        await bench.call("generate_image", **{**FOX, "prompt": "an owl"})
        with locked(tmp_path):
            bench.knobs.release()
            await reached(bench, 1, what="paid")
            bench.knobs.hold()
            await reached(bench, 2)
        async with paying(tmp_path) as other:
            await other.call("image_costs")
            # Of the first one, the end may not be known yet.
            states = [row["state"] for row in rows(tmp_path, "jobs")]
            charged = [row["state"] for row in rows(tmp_path, "charges")]
        bench.knobs.release()
    assert states[1] == "sent"
    assert charged[1] == "unknown"
    assert [row["state"] for row in rows(tmp_path, "jobs")] == ["done", "done"]
    assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled", "settled"]


async def test_a_request_that_was_refused_while_the_database_was_locked_costs_nothing(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        await bench.made("generate_image", **FOX)
        with locked(tmp_path):
            bench.knobs.faults.append(Fault(error="moderation_blocked"))
            await bench.refused("generate_image", **{**FOX, "prompt": "an owl"})
            assert len(spooled(tmp_path)) == 2
        await bench.made("generate_image", **{**FOX, "prompt": "a cat"})
    assert sorted(row["state"] for row in rows(tmp_path, "charges")) == ["released", "settled", "settled"]
    assert sorted(row["state"] for row in rows(tmp_path, "jobs")) == ["done", "done", "failed"]


async def test_a_turn_follows_one_that_waits_as_soon_as_the_database_is_free(tmp_path: Path) -> None:
    """Also where the spool could not be written into the database a moment ago."""
    async with paying(tmp_path) as bench:
        bench.photo()
        await bench.made("generate_image", **FOX)
        with locked(tmp_path):
            begun = await bench.made("start_edit_session", **FOX, images=["photo.png"])
            assert WAITING in begun.text
            await bench.call("list_images")
        session = {"session_id": begun.session_id}
        second = await bench.made("continue_edit_session", **FOX, **session)
        assert second.report["turn"] == 2
        third = await made_while(bench, partial(locked, tmp_path), "continue_edit_session", **session)
        assert WAITING in third.text
        fourth = await bench.made("continue_edit_session", **FOX, **session)
        assert fourth.report["turn"] == 4
    assert [row["turn"] for row in rows(tmp_path, "pictures")][-4:] == [1, 2, 3, 4]


async def test_a_budget_counts_what_waits(tmp_path: Path) -> None:
    """The money of a process without a budget waits; the one with a budget has failed to write it once already."""
    async with paying(tmp_path) as free, paying(tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="0.01") as limited:
        for bench in (free, limited):
            await bench.call("image_costs")
        with locked(tmp_path):
            await free.made("generate_image", prompt="an owl", size="1024x1024", quality="high")
            await limited.call("list_images")
        assert "GPT_IMAGE_2_BUDGET_PER_DAY_USD" in await limited.refused("generate_image", **FOX, n=2)
        assert not spooled(tmp_path)


async def test_a_process_that_is_stopped_in_a_replay_holds_up_no_other(tmp_path: Path) -> None:
    """It holds the lock of the spool: other processes write beside it, and go on."""
    async with paying(tmp_path) as bench:
        await bench.made("generate_image", **FOX)
        with locked(tmp_path):
            first = await bench.made("generate_image", **{**FOX, "prompt": "an owl"})
            with spool_of(tmp_path).path.with_suffix(".lock").open("ab") as held:
                assert try_lock(held)
                second = await bench.made("generate_image", **{**FOX, "prompt": "a cat"})
                assert WAITING in second.text
                assert "while this server runs" not in second.text
        with spool_of(tmp_path).path.with_suffix(".lock").open("ab") as held, anyio.fail_after(PATIENCE_S):
            assert try_lock(held)
            await bench.made("generate_image", **{**FOX, "prompt": "a dog"})
        await bench.made("generate_image", **{**FOX, "prompt": "a hen"})
    assert {first.path.stem, second.path.stem} < {row["id"] for row in rows(tmp_path, "pictures")}
    assert [row["state"] for row in rows(tmp_path, "charges")] == ["settled"] * 5
    assert [row["fetched"] for row in rows(tmp_path, "jobs")] == [1] * 5
    assert not spooled(tmp_path)


@pytest.mark.parametrize("is_closed", [False, True])
async def test_what_neither_the_database_nor_the_spool_can_take_waits_in_memory(
    tmp_path: Path, is_closed: bool
) -> None:
    """A full disk refuses both; here a folder has the spool's name."""
    spool = spool_of(tmp_path)
    async with paying(tmp_path) as bench:
        await bench.made("generate_image", **FOX)
        spool.path.mkdir()
        with locked(tmp_path):
            answer = await bench.made("generate_image", **{**FOX, "prompt": "an owl"})
            assert "library rebuild FOLDER" in answer.text
        spool.path.rmdir()
        if not is_closed:
            await bench.made("generate_image", **{**FOX, "prompt": "a cat"})
            assert answer.path.stem in {row["id"] for row in rows(tmp_path, "pictures")}
    assert len(spooled(tmp_path)) == (2 if is_closed else 0)
    async with paying(tmp_path) as bench:
        assert answer.path.stem in said(await bench.call("list_images"))
    assert {row["state"] for row in rows(tmp_path, "charges")} == {"settled"}
    assert not spooled(tmp_path)


def test_a_line_is_set_aside_only_for_its_own_fault(tmp_path: Path) -> None:
    """A table that is missing while a backup is restored is no fault of the line."""
    spool = Spool(tmp_path / "data" / "waiting.jsonl")
    failures: dict[str, Exception] = {
        "restored": exc.ProgrammingError("SELECT", None, Exception("relation does not exist")),
        "disk": OSError("no room"),
        "twice": exc.IntegrityError("INSERT", None, Exception("unique")),
        "later": ValueError("a later version wrote this"),
    }
    for name in (*failures, "good"):
        assert spool.append({"name": name})
    written: list[str] = []

    def write(line: dict[str, Any]) -> None:
        if line["name"] in failures:
            raise failures[line["name"]]
        written.append(line["name"])

    spool.replay(write)
    assert written == ["good"]
    assert spool.path.read_text().splitlines() == ['{"name": "restored"}', '{"name": "disk"}']
    assert spool.rejected.read_text().splitlines() == ['{"name": "twice"}', '{"name": "later"}']
