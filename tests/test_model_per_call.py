"""`model`: a call may name another image model than the setting's, and everything follows it."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from fault_proxy import paying
from patience import PATIENCE_S
from stdio_bench import joined
from test_asked_twice import SHORT, given_up
from test_consent import YES, Person
from workbench import SMALL, Bench, Benches, said

from gpt_image_2_mcp.billing.prices import Size, estimate
from gpt_image_2_mcp.server.stdio.first_call import FEW_INPUTS
from gpt_image_2_mcp.settings import UNASKED_USD

pytestmark = pytest.mark.anyio

FLARE = "gpt-image-2.5-flare"
FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL, "quality": "low"}
DEAR: dict[str, Any] = {"prompt": "a fox", "size": "1024x1024", "quality": "high", "n": 10}


async def test_every_tool_that_pays_asks_for_the_named_model(bench: Bench) -> None:
    photo = str(bench.photo())
    await bench.made("generate_image", **FOX, model=FLARE)
    await bench.made("edit_image", **FOX, images=[photo], model=FLARE)
    begun = await bench.made("start_edit_session", **FOX, images=[photo], model=FLARE)
    await bench.made("continue_edit_session", **FOX, session_id=begun.session_id, model=FLARE)
    assert [seen.params["model"] for seen in bench.seen()] == [FLARE] * 4


async def test_a_call_without_one_asks_for_the_model_of_the_setting(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MODEL="gpt-image-2.6-flare")
    for named in ({}, {"model": ""}, {"model": "null"}):
        await bench.made("generate_image", **FOX | named)
    assert [seen.params["model"] for seen in bench.seen()] == ["gpt-image-2.6-flare"] * 3


async def test_an_edit_through_the_responses_api_asks_for_the_named_model(benches: Benches) -> None:
    bench = await benches.open(OPENAI_FORCE_RESPONSES_EDITS="1")
    await bench.made("edit_image", **FOX, images=[str(bench.photo())], model=FLARE)
    assert f"'model': '{FLARE}'" in str(bench.last().params["tools"])


async def test_what_the_named_model_can_do_is_allowed_and_what_it_cannot_is_refused_unsent(bench: Bench) -> None:
    await bench.made("generate_image", **FOX | {"quality": "max"}, model=FLARE)
    refused = await bench.refused("generate_image", **FOX | {"quality": "max"})
    assert FLARE in refused
    assert "`model`" in refused
    assert len(bench.seen()) == 1


async def test_report_record_list_and_ledger_name_the_model_and_its_price(tmp_path: Path) -> None:
    async with paying(tmp_path) as bench:
        made = await bench.made("generate_image", **FOX, model=FLARE)
        plain = await bench.made("generate_image", **FOX)
        assert f"with {FLARE}" in made.text
        found = said(await bench.call("list_images", model=FLARE))
        assert made.path.stem in found
        assert plain.path.stem not in found
        spent = (await bench.call("image_costs")).meta or {}
        by_model = {row["model"]: row["usd"] for row in spent["gpt-image-2/costs"]["by_model"]}
        assert by_model.keys() == {FLARE, "gpt-image-2"}


async def test_the_model_of_the_setting_that_is_named_is_the_same_call_and_another_one_is_not(benches: Benches) -> None:
    bench = await benches.open(SHORT)
    job_id = await given_up(bench, **FOX)
    assert await joined(bench, "generate_image", **FOX, model="gpt-image-2") == job_id
    assert await given_up(bench, **FOX, model=FLARE) != job_id


async def test_a_model_that_is_not_allowed_is_refused_unsent_with_those_that_are(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_MODELS=f"gpt-image-2.6-flare, {FLARE}")
    for name in (FLARE, "gpt-image-2.6-flare", "gpt-image-2"):
        await bench.made("generate_image", **FOX, model=name)
    for tool, arguments in (("generate_image", FOX), ("image_costs", {})):
        refused = await bench.refused(tool, **arguments, model="gpt-image-2.6-sunburst")
        assert "GPT_IMAGE_2_ALLOWED_MODELS" in refused
        assert all(repr(name) in refused for name in ("gpt-image-2", "gpt-image-2.6-flare", FLARE))
        assert "'gpt-image-2.6-sunburst'" in refused
    assert len(bench.seen()) == 3


@pytest.mark.parametrize("name", ["a\nb", "\x1b[31m", "m" * 201])
async def test_a_name_that_is_none_is_refused(bench: Bench, name: str) -> None:
    assert "`model`" in await bench.refused("generate_image", **FOX, model=name)
    assert not bench.seen()


async def test_a_model_that_there_is_not_is_answered_with_those_that_there_are(bench: Bench) -> None:
    refused = await bench.refused("generate_image", prompt="a fox", model="gpt-image-2.5")
    assert "no model 'gpt-image-2.5'" in refused
    assert "The models that make pictures are gpt-image-2, gpt-image-2.5-sunburst, gpt-image-2.5-flare," in refused
    assert bench.knobs.paid == 0


async def test_a_budget_counts_the_price_of_the_named_model(tmp_path: Path) -> None:
    async with paying(tmp_path, GPT_IMAGE_2_BUDGET_PER_CALL_USD="1") as bench:
        assert "No price is published" in await bench.refused("generate_image", **FOX, model="my-deployment")
        assert "`quality`" in await bench.refused("generate_image", **FOX | {"quality": "max"})
        assert not bench.seen()
        await bench.made("generate_image", **FOX, model=FLARE)


async def test_image_costs_takes_a_model_a_picture_and_any_number(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_BUDGET_PER_DAY_USD="5")
    made = await bench.made("edit_image", **FOX | {"quality": "medium"}, images=[str(bench.photo())])
    alike = said(await bench.call("image_costs", like=made.path.stem, n=3000, model=FLARE))
    assert f"3000 pictures with {FLARE}, size {SMALL}, quality medium, in 300 calls, from 1 input" in alike
    assert "would be refused" in alike
    auto = await bench.made("generate_image", prompt="a heron", size=SMALL, filename_prefix="heron")
    assert auto.report["applied"]["quality"] == "medium"
    assert "quality medium" in said(await bench.call("image_costs", like="heron"))
    assert "quality high" in said(await bench.call("image_costs", like=made.path.stem, quality="high"))
    assert "`like`" in await bench.refused("image_costs", like="nothing")


async def test_image_costs_says_what_a_budget_per_call_would_refuse(tmp_path: Path) -> None:
    async with paying(tmp_path, GPT_IMAGE_2_BUDGET_PER_CALL_USD="1") as bench:
        dear = {"size": "1024x1024", "quality": "high"}
        for n, is_refused in ((1, False), (10, True), (25, True)):
            assert ("would be refused" in said(await bench.call("image_costs", **dear, n=n))) is is_refused
        assert "would be refused" not in said(await bench.call("image_costs", size=SMALL, quality="low", n=500))
        assert "would be refused" in said(await bench.call("image_costs", model="my-deployment"))
    (tmp_path / "free").mkdir()
    async with paying(tmp_path / "free") as bench:
        assert "would be refused" not in said(await bench.call("image_costs", model="my-deployment"))


async def test_above_a_dollar_the_person_is_asked_where_nothing_else_bounds_the_spending(tmp_path: Path) -> None:
    person = Person("decline")
    async with paying(tmp_path, ask=person) as bench:
        assert "did not agree" in await bench.refused("generate_image", **DEAR)
        assert "will cost about $2" in person.asked[0]
        assert not bench.seen()
        await bench.made("generate_image", **DEAR | {"n": 1})
        assert len(person.asked) == 1


@pytest.mark.parametrize(
    ("ask", "environ"),
    [
        (None, {}),
        (Person("decline"), {"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "50"}),
        (Person("decline"), {"GPT_IMAGE_2_BUDGET_PER_CALL_USD": "50"}),
        (Person("decline"), {"GPT_IMAGE_2_CONFIRM_OVER_USD": "50"}),
        (Person("accept", YES), {}),
    ],
    ids=["the client cannot ask", "a budget a day", "a budget per call", "another limit", "a yes"],
)
async def test_otherwise_it_goes_ahead(tmp_path: Path, ask: Person | None, environ: dict[str, str]) -> None:
    async with paying(tmp_path, environ, ask=ask) as bench:
        result = await bench.call("generate_image", **DEAR)
        assert not result.is_error, said(result)
        assert len(bench.seen()) == 1


@pytest.mark.parametrize("model", ["gpt-image-1", "gpt-image-1.5", "gpt-image-2", "gpt-image-2.6-flare", FLARE])
@pytest.mark.parametrize("size", ["auto", (3840, 2160), (2160, 3840), (2880, 2880)], ids=str)
def test_one_picture_up_to_high_costs_less_than_what_is_asked_about(model: str, size: Size) -> None:
    """A first call is begun before the server is loaded unless the person may have to be asked about it."""
    found = estimate(model, text_tokens=32_000, size=size, quality="high", inputs=[(1536, 1024)] * FEW_INPUTS)
    assert found is None or found.usd < UNASKED_USD


@pytest.mark.thorough
def test_the_command_line_takes_a_model(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "gpt_image_2_mcp", "generate", "a fox", "--sandbox", "--model", FLARE]
    command += ["--background", "transparent", "--size", SMALL, "--quality", "low", "--json", "-o", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=True)
    assert f'"model": "{FLARE}"' in done.stdout


async def test_a_session_goes_on_with_the_model_of_the_turn_that_is_built_on(bench: Bench) -> None:
    begun = await bench.made("start_edit_session", **FOX, images=[str(bench.photo())], model=FLARE)
    turn: dict[str, Any] = {**FOX, "session_id": begun.session_id}
    clear = await bench.made("continue_edit_session", **turn, background="transparent")
    assert f"in place of {FLARE}" in clear.text
    await bench.made("continue_edit_session", **turn, model="gpt-image-2")
    await bench.made("continue_edit_session", **turn)
    await bench.made("continue_edit_session", **turn, from_turn=1)
    models = [FLARE, FLARE, "gpt-image-2", "gpt-image-2", FLARE]
    assert [seen.params["model"] for seen in bench.seen()] == models


async def test_a_session_does_not_go_on_with_a_model_that_is_not_allowed_any_more(
    benches: Benches, tmp_path: Path
) -> None:
    first = await benches.open(data_dir=tmp_path / "data")
    begun = await first.made("start_edit_session", **FOX, images=[str(first.photo())], model=FLARE)
    second = await benches.open(data_dir=tmp_path / "data", GPT_IMAGE_2_ALLOWED_MODELS="gpt-image-2.6-flare")
    await second.made("continue_edit_session", **FOX, session_id=begun.session_id)
    assert second.last().params["model"] == "gpt-image-2"
