"""Budgets, through the whole: what is refused, what is set aside, what an outcome costs, and what the ledger keeps."""

import os
import re
import sqlite3
import stat
import subprocess
import sys
from collections.abc import Generator
from contextlib import closing
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from fault_proxy import DATABASE, FaultProxy, control, paying
from inline_snapshot import snapshot
from patience import PATIENCE_S, look_again
from promises import promise
from workbench import KEY, SMALL, Bench, Canned, encoded, folded, said, without_ids

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.billing.prices import cost, estimate
from gpt_image_2_mcp.billing.tokens import Usage, text_tokens
from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.sandbox import Fault, Knobs
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

PROMPT = "a heliotrope wyvern over Valparaiso"
LOW = {"prompt": PROMPT, "size": SMALL, "quality": "low"}
HIGH = {"prompt": PROMPT, "size": "1024x1024", "quality": "high"}

PER_CALL, PER_DAY = "GPT_IMAGE_2_BUDGET_PER_CALL_USD", "GPT_IMAGE_2_BUDGET_PER_DAY_USD"

SLOW_START = {"retry-after-ms": "1"}


@pytest.fixture
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A short path, since errors cut long ones and snapshots hold errors."""
    return tmp_path_factory.mktemp("m")


def expected(size: tuple[int, int] = (1024, 640), quality: Any = "low", prompt: str = PROMPT, n: int = 1) -> Decimal:
    """What a generation is estimated at."""
    found = estimate("gpt-image-2", text_tokens=text_tokens(prompt, generation=True), size=size, quality=quality, n=n)
    assert found is not None
    return found.usd


LOW_USD = expected()


def rows(root: Path) -> list[dict[str, Any]]:
    """The ledger, read past our own code."""
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection:
        connection.row_factory = sqlite3.Row
        return [dict(row) for row in connection.execute("SELECT * FROM charges ORDER BY id")]


def spent(root: Path) -> Decimal:
    """What counts as spent, in dollars."""
    return sum(
        (
            Decimal(row["estimate_nano_usd"] if row["nano_usd"] is None else row["nano_usd"]) / 10**9
            for row in rows(root)
            if row["state"] in ("settled", "unknown")
        ),
        Decimal(0),
    )


def states(root: Path) -> list[str]:
    return [row["state"] for row in rows(root)]


async def written_down(root: Path) -> None:
    """Wait until the ledger has what was spent; nobody waits for that but a test."""
    with anyio.fail_after(PATIENCE_S):
        while set(await anyio.to_thread.run_sync(states, root)) != {"settled"}:
            await look_again()


async def costs(bench: Bench, **arguments: Any) -> tuple[str, dict[str, Any]]:
    """What `image_costs` says, as text and for programs."""
    result = await bench.call("image_costs", **arguments)
    assert not result.is_error, said(result)
    return said(result), (result.meta or {})["gpt-image-2/costs"]


# What does not fit.


async def test_a_call_over_its_budget_is_refused_with_the_amounts_and_with_what_would_fit(root: Path) -> None:
    async with paying(root, {PER_CALL: "0.10"}) as bench:
        text = await bench.refused("generate_image", **HIGH)
        assert bench.seen() == []
    assert folded(text) == snapshot("""\
This would cost about $0.2108, more than the $0.1000 that GPT_IMAGE_2_BUDGET_PER_CALL_USD allows one
call. Nothing was sent. Quality 'medium' at size '1024x1024' would fit, at about $0.0528.\
""")
    assert states(root) == []


async def test_what_is_offered_instead_does_fit(root: Path) -> None:
    """An offer that is refused in its turn would send a model round in circles."""
    async with paying(root, {PER_CALL: "0.10", PER_DAY: "0.20"}) as bench:
        text = await bench.refused("generate_image", **HIGH)
        offered = re.search(r"Quality '(\w+)' at size '(\w+)' would fit", text)
        assert offered
        await bench.made("generate_image", prompt=PROMPT, quality=offered[1], size=offered[2])


async def test_a_call_over_what_is_left_of_the_day_is_refused_with_what_is_spent_and_left(root: Path) -> None:
    async with paying(root, {PER_DAY: "0.05"}) as bench:
        await bench.made("generate_image", **LOW)
        text = await bench.refused("generate_image", **HIGH)
        assert len(bench.seen()) == 1
    assert folded(text) == snapshot("""\
This would cost about $0.2108, and $0.0467 is left of today's $0.0500
(GPT_IMAGE_2_BUDGET_PER_DAY_USD): $0.0033 is spent and $0.0000 under way. Nothing was sent. Quality
'low' at size '1024x1024' would fit, at about $0.0060.\
""")


async def test_where_nothing_would_fit_the_ways_out_are_named(root: Path) -> None:
    async with paying(root, {PER_DAY: "0.001"}) as bench:
        text = await bench.refused("generate_image", **LOW)
    assert folded(text) == snapshot("""\
This would cost about $0.0033, and $0.0010 is left of today's $0.0010
(GPT_IMAGE_2_BUDGET_PER_DAY_USD): $0.0000 is spent and $0.0000 under way. Nothing was sent. Ask for
less, raise GPT_IMAGE_2_BUDGET_PER_DAY_USD, or wait until tomorrow.\
""")


async def test_both_budgets_hold_together(root: Path) -> None:
    async with paying(root, {PER_CALL: "0.004", PER_DAY: "0.005"}) as bench:
        assert PER_CALL in await bench.refused("generate_image", **LOW, n=2)
        await bench.made("generate_image", **LOW)
        assert PER_DAY in await bench.refused("generate_image", **LOW)
        assert bench.knobs.paid == 1


async def test_several_pictures_are_one_call(root: Path) -> None:
    """A limit on a call that counted each picture by itself would let ten through for the price of one."""
    limit = expected(n=3)
    async with paying(root, {PER_CALL: str(limit)}) as bench:
        await bench.refused("generate_image", **LOW, n=4)
        await bench.made("generate_image", **LOW, n=3)


async def test_auto_counts_as_high_and_square(root: Path) -> None:
    async with paying(root, {PER_CALL: "0.20"}) as bench:
        assert "$0.21" in await bench.refused("generate_image", prompt=PROMPT)
        assert bench.seen() == []


async def test_the_input_pictures_count(root: Path) -> None:
    """Eight of them cost more than the picture that is made from them."""
    limit = expected() + Decimal("0.02")
    async with paying(root, {PER_CALL: str(limit)}) as bench:
        pictures = [str(bench.photo(f"{number}.png")) for number in range(8)]
        await bench.refused("edit_image", **LOW, images=pictures)
        assert bench.seen() == []
        await bench.made("edit_image", **LOW, images=pictures[:1])


@promise("Money", "With a budget, a request whose estimate does not fit is not sent.")
async def test_every_tool_that_pays_obeys(root: Path) -> None:
    async with paying(root, {PER_DAY: "0.02"}) as bench:
        photo = str(bench.photo())
        first = await bench.made("start_edit_session", **LOW, images=[photo])
        for tool, arguments in (
            ("generate_image", {}),
            ("edit_image", {"images": [photo]}),
            ("start_edit_session", {"images": [photo]}),
            ("continue_edit_session", {"session_id": first.session_id}),
        ):
            if tool == "continue_edit_session":
                text = await bench.refused(tool, prompt=PROMPT, size="1024x1024", quality="high", **arguments)
            else:
                text = await bench.refused(tool, **HIGH, **arguments)
            assert PER_DAY in text
        assert bench.knobs.paid == 1


async def test_a_budget_of_nothing_lets_nothing_through(root: Path) -> None:
    async with paying(root, {PER_DAY: "0"}) as bench:
        await bench.refused("generate_image", **LOW)
        assert bench.seen() == []


# Set aside, and by whom.


async def test_what_is_under_way_counts_before_it_is_answered(root: Path) -> None:
    text = ""
    async with paying(root, {PER_DAY: str(LOW_USD * Decimal("1.5"))}) as bench:
        bench.knobs.hold()
        async with anyio.create_task_group() as calls:
            calls.start_soon(lambda: bench.made("generate_image", **LOW))
            with anyio.fail_after(PATIENCE_S):
                await bench.knobs.wait_for(1)
            text = await bench.refused("generate_image", **LOW)
            bench.knobs.release()
    assert "under way" in text
    assert bench.knobs.paid == 1


@promise("Money", "A budget holds over all clients together.")
async def test_two_servers_racing_for_the_last_cents_never_pass_the_budget_together(root: Path) -> None:
    """Each of them alone would fit ten pictures."""
    budget = LOW_USD * 10
    knobs = Knobs()
    made, refused = 0, 0

    async def ask(bench: Bench, number: int) -> None:
        nonlocal made, refused
        # Another prompt of the same length: the same call twice would be one job.
        result = await bench.call("generate_image", **{**LOW, "prompt": f"{PROMPT[:-2]}{number:02}"})
        made, refused = made + (not result.is_error), refused + bool(result.is_error)

    async with (
        paying(root, {PER_DAY: str(budget)}, knobs=knobs) as one,
        paying(root, {PER_DAY: str(budget)}, knobs=knobs) as other,
    ):
        knobs.hold()
        async with anyio.create_task_group() as calls:
            for number in range(12):
                calls.start_soon(ask, one, number)
                calls.start_soon(ask, other, number + 20)
            with anyio.fail_after(PATIENCE_S):
                while refused < 14:
                    await look_again()
            knobs.release()
    assert (made, refused, knobs.paid) == (10, 14, 10)
    assert spent(root) <= budget
    assert states(root) == ["settled"] * 10


async def test_two_servers_racing_with_two_pictures_a_call_never_pass_the_budget_together(root: Path) -> None:
    """Each call sets aside what both of its pictures may cost, before the first is sent."""
    knobs = Knobs()
    fine = {**LOW, "background": "transparent-fine"}
    budget = LOW_USD * 5
    texts: list[str] = []

    async def ask(bench: Bench, number: int) -> None:
        texts.append(said(await bench.call("generate_image", **{**fine, "prompt": f"{PROMPT[:-2]}{number:02}"})))

    async with (
        paying(root, {PER_DAY: str(budget)}, knobs=knobs) as one,
        paying(root, {PER_DAY: str(budget)}, knobs=knobs) as other,
    ):
        knobs.hold()
        async with anyio.create_task_group() as calls:
            for number in range(2):
                calls.start_soon(ask, one, number)
                calls.start_soon(ask, other, number + 20)
            with anyio.fail_after(PATIENCE_S):
                while len(texts) < 3:
                    await look_again()
            knobs.release()
    assert sum(PER_DAY in text for text in texts) == 3
    assert knobs.paid == 2
    assert spent(root) <= budget
    assert states(root) == ["settled"]


# What an outcome costs.


async def test_a_picture_costs_what_its_usage_says(root: Path) -> None:
    async with paying(root) as bench:
        answer = await bench.made("generate_image", **LOW)
    (row,) = rows(root)
    used = answer.report["usage"]
    paid = cost("gpt-image-2", Usage(used["input_tokens"], used["input_tokens"], 0, used["output_tokens"]))
    assert Decimal(row["nano_usd"]) / 10**9 == paid
    assert (row["state"], row["output_tokens"]) == ("settled", used["output_tokens"])


async def test_a_picture_without_usage_costs_its_estimate(root: Path) -> None:
    async with paying(root) as bench:
        bench.knobs.faults = [Fault("no_usage")]
        await bench.made("generate_image", **LOW)
    (row,) = rows(root)
    assert (row["state"], row["nano_usd"]) == ("settled", None)
    assert spent(root) == LOW_USD


LOST: dict[str, Fault] = {
    "a dropped connection": Fault("drop"),
    "a cut answer": Fault("cut", after=100),
    "a gateway's page": Fault("html", status=502),
    "an answer that is no picture": Fault("not_an_image"),
    "broken base64": Fault("bad_base64"),
    "an answer without a picture": Fault("empty_data"),
}


@promise("Money", "What may have been billed counts as spent.")
@pytest.mark.parametrize("fault", LOST.values(), ids=LOST)
async def test_an_outcome_that_is_not_known_counts_as_spent_at_its_estimate(root: Path, fault: Fault) -> None:
    async with paying(root, {PER_DAY: str(LOW_USD * Decimal("1.5"))}) as bench:
        bench.knobs.faults = [fault]
        await bench.refused("generate_image", **LOW)
        assert states(root) == ["unknown"]
        assert spent(root) == LOW_USD
        # And the budget knows of it.
        assert PER_DAY in await bench.refused("generate_image", **LOW)
        assert len(bench.seen()) == 1


async def test_an_answer_without_a_picture_counts_at_the_usage_that_it_names(root: Path) -> None:
    """The estimate of this size and quality is more, and a budget would be used up by it."""
    async with paying(root) as bench:
        bench.knobs.faults = [Fault("empty_data", route="generations")]
        await bench.refused("generate_image", prompt=PROMPT, size="auto", quality="auto")
        await bench.made("generate_image", prompt=PROMPT, size="auto", quality="auto")
    lost, made = rows(root)
    assert lost["state"] == "unknown"
    assert lost["nano_usd"] == made["nano_usd"] != lost["estimate_nano_usd"]


async def test_a_picture_that_was_paid_for_and_cannot_be_fetched_is_spent(root: Path) -> None:
    """It came by an address inside the network, which is not fetched; it was billed all the same."""
    async with paying(root) as bench:
        bench.knobs.faults = [Fault("url")]
        await bench.refused("generate_image", **LOW)
    assert states(root) == ["unknown"]


REFUSED: dict[str, Fault] = {
    "moderation": Fault(error="moderation_blocked"),
    "a bad key": Fault(error="invalid_api_key"),
    "no credit": Fault(error="insufficient_quota"),
    "a rate limit": Fault(error="rate_limit_exceeded", times=3, headers=SLOW_START),
    "a server's failure": Fault(error="server_error", times=3, headers=SLOW_START),
    "a wrong parameter": Fault(status=400, code="invalid_value", param="size", message="Invalid size."),
}


@pytest.mark.parametrize("fault", REFUSED.values(), ids=REFUSED)
async def test_a_request_that_is_refused_costs_nothing(root: Path, fault: Fault) -> None:
    async with paying(root, {PER_DAY: str(LOW_USD)}) as bench:
        bench.knobs.faults = [fault]
        await bench.refused("generate_image", **LOW)
        assert states(root) == ["released"]
        assert spent(root) == 0
        await bench.made("generate_image", **LOW)


async def test_bad_input_sets_nothing_aside(root: Path) -> None:
    async with paying(root, {PER_DAY: "1"}) as bench:
        await bench.refused("edit_image", **LOW, images=["no-such.png"])
    assert not (root / "data" / DATABASE).exists()


async def test_one_lost_picture_of_several_counts_with_its_share(root: Path) -> None:
    """On the Responses route each picture is a request: the one that was lost may be billed as the others are."""
    async with paying(root, OPENAI_FORCE_RESPONSES_EDITS="1") as bench:
        photo = str(bench.photo())
        bench.knobs.faults = [Fault("drop", route="responses")]
        answer = await bench.call("edit_image", n=3, images=[photo], **LOW)
        assert not answer.is_error, said(answer)
        assert bench.knobs.paid == 3
    kept = rows(root)
    assert {row["state"] for row in kept} <= {"settled", "unknown"}, "all of it is over"
    each = kept[0]["estimate_nano_usd"] / 1e9 / kept[0]["pictures"]
    came = (answer.meta or {})["gpt-image-2/result"]["cost_usd_estimated"]
    assert float(spent(root)) == pytest.approx(came + each, abs=1e-8)


async def test_a_usage_of_nothing_for_a_picture_that_came_is_no_usage(root: Path) -> None:
    """Proxies that do not count say 0: a budget settled by that never ends."""
    nothing = {"input_tokens": 0, "output_tokens": 0, "total_tokens": 0}
    body = {"created": 0, "data": [{"b64_json": _base64(encoded())}], "usage": nothing}
    backend = Canned(lambda _: httpx2.Response(200, json=body))
    await _start(root, backend)
    assert spent(root) == LOW_USD


# Models without a price.


async def test_a_model_without_a_price_is_refused_while_a_budget_is_set(root: Path) -> None:
    async with paying(root, {PER_CALL: "5", PER_DAY: "9"}, GPT_IMAGE_2_MODEL="my-azure-deployment") as bench:
        text = await bench.refused("generate_image", **LOW)
        assert bench.seen() == []
    assert folded(text) == snapshot("""\
No price is published for the model 'my-azure-deployment' at quality 'low', and a budget is set: use
a model with a known price such as 'gpt-image-2', or unset GPT_IMAGE_2_BUDGET_PER_CALL_USD and
GPT_IMAGE_2_BUDGET_PER_DAY_USD.\
""")


async def test_a_model_without_a_price_goes_through_without_a_budget(root: Path) -> None:
    backend = Canned(lambda _: httpx2.Response(200, json={"data": [{"b64_json": _base64(encoded())}]}))
    await _start(root, backend, GPT_IMAGE_2_MODEL="my-azure-deployment")
    (row,) = rows(root)
    assert (row["model"], row["state"], row["nano_usd"], row["estimate_nano_usd"]) == (
        "my-azure-deployment",
        "settled",
        None,
        None,
    )


# The sandbox is free.


async def test_the_sandbox_in_the_process_never_enters_the_ledger_and_knows_no_budget(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(root))
    result = command("--sandbox", GPT_IMAGE_2_OUTPUT_DIR=str(root / "p"), **{PER_DAY: "0"})
    assert result.returncode == 0, result.stderr
    assert not [name for _, _, names in os.walk(root) for name in names if name == DATABASE]


async def test_a_sandbox_reached_by_http_is_not_charged(root: Path) -> None:
    async with paying(root, {PER_DAY: "1"}, marked=True) as bench:
        await bench.made("generate_image", **LOW)
        text, report = await costs(bench)
    assert report["spent_today_usd"] == 0
    assert "Spent today: $0.0000." in text


@pytest.mark.parametrize("kind", ["not_an_image", "bad_base64", "empty_data"])
async def test_a_broken_answer_of_a_sandbox_reached_by_http_is_not_charged_either(root: Path, kind: Any) -> None:
    """Its mark is on that answer too."""
    async with paying(root, marked=True) as bench:
        bench.knobs.faults = [Fault(kind)]
        await bench.refused("generate_image", **LOW)
    assert spent(root) == 0


# The command line.


def command(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    line = [sys.executable, "-m", "gpt_image_2_mcp", "generate", PROMPT, "--size", SMALL, "--quality", "low"]
    return subprocess.run(
        [*line, *arguments],
        capture_output=True,
        text=True,
        env={**os.environ, **environ},
        timeout=PATIENCE_S,
        check=False,
    )


@pytest.fixture
def proxy(sandbox_url: str) -> Generator[FaultProxy]:
    """A backend over HTTP that costs money."""
    with FaultProxy(sandbox_url) as proxy:
        yield proxy.listen()


@pytest.mark.thorough
@promise("Money", "The command line and the server share one budget.")
def test_the_command_line_and_the_server_share_one_budget(proxy: FaultProxy, sandbox_url: str, root: Path) -> None:
    """Two processes one after the other: the second is refused for what the first one spent."""
    environ = {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": proxy.url,
        "XDG_DATA_HOME": str(root),
        "GPT_IMAGE_2_OUTPUT_DIR": str(root / "p"),
        PER_DAY: "0.005",
    }
    paid = control(sandbox_url, "state")["paid"]
    first = command(**environ)
    assert (first.returncode, len(first.stdout.splitlines())) == (0, 1), first.stderr
    second = command(**environ)
    assert second.returncode == 1
    assert second.stdout == ""
    assert control(sandbox_url, "state")["paid"] == paid + 1
    assert proxy.asked == 1
    assert folded(second.stderr.strip()) == snapshot("""\
Error: This would cost about $0.0033, and $0.0017 is left of today's $0.0050
(GPT_IMAGE_2_BUDGET_PER_DAY_USD): $0.0033 is spent and $0.0000 under way. Nothing was sent. Ask for
less, raise GPT_IMAGE_2_BUDGET_PER_DAY_USD, or wait until tomorrow.\
""")


# What `image_costs` says.


async def test_image_costs_tells_the_truth(root: Path) -> None:
    async with paying(root, {PER_DAY: "1", PER_CALL: "0.50"}) as bench:
        empty, _ = await costs(bench, size="1024x1024", quality="high")
        await bench.made("generate_image", **LOW)
        bench.knobs.faults = [Fault("drop")]
        await bench.refused("generate_image", **LOW)
        text, report = await costs(bench, **{key: value for key, value in LOW.items() if key != "prompt"})
    assert folded(without_ids(re.sub(r"\d{4}-\d\d-\d\d", "DAY", empty))) == snapshot("""\
1 picture with gpt-image-2, size 1024x1024, quality high: about $0.2113.
Spent today: $0.0000.
Spent since DAY: $0.0000.
Left of today's budget: $1.00 of $1.00 (GPT_IMAGE_2_BUDGET_PER_DAY_USD).
A call may cost $0.5000 (GPT_IMAGE_2_BUDGET_PER_CALL_USD).\
""")
    assert folded(without_ids(re.sub(r"\d{4}-\d\d-\d\d", "DAY", text))) == snapshot("""\
1 picture with gpt-image-2, size 1024x640, quality low: about $0.0037.
Spent today: $0.0066: gpt-image-2 $0.0066 in 2 calls (1 of unknown outcome, counted in full).
Spent since DAY: $0.0066: gpt-image-2 $0.0066 in 2 calls (1 of unknown outcome, counted in full).
Left of today's budget: $0.9934 of $1.00 (GPT_IMAGE_2_BUDGET_PER_DAY_USD).
A call may cost $0.5000 (GPT_IMAGE_2_BUDGET_PER_CALL_USD).\
""")
    assert report["spent_today_usd"] == float(spent(root))
    assert report["left_today_usd"] == float(1 - spent(root))
    assert report["by_model"] == [{"model": "gpt-image-2", "calls": 2, "pictures": 2, "usd": float(spent(root))}]


async def test_image_costs_of_many_pictures_says_whether_a_budget_would_refuse_them(root: Path) -> None:
    async with paying(root, {PER_DAY: "1", PER_CALL: "0.50"}) as bench:
        few, _ = await costs(bench, size="1024x1024", quality="high", n=4)
        many, report = await costs(bench, size="1024x1024", quality="high", n=20)
        none, _ = await costs(bench, size="1024x1024", quality="low")
    assert "It would be refused: a call may cost $0.5000 (GPT_IMAGE_2_BUDGET_PER_CALL_USD)." in few
    assert "20 pictures with gpt-image-2, size 1024x1024, quality high, in 2 calls: about $4.23" in many
    assert "It would be refused today: $1.00 are left of today's budget (GPT_IMAGE_2_BUDGET_PER_DAY_USD)." in many
    assert report["estimate_usd"] > 4
    assert "refused" not in none


async def test_image_costs_names_what_is_under_way(root: Path) -> None:
    text, report = "", dict[str, Any]()
    async with paying(root, {PER_DAY: "1"}) as bench:
        bench.knobs.hold()
        async with anyio.create_task_group() as calls:
            calls.start_soon(lambda: bench.made("generate_image", **LOW))
            with anyio.fail_after(PATIENCE_S):
                await bench.knobs.wait_for(1)
            text, report = await costs(bench)
            bench.knobs.release()
    assert "under way" in text
    assert report["under_way_usd"] == float(LOW_USD)
    assert report["left_today_usd"] == float(1 - LOW_USD)


async def test_image_costs_sends_nothing_and_estimates_what_is_then_charged(root: Path) -> None:
    async with paying(root) as bench:
        _, report = await costs(bench, size=SMALL, quality="low")
        assert bench.seen() == []
        await bench.made("generate_image", **LOW)
    (row,) = rows(root)
    # Its prompt stands for one of usual length: half a cent of a cent.
    assert report["estimate_usd"] == pytest.approx(row["estimate_nano_usd"] / 1e9, abs=0.001)


async def test_the_first_answer_of_a_process_knows_what_was_dearer_before(root: Path) -> None:
    """`auto` took 16,384 tokens yesterday: the estimate is to say so at once, and not from the second call on."""
    used = {"input_tokens": 10, "output_tokens": 16_384, "total_tokens": 16_394}
    body = {"created": 0, "data": [{"b64_json": _base64(encoded())}], "usage": used}
    await _start(root, Canned(lambda _: httpx2.Response(200, json=body)), size="auto", quality="auto")
    async with paying(root) as bench:
        _, first = await costs(bench)
        _, second = await costs(bench)
    assert first["estimate_usd"] == second["estimate_usd"]


# What the ledger keeps, and for whom.


@promise("Secrets", "The ledger never contains a prompt.")
async def test_the_ledger_holds_no_word_of_the_prompt_and_no_name_of_a_file(root: Path) -> None:
    """It is kept for good, where a prompt may be nobody else's business."""
    async with paying(root, {"GPT_IMAGE_2_HISTORY": "off"}) as bench:
        photo = bench.photo("tax-return-of-kim.png")
        await bench.made("edit_image", **LOW, images=[str(photo)], filename_prefix="wyvern", user="kim@example.com")
        bench.knobs.faults = [Fault("drop")]
        await bench.refused("generate_image", **LOW)
    kept = b"".join(path.read_bytes() for path in (root / "data").rglob("*") if path.is_file()).lower()
    assert b"gpt-image-2" in kept
    for word in (*PROMPT.lower().split(), "tax-return", "kim@", KEY.lower()):
        if len(word) > 2:
            assert word.encode() not in kept, word
    (row, _) = rows(root)
    assert {name for name, value in row.items() if value is not None} == snapshot(
        {
            "day",
            "estimate_nano_usd",
            "id",
            "input_image_tokens",
            "input_text_tokens",
            "job",
            "model",
            "nano_usd",
            "output_tokens",
            "owner",
            "pictures",
            "quality",
            "request_id",
            "reserved_at",
            "size",
            "state",
        }
    )


async def test_the_ledger_is_for_its_owner_alone(root: Path) -> None:
    before = os.umask(0)
    try:
        async with paying(root) as bench:
            await bench.made("generate_image", **LOW)
            modes = {
                str(path.relative_to(root)): stat.S_IMODE(path.stat().st_mode)
                for path in (root / "data", *(root / "data").rglob("*"))
            }
    finally:
        os.umask(before)
    assert modes.pop("data") == 0o700
    assert modes.pop(f"data/{DATABASE}") == 0o600
    assert all(not mode & 0o077 for mode in modes.values()), modes


async def test_the_file_has_its_version_from_the_first_day(root: Path) -> None:
    async with paying(root) as bench:
        await bench.made("generate_image", **LOW)
    with closing(sqlite3.connect(root / "data" / DATABASE)) as connection:
        assert connection.execute("SELECT version FROM schema_version").fetchall() == [(schema.VERSION,)]
        assert connection.execute("PRAGMA journal_mode").fetchone() == ("delete",), "no WAL"


# A ledger that cannot be written.


def spoil(root: Path, how: str) -> None:
    """Make the ledger unusable."""
    data = root / "data"
    data.mkdir(mode=0o700)
    match how:
        case "no database":
            (data / DATABASE).write_text("These are my holiday plans. " * 500, encoding="utf-8")
        case "a folder in its place":
            (data / DATABASE).mkdir()
        case "a file in its folder's place":
            data.rmdir()
            data.write_text("x", encoding="utf-8")
        case _:
            with closing(sqlite3.connect(data / DATABASE)) as connection:
                connection.executescript(
                    "CREATE TABLE schema_version (version INTEGER); INSERT INTO schema_version VALUES (99);"
                )


BROKEN = ["no database", "a folder in its place", "a file in its folder's place", "a later version"]


@pytest.mark.parametrize("how", BROKEN)
async def test_an_unusable_ledger_stops_work_under_a_budget(root: Path, how: str) -> None:
    spoil(root, how)
    async with paying(root, {PER_DAY: "5"}) as bench:
        text = await bench.refused("generate_image", **LOW)
        assert bench.seen() == []
    assert text.startswith("The database")
    assert PROMPT not in text


@pytest.mark.parametrize("how", BROKEN)
async def test_an_unusable_ledger_keeps_nobody_from_a_picture_without_a_budget(root: Path, how: str) -> None:
    spoil(root, how)
    async with paying(root) as bench:
        await bench.made("generate_image", **LOW)


@pytest.mark.parametrize(
    "confirm",
    [
        {},
        {"GPT_IMAGE_2_CONFIRM_OVER_USD": "5"},
    ],
    ids=["", "with consent above $5"],
)
async def test_a_ledger_that_breaks_later_keeps_nobody_from_a_picture_without_a_budget(
    root: Path, confirm: dict[str, str]
) -> None:
    async with paying(root, confirm) as bench:
        await bench.made("generate_image", **LOW)
        await written_down(root)
        (root / "data" / DATABASE).write_text("These are my holiday plans. " * 500, encoding="utf-8")
        await bench.made("generate_image", **LOW)


async def test_a_ledger_that_breaks_later_stops_work_under_a_budget(root: Path) -> None:
    async with paying(root, {PER_DAY: "5"}) as bench:
        await bench.made("generate_image", **LOW)
        await written_down(root)
        (root / "data" / DATABASE).write_text("These are my holiday plans. " * 500, encoding="utf-8")
        await bench.refused("generate_image", **LOW)
        assert bench.knobs.paid == 1


async def test_a_folder_that_cannot_be_written_stops_work_under_a_budget_only(root: Path) -> None:
    """Root writes everywhere, so the folder is one where nobody can: the kernel's own."""
    for budget, refused in (({PER_DAY: "5"}, True), ({}, False)):
        settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "p"), **budget})
        result = await _start(root, None, settings=settings, data_dir=Path("/proc/self/no-such-folder"))
        assert (result is None) == refused


async def _start(
    root: Path,
    backend: httpx2.AsyncBaseTransport | None,
    *,
    settings: Settings | None = None,
    data_dir: Path | None = None,
    size: str = SMALL,
    quality: Any = "low",
    **environ: str,
) -> Any:
    """A picture past the MCP server; None where it was refused."""
    from gpt_image_2_mcp.errors import GptImageError
    from gpt_image_2_mcp.parameters.models import GenerateRequest

    if backend is None:
        body = {"data": [{"b64_json": _base64(encoded())}]}
        backend = Canned(lambda _: httpx2.Response(200, json=body))
    variables = {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "pictures"), **environ}
    service = open_service(
        settings or Settings.read(variables),
        transport=backend,
        working_dir=root,
        home=root,
        data_dir=data_dir or root / "data",
    )
    with anyio.fail_after(PATIENCE_S):
        async with service as opened:
            try:
                return await opened.wait(opened.start(GenerateRequest(prompt=PROMPT, size=size, quality=quality)))
            except GptImageError:
                return None


def _base64(data: bytes) -> str:
    import base64

    return base64.b64encode(data).decode()
