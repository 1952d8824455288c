"""`GPT_IMAGE_2_CONFIRM_OVER_USD`: who is asked, in which words, and that nothing is sent without a yes."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from fault_proxy import FaultProxy, paying
from inline_snapshot import snapshot
from mcp.client.session import ClientRequestContext
from mcp_types import (
    CallToolResult,
    ElicitRequestFormParams,
    ElicitRequestParams,
    ElicitResult,
    InputRequiredResult,
    InputResponses,
)
from patience import PATIENCE_S
from promises import promise
from workbench import KEY, META, SMALL, Answer, Bench, folded, said

pytestmark = pytest.mark.anyio

LIMIT = {"GPT_IMAGE_2_CONFIRM_OVER_USD": "0.01"}
LOW = {"prompt": "a red fox", "size": SMALL, "quality": "low"}
DEAR = {"prompt": "a red fox", "size": SMALL, "quality": "medium"}


class Person:
    """Who is asked: gives each question the same answer, and keeps what was asked."""

    def __init__(
        self, action: Literal["accept", "decline", "cancel"] = "accept", content: dict[str, Any] | None = None
    ) -> None:
        self.asked: list[str] = []
        self.forms: list[dict[str, Any]] = []
        self.thinking = anyio.Event()
        self._answer = ElicitResult(action=action, content=content)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params.message)
        self.forms.append(params.requested_schema)
        self.thinking.set()
        return self._answer


class Undecided(Person):
    """Never answers."""

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        await super().__call__(context, params)
        await anyio.sleep_forever()
        raise AssertionError


YES = {"go_ahead": True}

Open = Callable[..., Any]


@pytest.fixture(params=["2026-07-28", "initialize"])
def opened(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Open:
    """Opens a server for a client of each protocol: the newest asks by a second round, the older ones in the call."""

    def open_(person: Person | None, **environ: str) -> Any:
        root = tmp_path_factory.mktemp("c")
        return paying(root, {**LIMIT, **environ}, ask=person, legacy=request.param == "initialize")

    return open_


def paid_calls(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    """A dear call of every tool that pays."""
    photo = str(bench.photo())
    return [
        ("generate_image", DEAR),
        ("edit_image", {**DEAR, "images": [photo]}),
        ("start_edit_session", {**DEAR, "images": [photo]}),
    ]


async def estimated(bench: Bench, **arguments: Any) -> float:
    """What `image_costs` says that it would cost."""
    result = await bench.call("image_costs", **arguments)
    return (result.meta or {})["gpt-image-2/costs"]["estimate_usd"]


async def test_a_yes_makes_the_picture(opened: Open) -> None:
    person = Person("accept", YES)
    async with opened(person) as bench:
        await bench.made("generate_image", **DEAR)
        assert len(person.asked) == 1
        assert bench.knobs.paid == 1


async def test_the_question_says_what_is_made_and_what_it_costs(opened: Open) -> None:
    person = Person("accept", YES)
    async with opened(person) as bench:
        await bench.made("generate_image", **DEAR)
        await bench.made("generate_image", prompt="a red fox", n=2)
        await bench.made("edit_image", **DEAR, images=[str(bench.photo())])
    assert person.asked == snapshot(
        [
            "1 picture of 1024x640 at quality medium with gpt-image-2 will cost about $0.0287. Go ahead?",
            "2 pictures at quality auto with gpt-image-2 will cost about $0.4215. Go ahead?",
            "1 picture of 1024x640 at quality medium with gpt-image-2 will cost about $0.0338. Go ahead?",
        ]
    )
    assert person.forms[0]["properties"] == snapshot(
        {
            "go_ahead": {
                "description": "Make the picture at this price",
                "title": "Go ahead",
                "type": "boolean",
            }
        }
    )


async def test_two_pictures_for_a_fine_edge_are_asked_about_together(tmp_path: Path) -> None:
    """Each of the two costs less than the limit."""
    person = Person("decline")
    fine = {"prompt": "a red fox", "size": "3840x2160", "quality": "high", "background": "transparent-fine"}
    async with paying(tmp_path, ask=person, GPT_IMAGE_2_CONFIRM_OVER_USD="0.5") as bench:
        await bench.refused("generate_image", **fine)
        assert bench.knobs.started == 0
    assert person.asked == snapshot(
        [
            (
                "2 pictures for a transparent one of 3840x2160 at quality high with gpt-image-2 will cost about"
                " $0.8137. Go ahead?"
            )
        ]
    )


async def test_a_model_without_a_price_is_asked_about_as_such(opened: Open) -> None:
    person = Person("decline")
    async with opened(person, GPT_IMAGE_2_MODEL="my-deployment") as bench:
        await bench.refused("generate_image", **LOW)
    assert person.asked[0] == snapshot(
        "1 picture of 1024x640 at quality low with my-deployment will cost an amount that is not known beforehand. "
        "Go ahead?"
    )


@promise("Consent", "Above your limit you are asked.")
async def test_every_tool_that_pays_asks(opened: Open) -> None:
    person = Person("accept", YES)
    async with opened(person) as bench:
        answers: list[Answer] = []
        for tool, arguments in paid_calls(bench):
            answers.append(await bench.made(tool, **arguments))
            assert len(person.asked) == len(answers)
        await bench.made("continue_edit_session", **DEAR, session_id=answers[-1].session_id)
        assert len(person.asked) == 4


NO: dict[str, tuple[Literal["accept", "decline", "cancel"], dict[str, Any] | None]] = {
    "declined": ("decline", None),
    "dismissed": ("cancel", None),
    "the box unticked": ("accept", {"go_ahead": False}),
}


@promise("Consent", "Without a yes nothing is sent.")
@pytest.mark.parametrize(("action", "content"), NO.values(), ids=NO)
async def test_whatever_is_no_yes_sends_nothing(
    opened: Open, action: Literal["accept", "decline", "cancel"], content: dict[str, Any] | None
) -> None:
    person = Person(action, content)
    async with opened(person) as bench:
        for tool, arguments in paid_calls(bench):
            text = await bench.refused(tool, **arguments)
            assert text == snapshot("The person did not agree to the price. Nothing was sent and nothing was billed.")
        assert len(person.asked) == 3
        assert bench.seen() == []
        assert bench.files() == []


@promise(
    "Consent",
    "Only an explicit yes is one: a client that accepts and sends no answer to the question has sent none.",
)
@pytest.mark.parametrize(
    "content",
    [None, {}, {"go_ahead": "perhaps"}, {"go_ahead": "yes"}, {"go_ahead": 1}, {"go_ahead": None}, {"go_ahead": []}],
)
async def test_an_answer_that_makes_no_sense_sends_nothing(opened: Open, content: dict[str, Any] | None) -> None:
    async with opened(Person("accept", content)) as bench:
        result = await bench.call("generate_image", **DEAR)
        assert result.is_error
        assert bench.seen() == []


async def test_an_answer_that_makes_no_sense_is_told_in_our_words(opened: Open) -> None:
    async with opened(Person("accept", {"go_ahead": "perhaps"})) as bench:
        text = said(await bench.call("generate_image", **DEAR))
    assert "Resolver" not in text
    assert "Nothing was sent" in text


async def test_a_client_that_cannot_ask_is_told_what_would_need_no_asking(opened: Open) -> None:
    async with opened(None) as bench:
        text = await bench.refused("generate_image", **DEAR)
        assert bench.seen() == []
        await bench.made("generate_image", **LOW)
    assert folded(text) == snapshot("""\
This would cost about $0.0287, and above $0.0100 (GPT_IMAGE_2_CONFIRM_OVER_USD) the person is to be
asked, which this client cannot do. Nothing was sent. Ask for a lower quality, a smaller size or
fewer pictures, or have the person raise GPT_IMAGE_2_CONFIRM_OVER_USD.\
""")


async def test_below_the_limit_nobody_is_asked(opened: Open) -> None:
    person = Person("decline")
    async with opened(person) as bench:
        await bench.made("generate_image", **LOW)
        await bench.made("generate_image", **{**LOW, "prompt": "two foxes"})
    assert person.asked == []


async def test_at_the_limit_itself_nobody_is_asked(opened: Open) -> None:
    """Over means over."""
    person = Person("decline")
    async with opened(person) as bench:
        price = await estimated(bench, size=SMALL, quality="low")
    async with opened(person, GPT_IMAGE_2_CONFIRM_OVER_USD=f"{price:.9f}") as bench:
        await bench.made("generate_image", **{**LOW, "prompt": "x" * 400})
    assert person.asked == []


async def test_below_the_limit_by_what_the_inputs_really_are_nobody_is_asked(opened: Open) -> None:
    """An estimate takes each input for one of the dearest, until it is read."""
    person = Person("decline")
    async with opened(person) as bench:
        assert await estimated(bench, size=SMALL, quality="low", inputs=1) > 0.01
        await bench.made("edit_image", **LOW, images=[str(bench.photo())])
    assert person.asked == []


async def test_without_a_limit_nobody_is_asked(opened: Open) -> None:
    person = Person("decline")
    async with opened(person, GPT_IMAGE_2_CONFIRM_OVER_USD="") as bench:
        await bench.made("generate_image", **DEAR)
    assert person.asked == []


async def test_a_limit_of_nothing_asks_about_everything(opened: Open) -> None:
    person = Person("decline")
    async with opened(person, GPT_IMAGE_2_CONFIRM_OVER_USD="0") as bench:
        await bench.refused("generate_image", **LOW)
    assert len(person.asked) == 1


async def test_several_pictures_are_asked_about_together(opened: Open) -> None:
    person = Person("decline")
    async with opened(person) as bench:
        await bench.refused("generate_image", **LOW, n=5)
    assert len(person.asked) == 1


async def test_nobody_is_asked_about_a_call_that_is_refused_in_any_case(opened: Open) -> None:
    person = Person("accept", YES)
    async with opened(person) as bench:
        await bench.refused("generate_image", **{**DEAR, "size": "21000x1"})
        await bench.refused("generate_image", **{**DEAR, "quality": "max"})
    assert person.asked == []


@pytest.mark.parametrize("case", ["over the budget", "a folder off limits", "an input that is missing"])
async def test_nobody_is_asked_to_pay_for_what_is_then_refused(opened: Open, case: str) -> None:
    person = Person("accept", YES)
    budget = {"GPT_IMAGE_2_BUDGET_PER_CALL_USD": "0.02"} if case == "over the budget" else {}
    tool, extra = "generate_image", {}
    if case == "a folder off limits":
        extra = {"output_dir": "/etc/pictures"}
    elif case == "an input that is missing":
        tool, extra = "edit_image", {"images": ["no-such.png"]}
    async with opened(person, **budget) as bench:
        await bench.refused(tool, **DEAR, **extra)
    assert person.asked == []


async def test_a_yes_does_not_lift_the_budget(opened: Open) -> None:
    async with opened(Person("accept", YES), GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.02") as bench:
        await bench.refused("generate_image", **DEAR)
        assert bench.seen() == []


async def test_each_call_is_asked_about_anew(opened: Open) -> None:
    """A yes is for one picture, and not for all that are like it."""
    person = Person("accept", YES)
    async with opened(person) as bench:
        await bench.made("generate_image", **DEAR)
        await bench.made("generate_image", **DEAR)
        assert bench.knobs.paid == 2
    assert len(person.asked) == 2


def picture_of(result: CallToolResult) -> str:
    """The id of the picture of an answer."""
    return (result.meta or {})[META]["images"][0]["id"]


async def test_an_answer_that_comes_again_gets_the_same_picture_and_pays_nothing(tmp_path: Path) -> None:
    """What the client carries from the question to the answer is good for one picture, also when that was fetched."""
    async with paying(tmp_path, LIMIT, ask=Person("accept", YES)) as bench:
        session = bench.client.session
        asked = await session.call_tool("generate_image", DEAR, allow_input_required=True)
        assert isinstance(asked, InputRequiredResult)
        assert asked.input_requests is not None
        answers: InputResponses = {
            name: ElicitResult(action="accept", content={"go_ahead": True}) for name in asked.input_requests
        }

        async def answer() -> CallToolResult:
            return await session.call_tool(
                "generate_image", DEAR, input_responses=answers, request_state=asked.request_state
            )

        made = await answer()
        assert not made.is_error, said(made)
        picture = picture_of(made)
        together = list[CallToolResult]()

        async def note() -> None:
            together.append(await answer())

        async with anyio.create_task_group() as tasks:
            for _ in range(3):
                tasks.start_soon(note)
        for again in (await answer(), *together):
            assert "nothing was paid again" in said(again)
            assert picture_of(again) == picture
        assert bench.knobs.paid == 1
        # The answer counts for no call but its own: the same words are asked about anew, and are a new picture.
        await bench.made("generate_image", **DEAR)
        assert bench.knobs.paid == 2


async def test_whoever_cancels_while_the_person_is_asked_has_sent_nothing(opened: Open) -> None:
    person = Undecided()
    async with opened(person) as bench:
        async with anyio.create_task_group() as calls:
            calls.start_soon(lambda: bench.client.call_tool("generate_image", DEAR))
            with anyio.fail_after(PATIENCE_S):
                await person.thinking.wait()
            calls.cancel_scope.cancel()
        # The server is up and works on, and what it does next is the next call.
        await bench.made("generate_image", **LOW)
        assert bench.knobs.paid == 1
        assert len(bench.seen()) == 1
        assert "1 recent job" in said(await bench.call("get_image_job"))


async def test_a_client_that_leaves_while_the_person_is_asked_has_sent_nothing(opened: Open) -> None:
    person = Undecided()
    async with opened(person) as bench, anyio.create_task_group() as calls:
        calls.start_soon(lambda: bench.client.call_tool("generate_image", DEAR))
        with anyio.fail_after(PATIENCE_S):
            await person.thinking.wait()
        calls.cancel_scope.cancel()
    assert bench.seen() == []


async def test_what_was_dearer_in_an_earlier_process_is_asked_about(tmp_path: Path) -> None:
    """`auto` is asked about at what it has cost, also by a server that was started a moment ago."""
    person = Person("accept", YES)
    auto = {"prompt": "a red fox", "size": SMALL}
    async with paying(tmp_path) as bench:
        await bench.made("generate_image", **{**auto, "size": "auto"})
        usual = await estimated(bench, size="auto")
    _dearer(tmp_path)
    async with paying(tmp_path, ask=person, GPT_IMAGE_2_CONFIRM_OVER_USD=f"{usual + 0.05:.4f}") as bench:
        await bench.made("generate_image", **{**auto, "size": "auto"})
    assert len(person.asked) == 1


def _dearer(root: Path) -> None:
    """Have the ledger say that `auto` took 20,000 tokens."""
    import sqlite3
    from contextlib import closing

    with closing(sqlite3.connect(root / "data" / "gpt-image-2.db")) as connection:
        connection.execute("UPDATE charges SET output_tokens = 20000")
        connection.commit()


# The command line asks at the terminal.


@pytest.mark.parametrize(("answer", "code"), [("y\n", 0), ("n\n", 130), ("", 130)])
def test_the_command_line_asks_at_the_terminal(
    answer: str, code: int, sandbox_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with FaultProxy(sandbox_url) as proxy:
        proxy.listen()
        for name, value in {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": proxy.url,
            "XDG_DATA_HOME": str(tmp_path),
            "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p"),
            **LIMIT,
        }.items():
            monkeypatch.setenv(name, value)
        line = [sys.executable, "-m", "gpt_image_2_mcp", "generate", "a red fox", "--size", SMALL, "--quality"]
        result = subprocess.run(
            [*line, "medium"], input=answer, capture_output=True, text=True, timeout=PATIENCE_S, check=False
        )
        yes = code == 0
        assert (result.returncode, proxy.asked, len(result.stdout.splitlines())) == (code, yes, yes)
        assert "This will cost about $0." in result.stderr
        assert yes or "Nothing was sent." in result.stderr
