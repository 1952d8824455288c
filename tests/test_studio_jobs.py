"""The jobs that the studio's page asks about: its own, those of the chat, and those of another process."""

from pathlib import Path

import pytest
from stdio_bench import handed
from test_studio import ask, click, done
from workbench import SMALL, Benches

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": SMALL, "quality": "low"}


async def test_what_the_model_has_asked_for_itself_is_not_told_as_the_person_s_work(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MAX_WAIT_S="0.05")
    bench.knobs.hold()
    job = await handed(bench, "generate_image", **FOX)
    bench.knobs.release()
    answer = await done(bench, job)
    assert len(answer["pictures"]) == 1
    assert answer["told"] == ""
    own = await done(bench, (await ask(bench, "generate", click=click(), **FOX))["job"])
    assert own["told"].startswith("In the studio the person had")


async def test_another_process_finds_a_job_as_soon_as_the_click_is_answered(benches: Benches, tmp_path: Path) -> None:
    """The page may ask another one next, after a restart or behind a load balancer."""
    one, other = [await benches.open(data_dir=tmp_path / "data") for _ in range(2)]
    one.knobs.hold()
    job = (await ask(one, "generate", click=click(), **FOX))["job"]
    assert (await ask(other, "job", job=job))["done"] is False
    one.knobs.release()
    assert (await done(other, job))["pictures"] == (await done(one, job))["pictures"]
