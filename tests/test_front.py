"""What is said before anything is loaded is what the full server says, to the letter."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Generator
from functools import partial
from pathlib import Path
from typing import IO, Any, cast

import anyio
import pytest
from patience import PATIENCE_S

from gpt_image_2_mcp.server.stdio.handshake import CAPABILITIES, CLIENT, RECORDING, VERSION
from gpt_image_2_mcp.server.stdio.record_handshake import LEGACY_METHODS, MODERN_METHODS, file_text, record

FULL = """
import json, os, signal, sys
from gpt_image_2_mcp.server.stdio.handshake import HandshakeReplay
from gpt_image_2_mcp.server.stdio.pipes import take_over_stdio
from gpt_image_2_mcp.server.stdio.session import run

signal.signal(signal.SIGCHLD, signal.SIG_IGN)
for line in sys.stdin:
    order = json.loads(line)
    child = os.fork()
    if child == 0:
        os.environ["HOME"] = order["home"]
        os.dup2(os.open(order["stdin"], os.O_RDONLY), 0)
        os.dup2(os.open(order["stdout"], os.O_WRONLY), 1)
        run(take_over_stdio(), HandshakeReplay([], b"", None), sandbox=False, engine=None)
    print(child, flush=True)
"""
"""For each line a full server, forked from a process that has loaded it, on the pipes that the line names."""

MODERN: dict[str, Any] = {VERSION: "2026-07-28", CAPABILITIES: {}}
HELLO = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


def request(number: Any, method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": params}


def said(messages: list[Any], stdin: IO[str], stdout: IO[str], *, kill: Callable[[], object]) -> list[str]:
    """Everything a server says to these messages: an answer to each request that has an id, then what else there is."""
    lines = [message if isinstance(message, str) else json.dumps(message) for message in messages]
    due = sum(_is_answered(message) for message in messages)
    # A server that owes an answer and gives none fails the test instead of holding it up.
    watch = threading.Timer(PATIENCE_S, kill)
    watch.start()
    try:
        stdin.write("".join(line + "\n" for line in lines))
        stdin.flush()
        answers = [stdout.readline().rstrip("\n") for _ in range(due)]
        stdin.close()
        return [*answers, *stdout.read().splitlines()]
    finally:
        watch.cancel()


def said_by_the_program(messages: list[Any], home: Path) -> list[str]:
    command = [sys.executable, "-m", "gpt_image_2_mcp"]
    pipe, environ = subprocess.PIPE, {**os.environ, "HOME": str(home)}
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True, env=environ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        return said(messages, program.stdin, program.stdout, kill=program.kill)


@pytest.fixture(scope="module")
def preloaded() -> Generator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE
    with subprocess.Popen([sys.executable, "-c", FULL], stdin=pipe, stdout=pipe, text=True) as driver:
        yield driver
        driver.kill()


def said_by_the_full_server(messages: list[Any], home: Path, driver: "subprocess.Popen[str]") -> list[str]:
    pipes = {name: home / name for name in ("stdin", "stdout")}
    for path in pipes.values():
        os.mkfifo(path)
    assert driver.stdin is not None
    assert driver.stdout is not None
    driver.stdin.write(json.dumps({"home": str(home), **{name: str(path) for name, path in pipes.items()}}) + "\n")
    driver.stdin.flush()
    server = int(driver.stdout.readline())
    with pipes["stdin"].open("w", encoding="utf-8") as stdin, pipes["stdout"].open(encoding="utf-8") as stdout:
        return said(messages, stdin, stdout, kill=partial(os.kill, server, signal.SIGKILL))


def _is_answered(message: Any) -> bool:
    if not isinstance(message, dict):
        return False
    request_ = cast("dict[str, Any]", message)
    # A request without its version is answered as well, with an error.
    return bool({"jsonrpc", "method"} & request_.keys()) and type(request_.get("id")) in (int, str)


def opening(version: str, *rest: Any) -> list[Any]:
    return [request(0, "initialize", **HELLO | {"protocolVersion": version}), INITIALIZED, *rest]


NO_IDS: list[Any] = [None, 1.5, True, [1], {}]

OPENINGS: dict[str, list[Any]] = {
    **{
        f"initialize {version}": opening(version, *(request(method, method) for method in LEGACY_METHODS))
        for version in ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25", "2026-07-28", "1999-01-01", "")
    },
    "2026-07-28": [request(method, method, _meta=MODERN) for method in MODERN_METHODS],
    "what was made": opening("2025-06-18", request(1, "tools/list"), request(2, "resources/list")),
    "what was made, modern": [request(method, method, _meta=MODERN) for method in ("tools/list", "resources/list")],
    "a list with a cursor": opening("2025-06-18", request(1, "tools/list", cursor="x")),
    "a list with a null cursor": opening("2025-06-18", request(1, "tools/list", cursor=None)),
    "a list without params": opening("2025-06-18", {"jsonrpc": "2.0", "id": 1, "method": "tools/list"}),
    "a list with null params": opening(
        "2025-06-18", {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": None}
    ),
    "a list with a progress token": opening("2025-06-18", request(1, "tools/list", _meta={"progressToken": 7})),
    "ids of every kind": opening("2025-06-18", *(request(number, "ping") for number in (1, "1", -1, 0, ""))),
    "ids that are none": opening("2025-06-18", *(request(number, "ping") for number in NO_IDS)),
    "initialize twice": opening("2025-06-18", request(1, "initialize", **HELLO), request(2, "ping")),
    "a list before initialize": [request(1, "tools/list"), request(2, "ping")],
    "a ping before initialize": [request(1, "ping"), *opening("2025-06-18", request(2, "ping"))],
    "initialize without a client": [request(1, "initialize", protocolVersion="2025-06-18", capabilities={})],
    "initialize with a nameless client": [request(1, "initialize", **HELLO | {"clientInfo": {"version": "1"}})],
    "initialize with wrong types": [request(1, "initialize", **HELLO | {"protocolVersion": 5})],
    "initialize with capabilities that are none": [request(1, "initialize", **HELLO | {"capabilities": []})],
    "initialize with odd capabilities": [request(1, "initialize", **HELLO | {"capabilities": {"roots": 5}})],
    "initialize with plain capabilities": [
        request(
            1, "initialize", **HELLO | {"capabilities": {"roots": {"listChanged": True}, "elicitation": {"form": {}}}}
        ),
        request(2, "tools/list"),
    ],
    "initialize with odd parts": [
        request(1, "initialize", **HELLO | {"capabilities": {"roots": {"listChanged": "yes"}}})
    ],
    "initialize with an odd client": [
        request(1, "initialize", **HELLO | {"clientInfo": {"name": "x", "version": "1", "title": 5}})
    ],
    "a list with an odd token": opening("2025-06-18", request(1, "tools/list", _meta={"progressToken": {}})),
    "a list with odd meta": opening("2025-06-18", request(1, "tools/list", _meta=5), request(2, "tools/list", foo=1)),
    "modern with a client": [
        request(1, "tools/list", _meta=MODERN | {CLIENT: {"name": "x", "version": "1"}, "progressToken": "t"}),
        request(2, "server/discover", _meta=MODERN | {CLIENT: {"name": 5}}),
    ],
    "initialize with a modern envelope": [request(1, "initialize", **HELLO, _meta=MODERN), request(2, "ping")],
    "modern without capabilities": [request(1, "tools/list", _meta={VERSION: "2026-07-28"})],
    "modern of a later version": [request(1, "tools/list", _meta=MODERN | {VERSION: "2099-01-01"})],
    "modern with wrong capabilities": [request(1, "tools/list", _meta=MODERN | {CAPABILITIES: {"roots": 5}})],
    "modern with a cursor": [request(1, "tools/list", _meta=MODERN, cursor="x")],
    "modern, then initialize": [request(1, "tools/list", _meta=MODERN), *opening("2025-06-18", request(2, "ping"))],
    "initialize, then modern": opening("2025-06-18", request(1, "tools/list", _meta=MODERN), request(2, "ping")),
    "a modern ping": [request(1, "ping", _meta=MODERN), request(2, "tools/list", _meta=MODERN)],
    "an unknown method": opening("2025-06-18", request(1, "nope"), request(2, "tools/list")),
    "no version of JSON-RPC": opening("2025-06-18", {"id": 1, "method": "ping"}, request(2, "ping")),
    "junk": ["{", "", "[]", "null", "5", '"x"', "{}", '{"jsonrpc":"2.0"}', *opening("2025-06-18", request(1, "ping"))],
    "deep junk": ["[" * 100_000, *opening("2025-06-18", request(1, "ping"))],
    "a member too many": opening("2025-06-18", request(1, "ping") | {"extra": 1}),
}

USUAL = {"junk", "what was made", "modern with a client"}
"""The openings of the quick tests: each takes two programs."""


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no fork")
@pytest.mark.parametrize(
    "name", [pytest.param(name, marks=[] if name in USUAL else pytest.mark.thorough) for name in OPENINGS]
)
def test_the_front_says_what_the_full_server_says(
    name: str, tmp_path: Path, preloaded: "subprocess.Popen[str]"
) -> None:
    early = said_by_the_program(OPENINGS[name], tmp_path)
    full = said_by_the_full_server(OPENINGS[name], tmp_path, preloaded)
    # The full server answers requests side by side, so the order may differ.
    assert sorted(early) == sorted(full)


@pytest.mark.anyio
async def test_the_recording_is_what_the_server_says_now() -> None:
    """After a change to a tool: `make handshake`."""
    assert file_text(await record()) == await anyio.Path(RECORDING).read_text(encoding="utf-8")


def test_the_front_loads_nothing_but_the_standard_library(tmp_path: Path) -> None:
    script = (
        "import sys; before = set(sys.modules)\n"
        "from gpt_image_2_mcp.cli.main import main\n"
        "import os; os._exit = lambda code: None\n"
        "sys.argv[1:] = []; main()\n"
        "new = {name.partition('.')[0] for name in set(sys.modules) - before}\n"
        "print(sorted(new - sys.stdlib_module_names), file=sys.stderr)"
    )
    messages = opening("2025-11-25", request(1, "tools/list"))
    done = subprocess.run(
        [sys.executable, "-c", script],
        input="".join(json.dumps(message) + "\n" for message in messages),
        capture_output=True,
        text=True,
        check=True,
        env={**os.environ, "HOME": str(tmp_path)},
    )
    assert len(done.stdout.splitlines()) == 2
    assert done.stderr == "['gpt_image_2_mcp', 'platformdirs']\n"
