"""How the program ends: pictures under way are saved, stdout stays clean. Real processes, real signals."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from patience import PATIENCE_S, look_again
from stdio_bench import PROGRAM, Box, Program, running
from workbench import KEY, SMALL

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals"),
]

FOX: dict[str, Any] = {"prompt": "a red fox", "size": SMALL}


def saved(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*.png") if ".gpt-image-2" not in path.parts)


async def under_way(program: Program, box: Box) -> int:
    """A picture that was sent to the API and is held there."""
    await box.turn(hold=True)
    await program.greet()
    number = await program.call("generate_image", **FOX)
    await box.reached(1)
    return number


@pytest.mark.parametrize("how", ["stdin", "SIGTERM", "SIGINT", "SIGHUP", "stdin, then SIGTERM"])
async def test_a_picture_under_way_is_saved_before_the_program_ends_with_0(how: str, box: Box, tmp_path: Path) -> None:
    """It is billed already. Clients close stdin, and send SIGTERM two seconds later; a closed terminal sends SIGHUP."""
    async with running({**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}) as program:
        await under_way(program, box)
        if how.startswith("stdin"):
            await program.close_stdin()
        if "SIG" in how:
            program.signal(signal.Signals[how.removeprefix("stdin, then ")])
        await program.said_on_stderr("paid request")
        assert program.process.returncode is None
        assert not saved(tmp_path)
        await box.release()
        assert await program.ended() == 0
        assert program.messages
    (path,) = saved(tmp_path)
    assert path.read_bytes().startswith(b"\x89PNG")
    assert await box.count("paid") == 1
    assert KEY.encode() not in program.stderr


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("first", "second"), [(signal.SIGTERM, signal.SIGTERM), (signal.SIGINT, signal.SIGINT)], ids=lambda how: how.name
)
async def test_a_second_signal_ends_it_at_once(
    first: signal.Signals, second: signal.Signals, box: Box, tmp_path: Path
) -> None:
    async with running({**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}) as program:
        await under_way(program, box)
        program.signal(first)
        await program.said_on_stderr("paid request")
        program.signal(second)
        assert await program.ended() == 128 + second
    assert not saved(tmp_path)


async def test_nothing_new_is_taken_and_nothing_that_waits_is_sent_once_it_is_told_to_end(
    box: Box, tmp_path: Path
) -> None:
    environ = {**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_MAX_CONCURRENCY": "1"}
    async with running(environ) as program:
        await under_way(program, box)
        await program.call("generate_image", token="t", prompt="a second fox", size=SMALL)
        with anyio.fail_after(PATIENCE_S):
            while "Next in the queue" not in [note["message"] for note in program.progress]:
                await look_again()
        program.signal(signal.SIGTERM)
        await program.said_on_stderr("paid request")
        await program.call("generate_image", prompt="a third fox", size=SMALL)
        await box.release()
        assert await program.ended() == 0
    assert len(saved(tmp_path)) == 1
    assert await box.count("started") == 1


async def test_the_grace_is_kept_and_what_is_given_up_is_said(box: Box, tmp_path: Path) -> None:
    environ = {**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_SHUTDOWN_GRACE_S": "0.2"}
    async with running(environ) as program:
        await under_way(program, box)
        await program.close_stdin()
        assert await program.ended() == 0
    assert b"waiting up to 0.2 s for 1 paid request(s)" in program.stderr
    assert b"may be lost" in program.stderr


@pytest.mark.parametrize(("how", "after"), [("stdin", "nothing"), ("SIGINT", "a picture")])
async def test_with_nothing_under_way_it_ends_without_the_grace(how: str, after: str, tmp_path: Path) -> None:
    """The test is out of patience long before the grace is over."""
    environ = {"GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_SHUTDOWN_GRACE_S": str(10 * PATIENCE_S)}
    async with running(environ, "--sandbox") as program:
        await program.greet()
        if after == "a picture":
            await program.answer(await program.call("generate_image", **FOX))
        if how == "stdin":
            await program.close_stdin()
        else:
            program.signal(signal.Signals[how])
        assert await program.ended() == 0
    assert program.stderr == b""


async def test_a_killed_client_loses_its_answer_and_not_its_picture(box: Box, tmp_path: Path) -> None:
    """Both pipes are gone at once, and nobody is left to hear of it."""
    environ = {**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}
    async with running(environ, read=False) as program:
        await box.turn(hold=True)
        await program.greet_unheard()
        await program.call("generate_image", token="t", **FOX)
        await box.reached(1)
        assert program.process.stdout is not None
        await program.process.stdout.aclose()
        await program.close_stdin()
        await box.release()
        with anyio.fail_after(PATIENCE_S):
            assert await program.process.wait() == 0
    assert len(saved(tmp_path)) == 1


async def test_an_answer_that_nobody_reads_does_not_keep_the_program_alive(tmp_path: Path) -> None:
    """A client that hangs takes nothing from its pipe, and the pipe is smaller than a picture."""
    environ = {"GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_SHUTDOWN_GRACE_S": str(10 * PATIENCE_S)}
    async with running(environ, "--sandbox", read=False) as program:
        await program.greet_unheard()
        await program.call("generate_image", prompt="a red fox", size="1024x1024")
        with anyio.fail_after(PATIENCE_S):
            while not saved(tmp_path):
                await look_again()
        await program.close_stdin()
        with anyio.fail_after(PATIENCE_S):
            assert await program.process.wait() == 0


@pytest.mark.thorough
async def test_what_only_a_kill_can_take_is_named_by_the_next_start(box: Box, tmp_path: Path) -> None:
    environ = {**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_ENGINE": "off"}
    async with running(environ) as program:
        await under_way(program, box)
        program.process.kill()
        await program.ended()
    await box.release()
    async with running(environ) as program:
        await program.greet()
        await program.said_on_stderr("may have been billed")
        await program.close_stdin()
        assert await program.ended() == 0
        assert program.messages


GIVES_UP = """
import sys
from pathlib import Path

import anyio
import httpx2

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.settings import Settings


class Never(httpx2.AsyncBaseTransport):
    def __init__(self):
        self.asked = anyio.Event()

    async def handle_async_request(self, request):
        self.asked.set()
        await anyio.sleep_forever()


async def main():
    for _ in range(30):
        never, here = Never(), Path(sys.argv[1])
        settings = Settings.read({"OPENAI_API_KEY": "sk-x", "GPT_IMAGE_2_SHUTDOWN_GRACE_S": "0"})
        async with open_service(settings, transport=never, working_dir=here, home=here) as service:
            service.start(GenerateRequest(prompt="a fox", output_dir=str(here / "out")))
            await never.asked.wait()

anyio.run(main)
"""


@pytest.mark.thorough
async def test_giving_up_after_the_grace_is_an_end_in_good_order(tmp_path: Path) -> None:
    """As in a program that uses the package: the ledger is in memory, and all of it in one process."""
    with anyio.fail_after(PATIENCE_S):
        ended = await anyio.run_process([sys.executable, "-c", GIVES_UP, str(tmp_path)], check=False)
    assert ended.returncode == 0, ended.stderr.decode()[-2000:]


# stdout.

JUNK = """
import atexit, os, sys, threading

def junk(event, arguments):
    # Libraries that talk while they are imported, through Python, past it, and from a child process.
    if event == "import" and arguments[0] in ("mcp", "openai", "PIL", "sqlalchemy", "httpx2"):
        print("JUNK printed by", arguments[0], flush=True)
        os.write(1, b"JUNK written\\n")
        os.system("echo JUNK of a child")

if "gpt_image_2_mcp" in " ".join(sys.orig_argv):
    sys.addaudithook(junk)
    atexit.register(print, "JUNK at exit")
"""


async def test_stdout_carries_nothing_but_json_rpc(box: Box, tmp_path: Path) -> None:
    """Warnings, logging, and libraries that print: at the start, in a call, at the end."""
    (tmp_path / "sitecustomize.py").write_text(JUNK, encoding="utf-8")
    environ = {
        **box.environ,
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "out"),
        "GPT_IMAGE_2_MCP_DEBUG": "1",
        "PYTHONWARNINGS": "always",
        "PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, [os.environ.get("PYTHONPATH")])]),
        "PYTHONDEVMODE": "1",
        "OPENAI_LOG": "debug",
        "GPT_IMAGE_2_SESSION_MAX": "20",
    }
    async with running(environ) as program:
        await under_way(program, box)
        await program.write({"not": "json-rpc"})
        await program.call("edit_image", prompt="a fox", images=[str(tmp_path / "sitecustomize.py")])
        program.signal(signal.SIGTERM)
        await program.said_on_stderr("paid request")
        await box.release()
        assert await program.ended() == 0
    assert program.messages
    for words in (b"JUNK printed by mcp", b"JUNK written", b"JUNK of a child"):
        assert words in program.stderr
    assert not any(b"JUNK" in line for line in program.lines)
    assert KEY.encode() not in program.stderr


# The command line.


def generating(folder: Path, box: Box) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*PROGRAM, "generate", "a red fox", "--size", SMALL, "-o", str(folder)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **box.environ, "GPT_IMAGE_2_MAX_WAIT_S": "0.01"},
    )


async def ended(process: "subprocess.Popen[str]") -> tuple[str, str]:
    return await anyio.to_thread.run_sync(lambda: process.communicate(timeout=PATIENCE_S))


@pytest.mark.thorough
async def test_the_command_line_waits_to_the_end_whatever_the_bound(box: Box, tmp_path: Path) -> None:
    await box.turn(hold=True)
    with generating(tmp_path, box) as process:
        await box.reached(1)
        assert process.poll() is None
        await box.release()
        out, errors = await ended(process)
    assert process.returncode == 0, errors
    assert [Path(line) for line in out.splitlines()] == saved(tmp_path)


@pytest.mark.thorough
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
async def test_its_first_signal_waits_and_saves(number: str, box: Box, tmp_path: Path) -> None:
    await box.turn(hold=True)
    with generating(tmp_path, box) as process:
        await box.reached(1)
        process.send_signal(signal.Signals[number])
        assert process.stderr is not None
        told = await anyio.to_thread.run_sync(process.stderr.readline)
        assert "waiting to save it" in told
        if number == "SIGHUP":
            # The system and the shell both send one.
            process.send_signal(signal.Signals[number])
        await box.release()
        out, errors = await ended(process)
    assert process.returncode == 0, errors
    assert [Path(line) for line in out.splitlines()] == saved(tmp_path)
    assert len(saved(tmp_path)) == 1


ON_A_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.executable, [sys.executable, *sys.argv[1:]])
"""
"""Takes the terminal that is its stdin as its own, so that a closed one sends SIGHUP, and becomes the program."""


def generating_on_a_terminal(folder: Path, box: Box, terminal: int) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [
            sys.executable,
            "-c",
            ON_A_TERMINAL,
            *PROGRAM[1:],
            "generate",
            "a red fox",
            "--size",
            SMALL,
            "-o",
            str(folder),
        ],
        stdin=terminal,
        stdout=terminal,
        stderr=terminal,
        start_new_session=True,
        env={**os.environ, **box.environ},
    )


async def test_a_closed_terminal_loses_no_picture(box: Box, tmp_path: Path) -> None:
    """The last that it writes fails then, and neither that nor the signal ends the program."""
    await box.turn(hold=True)
    ours, theirs = os.openpty()
    with generating_on_a_terminal(tmp_path, box, theirs) as process:
        os.close(theirs)
        await box.reached(1)
        os.close(ours)
        await box.release()
        code = await anyio.to_thread.run_sync(process.wait, PATIENCE_S)
    assert code == 0
    assert len(saved(tmp_path)) == 1


NOHUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, signal.SIG_IGN)
os.execv(sys.argv[1], sys.argv[1:])
"""


@pytest.mark.thorough
async def test_what_is_to_outlive_its_terminal_ignores_its_end(box: Box, tmp_path: Path) -> None:
    """`nohup` has the signal ignored, and the server goes on as if nothing had come."""
    environ = {**box.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_ENGINE": "off"}
    async with running(environ, through=[sys.executable, "-c", NOHUP]) as program:
        number = await under_way(program, box)
        program.signal(signal.SIGHUP)
        await box.release()
        assert not (await program.answer(number))["isError"]
        assert len(saved(tmp_path)) == 1


@pytest.mark.thorough
async def test_its_second_ctrl_c_ends(box: Box, tmp_path: Path) -> None:
    await box.turn(hold=True)
    with generating(tmp_path, box) as process:
        await box.reached(1)
        process.send_signal(signal.SIGINT)
        assert process.stderr is not None
        await anyio.to_thread.run_sync(process.stderr.readline)
        process.send_signal(signal.SIGINT)
        out, _ = await ended(process)
    assert process.returncode == 130
    assert out == ""
    assert not saved(tmp_path)
