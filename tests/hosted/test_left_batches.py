"""The lines of a batch that is made now, and whose replica ends: another one makes those that were not sent."""

import base64
from collections.abc import Callable, Sequence
from contextlib import closing
from io import BytesIO
from pathlib import Path
from typing import Any

import anyio
import psycopg
import pytest
from patience import PATIENCE_S, look_again
from PIL import Image
from promises import promise
from stdio_bench import reached
from workbench import SMALL, Bench, said

from gpt_image_2_mcp.database import leases
from gpt_image_2_mcp.database.url import PostgresUrl

from .people import ALICE
from .test_fleet import cut_off, fleet_of, query, services_of, two

pytestmark = pytest.mark.anyio
__all__ = ["query"]

Query = Callable[[str], list[tuple[Any, ...]]]
LINES = [f"fox number {number}" for number in range(1, 5)]


async def batch(bench: Bench, items: Sequence[str | dict[str, Any]] = LINES) -> str:
    """Begin a batch, and give its id."""
    result = await bench.call("make_batch", items=list(items), common={"size": SMALL, "quality": "low"})
    assert not result.is_error, said(result)
    return (result.meta or {})["gpt-image-2/batch"]["job_id"]


async def told(bench: Bench, batch_id: str, words: str) -> str:
    """Ask for a batch until the text contains `words`, and return it."""
    with anyio.fail_after(PATIENCE_S):
        while words not in (text := said(await bench.call("get_image_job", job_id=batch_id))):
            await look_again()
    return text


def listed(url: PostgresUrl) -> list[int]:
    """The lines of the pictures that are listed for Alice."""
    with closing(psycopg.connect(url.text, autocommit=True)) as connection:
        connection.execute("SELECT set_config('gpt_image_2.person', %s, false)", (ALICE,))
        found = connection.execute("SELECT job_id FROM pictures").fetchall()
    return sorted(int(str(job_id).rpartition("-")[2]) for (job_id,) in found)


@promise("Several replicas", "The lines of a batch that a replica has not sent when it ends, another one makes")
async def test_a_replica_that_ends_passes_the_unsent_lines_of_its_batches_on(
    team_database: PostgresUrl, tmp_path: Path, query: Query
) -> None:
    Image.new("RGB", (512, 512), "red").save(out := BytesIO(), "PNG")
    photo = f"data:image/png;base64,{base64.b64encode(out.getvalue()).decode()}"
    async with two(team_database, tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="10") as (one, other):
        one.knobs.hold()
        batch_id = await batch(one.alice, [*LINES[:3], {"prompt": "in the rain", "images": [photo]}])
        await reached(one.alice, 1)
        await fleet_of(one).hand_over(services_of(one))
        assert query("SELECT owner, state FROM batches") == [("", "open")]
        assert "0 of 4 done" in await told(other.alice, batch_id, "to go")
        await fleet_of(other).make_batches()
        await told(other.alice, batch_id, "3 of 4 done")
        one.knobs.release()
        text = await told(other.alice, batch_id, "; ended")
        assert "4 of 4 done;" in text
        assert text == await told(one.alice, batch_id, "; ended")
        assert (one.knobs.paid, other.knobs.paid) == (1, 3)
        assert query("SELECT count(*) FROM batch_lines WHERE sent IS NOT NULL") == [(0,)], "the data is not kept"
        assert listed(team_database) == [1, 2, 3, 4]
        assert query("SELECT count(*) FROM charges WHERE state = 'settled'") == [(4,)]


async def test_a_replica_that_was_taken_for_dead_sends_no_further_line_of_its_batch_when_it_wakes(
    team_database: PostgresUrl, tmp_path: Path, query: Query, monkeypatch: pytest.MonkeyPatch
) -> None:
    # So that the first replica renews nothing by itself.
    monkeypatch.setattr(leases, "LEASE_SECONDS", 100 * PATIENCE_S)
    async with two(team_database, tmp_path, GPT_IMAGE_2_BUDGET_PER_DAY_USD="10") as (one, other):
        one.knobs.hold()
        batch_id = await batch(one.alice)
        await reached(one.alice, 1)
        other.knobs.hold()
        fleet = fleet_of(other)
        await fleet.make_batches()
        owners = query("SELECT owner FROM batches")
        await cut_off(team_database, fleet.make_batches, lambda: query("SELECT owner FROM batches") != owners)
        await reached(other.alice, 1)
        # The first one goes on: its line that was sent comes, and the others are the second one's by now.
        one.knobs.release()
        await told(one.alice, batch_id, "1 of 4 done")
        other.knobs.release()
        text = await told(other.alice, batch_id, "; ended")
        assert "4 of 4 done;" in text
        assert (one.knobs.started, other.knobs.started) == (1, 3)
        assert listed(team_database) == [1, 2, 3, 4]
        assert query("SELECT DISTINCT state FROM jobs") == [("done",)]


@pytest.mark.thorough
@promise("Several replicas", "A batch that another replica goes on with can be cancelled on any of them")
async def test_a_batch_that_was_passed_on_is_cancelled_from_either_replica(
    team_database: PostgresUrl, tmp_path: Path
) -> None:
    async with two(team_database, tmp_path) as (one, other):
        one.knobs.hold()
        other.knobs.hold()
        mine, theirs = await batch(one.alice), await batch(one.alice, ["a hen", "an owl", "a dog"])
        await reached(one.alice, 1)
        assert "cancelled" in said(await other.alice.call("cancel_image_job", job_id=theirs))
        await fleet_of(one).hand_over(services_of(one))
        await fleet_of(other).make_batches()
        await reached(other.alice, 1)
        assert "cancelled" in said(await other.alice.call("cancel_image_job", job_id=mine))
        one.knobs.release()
        other.knobs.release()
        assert "2 of 4 done; cancelled" in await told(other.alice, mine, "; cancelled")
        assert "0 of 3 done; cancelled" in await told(one.alice, theirs, "; cancelled")
        assert (one.knobs.started, other.knobs.started) == (1, 1)
        assert len(listed(team_database)) == 2
