"""Whatever a backend answers, it costs little memory and time, and neither steers, bloats nor ends the server."""

import json
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from patience import ALL_ROUNDS, LONG_WAIT
from promises import promise
from stdio_bench import Program, running
from workbench import KEY, SMALL, dumped, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.openai_api import unread_answer
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.settings import Settings

from .answers import ANSWERS, Hostile
from .backend import HostileBackend
from .measure import Peak

pytestmark = pytest.mark.anyio

MAX_ANSWER_BYTES = 1_000_000
MAX_GROWTH_MIB = 300
MAX_CPU_S = 20
FEW = ("small-bomb-in-an-error", "compressed", "partials-500")
"""What is measured in `make test`."""
STEERING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ud800-\udfff]")


def settings(backend: HostileBackend, root: Path, *, streamed: bool) -> dict[str, str]:
    """The variables of a server that uses the backend."""
    home = root / "home"
    home.mkdir(exist_ok=True)
    return {
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": backend.url,
        "GPT_IMAGE_2_OUTPUT_DIR": str(root / "pictures"),
        "GPT_IMAGE_2_PARTIAL_IMAGES": "2" if streamed else "0",
        "HOME": str(home),
        **LONG_WAIT,
    }


def check(name: str, hostile: Hostile, result: Mapping[str, Any], text: str, folder: Path) -> None:
    """Hold an answer of the tool against the table."""
    assert len(json.dumps(result)) < MAX_ANSWER_BYTES
    assert "error in this program" not in text
    assert not STEERING.search(text), STEERING.findall(text)
    assert KEY not in text
    # A line of the backend's would look like one of ours.
    assert not any(line.startswith(("Saved: /etc", "Generated 9")) for line in text.splitlines()), text
    assert result.get("isError", False) is not hostile.made, text
    for words in hostile.says:
        assert words in text
    saved = list(folder.glob(f"*{name}*.png")) if folder.is_dir() else []
    assert not hostile.made or saved
    assert hostile.files is None or len(saved) == hostile.files
    beside = [path for path in folder.rglob(f"*{name}*") if path.is_file()] if folder.is_dir() else []
    assert len(beside) < 12, beside


@promise("Backend", "Whatever a backend answers, what is told of it is bounded.")
@pytest.mark.parametrize("name", [name for name, hostile in ANSWERS.items() if not hostile.is_heavy])
async def test_a_hostile_answer_is_told_in_bounds(name: str, tmp_path: Path) -> None:
    hostile = ANSWERS[name]
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        variables = settings(backend, tmp_path, streamed=hostile.streamed)
        service = open_service(
            Settings.read(variables), working_dir=tmp_path, home=Path(variables["HOME"]), data_dir=None
        )
        async with Client(build_server(lambda: service)) as client:
            arguments = {"prompt": f"attack-{name}", "size": SMALL, "filename_prefix": name}
            result = await client.call_tool("generate_image", arguments)
            check(name, hostile, dumped(result), said(result), tmp_path / "pictures")
            assert hostile.most_taken is None or backend.sent[name] < hostile.most_taken
            again = await client.call_tool("list_images", {})
            assert not again.is_error, said(again)


async def test_a_head_that_comes_byte_by_byte_is_given_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The caller gives it up as any answer; here the thread does so too, which would read on for years."""
    monkeypatch.setattr(unread_answer, "MAX_HEAD_S", 0)
    with HostileBackend(lambda _: ANSWERS["compressed"].pieces) as backend:
        variables = settings(backend, tmp_path, streamed=False)
        service = open_service(
            Settings.read(variables), working_dir=tmp_path, home=Path(variables["HOME"]), data_dir=None
        )
        async with Client(build_server(lambda: service)) as client:
            assert "did not answer in time" in said(await client.call_tool("generate_image", {"prompt": "a fox"}))
        assert len(backend.requests) == 1


@pytest.mark.thorough
@promise(
    "Backend",
    "No answer of a backend costs much time, or much memory beside that for the pictures that were asked for, which"
    " is twice 48 MB each.",
)
@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="memory is measured in /proc")
@pytest.mark.parametrize("streamed", [False, True])
async def test_no_hostile_answer_costs_much_memory_or_time(tmp_path: Path, *, streamed: bool) -> None:
    """All answers of the table go to one server, which lives to the end."""
    failed: list[str] = []
    answers = {name: ANSWERS[name] for name in (ANSWERS if ALL_ROUNDS else FEW)}
    with HostileBackend(lambda name: ANSWERS[name].pieces) as backend:
        environ = settings(backend, tmp_path, streamed=streamed) | {"GPT_IMAGE_2_ENGINE": "0"}
        async with running(environ) as program:
            await program.greet()
            for name, hostile in answers.items():
                if hostile.streamed is streamed:
                    failed += await _measured(program, name, hostile, tmp_path / "pictures", backend)
    assert not failed, "\n".join(failed)


async def _measured(program: Program, name: str, hostile: Hostile, folder: Path, backend: HostileBackend) -> list[str]:
    """Send one answer to the program; what does not hold of it."""
    peak, began, cpu = Peak(program.process.pid), time.monotonic(), _cpu_s(program.process.pid)
    arguments = {"prompt": f"attack-{name}", "size": SMALL, "filename_prefix": name}
    result = await program.answer(await program.call("generate_image", **arguments))
    text = "\n".join(block["text"] for block in result["content"] if block["type"] == "text")
    grown, used = peak.grown_mib(), _cpu_s(program.process.pid) - cpu
    sys.stdout.write(
        f"{name:30} {grown:6.0f} MiB  CPU {used:5.1f} s  {time.monotonic() - began:5.1f} s"
        f"  {backend.sent.get(name, 0) / 1e6:7.1f} MB sent  answer {len(json.dumps(result)):7,} bytes\n"
    )
    failed: list[str] = []
    if grown > MAX_GROWTH_MIB or used > MAX_CPU_S:
        failed.append(f"{name}: {grown:.0f} MiB, {used:.1f} s")
    try:
        check(name, hostile, result, text, folder)
    except AssertionError as error:
        failed.append(f"{name}: {error}\n    {text[:300]}")
    return failed


def _cpu_s(pid: int) -> float:
    """The processor time that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / 100
