"""The real program on its real pipes: the handshake, a call, and how it ends."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from fault_proxy import until
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from patience import PATIENCE_S
from workbench import KEY, META, SMALL, TOOLS, dumped, said

pytestmark = pytest.mark.anyio

PROGRAM = [sys.executable, "-m", "gpt_image_2_mcp"]


def initialize(version: str) -> dict[str, Any]:
    client = {"name": "test", "version": "1"}
    return {"protocolVersion": version, "capabilities": {}, "clientInfo": client}


class Server:
    """The program, spoken to line by line as an old client does it."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self._id = 0

    def ask(self, method: str, **params: Any) -> int:
        self._id += 1
        self._write({"jsonrpc": "2.0", "id": self._id, "method": method, "params": params})
        return self._id

    def notify(self, method: str) -> None:
        self._write({"jsonrpc": "2.0", "method": method})

    def answer(self, number: int) -> dict[str, Any]:
        assert self.process.stdout is not None
        for line in self.process.stdout:
            message = json.loads(line)
            assert message["jsonrpc"] == "2.0"
            if message.get("id") == number:
                return message["result"]
        raise AssertionError(self.process.stderr and self.process.stderr.read())

    def greet(self, version: str = "2025-06-18") -> dict[str, Any]:
        result = self.answer(self.ask("initialize", **initialize(version)))
        self.notify("notifications/initialized")
        return result

    def end(self, how: signal.Signals | None = None) -> tuple[int, str, str]:
        """Close stdin, or send a signal; give the exit code and what was still written."""
        if how is not None:
            self.process.send_signal(how)
            # Before `communicate`, which closes stdin and so would end the program by itself.
            self.process.wait(timeout=PATIENCE_S)
        else:
            assert self.process.stdin is not None
            self.process.stdin.close()
            self.process.stdin = None
        out, errors = self.process.communicate(timeout=PATIENCE_S)
        return self.process.returncode, out, errors

    def _write(self, message: dict[str, Any]) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(message) + "\n")
        self.process.stdin.flush()


@contextmanager
def started(*arguments: str, **environ: str) -> Generator[Server]:
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        [*PROGRAM, *arguments], stdin=pipe, stdout=pipe, stderr=pipe, text=True, env={**os.environ, **environ}
    )
    try:
        yield Server(process)
    finally:
        process.kill()
        process.communicate()


async def test_a_client_of_the_newest_protocol_makes_a_picture(tmp_path: Path) -> None:
    environ = {**os.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)}
    server = StdioServerParameters(command=PROGRAM[0], args=[*PROGRAM[1:], "--sandbox"], env=environ, cwd=tmp_path)
    with anyio.fail_after(PATIENCE_S):
        async with Client(stdio_client(server)) as client:
            assert client.protocol_version == "2026-07-28"
            tools = (await client.list_tools()).tools
            assert set(TOOLS) <= {tool.name for tool in tools}
            result = await client.call_tool("generate_image", {"prompt": "a red fox", "size": SMALL})
    assert not result.is_error, said(result)
    (image,) = (result.meta or {})[META]["images"]
    assert Path(image["file_path"]).parent == tmp_path / "sandbox"
    assert dumped(result)["content"][1]["type"] == "image"


@pytest.mark.parametrize("version", ["2024-11-05"])
def test_an_old_client_makes_a_picture_and_the_program_ends_when_stdin_does(version: str, tmp_path: Path) -> None:
    with started("--sandbox", GPT_IMAGE_2_OUTPUT_DIR=str(tmp_path)) as server:
        greeting = server.greet(version)
        assert greeting["protocolVersion"] == version
        assert greeting["capabilities"]["tools"] == {"listChanged": True}
        assert {tool["name"] for tool in server.answer(server.ask("tools/list"))["tools"]} >= set(TOOLS)
        arguments = {"prompt": "a red fox", "size": SMALL}
        result = server.answer(server.ask("tools/call", name="generate_image", arguments=arguments))
        assert [block["type"] for block in result["content"]][:2] == ["text", "image"]
        assert "structuredContent" not in result
        code, rest, complaints = server.end()
    assert (code, complaints) == (0, "")
    # News of the picture may come after the answer.
    assert {json.loads(line)["method"] for line in rest.splitlines()} <= {"notifications/resources/list_changed"}
    assert len(list((tmp_path / "sandbox").glob("*.png"))) == 1


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
@pytest.mark.parametrize("how", [getattr(signal, name, None) for name in ("SIGTERM", "SIGINT", "SIGHUP")])
def test_a_signal_ends_the_program_in_good_order(how: signal.Signals) -> None:
    """Clients send SIGTERM two seconds after closing stdin; a person at a terminal presses Ctrl-C."""
    with started("--sandbox") as server:
        server.greet()
        assert server.end(how) == (0, "", "")


def test_a_program_that_nobody_spoke_to_ends_when_stdin_does() -> None:
    with started() as server:
        assert server.end() == (0, "", "")


def test_wrong_settings_are_said_on_stderr_and_do_not_stop_the_program() -> None:
    with started(OPENAI_API_KEY=KEY, GPT_IMAGE_2_SESSION_MAX="many", OPENAI_BASE_URL="nowhere") as server:
        server.greet()
        result = server.answer(server.ask("tools/call", name="generate_image", arguments={"prompt": "a fox"}))
        assert result["isError"]
        code, out, errors = server.end()
    assert (code, out) == (0, "")
    assert [line.partition(" must")[0] for line in errors.splitlines()] == [
        "gpt-image-2-mcp: OPENAI_BASE_URL",
        "gpt-image-2-mcp: GPT_IMAGE_2_SESSION_MAX",
    ]
    assert KEY not in errors


@pytest.mark.parametrize("how", [None, signal.SIGTERM])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_a_picture_under_way_is_saved_when_the_client_leaves(
    how: signal.Signals | None, sandbox_url: str, tmp_path: Path
) -> None:
    """It was paid for with the request; a client that is closed or restarted must not cost a person the picture."""
    with httpx2.Client(base_url=f"{sandbox_url.removesuffix('/v1')}/_sandbox") as control:
        started_before = control.get("/state").json()["started"]
        control.post("/knobs", json={"hold": True}).raise_for_status()
        try:
            with started(
                OPENAI_API_KEY=KEY, OPENAI_BASE_URL=sandbox_url, GPT_IMAGE_2_OUTPUT_DIR=str(tmp_path)
            ) as server:
                server.greet()
                server.ask("tools/call", name="generate_image", arguments={"prompt": "a fox", "size": SMALL})
                until(
                    lambda: control.get("/state").json()["started"] > started_before,
                    alive=lambda: server.process.poll() is None,
                )
                if how is None:
                    assert server.process.stdin is not None
                    server.process.stdin.close()
                    server.process.stdin = None
                else:
                    server.process.send_signal(how)
                control.post("/release").raise_for_status()
                server.process.wait(timeout=PATIENCE_S)
                out, errors = server.process.communicate()
        finally:
            control.post("/release").raise_for_status()
    assert server.process.returncode == 0, errors
    assert KEY not in out + errors
    assert [path.suffix for path in (tmp_path / "sandbox").glob("*.png")] == [".png"]
