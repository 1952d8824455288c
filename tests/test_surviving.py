"""What a restart and a second process know: sessions, jobs, pictures. Two benches on one folder are two processes."""

import base64
import io
import json
import os
import sqlite3
import stat
from contextlib import AsyncExitStack, closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from fault_proxy import DATABASE, paying
from hypothesis import given
from hypothesis import strategies as st
from mcp_types import CallToolResult
from patience import PATIENCE_S, look_again
from PIL import Image
from promises import promise
from stdio_bench import calls, fetched, handed, job_of, listed, reached, report_of
from workbench import EDITS, JOB, KEY, SMALL, Bench, canned, encoded, said, sent_sha256

from gpt_image_2_mcp.catalogue.sidecar import read_sidecar
from gpt_image_2_mcp.generation.record_builder import shares
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

SHORT = {"GPT_IMAGE_2_MAX_WAIT_S": "0.3"}
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
LOOK: dict[str, Any] = {"size": SMALL, "quality": "low"}


def rows(root: Path, table: str) -> list[dict[str, Any]]:
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        # A slow program has handed its first job out before it has made the tables.
        if not connection.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (table,)).fetchone():
            return []
        return [dict(row) for row in connection.execute(f"SELECT * FROM {table}")]  # noqa: S608 - names of the test's


def sidecars(root: Path) -> dict[str, Path]:
    return {path.stem: path for path in root.rglob(".gpt-image-2/*.json")}


def written_below(root: Path) -> bytes:
    """What is in all files but the pictures."""
    return b"".join(path.read_bytes() for path in root.rglob("*") if path.is_file() and path.suffix != ".png")


async def begun(bench: Bench, **arguments: Any) -> str:
    """A session of one turn."""
    bench.photo()
    given = {"prompt": "bluer", "images": ["photo.png"], **LOOK, **arguments}
    return (await bench.made("start_edit_session", **given)).session_id


async def turn(bench: Bench, session: str, prompt: str = "greener", **arguments: Any) -> dict[str, Any]:
    made = await bench.made("continue_edit_session", session_id=session, prompt=prompt, **LOOK, **arguments)
    return made.report | {"text": made.text}


async def given_up(root: Path, job: str) -> None:
    """Wait until the database says that a job's caller has got its id, which is written beside the answer."""
    with anyio.fail_after(PATIENCE_S):
        while not any(row["given_up"] for row in rows(root, "jobs") if row["id"] == job):
            await look_again()


async def joins(bench: Bench, job: str) -> CallToolResult:
    """Repeat a call, and follow it to where it has joined `job`; before that it has an id of its own."""
    result = await bench.call("generate_image", **FOX)
    with anyio.fail_after(PATIENCE_S):
        while job_of(result) != job:
            result = await bench.call("get_image_job", job_id=job_of(result))
    return result


# Sessions.


async def test_a_session_goes_on_after_a_restart(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        second = await turn(bench, session)
    async with paying(tmp_path) as bench:
        third = await turn(bench, session, "redder")
        assert (third["turn"], third["parent_turn"]) == (3, 2)
        assert [file.sha256 for file in bench.last().files] == [sent_sha256(Path(second["images"][0]["file_path"]))]
        assert '1 "bluer"\n2 "greener"\n3 "redder"' in third["text"]


async def test_two_processes_at_one_head_keep_both_pictures_and_the_later_is_a_branch(tmp_path: Path) -> None:
    async with paying(tmp_path) as one, paying(tmp_path) as other:
        session = await begun(one)
        one.knobs.hold()
        async with calls(one) as ongoing:
            slow = ongoing.start("continue_edit_session", session_id=session, prompt="slower", **LOOK)
            await reached(one, 2)
            fast = await turn(other, session, "faster")
            one.knobs.release()
            late = await slow.answer()
        assert (fast["turn"], fast["parent_turn"], fast.get("branch")) == (2, 1, None)
        report = report_of(late)
        assert (report["turn"], report["parent_turn"], report["branch"]) == (3, 1, True)
        assert "Another turn was made from turn 1 meanwhile" in said(late)
        assert '├ 2 "faster"  <- the next turn is made from here\n└ 3 "slower"' in said(late)
        text = said(await other.call("list_edit_sessions"))
        assert (
            '; 2 branches end at turns 2 "faster", 3 "slower"; the next turn starts from turn 2; use from_turn' in text
        )
        assert (await turn(other, session))["parent_turn"] == 2
        assert (await turn(other, session, from_turn=3))["parent_turn"] == 3


async def test_the_limit_of_sessions_holds_across_processes(tmp_path: Path) -> None:
    limit = {"GPT_IMAGE_2_SESSION_MAX": "1"}
    async with paying(tmp_path, limit) as one, paying(tmp_path, limit) as other:
        first = await begun(one)
        await begun(other)
        assert first in await one.refused("continue_edit_session", session_id=first, prompt="greener")


@pytest.mark.thorough
async def test_a_list_of_sessions_with_many_branches_stays_short(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        for number in range(8):
            await turn(bench, session, f"{number} " + "x" * 300, from_turn=0)
        result = await bench.call("list_edit_sessions")
        assert '; 9 branches end at turns … (4 earlier), 5 "3 xxx' in said(result)
        assert len(said(result)) < 1200
        ((row,),) = [(result.meta or {})["gpt-image-2/sessions"]]
        assert (row["head"], row["branches"]) == (9, list(range(1, 10)))


async def test_going_back_to_the_originals_needs_no_file_of_theirs(tmp_path: Path) -> None:
    """What came as a data URL is nowhere else."""
    url = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    async with paying(tmp_path) as bench:
        bench.photo()
        session = await begun(bench, images=[url, "photo.png"])
    async with paying(tmp_path) as bench:
        again = await turn(bench, session, "redder", from_turn=0)
        assert again["parent_turn"] == 0
        first, second = (path.files for path in bench.seen(EDITS)), None
        (sent,) = first
        assert [file.sha256 for file in sent] == [
            origin["sha256"] for origin in json.loads(rows(tmp_path, "pictures")[0]["parents"])
        ]
        assert second is None
        kept = list((tmp_path / "pictures" / ".gpt-image-2").glob("*.png"))
        assert [path.read_bytes() for path in kept] == [encoded()]
        kept[0].unlink()
        text = await bench.refused("continue_edit_session", session_id=session, prompt="x", from_turn=0)
        assert "The session began with it" in text


@pytest.mark.parametrize("forget", [{"GPT_IMAGE_2_HISTORY": "off"}, {"GPT_IMAGE_2_DATABASE_URL": "sqlite://"}])
async def test_without_history_originals_are_not_kept(tmp_path: Path, forget: dict[str, str]) -> None:
    url = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    async with paying(tmp_path, forget) as bench:
        session = await begun(bench, images=[url])
        text = await bench.refused("continue_edit_session", session_id=session, prompt="x", from_turn=0)
        assert "a data URL" in text
        assert "was not kept" in text
        assert len(bench.files()) == 1


async def test_a_link_in_place_of_the_side_folder_is_not_written_through(tmp_path: Path) -> None:
    """A repository can bring one along."""
    (tmp_path / "pictures").mkdir()
    (tmp_path / "private").mkdir()
    (tmp_path / "pictures" / ".gpt-image-2").symlink_to(tmp_path / "private")
    url = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    async with paying(tmp_path) as bench:
        await begun(bench, images=[url])
    assert list((tmp_path / "private").iterdir()) == []


@pytest.mark.thorough
async def test_more_pictures_and_a_mask_go_along_with_a_turn(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        bench.mask()
        bench.photo("hat.png")
        await turn(bench, session, images=["hat.png"], mask="mask.png")
        assert [file.field for file in bench.last().files] == ["image[]", "image[]", "mask"]


async def test_any_picture_becomes_a_session_by_its_id_in_another_process(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        made = await bench.made("generate_image", **FOX)
    async with paying(tmp_path) as bench:
        session = await begun(bench, images=[made.path.stem])
        again = await turn(bench, session, from_turn=0)
        sent = [[file.sha256 for file in seen.files] for seen in bench.seen(EDITS)]
        assert sent == [[sent_sha256(made.path)]] * 2
        assert f"0 originals: {made.path.stem}\n" in again["text"]


async def test_a_turn_that_is_not_there_is_named(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        text = await bench.refused("continue_edit_session", session_id=session, prompt="x", from_turn=2)
        assert "`from_turn` 2 is no turn" in text
        assert bench.knobs.paid == 1


# Jobs.


async def test_a_finished_jobs_answer_is_fetched_after_a_restart_as_it_would_have_been(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.hold()
        job = await handed(bench, "generate_image", **FOX, n=2)
        await reached(bench, 1)
        bench.knobs.release()
        await listed(bench, f"{job}: done")
        here = await fetched(bench, job)
    async with paying(tmp_path, SHORT) as bench:
        assert f"{job}: done" in said(await bench.call("get_image_job"))
        there = [await fetched(bench, job) for _ in range(2)]
        assert [answer.content for answer in there] == [here.content] * 2
        assert [answer.meta for answer in there] == [here.meta] * 2
        assert bench.seen() == []


async def test_a_finished_job_that_nobody_fetched_is_what_the_same_call_gets_after_a_restart(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.hold()
        job = await handed(bench, "generate_image", **FOX)
        await reached(bench, 1)
        bench.knobs.release()
        await listed(bench, f"{job}: done")
    async with paying(tmp_path) as bench:
        again = await bench.call("generate_image", **FOX)
        assert f"your earlier identical call ({job})" in said(again)
        assert bench.seen() == []
        assert report_of(await bench.call("generate_image", **FOX))["warnings"] == []
        assert len(bench.seen()) == 1


async def test_a_call_that_was_answered_is_a_new_one_after_a_restart(tmp_path: Path) -> None:
    for number in range(2):
        async with paying(tmp_path) as bench:
            assert report_of(await bench.call("generate_image", **FOX))["warnings"] == [], number
            assert len(bench.seen()) == 1


async def test_a_failure_is_told_after_a_restart_in_the_same_words(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.faults = [Fault(error="moderation_blocked")]
        bench.knobs.hold()
        job = await handed(bench, "generate_image", **FOX)
        await reached(bench, 1)
        bench.knobs.release()
        await listed(bench, f"{job}: failed")
        here = said(await fetched(bench, job))
    async with paying(tmp_path) as bench:
        assert said(await fetched(bench, job)) == here


@promise("Repetitions", "A repetition in another process joins the job of the first.")
@pytest.mark.parametrize("where", ["queued", "rendering"])
async def test_a_second_process_joins_a_job_of_the_first_and_follows_it(tmp_path: Path, where: str) -> None:
    one_at_a_time = SHORT | {"GPT_IMAGE_2_MAX_CONCURRENCY": "1"}
    async with paying(tmp_path, one_at_a_time) as one, paying(tmp_path, SHORT) as other:
        one.knobs.hold()
        if where == "queued":
            await handed(one, "generate_image", prompt="a dog", **LOOK)
            await reached(one, 1)
        job = await handed(one, "generate_image", **FOX)
        await reached(one, 1)
        await given_up(tmp_path, job)
        joined = await joins(other, job)
        assert "your earlier identical call" in said(joined)
        assert f"{job}: {where}" in said(await other.call("get_image_job"))
        stop = await other.call("cancel_image_job", job_id=job)
        assert (stop.meta or {})[JOB]["state"] == where
        words = {"queued": "belongs to another process", "rendering": "was sent to the API already"}
        assert words[where] in said(stop)
        one.knobs.release()
        both = [await fetched(bench, job) for bench in (other, one)]
        assert both[0].content == both[1].content
        assert other.seen() == []


@pytest.mark.thorough
async def test_an_answer_that_a_third_process_has_fetched_is_joined_by_nobody(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as one, paying(tmp_path, SHORT) as other, paying(tmp_path) as third:
        one.knobs.hold()
        job = await handed(one, "generate_image", **FOX)
        await given_up(tmp_path, job)
        assert job_of(await other.call("get_image_job", job_id=job)) == job
        one.knobs.release()
        await listed(other, f"{job}: done")
        assert report_of(await fetched(third, job))["images"]
        with anyio.fail_after(PATIENCE_S):
            # It is written beside the answer.
            while not rows(tmp_path, "jobs")[0]["fetched"]:
                await look_again()
        result = await other.call("generate_image", **FOX)
        if JOB in (result.meta or {}):
            result = await fetched(other, job_of(result))
        assert report_of(result)["warnings"] == []
        assert len(other.seen()) == 1


async def test_a_second_process_makes_its_own_picture_while_the_first_caller_waits(tmp_path: Path) -> None:
    async with paying(tmp_path) as one, paying(tmp_path, SHORT) as other:
        one.knobs.hold()
        async with calls(one) as ongoing:
            waiting = ongoing.start("generate_image", **FOX)
            await reached(one, 1)
            (job,) = [row["id"] for row in rows(tmp_path, "jobs")]
            # Whoever looks at a job of another process has not asked for it.
            assert job_of(await other.call("get_image_job", job_id=job)) == job
            result = await other.call("generate_image", **FOX)
            if JOB in (result.meta or {}):
                result = await fetched(other, job_of(result))
            assert report_of(result)["warnings"] == []
            assert len(other.seen()) == 1
            one.knobs.release()
            assert not (await waiting.answer()).is_error


async def test_a_queued_job_that_is_stopped_in_its_process_is_stopped_for_all(tmp_path: Path) -> None:
    one_at_a_time = SHORT | {"GPT_IMAGE_2_MAX_CONCURRENCY": "1"}
    async with paying(tmp_path, one_at_a_time) as one, paying(tmp_path, SHORT) as other:
        one.knobs.hold()
        await handed(one, "generate_image", prompt="a dog", **LOOK)
        await reached(one, 1)
        job = await handed(one, "generate_image", **FOX)
        await given_up(tmp_path, job)
        await joins(other, job)
        assert f"{job} is stopped" in said(await one.call("cancel_image_job", job_id=job))
        told = await fetched(other, job)
        assert "nothing was billed" in said(told)
        assert [row["id"] for row in rows(tmp_path, "jobs") if row["id"] == job] == []
        one.knobs.release()


async def test_a_job_that_is_over_its_budget_is_no_riddle_for_others(tmp_path: Path) -> None:
    """It was handed out while it was prepared, and nothing of it is ever sent."""
    budget = SHORT | {"GPT_IMAGE_2_BUDGET_PER_CALL_USD": "0.0001"}
    async with paying(tmp_path, budget) as bench:
        result = await bench.call("generate_image", **FOX)
        if JOB in (result.meta or {}):
            result = await fetched(bench, job_of(result))
        assert "budget" in said(result).lower()
        assert {row["state"] for row in rows(tmp_path, "jobs")} <= {"failed"}


async def test_a_server_that_ends_does_not_wait_for_the_job_of_another_process(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as one:
        one.knobs.hold()
        job = await handed(one, "generate_image", **FOX)
        await given_up(tmp_path, job)
        with anyio.fail_after(PATIENCE_S):
            async with paying(tmp_path, SHORT) as other, calls(other) as ongoing:
                # Two at once, so that both find that nobody follows it yet.
                both = [ongoing.start("get_image_job", job_id=job) for _ in range(2)]
                for one_of_them in both:
                    assert job_of(await one_of_them.answer()) == job
        one.knobs.release()
        assert report_of(await fetched(one, job))["images"]


async def test_a_slow_picture_that_is_still_read_is_joined_too(tmp_path: Path) -> None:
    asked, go_on = anyio.Event(), anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            if not asked.is_set():
                asked.set()
                await go_on.wait()
            head = b"HTTP/1.1 200 OK\r\nContent-Type: image/png\r\nConnection: close\r\nContent-Length: %d\r\n\r\n"
            await stream.send(head % len(encoded()) + encoded())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host = "127.0.0.1:{}".format(listener.extra(anyio.abc.SocketAttribute.local_port))  # noqa: S610, UP032 - no Django
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with paying(tmp_path, SHORT | {"GPT_IMAGE_2_ALLOWED_URL_HOSTS": host}) as bench:
            edit = {"prompt": "a hat", "images": [f"http://{host}/photo.png"], **LOOK}
            first = await handed(bench, "edit_image", **edit)
            await asked.wait()
            # Read at once, and yet nothing is sent: the first one may turn out to be the same.
            again = [await handed(bench, "edit_image", **edit) for _ in range(2)]
            text = said(await bench.call("get_image_job"))
            assert all(f"- {job}: preparing" in text for job in (first, *again)), text
            go_on.set()
            ends = [await fetched(bench, job) for job in again]
            made = report_of(await fetched(bench, first))["images"]
            assert [report_of(end)["images"] for end in ends] == [made, made]
            assert bench.knobs.paid == 1
        tasks.cancel_scope.cancel()


async def test_what_a_later_version_has_written_of_a_job_is_in_nobodys_way(tmp_path: Path) -> None:
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.hold()
        job = await handed(bench, "generate_image", **FOX)
        await reached(bench, 1)
        bench.knobs.release()
        await listed(bench, f"{job}: done")
    for column, value in (("tool", "animate_image"), ("request", '{"prompt": 7}'), ("outcome", '{"report": {}}')):
        with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection, connection:
            connection.execute(f"UPDATE jobs SET {column} = ?", (value,))  # noqa: S608 - names of the test's
        async with paying(tmp_path) as bench:
            assert not (await bench.call("generate_image", **FOX)).is_error
            assert f"- {job}:" not in said(await bench.call("get_image_job"))
            assert "There is no job" in await bench.refused("get_image_job", job_id=job)


STORED_OUTCOME = """{"report": {"kind": "session", "model": "gpt-image-2", "prompt": "greener",
"requested": {"size": "1024x640", "quality": "low", "n": 1, "format": "png", "background": "auto"},
"applied": {"size": "1024x640", "quality": "low", "n": 1, "format": "png", "background": "opaque"},
"images": [{"path": "/pictures/session-20261128-041151-41e588.png",
"facts": {"format": "png", "width": 1024, "height": 640, "alpha": false}, "size_bytes": 67836,
"sha256": "f73cc6dd25427d1127de440c82f575b2dd70938469c1072fcbe7691da07238e0"}],
"usage": {"input_tokens": 642, "text_tokens": 2, "image_tokens": 640, "output_tokens": 107, "output_text_tokens": 0,
"cached_text_tokens": 0, "cached_image_tokens": 0}, "cost": "0.00834", "request_id": "req_99361c967f05da8f133f7650201b",
"warnings": [], "place": {"session_id": "session-3742a0fdcf1611d824bbf975", "turn": 3, "parent": 1, "late": true,
"asked": true}, "tree": "0 originals: photo.png", "sandbox": false, "previews": {}}}"""
"""As the version of 2026-11-28 wrote it, where the position in the session was called `place`."""


async def test_an_answer_that_an_earlier_version_stored_is_still_fetched(tmp_path: Path) -> None:
    """Its keys are older than the names in the code; what is written today has the same ones, and more."""
    async with paying(tmp_path) as bench:
        session = await begun(bench)
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.hold()
        request = {"session_id": session, "prompt": "greener"} | LOOK
        job = await handed(bench, "continue_edit_session", **request, from_turn=1)
        bench.knobs.release()
        await listed(bench, f"{job}: done")
    (written,) = [json.loads(row["outcome"])["report"] for row in rows(tmp_path, "jobs") if row["id"] == job]
    stored = json.loads(STORED_OUTCOME)["report"]
    assert set(stored) < set(written)
    assert written["place"] == {"session_id": session, "turn": 2, "parent": 1, "late": False, "asked": True}
    with closing(sqlite3.connect(tmp_path / "data" / DATABASE)) as connection, connection:
        connection.execute("UPDATE jobs SET outcome = ? WHERE id = ?", (STORED_OUTCOME, job))
    async with paying(tmp_path, SHORT) as bench:
        report = report_of(await fetched(bench, job))
    assert (report["session_id"], report["turn"]) == ("session-3742a0fdcf1611d824bbf975", 3)
    assert (report["parent_turn"], report["branch"]) == (1, True)


# The catalogue.


async def test_every_picture_has_its_row_and_its_record_however_it_came(tmp_path: Path) -> None:
    responses = {"OPENAI_FORCE_RESPONSES_EDITS": "1"}
    made: dict[str, dict[str, Any]] = {}
    async with AsyncExitStack() as stack:
        plain = await stack.enter_async_context(paying(tmp_path))
        routed = await stack.enter_async_context(paying(tmp_path, responses))
        photo = str(plain.photo())
        session = await begun(plain)
        reports = [
            (await plain.made("generate_image", **FOX, n=3)).report,
            (await plain.made("edit_image", prompt="a hat", images=[photo], **LOOK, output_dir="art")).report,
            await turn(plain, session),
            (await routed.made("edit_image", prompt="a hat", images=[photo], **LOOK, n=2)).report,
        ]
        routed.knobs.faults = [Fault(error="moderation_blocked", route="responses")]
        reports.append((await routed.made("edit_image", prompt="a cap", images=[photo], **LOOK, n=3)).report)
        assert len(reports[-1]["images"]) == 2
        made = {image["id"]: report for report in reports for image in report["images"]}
    found = {row["id"]: row for row in rows(tmp_path, "pictures")}
    assert len(found) == len(made) + 1
    assert set(found) == set(sidecars(tmp_path))
    for report in reports:
        parts = [found[image["id"]] for image in report["images"]]
        assert [part["path"] for part in parts] == [image["file_path"] for image in report["images"]]
        for name in ("input_tokens", "output_tokens"):
            assert sum(part[name] for part in parts) == report["usage"][name]
        assert sum(part["nano_usd"] for part in parts) == round(report["cost_usd_estimated"] * 10**9)
    for picture_id, path in sidecars(tmp_path).items():
        record, name = read_sidecar(path)
        row = found[picture_id]
        assert (record.id, name, record.sha256, record.job_id) == (
            picture_id,
            Path(row["path"]).name,
            row["sha256"],
            row["job_id"],
        )
        assert record.cost_usd == Decimal(row["nano_usd"]) / 10**9


async def test_a_sandbox_behind_http_and_a_picture_saved_elsewhere_are_written_down_too(tmp_path: Path) -> None:
    async with paying(tmp_path, marked=True) as bench:
        sandboxed = await bench.made("generate_image", **FOX)
    async with paying(tmp_path) as bench:
        bench.knobs.hold()
        async with calls(bench) as ongoing:
            call = ongoing.start("generate_image", **FOX, output_dir="art")
            await reached(bench, 1)
            (bench.working_dir / "art").rmdir()
            (bench.working_dir / "art").write_text("in the way", encoding="utf-8")
            bench.knobs.release()
            moved = report_of(await call.answer())
    assert Path(moved["images"][0]["file_path"]).parent == tmp_path / "pictures"
    assert {row["id"]: row["sandbox"] for row in rows(tmp_path, "pictures")} == {
        sandboxed.path.stem: 1,
        moved["images"][0]["id"]: 0,
    }
    assert len(sidecars(tmp_path)) == 2


async def test_without_history_the_money_is_kept_and_nothing_else(tmp_path: Path) -> None:
    async with paying(tmp_path, {"GPT_IMAGE_2_HISTORY": "off"}) as bench:
        session = await begun(bench)
        assert (await turn(bench, session))["turn"] == 2
    assert [len(rows(tmp_path, table)) for table in ("pictures", "sessions", "jobs", "charges")] == [0, 0, 0, 2]
    assert sidecars(tmp_path) == {}


async def test_in_memory_nothing_at_all_is_kept(tmp_path: Path) -> None:
    async with paying(tmp_path, {"GPT_IMAGE_2_DATABASE_URL": "sqlite://"}) as bench:
        await turn(bench, await begun(bench))
        assert len(bench.files()) == 2
    assert not (tmp_path / "data").exists()


async def test_the_key_is_nowhere_on_the_disk(tmp_path: Path) -> None:
    """A person can paste it into a prompt, a file's name or an argument."""
    async with paying(tmp_path, SHORT) as bench:
        bench.knobs.hold()
        given = FOX | {"prompt": f"a fox called {KEY}"}
        job = await handed(bench, "generate_image", **given)
        await reached(bench, 1)
        bench.knobs.release()
        await listed(bench, f"{job}: done")
        session = await begun(bench, prompt=f"write {KEY} on it")
        await turn(bench, session, KEY)
    kept = written_below(tmp_path)
    assert b"a fox called" in kept
    assert KEY.encode() not in kept


async def test_a_data_url_is_not_kept_in_the_database(tmp_path: Path) -> None:
    url = "data:image/png;base64," + base64.b64encode(encoded()).decode()
    async with paying(tmp_path) as bench:
        await bench.made("edit_image", prompt="a hat", images=[url], **LOOK)
    ((row,),) = [rows(tmp_path, "jobs")]
    assert json.loads(row["request"])["images"] == ["data:…"]


async def test_the_query_of_a_url_is_not_kept_in_the_database(tmp_path: Path) -> None:
    """A signed address is as good as a key."""
    out = io.BytesIO()
    picture = Image.new("RGBA", (1024, 640))
    picture.paste((90, 120, 60, 255), (0, 0, 512, 640))
    picture.save(out, "PNG")
    answer = b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(out.getvalue())

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(answer + out.getvalue())

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host = "127.0.0.1:{}".format(listener.extra(anyio.abc.SocketAttribute.local_port))  # noqa: S610, UP032 - no Django
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, serve)
        async with paying(tmp_path, {"GPT_IMAGE_2_ALLOWED_URL_HOSTS": host}) as bench:
            images = [f" HTTP://{host}/a.png?X-Amz-Signature=secret#part ", "photo?.png"]
            bench.photo("photo?.png")
            mask = f"http://{host}/mask.png?token=secret"
            await bench.made("edit_image", prompt="see http://x/?a=b", images=images, mask=mask, **LOOK)
        tasks.cancel_scope.cancel()
    ((row,),) = [rows(tmp_path, "jobs")]
    kept = json.loads(row["request"])
    assert kept["images"] == [f"HTTP://{host}/a.png?…", "photo?.png"]
    assert (kept["mask"], kept["prompt"]) == (f"http://{host}/mask.png?…", "see http://x/?a=b")
    assert b"secret" not in written_below(tmp_path)


async def test_records_lie_in_a_folder_of_their_owners_as_the_database_does(tmp_path: Path) -> None:
    before = os.umask(0o022)
    try:
        async with paying(tmp_path) as bench:
            await bench.made("generate_image", **FOX)
    finally:
        os.umask(before)
    ((_, record),) = sidecars(tmp_path).items()
    modes = [record, record.parent, tmp_path / "data", tmp_path / "data" / DATABASE]
    assert [oct(stat.S_IMODE(path.stat().st_mode)) for path in modes] == ["0o644", "0o700", "0o700", "0o600"]


@pytest.mark.parametrize("how", ["gone", "emptied", "a folder", "its folder gone", "another database"])
async def test_a_database_that_breaks_later_keeps_nobody_from_a_picture(tmp_path: Path, how: str) -> None:
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        path = tmp_path / "data" / DATABASE
        if how == "its folder gone":
            path.parent.rename(tmp_path / "moved")
        else:
            path.unlink()
        if how == "emptied":
            path.touch()
        elif how == "a folder":
            path.mkdir()
        elif how == "another database":
            with closing(sqlite3.connect(path)) as connection, connection:
                connection.execute("CREATE TABLE jobs (id TEXT)")
        await bench.made("generate_image", **FOX)
        bench.photo()
        answer = await bench.made("start_edit_session", prompt="bluer", images=["photo.png"], **LOOK)
        assert "it is not in the catalogue yet, and is added as soon as the database can be written" in answer.text
        text = await bench.refused("continue_edit_session", session_id=session, prompt="x")
        assert "database" in text
        assert (" is gone. Restart the server" in text and "library rebuild FOLDER" in text) is how.endswith("gone")
        assert said(await bench.call("get_image_job")).count(": done") == 3
        assert not path.exists() or how != "gone"
        assert len([name for name in bench.files() if "/" not in name]) == 3
        records = [name for name in bench.files() if name.endswith(".json")]
        assert len(records) == 3, "what finds a picture again does not hang on the index"


def writes(root: Path) -> int:
    """How often the database was written so far, which its header counts."""
    with (root / "data" / DATABASE).open("rb") as file:
        header = file.read(28)
    return int.from_bytes(header[24:28], "big")


async def test_a_paid_call_writes_the_database_twice(tmp_path: Path) -> None:
    """Before its first byte and after its answer: each write waits for the disk."""
    async with paying(tmp_path) as bench:
        session = await begun(bench)
        before = writes(tmp_path)
        await turn(bench, session)
        assert writes(tmp_path) - before == 3, "and once that the session is in use"
        before = writes(tmp_path)
        await bench.made("generate_image", **FOX, n=4)
        await listed(bench, "done, generate_image")
        assert writes(tmp_path) - before == 2


@given(whole=st.integers(0, 10**15), less=st.integers(0, 10**15), count=st.integers(1, 10))
def test_shares_add_up_and_a_part_of_a_whole_stays_one(whole: int, less: int, count: int) -> None:
    part = min(less, whole)
    assert sum(shares(whole, count)) == whole
    assert max(shares(whole, count)) - min(shares(whole, count)) <= 1
    assert all(small <= large for small, large in zip(shares(part, count), shares(whole, count), strict=True))


async def test_a_header_that_claims_the_impossible_loses_no_record(tmp_path: Path) -> None:
    """Backends other than OpenAI's answer in their own ways."""
    data = bytearray(encoded())
    data[16:20] = (2**31 - 1).to_bytes(4, "big")
    from gpt_image_2_mcp.app import open_service
    from gpt_image_2_mcp.parameters.models import GenerateRequest
    from gpt_image_2_mcp.settings import Settings

    given = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "pictures")})
    backend, data_dir = canned(bytes(data)), tmp_path / "data"
    async with open_service(
        given, transport=backend, working_dir=tmp_path, home=tmp_path, data_dir=data_dir
    ) as service:
        await service.wait(service.start(GenerateRequest(prompt="a fox")))
    assert len(rows(tmp_path, "pictures")) == len(sidecars(tmp_path)) == 1
