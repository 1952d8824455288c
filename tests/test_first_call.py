"""The request of a first picture is sent before the server is loaded, and only if the server will accept the call.

Real processes; `read_first_call` decides what is begun, and is given lines as the front keeps them.
"""

import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
from next_chat import its_own_folders, saved, text_of
from stdio_bench import PROTOCOLS, Box, running
from workbench import SMALL

import gpt_image_2_mcp
from gpt_image_2_mcp.server.stdio.first_call import read_first_call
from gpt_image_2_mcp.server.stdio.handshake import CAPABILITIES, CLIENT, VERSION, HandshakeReplay

FOX: dict[str, Any] = {"prompt": "a red fox", "size": SMALL, "quality": "low"}
NAMED = {"name": "a client", "version": "7"}
HELLO: dict[str, Any] = {
    "protocolVersion": "2025-11-25",
    "capabilities": {"elicitation": {"form": {}}},
    "clientInfo": NAMED,
}
MODERN: dict[str, Any] = {VERSION: "2026-07-28", CAPABILITIES: {}, CLIENT: NAMED}
INITIALIZED = {"jsonrpc": "2.0", "method": "notifications/initialized"}


@pytest.fixture
def environ(box: Box, tmp_path: Path) -> dict[str, str]:
    return its_own_folders(tmp_path, box)


@pytest.fixture
def broken(environ: dict[str, str], tmp_path: Path) -> dict[str, str]:
    """An installation in which the server that answers calls cannot be loaded."""
    copy = tmp_path / "installed" / "gpt_image_2_mcp"
    shutil.copytree(Path(gpt_image_2_mcp.__file__).parent, copy)
    (copy / "server" / "factory.py").unlink()
    return {**environ, "PYTHONPATH": str(copy.parent)}


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems")
@pytest.mark.parametrize(
    ("version", "lists_first"), [(PROTOCOLS[-2], True), (PROTOCOLS[-1], True), (PROTOCOLS[-1], False)]
)
async def test_the_request_is_sent_before_the_server_is_loaded(
    version: str, lists_first: bool, broken: dict[str, str], environ: dict[str, str], box: Box
) -> None:
    """Nothing else would have been sent here. What is paid is saved, and told to the client as what may be billed."""
    async with running(broken, version=version) as program:
        await program.greet()
        if lists_first:
            await program.answer(await program.ask("tools/list"))
        told = await program.answer(await program.call("generate_image", **FOX))
        assert "it may have been billed: look with get_image_job" in text_of(told)
    assert len(saved(environ)) == await box.count("paid") == 1
    async with running(environ) as program:
        await program.greet()
        assert text_of(await program.answer(await program.call("list_images"))).startswith("1 picture,")
        again = text_of(await program.answer(await program.call("generate_image", **FOX)))
        assert "nothing was paid again" in again
    assert await box.count("paid") == 1


@pytest.mark.anyio
@pytest.mark.skipif(sys.platform != "linux", reason="the engine is off on other systems")
@pytest.mark.parametrize(
    "left_to_the_server",
    [
        {"arguments": {**FOX, "size": "huge"}},
        {"arguments": {**FOX, "number": 2}},
        {"arguments": {**FOX, "prompt": "half an emoji \ud83d"}},
        {"arguments": {**FOX, "like": "last"}},
        {"environ": {"GPT_IMAGE_2_CONFIRM_OVER_USD": "0"}},
        {"environ": {"OPENAI_API_KEY": ""}},
        {"environ": {"GPT_IMAGE_2_MAX_CONCURRENCY": "many"}},
    ],
    ids=["a wrong argument", "an unknown argument", "half a pair", "like", "a question", "no key", "a wrong setting"],
)
async def test_a_call_that_would_be_refused_or_asked_about_is_left_to_the_server(
    left_to_the_server: dict[str, Any], broken: dict[str, str], box: Box
) -> None:
    async with running({**broken, **left_to_the_server.get("environ", {})}) as program:
        await program.greet()
        await program.answer(await program.ask("tools/list"))
        told = await program.answer(await program.call("generate_image", **left_to_the_server.get("arguments", FOX)))
        assert "could not be started; nothing was sent" in text_of(told)
    assert await box.count("started") == 0


@pytest.mark.anyio
async def test_a_first_call_that_is_given_up_at_once_is_paid_once(environ: dict[str, str], box: Box) -> None:
    """The client gives up while the server is being loaded, and repeats the call."""
    async with running(environ) as program:
        await program.greet()
        number = await program.call("generate_image", **FOX)
        cancelled = {"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {"requestId": number}}
        await program.write(cancelled)
        await box.reached(1)
        again = await program.answer(await program.call("generate_image", **FOX))
        assert text_of(again)
    assert len(saved(environ)) == await box.count("paid") == 1


def call(**parts: Any) -> dict[str, Any]:
    params = {"name": "generate_image", "arguments": FOX, **parts.pop("params", {})}
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": params, **parts}


def replay(line: Any, *opening: Any) -> HandshakeReplay:
    lines = [json.dumps(message).encode() + b"\n" for message in opening]
    return HandshakeReplay(lines, json.dumps(line).encode() + b"\n", 0)


def hello(**parts: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {**HELLO, **parts}}


DISCOVER = {"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": MODERN}}


@pytest.mark.parametrize(
    ("kept", "client"),
    [
        (replay(call(), hello(), INITIALIZED), "a client 7"),
        (replay(call(id="x", params={"_meta": {"progressToken": 4}}), hello(), INITIALIZED), "a client 7"),
        (replay(call(params={"_meta": MODERN}), DISCOVER), "a client 7"),
        (replay(call(params={"_meta": {VERSION: "2026-07-28", CAPABILITIES: {}}}), DISCOVER), None),
        (replay(call(params={"_meta": MODERN})), "a client 7"),
    ],
    ids=["2025-11-25", "with progress", "2026-07-28", "nameless", "the very first message"],
)
def test_a_usual_first_call_is_begun(kept: HandshakeReplay, client: str | None) -> None:
    found = read_first_call(kept)
    assert found is not None
    assert (found.tool, found.arguments, found.client) == ("generate_image", FOX, client)


@pytest.mark.parametrize(
    "kept",
    [
        HandshakeReplay([], b"", None),
        HandshakeReplay([], b"[" * 100_000, None),
        replay(call()),
        replay(call(), hello()),
        replay(call(), INITIALIZED, hello()),
        replay(call(), hello(protocolVersion=5), INITIALIZED),
        replay(call(), hello(capabilities=[]), INITIALIZED),
        replay(call(), hello(clientInfo={"name": "x"}), INITIALIZED),
        replay(call(), DISCOVER),
        replay(call(params={"_meta": MODERN}), hello(), INITIALIZED),
        replay(call(params={"_meta": {**MODERN, VERSION: "2027-01-01"}}), DISCOVER),
        replay(call(params={"_meta": {**MODERN, CAPABILITIES: 5}}), DISCOVER),
        replay(call(params={"_meta": {**MODERN, VERSION: "2027-01-01"}})),
        replay(call(params={"_meta": {**MODERN, VERSION: "2025-11-25"}})),
        replay(call(params={"_meta": {**MODERN, CAPABILITIES: 5}})),
        replay(call(params={"_meta": {"progressToken": {}}}), hello(), INITIALIZED),
        replay(call(params={"name": "list_images"}), hello(), INITIALIZED),
        replay(call(params={"name": ["generate_image"]}), hello(), INITIALIZED),
        replay(call(params={"arguments": []}), hello(), INITIALIZED),
        replay(call(params={"task": {"ttl": 1}}), hello(), INITIALIZED),
        replay(call(id=None), hello(), INITIALIZED),
        replay(call(id=True), hello(), INITIALIZED),
        replay(call(jsonrpc="1.0"), hello(), INITIALIZED),
        replay(call(method="tools/list"), hello(), INITIALIZED),
        replay(call(extra=1), hello(), INITIALIZED),
        replay([call()], hello(), INITIALIZED),
    ],
)
def test_whatever_is_unusual_is_left_to_the_server(kept: HandshakeReplay) -> None:
    assert read_first_call(kept) is None
