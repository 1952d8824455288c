"""Rows of the database that others who share it may have written: what they name is compared, and is no pattern."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from fault_proxy import DATABASE, paying
from promises import promise
from stdio_bench import calls, reached
from workbench import SMALL, Bench, said

pytestmark = pytest.mark.anyio


@promise("Database", "What a row names is compared with the files, and is no pattern.")
async def test_a_name_in_a_row_of_a_lost_job_lists_no_other_files(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        (bench.working_dir / "art" / "private").mkdir(parents=True)
        for name in ("private/letter.png", "tax.png", "mine-1.png"):
            (bench.working_dir / "art" / name).write_bytes(b"")
        bench.knobs.hold()
        async with calls(bench) as ongoing:
            ongoing.start("generate_image", prompt="a fox", size=SMALL, output_dir="art")
            await reached(bench, 1)
            (tmp_path / "data" / f"{DATABASE}-alive" / "killed.alive").touch()
            async with paying(tmp_path) as other:
                for stem in ("**/*", "*", "", "../*", "[mt]", "t?x"):
                    told = await lost_job(other, tmp_path, stem)
                    assert "Nothing of it is in" in told, stem
                assert "Saved before that: " in (told := await lost_job(other, tmp_path, "mine"))
                assert "tax.png" not in told
            bench.knobs.release()


async def lost_job(bench: Bench, root: Path, stem: str) -> str:
    """What is told of the one job after its process is gone and another one has changed its row."""
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection, connection:
        connection.execute("UPDATE jobs SET owner = 'killed', state = 'sent', stem = ?", (stem,))
        ((job,),) = connection.execute("SELECT id FROM jobs").fetchall()
    return said(await bench.call("get_image_job", job_id=job))
