"""Records the full server's answers to the handshake of every protocol version into `handshake.json`.

`make handshake` runs this module. `handshake` gives the recorded answers later, before the server is loaded; a test
fails when the server answers otherwise than the recording says.
"""

import asyncio
import json
import tempfile
from pathlib import Path
from typing import Any

import anyio
from mcp.shared.message import SessionMessage
from mcp_types import JSONRPCMessage, jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, LATEST_MODERN_VERSION

from ...app import open_service
from ...settings import Settings
from ..factory import build_server
from ..sdk import serve_streams
from .handshake import CAPABILITIES, RECORDING, VERSION

Call = tuple[str, dict[str, Any]]

LEGACY_METHODS = ("ping", "tools/list", "prompts/list", "resources/templates/list")
"""Answered from the recording after `initialize`: none of these answers depends on what a user has made."""
MODERN_METHODS = ("server/discover", "tools/list", "prompts/list", "resources/templates/list")


async def record() -> dict[str, Any]:
    """Ask a new server of each version; gives each different result once, and by version and method its index."""
    results: list[Any] = []

    def index_of(result: Any) -> int:
        if result not in results:
            results.append(result)
        return results.index(result)

    legacy: dict[str, dict[str, int]] = {}
    for version in HANDSHAKE_PROTOCOL_VERSIONS:
        hello = {"protocolVersion": version, "capabilities": {}, "clientInfo": {"name": "recorder", "version": "1"}}
        methods: list[Call] = [("initialize", hello), *((method, dict[str, Any]()) for method in LEGACY_METHODS)]
        legacy[version] = {method: index_of(result) for method, result in (await _results(methods)).items()}
    meta: dict[str, Any] = {VERSION: LATEST_MODERN_VERSION, CAPABILITIES: {}}
    answers = await _results([(method, {"_meta": meta}) for method in MODERN_METHODS])
    modern = {method: index_of(result) for method, result in answers.items()}
    return {"modern_version": LATEST_MODERN_VERSION, "legacy": legacy, "modern": modern, "results": results}


async def _results(requests: list[Call]) -> dict[str, Any]:
    """Send requests to a new server one after another; gives the result of each method as the client receives it."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        server = build_server(lambda: open_service(Settings.read({}), working_dir=root, home=root))
        to_server, inbound = anyio.create_memory_object_stream[SessionMessage | Exception]()
        outbound, from_server = anyio.create_memory_object_stream[SessionMessage]()
        async with to_server, from_server, anyio.create_task_group() as tasks:
            tasks.start_soon(serve_streams, server, inbound, outbound)
            for number, (method, params) in enumerate(requests):
                await to_server.send(_message({"jsonrpc": "2.0", "id": number, "method": method, "params": params}))
                answer = await from_server.receive()
                found[method] = json.loads(_as_json(answer.message))["result"]
                if method == "initialize":
                    await to_server.send(_message({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            tasks.cancel_scope.cancel()
    return found


def _message(body: dict[str, Any]) -> SessionMessage:
    return SessionMessage(jsonrpc_message_adapter.validate_python(body, by_name=False))


def _as_json(message: JSONRPCMessage) -> str:
    return message.model_dump_json(by_alias=True, exclude_unset=True)


def file_text(recording: dict[str, Any]) -> str:
    """The text of the file: indented, so that a diff shows what changed."""
    return json.dumps(recording, ensure_ascii=False, indent=1) + "\n"


if __name__ == "__main__":
    Path(RECORDING).write_text(file_text(asyncio.run(record())), encoding="utf-8")
