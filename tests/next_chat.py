"""What the chat after a closed or killed client finds: the picture, once, and nothing lost."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
from patience import PATIENCE_S, look_again
from stdio_bench import Box, running


def its_own_folders(home: Path, box: Box) -> dict[str, str]:
    """The environment of a program with a home, data and pictures below `home`, which uses this sandbox."""
    return {
        **box.environ,
        "HOME": str(home),
        "XDG_DATA_HOME": str(home / "data"),
        "GPT_IMAGE_2_OUTPUT_DIR": str(home / "pictures"),
    }


def saved(environ: dict[str, str]) -> list[Path]:
    return sorted(Path(environ["GPT_IMAGE_2_OUTPUT_DIR"]).rglob("*.png"))


def text_of(result: dict[str, Any]) -> str:
    return result["content"][0]["text"]


async def until(condition: Callable[[], object]) -> None:
    with anyio.fail_after(PATIENCE_S):
        while not condition():
            await look_again()


async def the_next_chat_has_it(environ: dict[str, str], box: Box) -> None:
    """One picture is saved, listed with its cost, and paid once; no job is lost."""
    async with running(environ) as program:
        await program.greet()
        listed = text_of(await program.answer(await program.call("list_images")))
        jobs = text_of(await program.answer(await program.call("get_image_job")))
        costs = text_of(await program.answer(await program.call("image_costs")))
    assert listed.startswith("1 picture,")
    assert "lost" not in jobs
    assert "unknown outcome" not in costs
    assert len(saved(environ)) == await box.count("paid") == 1
