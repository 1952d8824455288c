"""Work in a process of its own: its limits, its bare environment, and that it ends with its work or with its parent."""

import os
import select
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S
from promises import promise

from gpt_image_2_mcp.child_process import ChildResult, run_in_child
from gpt_image_2_mcp.errors import ChildDied, ChildOutOfMemory, ChildTooSlow

MEMORY = 100 << 20
linux_only = pytest.mark.skipif(sys.platform != "linux", reason="other systems do not limit memory")


@pytest.fixture
def work(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder on the path of modules, in which a test writes the module `work`."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    return tmp_path / "work.py"


def call(work: Path, body: str, *data: bytes, seconds: int = 30, **arguments: Any) -> ChildResult:
    work.write_text(f"import os, sys, time\ndef f(*data, **given):\n    {body}\n", encoding="utf-8")
    return run_in_child("work:f", *data, memory=MEMORY, seconds=seconds, **arguments)


def test_bytes_and_values_go_in_and_come_out(work: Path) -> None:
    found = call(work, "return {'got': given, 'n': len(data)}, data[1] + data[0]", b"a\0" * 300_000, b"b", name="é")
    assert found == ChildResult({"got": {"name": "é"}, "n": 2}, b"b" + b"a\0" * 300_000)


@promise("Secrets", "A process that decodes a stranger's picture knows no key and has no open file of the server's.")
def test_it_knows_no_key_and_has_no_descriptor_of_its_parent(
    work: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-secret")
    with (tmp_path / "open").open("w", encoding="utf-8") as file:
        os.set_inheritable(file.fileno(), True)  # noqa: FBT003 - it takes no keyword
        found = call(
            work,
            "return {'names': list(os.environ), 'open': os.path.exists(f'/proc/self/fd/{given[\"fd\"]}')}, b''",
            fd=file.fileno(),
        )
    assert set(found.values["names"]) <= {"LC_CTYPE", "SYSTEMROOT", "LD_LIBRARY_PATH", "__CF_USER_TEXT_ENCODING"}
    assert found.values["open"] is False


def test_data_that_do_not_fit_into_its_memory_are_said_to(work: Path) -> None:
    with pytest.raises(ChildOutOfMemory):
        call(work, "return {}, b''", bytes(90 << 20))


def test_what_it_prints_does_not_get_among_the_answer(work: Path) -> None:
    assert call(work, "os.write(1, b'x'); print('y'); return {}, b'z'").data == b"z"


@pytest.mark.parametrize(
    ("body", "error", "words"),
    [
        ("raise ValueError('is no picture')", ValueError, "^is no picture$"),
        ("raise KeyError('k')", ChildDied, "KeyError: 'k'"),
        ("os._exit(7)", ChildDied, r"ended without an answer \(7\)"),
        ("os.kill(os.getpid(), 9)", ChildDied, "ended without an answer"),
        ("return {'v': object()}, b''", ChildDied, "ended without an answer"),
        ("import no_such_module", ChildDied, "ModuleNotFoundError"),
    ],
)
def test_each_way_to_fail_is_an_error_with_a_sentence(
    work: Path, body: str, error: type[Exception], words: str
) -> None:
    with pytest.raises(error, match=words):
        call(work, body)


@linux_only
def test_it_cannot_have_more_memory_than_it_may(work: Path) -> None:
    with pytest.raises(ChildOutOfMemory, match="It needs more than 105 MB of memory, which is the most"):
        call(work, f"return {{}}, bytes({MEMORY})")


@pytest.mark.parametrize("body", ["time.sleep(600)", "while True: pass"])
def test_it_is_ended_when_its_time_is_up(work: Path, body: str) -> None:
    with pytest.raises(ChildTooSlow, match="takes longer than 1 seconds"):
        call(work, body, seconds=1)


@linux_only
def test_it_writes_no_file(work: Path, tmp_path: Path) -> None:
    with pytest.raises(ChildDied, match="OSError"):
        call(work, "os.write(os.open(given['path'], os.O_WRONLY | os.O_CREAT), b'x')", path=str(tmp_path / "new"))


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no named pipes in folders")
def test_it_ends_when_its_parent_is_killed(work: Path, tmp_path: Path) -> None:
    started = tmp_path / "started"
    os.mkfifo(started)
    work.write_text(
        "import os, time\ndef f(path):\n    os.open(path, os.O_WRONLY); time.sleep(600)\n", encoding="utf-8"
    )
    code = f"""
import sys; sys.path.insert(0, {str(tmp_path)!r})
from gpt_image_2_mcp.child_process import run_in_child
run_in_child("work:f", memory={MEMORY}, seconds=600, path={str(started)!r})
"""
    with subprocess.Popen([sys.executable, "-c", code]) as parent:
        # The child has the pipe open for writing while it lives: its end is the pipe's.
        reading = os.open(started, os.O_RDONLY)
        parent.kill()
    ended, _, _ = select.select([reading], [], [], PATIENCE_S)
    assert ended
    os.close(reading)
