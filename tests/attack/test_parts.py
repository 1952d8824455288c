"""Files that only look like pictures that a killed process left: a repository can bring as many as it likes."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from PIL import Image
from promises import promise
from workbench import SMALL, Benches

from gpt_image_2_mcp.catalogue.job_table import JobRow
from gpt_image_2_mcp.jobs.loss import saved_text
from gpt_image_2_mcp.storage.recovery import MAX_RESCUED, recover_parts

from .bombs import tiny_webp

pytestmark = pytest.mark.anyio


def plant(folder: Path, count: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(count):
        (folder / f".gpt-image-2-{number:016x}.part").write_bytes(tiny_webp(7000))


@promise("Records", "Files that look like what a killed process left are touched in your own folders only.")
async def test_what_lies_in_a_folder_that_a_call_names_is_left_alone(benches: Benches) -> None:
    bench = await benches.open()
    folder = bench.working_dir / "assets"
    plant(folder, 40)
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL, output_dir="assets")
    assert "escued" not in answer.text
    assert len(list(folder.glob(".*.part"))) == 40
    assert list(folder.glob("*-rescued*")) == []


def test_few_files_get_a_name_and_none_is_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(tmp_path, 100)
    monkeypatch.setattr(Image, "open", None)
    monkeypatch.setattr(Image, "init", None)
    said = recover_parts(tmp_path)
    assert len(list(tmp_path.glob("*-rescued*"))) == MAX_RESCUED
    assert len(said) == MAX_RESCUED + 1
    assert said[0].startswith("80 more files like ")


def test_the_stem_of_a_job_is_no_pattern(tmp_path: Path) -> None:
    """A database that a team shares may hold any text in its place."""
    own = tmp_path / "pictures"
    own.mkdir()
    (own / "private.txt").write_text("x", encoding="utf-8")
    for name in ("image-1.png", "image-1-2.webp"):
        (own / name).write_bytes(b"x")
    for stem, seen in (("**/*", 0), ("*", 0), ("../**/*", 0), ("", 0), ("image-1", 2)):
        assert (
            saved_text(JobRow("job-1", "", "", {}, own, stem, "", "sent", datetime.now(UTC))).count(f"{own}/") == seen
        )
