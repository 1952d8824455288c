"""The engine finishes what is paid, whatever becomes of the front that the client started, and comes back when needed.

Real processes and real signals. What is tested without an engine (`GPT_IMAGE_2_ENGINE=off`) is in `test_kill`.
"""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from next_chat import its_own_folders, saved, text_of, the_next_chat_has_it, until
from patience import MOMENT_S, PATIENCE_S, rounds
from promises import promise
from stdio_bench import HURRIED, PROTOCOLS, Box, Program, running
from workbench import SMALL

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems"),
]

FOX: dict[str, Any] = {"prompt": "a red fox", "size": SMALL, "quality": "low"}


@pytest.fixture
def environ(box: Box, tmp_path: Path) -> dict[str, str]:
    return its_own_folders(tmp_path, box)


async def under_way(program: Program, box: Box) -> int:
    """Begin a picture that was sent to the API and is held there; gives the id of the call."""
    await box.turn(hold=True)
    await program.greet()
    number = await program.call("generate_image", **FOX)
    await box.reached(1)
    return number


@promise("Clients", "On Linux, a client that kills the server loses no picture that is under way.")
@pytest.mark.parametrize("version", [PROTOCOLS[-2], PROTOCOLS[-1]])
async def test_a_killed_front_loses_no_picture(version: str, environ: dict[str, str], box: Box) -> None:
    async with running(environ, version=version) as program:
        await under_way(program, box)
        (engine,) = program.engines()
        # A client may kill the whole group.
        assert os.getpgid(engine) != os.getpgid(program.process.pid)
        program.signal(signal.SIGKILL)
        # The client's pipes are free at once, although the engine goes on.
        assert await program.ended() == -signal.SIGKILL
        assert program.engines() == [engine]
        await box.release()
        await until(lambda: not program.engines())
    await the_next_chat_has_it(environ, box)


async def test_a_later_chat_finds_the_engine_at_work(environ: dict[str, str], box: Box) -> None:
    async with running(environ) as first, running(environ) as second:
        await under_way(first, box)
        first.signal(signal.SIGKILL)
        await second.greet()
        jobs = text_of(await second.answer(await second.call("get_image_job")))
        assert "rendering" in jobs.lower()
        await box.release()
        await until(lambda: not first.engines())
    await the_next_chat_has_it(environ, box)


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["SIGKILL", "stdin closed"])
async def test_a_first_call_whose_client_is_gone_at_once_is_paid_once(
    environ: dict[str, str], box: Box, how: str
) -> None:
    """The server is still being loaded, and reads nothing, when the same call comes to the next one."""
    async with running(environ) as first:
        await under_way(first, box)
        if how == "SIGKILL":
            first.signal(signal.SIGKILL)
        else:
            await first.close_stdin()
        async with running(environ) as second:
            await second.greet()
            again = await second.call("generate_image", **FOX)
            await box.release()
            assert "nothing was paid again" in text_of(await second.answer(again))
    await the_next_chat_has_it(environ, box)


@pytest.mark.thorough
async def test_what_the_engine_says_without_a_client_is_told_at_the_next_start(
    environ: dict[str, str], box: Box
) -> None:
    """And not at a start before that, while the engine is still at work."""
    data = Path(environ["XDG_DATA_HOME"]) / "gpt-image-2-mcp"
    async with running(environ) as program:
        await under_way(program, box)
        program.signal(signal.SIGKILL)
        await program.ended()
        await until(lambda: list(data.glob("engine-*.log")))
        (log,) = data.glob("engine-*.log")
        assert log.stat().st_mode & 0o077 == 0
        async with running(environ) as early:
            await early.greet()
            assert not (await early.answer(await early.call("list_images")))["isError"]
            assert b"after an earlier client" not in early.stderr
        await box.release()
        await until(lambda: not program.engines())
    async with running(environ) as program:
        await program.greet()
        await program.answer(await program.call("list_images"))
        await program.said_on_stderr(f"(generate_image) is done, and saved as {saved(environ)[0]}\n")
        assert b"after an earlier client was gone: gpt-image-2-mcp: waiting up to" in program.stderr
        assert not log.exists()


@pytest.mark.parametrize("version", [PROTOCOLS[-2], PROTOCOLS[-1]])
async def test_an_engine_that_dies_is_told_and_replaced(version: str, environ: dict[str, str], box: Box) -> None:
    async with running(environ, version=version) as program:
        number = await under_way(program, box)
        os.kill(program.engines()[0], signal.SIGKILL)
        told = await program.answer(number)
        assert told["isError"]
        assert "may have been billed" in text_of(told)
        assert "get_image_job" in text_of(told)
        await box.turn(hold=False)
        assert "was under way" in text_of(await program.answer(await program.call("generate_image", **FOX)))
        assert not (await program.answer(await program.call("generate_image", **FOX)))["isError"]


@pytest.mark.parametrize("is_answered", [True, False])
async def test_a_call_is_joined_before_its_engine_knows_that_the_client_is_gone(
    environ: dict[str, str], box: Box, *, is_answered: bool
) -> None:
    async with running(environ) as program, running(environ) as second:
        number = await under_way(program, box)
        if is_answered:
            await box.release()
            await program.answer(number)
        (engine,) = program.engines()
        os.kill(engine, signal.SIGSTOP)
        try:
            program.signal(signal.SIGKILL)
            await second.greet()
            again = await second.call("generate_image", **FOX)
            if is_answered:
                assert "nothing was paid again" in text_of(await second.answer(again))
        finally:
            os.kill(engine, signal.SIGCONT)
        if not is_answered:
            await box.release()
            assert "nothing was paid again" in text_of(await second.answer(again))
        assert await box.count("paid") == 1


@pytest.mark.thorough
@pytest.mark.parametrize("how", ["stdin closed", "SIGTERM"])
async def test_a_front_leaves_an_engine_that_is_stopped(environ: dict[str, str], box: Box, how: str) -> None:
    """The picture is not lost: the engine saves it when it goes on."""
    async with running({**environ, "GPT_IMAGE_2_SHUTDOWN_GRACE_S": "0.5"}) as program:
        await under_way(program, box)
        (engine,) = program.engines()
        os.kill(engine, signal.SIGSTOP)
        try:
            if how == "SIGTERM":
                program.signal(signal.SIGTERM)
            else:
                await program.close_stdin()
            # Not `ended`, which waits for the end of stderr too: the engine that is stopped has it open.
            await until(lambda: program.process.returncode == 0)
            await box.release()
        finally:
            os.kill(engine, signal.SIGCONT)
        await until(lambda: not program.engines())
    await the_next_chat_has_it(environ, box)


async def test_an_idle_engine_ends_and_the_next_one_knows_what_was_shown(environ: dict[str, str]) -> None:
    async with running({**environ, "GPT_IMAGE_2_ENGINE_IDLE_S": "0.2"}, through=HURRIED) as program:
        await program.greet()
        await program.answer(await program.ask("ping"))
        opened = program.descriptors()
        for _ in range(2):
            await program.answer(await program.call("generate_image", **FOX))
        await program.answer(await program.call("list_images", contact_sheet=True))
        await until(lambda: not program.engines())
        last = text_of(await program.answer(await program.call("show_image", image="last")))
        await until(lambda: not program.engines())
        first = text_of(await program.answer(await program.call("show_image", image="1")))
        second = text_of(await program.answer(await program.call("show_image", image="2")))
        assert first != second
        assert last == first
        # Of the three engines nothing is left. The two are those with which a signal ends the front's waiting.
        await until(lambda: not program.engines() and program.descriptors() == opened + 2)
        await program.close_stdin()
        assert await program.ended() == 0


@pytest.mark.thorough
@pytest.mark.parametrize("version", [PROTOCOLS[-2], PROTOCOLS[-1]])
async def test_a_subscription_and_a_picture_under_way_keep_the_engine(
    version: str, environ: dict[str, str], box: Box
) -> None:
    idle = {**environ, "GPT_IMAGE_2_ENGINE_IDLE_S": "0.1", "GPT_IMAGE_2_MAX_WAIT_S": "0.1"}
    async with running(environ) as program:
        await program.greet()
        await program.answer(await program.call("generate_image", **{**FOX, "prompt": "an owl"}))
    picture = {"uri": f"gpt-image-2://pictures/{saved(environ)[0].stem}"}
    is_newest = version == PROTOCOLS[-1]
    async with running(idle, version=version, through=HURRIED) as program:
        await box.turn(hold=True)
        await program.greet()
        await program.call("generate_image", **FOX)
        await box.reached(2)
        (engine,) = program.engines()
        stream = 0
        if is_newest:
            stream = await program.ask("subscriptions/listen", notifications={"resourcesListChanged": True})
        else:
            await program.answer(await program.ask("resources/subscribe", **picture))
        await box.release()
        await until(lambda: len(saved(environ)) > 1)
        with anyio.move_on_after(0.5):
            await until(lambda: not program.engines())
        assert program.engines() == [engine]
        if is_newest:
            end: dict[str, Any] = {"method": "notifications/cancelled", "params": {"requestId": stream}}
            await program.write({"jsonrpc": "2.0", **end})
        else:
            await program.answer(await program.ask("resources/unsubscribe", **picture))
        await until(lambda: not program.engines())


FRONTS = rounds(20, 100)
ENDS = ("stdin", "SIGTERM", "SIGKILL", "half a line", "no reader")


@pytest.mark.thorough
async def test_many_fronts_come_and_go_and_leave_nothing(environ: dict[str, str], tmp_path: Path) -> None:
    """No process, and no file that a single chat does not leave. A few of them have an engine."""
    (tmp_path / "tmp").mkdir()
    environ |= {"TMPDIR": str(tmp_path / "tmp")}

    async def come_and_go(number: int) -> None:
        how = ENDS[number % len(ENDS)]
        async with limit, running(environ, read=how != "no reader") as program:
            await (program.greet_unheard() if how == "no reader" else program.greet())
            if number % 4 == 0:
                # With five ways to end, each of them has an engine once.
                await program.call("list_images")
            elif how != "no reader":
                await program.answer(await program.ask("ping"))
                opened.add(program.descriptors())
            await end(program, how)
            await until(lambda: not program.engines())

    limit = anyio.CapacityLimiter(8)
    opened = set[int]()
    await come_and_go(0)
    left = files_below(tmp_path)
    async with anyio.create_task_group() as tasks:
        for number in range(1, FRONTS):
            tasks.start_soon(come_and_go, number)
    # What the engines of killed fronts had to say is told by the next one.
    await come_and_go(0)
    assert files_below(tmp_path) == left
    assert len(opened) == 1


def files_below(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


async def end(program: Program, how: str) -> None:
    assert program.process.stdin is not None
    if how.startswith("SIG"):
        program.signal(signal.Signals[how])
    elif how == "half a line":
        await program.process.stdin.send(b'{"jsonrpc": "2.0", "id": 99, "method": "tools/ca')
    elif how == "no reader":
        assert program.process.stdout is not None
        await program.process.stdout.aclose()
    if not how.startswith("SIG"):
        await program.close_stdin()
    with anyio.fail_after(PATIENCE_S):
        assert await program.process.wait() == (-signal.SIGKILL if how == "SIGKILL" else 0)


@pytest.mark.thorough
@promise("Clients", "A server that is told to end does so although its client hangs, and loses no picture.")
async def test_full_pipes_in_both_directions_keep_no_process_and_lose_no_picture(
    environ: dict[str, str], box: Box
) -> None:
    """A client that hangs, and that something else ends: it neither reads nor closes its pipes."""
    async with running(environ, read=False) as program:
        await box.turn(hold=True)
        await program.greet_unheard()
        await program.call("generate_image", **FOX)
        await box.reached(1)
        with anyio.move_on_after(4 * MOMENT_S) as full:
            for number in range(1000):
                unheard = f"{number} {50_000 * 'x'}"
                await program.write({"jsonrpc": "2.0", "id": unheard, "method": "resources/list"})
        assert full.cancelled_caught
        program.signal(signal.SIGTERM)
        await program.said_on_stderr("paid request")
        await box.release()
        with anyio.fail_after(PATIENCE_S):
            assert await program.process.wait() == 0
        await until(lambda: not program.engines())
    await the_next_chat_has_it(environ, box)


NAMESPACE = ["unshare", "--pid", "--fork", "--kill-child", "--user", "--map-root-user"]
NO_NAMESPACES = pytest.mark.skipif(
    subprocess.run([*NAMESPACE, "true"], capture_output=True, check=False).returncode != 0,
    reason="this system allows no namespaces of processes",
)
FORBIDDING = [sys.executable, str(Path(__file__).with_name("forbidding.py"))]


@pytest.mark.thorough
@promise(
    "Clients",
    "Where the server has no process that survives its client, it saves the picture under way before it leaves.",
)
@pytest.mark.parametrize(
    ("setting", "through"),
    [
        pytest.param("off", [], id="turned off"),
        pytest.param("on", NAMESPACE, id="first process of a container", marks=NO_NAMESPACES),
        pytest.param("on", [*FORBIDDING, "fork"], id="no new processes"),
        pytest.param("on", [*FORBIDDING, "setsid"], id="no new sessions"),
    ],
)
async def test_where_there_is_no_engine_the_front_serves_alone(
    setting: str, through: list[str], environ: dict[str, str], box: Box
) -> None:
    """It saves what is paid before it leaves, if it is not killed."""
    async with running({**environ, "GPT_IMAGE_2_ENGINE": setting}, through=through) as program:
        await under_way(program, box)
        # `unshare` stays, as the parent of the only process in its namespace.
        assert len(program.engines()) == (1 if through == NAMESPACE else 0)
        await program.close_stdin()
        await program.said_on_stderr("paid request")
        await box.release()
        assert await program.ended() == 0
    await the_next_chat_has_it(environ, box)
