"""Every refusal can be seen without a key: a word in the prompt brings it about in the sandbox."""

from itertools import permutations

import pytest
from inline_snapshot import external_file
from workbench import KEY, SMALL, Bench, said

from gpt_image_2_mcp.openai_api import retry
from gpt_image_2_mcp.sandbox.triggers import TRIGGERS

pytestmark = pytest.mark.anyio

BILLED = {word for word, trigger in TRIGGERS.items() if "billed" in trigger.meaning}


async def test_each_word_of_the_sandbox_shows_what_a_person_is_told(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retry, "FIRST_WAIT_S", 0.001)
    monkeypatch.setattr(retry, "MAX_NAMED_WAIT_S", 0)
    told: dict[str, str] = {}
    for word, trigger in TRIGGERS.items():
        before = bench.knobs.paid
        result = await bench.final("generate_image", prompt=f"a fox, {word}", size=SMALL, quality="low")
        # Another picture than the one that was asked for is one all the same.
        assert result.is_error == (trigger.fault.kind not in {"blank", "other_size", "other_format"}), word
        told[f"{word}: {trigger.meaning}"] = bench.plain(said(result))
        assert bench.knobs.paid - before == (word in BILLED), word
    assert all(KEY not in text for text in told.values())
    assert told == external_file("texts/triggers.json")


async def test_an_edit_session_shows_them_too(bench: Bench) -> None:
    bench.photo()
    for tool in ("edit_image", "start_edit_session"):
        text = await bench.refused(tool, prompt="a hat, sandbox-billing-limit", images=["photo.png"])
        assert "billing_hard_limit_reached" in text


def test_no_word_is_a_part_of_another() -> None:
    """It would bring the wrong fault about."""
    assert not [pair for pair in permutations(TRIGGERS, 2) if pair[0] in pair[1]]
