"""Batches: many pictures from one call, now or through OpenAI's Batch API."""

import json
from collections.abc import AsyncIterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import pytest
from fault_proxy import paying
from mcp.client.session import ClientRequestContext
from mcp_types import CallToolResult, ElicitRequestParams, ElicitResult, ImageContent
from patience import PATIENCE_S
from promises import promise
from workbench import EDITS, GENERATIONS, SMALL, Bench, Benches, said

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

BATCH = "gpt-image-2/batch"
FAST = {"GPT_IMAGE_2_PICTURES_PER_MINUTE": "6000"}
LOW = {"size": SMALL, "quality": "low"}
HALF_A_DAY = 12 * 3600
A_DAY = 24 * 3600


def state_of(result: CallToolResult) -> dict[str, Any]:
    assert not result.is_error, said(result)
    return (result.meta or {})[BATCH]


async def ended(bench: Bench, job_id: str) -> tuple[dict[str, Any], str]:
    """Ask for a batch until it is over; its state, and the answer's text."""
    with anyio.fail_after(PATIENCE_S):
        while True:
            result = await bench.call("get_image_job", job_id=job_id)
            if state_of(result)["state"] == "ended":
                return state_of(result), said(result)


async def submitted(bench: Bench, *items: dict[str, Any], **arguments: Any) -> str:
    """Begin a cheap batch, and return its id."""
    result = await bench.call("make_batch", items=list(items), when="cheap", common=LOW, **arguments)
    assert state_of(result)["state"] == "open", said(result)
    return state_of(result)["job_id"]


def foxes(count: int) -> list[dict[str, Any]]:
    return [{"prompt": f"fox {number}", "name": f"fox {number}"} for number in range(1, count + 1)]


@pytest.fixture
async def bench(benches: Benches, tmp_path: Path) -> Bench:
    return await benches.open(FAST, data_dir=tmp_path / "data")


@pytest.fixture
async def paid(tmp_path: Path) -> AsyncIterator[Bench]:
    """A server whose pictures cost money."""
    async with paying(tmp_path, FAST) as bench:
        yield bench


async def found(bench: Bench) -> list[dict[str, Any]]:
    result = await bench.call("list_images")
    return next(iter((result.meta or {}).values()))


async def test_a_batch_made_now_saves_records_and_lists_every_picture(bench: Bench) -> None:
    result = await bench.call("make_batch", items=foxes(3), common=LOW)
    state = state_of(result)
    assert (state["state"], state["done"], state["total"]) == ("ended", 3, 3)
    assert len([block for block in result.content if isinstance(block, ImageContent)]) == 1
    assert all("fox" in Path(row["file_path"]).name for row in state["newest"])
    listed = said(await bench.call("list_images"))
    assert all(f'"fox {number}"' in listed for number in (1, 2, 3))
    assert f"{state['job_id']}: ended, make_batch, 3 of 3 done" in said(await bench.call("get_image_job"))


async def test_items_share_what_common_says_and_its_references_come_first(bench: Bench) -> None:
    sheet = (await bench.made("generate_image", prompt="the hero, from all sides", **LOW)).path
    own = bench.photo()
    common = {**LOW, "images": [sheet.stem]}
    items = [{"prompt": "scene 1"}, {"prompt": "scene 2", "images": [str(own)], "quality": "medium"}]
    await bench.call("make_batch", items=items, common=common)
    sent = sorted(bench.seen(EDITS), key=lambda seen: str(seen.params["prompt"]))
    assert [len(seen.files) for seen in sent] == [1, 2]
    assert sent[0].files[0].sha256 == sent[1].files[0].sha256
    assert [seen.params["quality"] for seen in sent] == ["low", "medium"]


async def test_two_items_that_are_the_same_are_two_pictures_and_a_repeated_call_is_none(bench: Bench) -> None:
    arguments = {"items": [{"prompt": "a fox"}, {"prompt": "a fox"}], "common": LOW}
    first = await bench.call("make_batch", **arguments)
    again = await bench.call("make_batch", **arguments)
    assert state_of(first)["done"] == 2
    assert state_of(again)["job_id"] == state_of(first)["job_id"]
    assert "nothing is paid again" in said(again)
    assert len(bench.seen(GENERATIONS)) == 2


@promise("Money", "Identical batches that are asked for at the same time are one.")
@pytest.mark.parametrize("when", ["now", "cheap"])
async def test_identical_calls_at_the_same_time_are_one_batch(bench: Bench, when: str) -> None:
    jobs: set[str] = set()
    # What is loaded for a first batch would keep the others waiting.
    await bench.call("make_batch", items=[{"prompt": "a tree"}], common=LOW)

    async def call() -> None:
        jobs.add(state_of(await bench.call("make_batch", items=foxes(1), common=LOW, when=when))["job_id"])

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(call)
    assert len(jobs) == 1


async def test_a_line_that_is_refused_fails_alone_and_is_not_sent_again(bench: Bench) -> None:
    items = [*foxes(1), {"prompt": "moderation-blocked"}, {"prompt": "an edit", "images": ["gone.png"]}]
    state = state_of(await bench.call("make_batch", items=items, common=LOW))
    assert (state["done"], state["refused"], state["failed"], state["retryable"]) == (1, [2], [3], [3])
    bench.photo("gone.png")
    again = state_of(await bench.call("make_batch", retry=state["job_id"]))
    assert (again["total"], again["done"]) == (1, 1)
    assert again["job_id"] in await bench.refused("make_batch", retry=state["job_id"], when="now")
    assert "can be sent again: all of them are done" in await bench.refused("make_batch", retry=again["job_id"])


@pytest.fixture(params=["file", "postgres"])
def database(request: pytest.FixtureRequest) -> dict[str, str]:
    if request.param == "file":
        return {}
    return {"GPT_IMAGE_2_DATABASE_URL": request.getfixturevalue("postgres").text}


async def test_a_cheap_batch_costs_half_and_is_saved_as_single_pictures_are(
    tmp_path: Path, database: dict[str, str]
) -> None:
    async with paying(tmp_path, FAST | database) as paid:
        await check_half_price(paid)


async def check_half_price(paid: Bench) -> None:
    single = await paid.made("generate_image", prompt="fox 1", **LOW)
    paid.photo()
    job_id = await submitted(paid, *foxes(2), {"prompt": "an edit", "images": ["photo.png"]})
    paid.knobs.advance(A_DAY)
    state, text = await ended(paid, job_id)
    assert (state["done"], state["failed"]) == (3, [])
    assert "half price" in text
    first = (
        await paid.call("show_image", image=next(r["id"] for r in state["newest"] if "fox-1" in r["id"]))
    ).meta or {}
    record = next(iter(first.values()))
    assert Decimal(str(record["cost_usd"])) * 2 == Decimal(str(single.report["cost_usd_estimated"]))
    assert record["job_id"] == f"{job_id}-1"
    assert set(paid.knobs.paid_lines.values()) == {1}
    assert paid.knobs.paid_at_half == 3
    costs = said(await paid.call("image_costs"))
    assert f"${single.report['cost_usd_estimated'] + state['cost_usd_estimated']:.4f}" in costs


async def test_a_reference_of_a_series_is_uploaded_once(bench: Bench) -> None:
    bench.photo()
    job_id = await submitted(bench, *({"prompt": f"scene {n}", "images": ["photo.png"]} for n in range(4)))
    uploads = [seen for seen in bench.seen("/v1/files") if seen.params.get("purpose") == "vision"]
    assert len(uploads) == 1
    bench.knobs.advance(A_DAY)
    assert (await ended(bench, job_id))[0]["done"] == 4


@pytest.mark.thorough
@pytest.mark.parametrize("when", ["cheap", "now"])
async def test_a_batch_says_how_far_its_finals_kept_the_layout_of_their_drafts(bench: Bench, when: str) -> None:
    drafts = await bench.made("generate_image", prompt="a logo with a fox", n=3, **LOW)
    final = {"images": ["2"], "like": "2", "quality": "high"}
    begun = await bench.call("make_batch", items=[final | {"name": "logo"}, foxes(1)[0] | LOW], when=when)
    bench.knobs.advance(A_DAY)
    state, text = await ended(bench, state_of(begun)["job_id"])
    assert state["done"] == 2, text
    assert "Line 1 (logo): The draft's layout is kept: " in text
    assert text.count("layout") == 1
    (made,) = [row for row in await found(bench) if row["prompt"] == "a logo with a fox" and "-logo" in row["id"]]
    record = next(iter(((await bench.call("show_image", image=made["id"])).meta or {}).values()))
    assert str(record["applied"]["added_prompt"]).startswith("Image 1 is a draft")
    assert drafts.report["images"][1]["id"] in said(await bench.call("show_image", image=made["id"]))


async def test_a_final_whose_draft_is_gone_when_a_cheap_batch_answers_comes_without_the_comparison(
    bench: Bench,
) -> None:
    drafts = await bench.made("generate_image", prompt="a logo with a fox", n=3, **LOW)
    job_id = await submitted(bench, {"images": ["2"], "like": "2", "quality": "high"})
    await anyio.Path(drafts.report["images"][1]["file_path"]).unlink()
    bench.knobs.advance(A_DAY)
    state, text = await ended(bench, job_id)
    assert state["done"] == 1, text
    assert "layout" not in text


async def test_a_missing_picture_that_all_lines_share_is_told_before_anything_begins(bench: Bench) -> None:
    bench.photo()
    common = {"images": ["photo.png", "gone.png", "https://example.invalid/later.png"], **LOW}
    text = await bench.refused("make_batch", items=foxes(3), common=common)
    assert text.startswith("`common`, `images`: ")
    assert "gone.png" in text
    assert "photo.png'" not in text
    assert text.endswith("Nothing was sent.")
    assert bench.seen() == []
    # One that a line names itself fails that line alone.
    items = [foxes(1)[0], {"prompt": "an edit", "images": ["gone.png"]}]
    state, _ = await ended(bench, state_of(await bench.call("make_batch", items=items, common=LOW))["job_id"])
    assert (state["done"], state["failed"]) == (1, [2])


@pytest.mark.parametrize("how", ["expired", "cancelled"])
async def test_what_was_finished_of_a_batch_that_is_not_is_kept_and_the_rest_can_be_sent_again(
    bench: Bench, how: str
) -> None:
    bench.knobs.batch_s = 2 * A_DAY if how == "expired" else A_DAY
    job_id = await submitted(bench, *foxes(8))
    if how == "expired":
        bench.knobs.advance(A_DAY + 3600)
    else:
        bench.knobs.advance(HALF_A_DAY)
        assert "being cancelled" in said(await bench.call("cancel_image_job", job_id=job_id))
        bench.knobs.advance(HALF_A_DAY)
    state, _ = await ended(bench, job_id)
    assert 0 < state["done"] < 8
    assert state["done"] == len(bench.knobs.paid_lines)
    assert len(state["retryable"]) == 8 - state["done"]
    bench.knobs.batch_s = 10
    again = await bench.call("make_batch", retry=job_id)
    assert state_of(again)["when"] == "cheap"
    bench.knobs.advance(3 * A_DAY)
    assert (await ended(bench, state_of(again)["job_id"]))[0]["done"] == 8 - state["done"]
    assert set(bench.knobs.paid_lines.values()) == {1}


@pytest.mark.thorough
async def test_a_submission_whose_answer_is_lost_is_found_and_not_repeated(bench: Bench) -> None:
    bench.knobs.faults = [Fault(kind="drop", route="batches")]
    job_id = await submitted(bench, *foxes(2))
    bench.knobs.advance(A_DAY)
    assert (await ended(bench, job_id))[0]["done"] == 2
    assert bench.knobs.batches == 1
    assert set(bench.knobs.paid_lines.values()) == {1}


async def test_a_download_that_breaks_off_goes_on_with_what_is_missing(bench: Bench) -> None:
    job_id = await submitted(bench, *foxes(3))
    bench.knobs.advance(A_DAY)
    bench.knobs.faults = [Fault(kind="cut", after=30_000, route="contents")]
    assert (await ended(bench, job_id))[0]["done"] == 3
    assert len(list(bench.folder.rglob("*.png"))) == 3


async def test_a_batch_that_is_not_accepted_says_why_and_costs_nothing(paid: Bench) -> None:
    paid.knobs.faults = [Fault(kind="batch_failed", route="batches")]
    begun = await paid.call("make_batch", items=foxes(2), when="cheap", common=LOW)
    paid.knobs.advance(A_DAY)
    state, text = await ended(paid, state_of(begun)["job_id"])
    assert state["retryable"] == [1, 2]
    assert "token_limit_exceeded" in text
    assert "Spent today: $0.0000" in said(await paid.call("image_costs"))


async def test_a_batch_that_another_process_follows_is_left_to_it(benches: Benches, tmp_path: Path) -> None:
    first = await benches.open(FAST, data_dir=tmp_path / "data")
    job_id = await submitted(first, *foxes(2))
    second = await benches.open(FAST, data_dir=tmp_path / "data")
    text = said(await second.call("get_image_job", job_id=job_id))
    assert "0 of 2 done; with OpenAI" in text
    assert second.seen() == []
    await second.call("cancel_image_job", job_id=job_id)
    first.knobs.advance(1)
    assert "being cancelled" in said(await first.call("get_image_job", job_id=job_id))
    first.knobs.advance(A_DAY)
    assert (await ended(first, job_id))[0]["done"] < 2


async def test_half_of_the_estimate_counts_against_the_budget(tmp_path: Path) -> None:
    async with paying(tmp_path, FAST, GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.02") as bench:
        items = [{"prompt": f"fox {n}"} for n in range(5)]
        refusal = await bench.refused("make_batch", items=items, common={"size": "1024x1024", "quality": "low"})
        assert "GPT_IMAGE_2_BUDGET_PER_CALL_USD" in refusal
        cheap = await bench.call(
            "make_batch", items=items, common={"size": "1024x1024", "quality": "low"}, when="cheap"
        )
        assert state_of(cheap)["state"] == "open", said(cheap)
        assert "under way" in said(await bench.call("image_costs"))


async def test_the_person_is_asked_once_for_the_total(tmp_path: Path) -> None:
    asked: list[str] = []

    async def person(context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        asked.append(params.message)
        return ElicitResult(action="accept", content={"go_ahead": False})

    async with paying(tmp_path, FAST, ask=person) as bench:
        items = [{"prompt": f"fox {n}"} for n in range(10)]
        text = await bench.refused("make_batch", items=items, common={"size": "1024x1024", "quality": "high"})
    assert "did not agree" in text
    (question,) = asked
    assert "A batch of 10 pictures" in question
    assert "$2.1" in question


@pytest.mark.parametrize(
    ("item", "why"),
    [
        (
            {"prompt": "a", "images": ["photo.png"], "mask": "box 0,0 10x10"},
            "With `keep` 'off'",
        ),
        ({"prompt": "a", "background": "transparent"}, "cut it out later, free"),
        ({"prompt": "a", "images": ["photo.png"], "keep": "exact"}, "`keep`"),
    ],
)
async def test_what_needs_several_steps_is_refused_of_a_cheap_batch(
    bench: Bench, item: dict[str, Any], why: str
) -> None:
    bench.photo()
    text = await bench.refused("make_batch", items=[*foxes(1), item], when="cheap", common=LOW)
    assert "Line 2" in text
    assert why in text
    assert bench.seen() == []


@pytest.mark.thorough
async def test_masks_and_larger_canvases_go_through_a_cheap_batch_where_nothing_is_put_back(paid: Bench) -> None:
    paid.photo()
    edit = {"images": ["photo.png"], "quality": "low", "keep": "off"}
    items = [
        {**edit, "prompt": "a boat", "mask": "box 400,100 300x200"},
        {**edit, "prompt": "a gull", "mask": "box 400,100 300x200"},
        {**edit, "prompt": "more sea", "extend": "left 256"},
    ]
    begun = state_of(await paid.call("make_batch", items=items, when="cheap"))
    state, text = await ended(paid, begun["job_id"])
    assert (state["state"], state["done"]) == ("ended", 3), text
    # The photo, the mask of both, and the canvas with its own.
    uploads = [seen for seen in paid.seen("/v1/files") if seen.files and seen.params.get("purpose") == "vision"]
    assert len(uploads) == 4
    made = {row["prompt"]: row for row in await found(paid)}
    assert (made["more sea"]["width"], made["more sea"]["height"]) == (1280, 640)
    shown = said(await paid.call("show_image", image=made["a boat"]["id"]))
    assert "made from: " in shown
    assert "(mask)" in shown
    alone = await paid.made("edit_image", **items[0])
    assert made["a gull"]["cost_usd_estimated"] == pytest.approx(alone.report["cost_usd_estimated"] / 2)


async def test_without_history_a_cheap_batch_is_refused(benches: Benches) -> None:
    bench = await benches.open(FAST)
    assert "GPT_IMAGE_2_HISTORY" in await bench.refused("make_batch", items=foxes(1), when="cheap")


async def test_a_file_of_items_is_read(bench: Bench) -> None:
    path = bench.working_dir / "items.csv"
    path.write_text('name,prompt,quality,size\nhero,"a fox, red",low,1024x640\n\ntail,a fox,low,1024x640\n')
    assert state_of(await bench.call("make_batch", file="items.csv"))["done"] == 2
    lines = [json.dumps({"prompt": f"jsonl {n}", **LOW}) for n in range(2)]
    (bench.working_dir / "items.jsonl").write_text("\ufeff" + "\n".join(lines), encoding="utf-8")
    assert state_of(await bench.call("make_batch", file=str(path.with_suffix(".jsonl"))))["done"] == 2


SECRET = "hush-4711"


@pytest.mark.parametrize(
    ("name", "content", "where"),
    [
        ("a.csv", f"prompt,{SECRET}\na,b\n", "Line 1, column 2"),
        ("a.csv", f'prompt,n\n"two\nlines",1\nfox,{SECRET}\n', "Line 4, column `n`"),
        ("a.csv", f"prompt\nfox,{SECRET}\n", "Line 2 has 2 columns"),
        ("a.csv", f'prompt\n"{SECRET}\n', "Line 2 is no row"),
        ("a.jsonl", f'{{"prompt": "a"}}\n{SECRET}\n', "Line 2 is no JSON object"),
        ("a.jsonl", f'{{"prompt": "a", "{SECRET}": 1}}', "Line 1, column 2"),
        ("a.jsonl", f'{{"prompt": "a", "size": "{SECRET}"}}', "Line 1, column `size`"),
        ("a.jsonl", f'{{"quality": "low", "images": ["{SECRET}"]}}', "Line 1"),
        ("a.jsonl", f'{{"prompt": "a", "name": ["{SECRET}"]}}', "Line 1, `name`"),
        ("a.jsonl", '{"prompt": ' + "[" * 900 + "]" * 900 + "}", "Line 1"),
        ("a.csv", ",".join(["prompt"] * 1000) + "\n", "Line 1 has more than 100 columns"),
        ("a.jsonl", "", "has no items"),
    ],
)
@promise(
    "Reading", "An error about a file that is no list of items names line and column, and nothing of what is in them."
)
async def test_an_error_about_a_file_names_the_place_and_not_the_content(
    bench: Bench, name: str, content: str, where: str
) -> None:
    (bench.working_dir / name).write_text(content, encoding="utf-8")
    text = await bench.refused("make_batch", file=name)
    assert where in text
    assert SECRET not in text
    assert bench.seen() == []


@promise("Reading", "A file of items is read from the working folder, your output folder and allowed folders alone.")
async def test_a_file_of_items_elsewhere_is_refused_whether_it_exists_or_not(bench: Bench, tmp_path: Path) -> None:
    elsewhere = tmp_path / "other"
    elsewhere.mkdir()
    (elsewhere / "a.jsonl").write_text('{"prompt": "a"}')
    (bench.working_dir / "link.jsonl").symlink_to(elsewhere / "a.jsonl")
    there = await bench.refused("make_batch", file=str(elsewhere / "a.jsonl"))
    missing = await bench.refused("make_batch", file=str(elsewhere / "b.jsonl"))
    assert there.replace("a.jsonl", "b.jsonl") == missing
    assert "is not read" in await bench.refused("make_batch", file="link.jsonl")
    assert "is not read" in await bench.refused("make_batch", file="/etc/passwd.csv")


async def test_a_file_of_items_that_is_too_long_is_refused(bench: Bench) -> None:
    path = bench.working_dir / "long.csv"
    path.write_text("prompt\n" + "a fox\n" * 10_001)
    assert "10,000 lines" in await bench.refused("make_batch", file="long.csv")
    path.write_text("prompt\n" + "a" * 5_000_001)
    assert "5,000,000" in await bench.refused("make_batch", file="long.csv")


async def test_the_pace_is_learned_and_the_finish_is_told(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open({"GPT_IMAGE_2_MAX_WAIT_S": "0.5"}, data_dir=tmp_path / "data")
    # The sandbox's headers allow five a minute.
    result = await bench.call("make_batch", items=foxes(65), common=LOW)
    assert "about 12 min to go" in said(result) or "about 13 min to go" in said(result)
    # The lines of two batches take turns: beside 60 of the first one, 20 take as long as 40.
    other = await bench.call("make_batch", items=[{"prompt": f"a hen {n}"} for n in range(20)], common=LOW)
    assert "about 7 min to go" in said(other) or "about 8 min to go" in said(other)
    await bench.call("cancel_image_job", job_id=state_of(other)["job_id"])
    assert "about 12 min" in said(await bench.call("get_image_job", job_id=state_of(result)["job_id"]))
    stopped = state_of(await bench.call("cancel_image_job", job_id=state_of(result)["job_id"]))
    state, _ = await ended(bench, stopped["job_id"])
    assert state["done"] == len(bench.seen(GENERATIONS)) <= 8
    assert len(state["retryable"]) == 65 - state["done"]


async def test_a_refusal_that_names_the_limit_slows_a_batch_down(benches: Benches, tmp_path: Path) -> None:
    bench = await benches.open(FAST, GPT_IMAGE_2_MAX_WAIT_S="2", data_dir=tmp_path / "data")
    bench.knobs.faults = [Fault(kind="error", error="rate_limit_exceeded")]
    # "input-images per min: Limit 5, Used 5", of which the sandbox says when to ask again.
    result = await bench.call("make_batch", items=foxes(65), common=LOW)
    assert " min to go" in said(result), said(result)
    await bench.call("cancel_image_job", job_id=state_of(result)["job_id"])


async def test_items_may_be_plain_prompts(bench: Bench) -> None:
    state = state_of(await bench.call("make_batch", items=["a fox", '{"prompt": "a hen", "name": "hen"}'], common=LOW))
    assert state["done"] == 2
    assert "JSON" in await bench.refused("make_batch", items=['{"prompt": "a hen"'])
    assert "`common` must be JSON" in await bench.refused("make_batch", items=["a fox"], common="quality low")


@pytest.mark.parametrize(
    ("common", "items", "told", "not_told"),
    [
        ({"size": "99999x9"}, 3, "`common`: ", "Item"),
        ({"quality": "ultra", "n": 99}, 3, "`common`: `n` must be", "Item"),
        ({"images": ["a.png"] * 17}, 2, "`common`: `images` must be", "Item"),
        ({"size": [[[[1]]]]}, 2, "`common`: ", "Item"),
        # What an item may mend is not common's, and what all of them break is said once.
        ({"output_format": "jpeg", "background": "transparent"}, 3, "Every line: ", "Item"),
        ({"quality": "max"}, 3, "Every line: ", "Line"),
        ({"like": "image-20260101-000000-abcdef"}, 3, "Every line: There is no picture", "Line"),
    ],
)
async def test_a_fault_that_all_lines_share_is_said_once(
    bench: Bench, common: dict[str, Any], items: int, told: str, not_told: str
) -> None:
    for when in ("now", "cheap"):
        text = await bench.refused("make_batch", items=foxes(items), common=common, when=when)
        assert told in text
        assert not_told not in text
        assert len(text.splitlines()) <= len(common) + 1
    # A fault of one line is its own.
    text = await bench.refused("make_batch", items=[*foxes(2), {"prompt": "x", "n": 0}], common=LOW)
    assert text.startswith("Item 3: `n` must be")


async def test_lines_that_failed_for_one_reason_are_told_together(bench: Bench) -> None:
    result = await bench.call("make_batch", items=foxes(3), common={**LOW, "model": "dall-e-3"})
    assert "Lines 1 (fox 1), 2 (fox 2), 3 (fox 3): OpenAI has no model 'dall-e-3'" in said(result)
    lines = [fox | {"images": ["missing.png"]} for fox in foxes(30)]
    result = await bench.call("make_batch", items=lines, common=LOW)
    assert "10 (fox 10) and 20 more: There is no" in said(result)


@pytest.mark.thorough
async def test_the_sheet_of_a_batch_has_the_numbers_of_its_lines_and_what_the_person_is_given(bench: Bench) -> None:
    items = [*foxes(1), {"prompt": "moderation-blocked"}, {"prompt": "fox 3"}, {"prompt": "fox 4", "size": "story"}]
    result = await bench.call("make_batch", items=items, common=LOW)
    newest = state_of(result)["newest"]
    assert [row["number"] for row in newest] == [1, 3, 4]
    assert newest[2]["file_path"].endswith("-1080x1920.png")
    assert f"\n4. {newest[2]['file_path']}" in said(result)
    for row in newest:
        assert f"prompt: fox {row['number']}" in said(await bench.call("show_image", image=str(row["number"])))
    # Where a line has made several, they are counted through.
    result = await bench.call("make_batch", items=[{"prompt": "a hen", "n": 2}, {"prompt": "a cock"}], common=LOW)
    assert [row["number"] for row in state_of(result)["newest"]] == [1, 2, 3]
    assert "prompt: a cock" in said(await bench.call("show_image", image="3"))
