"""Whatever a client sends, or does not read: the program is up, its memory bounded, its next answer right.

The real program on real pipes. Memory is what Linux says was the most that was held at once (`VmHWM`).
"""

import base64
import json
import re
import sys
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from patience import MOMENT_S, PATIENCE_S, look_again
from promises import promise
from stdio_bench import PROTOCOLS, Program, running
from test_hostile_arguments import bomb
from workbench import SMALL

pytestmark = pytest.mark.anyio

MIB = 1 << 20
linux = pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells what was held at once")

REQUESTS = 10_000

STARTED_MIB = 160
"""What the program holds once it has answered `tools/list`, and some room."""
LINE_MIB = 64
BOUND_MIB = 128
"""What a request that is refused may take on top."""


def held(program: Program) -> int:
    """The most that the program has held at once, in MiB."""
    status = Path(f"/proc/{program.process.pid}/status").read_text(encoding="ascii")
    found = re.search(r"VmHWM:\s+(\d+) kB", status)
    assert found
    return int(found[1]) // 1024


async def send(program: Program, data: bytes) -> None:
    """Bytes as they are."""
    assert program.process.stdin is not None
    with anyio.fail_after(PATIENCE_S):
        await program.process.stdin.send(data)


async def sent(program: Program, lines: list[bytes]) -> None:
    """Send requests in one go, and wait for as many answers."""
    awaited = len(program.lines) + len(lines)
    await send(program, b"\n".join(lines) + b"\n")
    with anyio.fail_after(PATIENCE_S):
        while len(program.lines) < awaited:
            await look_again()


async def works(program: Program) -> None:
    """The next answer is right, to a list and to a call."""
    listed = await program.answer(await program.ask("tools/list"))
    assert {"generate_image", "image_costs"} <= {tool["name"] for tool in listed["tools"]}
    answer = await program.answer(await program.call("image_costs", size=SMALL, quality="low"))
    assert "about $0.0037" in answer["content"][0]["text"]
    assert program.process.returncode is None


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_DATA_HOME": str(tmp_path), "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p")}


@pytest.fixture(params=[PROTOCOLS[2], PROTOCOLS[-1]])
async def program(request: pytest.FixtureRequest, environ: dict[str, str]) -> AsyncGenerator[Program]:
    """The program with a client that has greeted it, in an older protocol and in the newest."""
    async with running(environ, "--sandbox", version=request.param) as program:
        await program.greet()
        yield program


def request(**fields: Any) -> bytes:
    return json.dumps({"jsonrpc": "2.0", **fields}).encode()


def call(number: Any, **params: Any) -> bytes:
    return request(id=number, method="tools/call", params=params)


JUNK: dict[str, bytes] = {
    "nothing": b"",
    "blanks": b"   \t  ",
    "a word": b"hello",
    "half a message": b'{"jsonrpc": "2.0", "id": 1, "method"',
    "no JSON": b"{'jsonrpc': '2.0'}",
    "another protocol": b"GET / HTTP/1.1\r",
    "a number": b"42",
    "null": b"null",
    "a list": b"[]",
    "a batch": b"[" + request(id=900, method="ping") + b"," + request(id=901, method="ping") + b"]",
    "an empty object": b"{}",
    "bytes that are no text": bytes(range(128, 256)) + b"\xff\xfe\0\0",
    "NULs": b"\0" * 1000,
    "a byte order mark": b"\xef\xbb\xbf" + request(id=902, method="ping"),
    "the depths": b"[" * 100_000,
    "closed depths": b'{"a":' * 5000 + b"1" + b"}" * 5000,
    "deep arguments": call(903, name="generate_image", arguments={"prompt": "x", "size": "SIZE"}).replace(
        b'"SIZE"', b"[" * 900 + b"]" * 900
    ),
    "a long number": b'{"jsonrpc": "2.0", "method": "ping", "id": ' + b"9" * 10_000 + b"}",
    "NaN": b'{"jsonrpc": "2.0", "method": "ping", "id": NaN}',
    "half a character": b'{"jsonrpc": "2.0", "method": "\\ud800", "id": 904}',
    "the wrong version": b'{"jsonrpc": "1.0", "method": "ping", "id": 905}',
    "no version": b'{"method": "ping", "id": 906}',
    "an id that is an object": b'{"jsonrpc": "2.0", "method": "ping", "id": {"a": 1}}',
    "an id that is null": b'{"jsonrpc": "2.0", "method": "ping", "id": null}',
    "an id that is true": b'{"jsonrpc": "2.0", "method": "ping", "id": true}',
    "an answer to nothing": b'{"jsonrpc": "2.0", "id": 77777, "result": {}}',
    "an error to nothing": b'{"jsonrpc": "2.0", "id": 77778, "error": {"code": -1, "message": "x"}}',
    "an unknown method": request(id=907, method="tools/steal", params={}),
    "no method": request(id=908, method=""),
    "a method that is a list": request(id=909, method=["ping"]),
    "params that are a list": request(id=910, method="tools/call", params=["generate_image"]),
    "params that are a word": request(id=911, method="tools/call", params="x"),
    "no params": request(id=912, method="tools/call"),
    "no name": call(913, arguments={}),
    "a name that is a number": call(914, name=7, arguments={}),
    "an unknown tool": call(915, name="rm -rf", arguments={}),
    "arguments that are a list": call(916, name="generate_image", arguments=["x"]),
    "arguments that are null": call(917, name="generate_image", arguments=None),
    "arguments of wrong types": call(918, name="generate_image", arguments={"prompt": 7, "n": "x", "size": {}}),
    "a progress token that is a list": call(919, name="image_costs", _meta={"progressToken": [1]}),
    "an unknown notification": request(method="notifications/steal", params={}),
    "the cancelling of nothing": request(method="notifications/cancelled", params={"requestId": 77779}),
    "the cancelling of an object": request(method="notifications/cancelled", params={"requestId": {}}),
    "progress on nothing": request(method="notifications/progress", params={"progressToken": 1, "progress": 1}),
    "a second greeting": request(id=920, method="initialize", params={}),
    "a resource that is a path": request(id=921, method="resources/read", params={"uri": "file:///etc/passwd"}),
    "a level that is none": request(id=922, method="logging/setLevel", params={"level": "loud"}),
}

MUST_ANSWER = [905, 906, 907, 909, 910, 911, 912, 913, 914, 915, 916, 918, 921]
"""Requests in good order as JSON-RPC: whoever sent one waits for its answer."""


@promise("Junk", "Broken messages leave the program running.")
async def test_junk_is_answered_or_passed_over_and_the_next_answer_is_right(program: Program) -> None:
    # First of all, since the first message says which protocol is spoken.
    await works(program)
    for line in JUNK.values():
        await send(program, line + b"\n")
    await works(program)
    for number in MUST_ANSWER:
        answer = json.loads(await program.line(number))
        refused = "error" in answer or answer["result"].get("isError")
        assert refused, answer
    # Nothing but JSON-RPC went to stdout.
    assert program.messages
    await program.close_stdin()
    assert await program.ended() == 0


@pytest.mark.parametrize("name", ["the depths", "bytes that are no text"])
async def test_junk_before_the_greeting_is_no_end_either(name: str, environ: dict[str, str]) -> None:
    """It is read by another part of the program, before all of it is loaded."""
    async with running(environ, "--sandbox") as program:
        await send(program, JUNK[name] + b"\n")
        await program.greet()
        await works(program)


@pytest.mark.thorough
@promise("Junk", "A line of 64 MiB leaves the program running and its memory bounded.")
@linux
async def test_a_line_of_64_mib_is_one_message_among_others(environ: dict[str, str]) -> None:
    """The bytes, the text made of them, and what is parsed out of it: some times the line, and then it is gone."""
    filling = b"x" * (LINE_MIB * MIB)
    prompt = call(900, name="generate_image", arguments={"prompt": "PROMPT"})
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await works(program)
        before = await anyio.to_thread.run_sync(held, program)
        for line in (filling, prompt.replace(b"PROMPT", filling)):
            await send(program, line + b"\n")
            await works(program)
        after = await anyio.to_thread.run_sync(held, program)
        answer = await program.line(900)
    assert b"prompt" in answer
    assert len(answer) < 10_000, "an answer does not repeat what was sent"
    assert before < STARTED_MIB
    assert after - before < 5 * LINE_MIB + BOUND_MIB


async def test_an_answer_does_not_repeat_a_long_name(environ: dict[str, str]) -> None:
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await send(program, request(id=900, method="x" * MIB, params={}) + b"\n")
        answer = await program.line(900)
    assert len(answer) < 10_000


@promise("Junk", "A request out of order is answered where its id can be read.")
async def test_a_request_whose_params_are_no_object_is_answered_too(environ: dict[str, str]) -> None:
    """JSON-RPC has an error for that, and whoever sent it waits."""
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await send(program, JUNK["params that are a word"] + b"\n")
        await works(program)
        assert 911 in [message.get("id") for message in program.messages]


async def test_half_of_a_surrogate_pair_is_answered_too(environ: dict[str, str]) -> None:
    """Models cut emoji in half; JSON may say so, and no text can hold it."""
    line = b'{"jsonrpc":"2.0","id":900,"method":"tools/call","params":{"name":"list_images","arguments":'
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await send(program, line + b'{"query":"a \\ud83d fox"}}}\n')
        answer = await program.line(900)
    assert b"No picture matches" in answer


@pytest.mark.thorough
@promise("Junk", "10,000 requests in a row are answered, and leave nothing behind.")
@linux
async def test_ten_thousand_requests_in_a_row_are_all_answered_and_leave_nothing_behind(
    environ: dict[str, str],
) -> None:
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await works(program)
        before = await anyio.to_thread.run_sync(held, program)
        lines = [request(id=1000 + number, method="ping") for number in range(REQUESTS)]
        await sent(program, lines)
        answered = {message.get("id") for message in program.messages}
        assert answered >= set(range(1000, 1000 + REQUESTS))
        await works(program)
        after = await anyio.to_thread.run_sync(held, program)
    assert after - before < BOUND_MIB


@linux
async def test_calls_in_a_row_that_are_refused_leave_nothing_behind(environ: dict[str, str]) -> None:
    """Each of them is a job for a moment."""
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await works(program)
        before = await anyio.to_thread.run_sync(held, program)
        arguments = {"prompt": "x" * 3000, "images": ["no-such.png"]}
        lines = [call(1000 + number, name="edit_image", arguments=arguments) for number in range(500)]
        await sent(program, lines)
        await works(program)
        after = await anyio.to_thread.run_sync(held, program)
    assert after - before < BOUND_MIB


def lists(count: int) -> list[bytes]:
    """Short questions with long answers."""
    return [request(id=1000 + number, method="tools/list") for number in range(count)]


@pytest.mark.thorough
@linux
async def test_a_client_that_does_not_read_for_a_while_misses_no_answer(environ: dict[str, str]) -> None:
    """Its questions wait, and so does it. When it reads again, all are answered."""
    unheard, count = 0, 4000
    async with running(environ, "--sandbox", read=False) as program, anyio.create_task_group() as tasks:
        await program.greet_unheard()
        assert program.process.stdin is not None
        # Over 40 MB of answers, and then a call that the part of the program answers which is loaded by it.
        with anyio.move_on_after(2 * MOMENT_S) as waiting:
            await program.process.stdin.send(b"\n".join(lists(count)) + b"\n")
        assert waiting.cancelled_caught, "everything was read though nothing could be answered"
        unheard = await anyio.to_thread.run_sync(held, program)
        tasks.start_soon(program.read_stdout)
        with anyio.fail_after(PATIENCE_S):
            while len(program.lines) < count + 1:
                await look_again()
        assert {message.get("id") for message in program.messages} >= set(range(1000, 1000 + count))
        await works(program)
        tasks.cancel_scope.cancel()
    assert unheard < STARTED_MIB


@promise("Junk", "A client that does not read does not fill the memory.")
@linux
async def test_a_client_that_never_reads_does_not_fill_the_memory(environ: dict[str, str]) -> None:
    """The same once the whole program is loaded, where questions are bounded by their own length."""
    unheard = 0
    async with running(environ, "--sandbox", read=False) as program:
        await program.greet_unheard()
        await program.call("list_edit_sessions")
        assert program.process.stdin is not None
        with anyio.move_on_after(4 * MOMENT_S):
            await program.process.stdin.send(b"\n".join(lists(6_000)) + b"\n")
        unheard = await anyio.to_thread.run_sync(held, program)
    assert unheard < STARTED_MIB + BOUND_MIB


@linux
async def test_a_bomb_takes_no_memory(environ: dict[str, str], tmp_path: Path) -> None:
    """11 kB that decode to 89 million pixels; by a path and by a data URL."""
    picture = tmp_path / "bomb.png"
    await anyio.Path(picture).write_bytes(bomb())
    async with running(environ, "--sandbox") as program:
        await program.greet()
        await works(program)
        # What decoding loads is loaded before it is measured.
        await program.answer(await program.call("edit_image", prompt="x", images=[str(tmp_path / "none.png")]))
        before = await anyio.to_thread.run_sync(held, program)
        for source in (str(picture), f"data:image/png;base64,{base64.b64encode(bomb()).decode()}"):
            for _ in range(8):
                answer = await program.answer(await program.call("edit_image", prompt="x", images=[source] * 8))
                assert answer["isError"]
        after = await anyio.to_thread.run_sync(held, program)
    assert after - before < 40
