"""Holds the messages between the studio's page and its host against the official schema of MCP Apps.

It comes with what builds the page (`make app`). Where that is not installed, `wrong` finds nothing.
"""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import jsonschema
from mcp_types import CallToolRequestParams
from pydantic import ValidationError

FILE = Path(__file__).parent.parent / "app/node_modules/@modelcontextprotocol/ext-apps/dist/src/generated/schema.json"

ASKED: Mapping[str, str] = {
    "ui/initialize": "McpUiInitializeRequest",
    "ui/notifications/initialized": "McpUiInitializedNotification",
    "ui/notifications/size-changed": "McpUiSizeChangedNotification",
    "ui/download-file": "McpUiDownloadFileRequest",
    "ui/request-display-mode": "McpUiRequestDisplayModeRequest",
    "ui/update-model-context": "McpUiUpdateModelContextRequest",
    "ui/notifications/tool-input": "McpUiToolInputNotification",
    "ui/notifications/tool-result": "McpUiToolResultNotification",
    "ui/notifications/tool-cancelled": "McpUiToolCancelledNotification",
    "ui/notifications/host-context-changed": "McpUiHostContextChangedNotification",
    "ui/resource-teardown": "McpUiResourceTeardownRequest",
}
"""The definition of each method's message, of both sides."""
ANSWERED: Mapping[str, str] = {
    "ui/initialize": "McpUiInitializeResult",
    "ui/download-file": "McpUiDownloadFileResult",
    "ui/request-display-mode": "McpUiRequestDisplayModeResult",
    "ui/resource-teardown": "McpUiResourceTeardownResult",
}
"""The definition of each method's result, where there is one."""


@cache
def _schema() -> dict[str, Any] | None:
    if not FILE.exists():
        return None
    schema: dict[str, Any] = json.loads(FILE.read_text())
    # Its TypeScript joins the parts of these by `&`; in JSON Schema, each part would forbid those of the other.
    for joined in schema["$defs"]["McpUiHostContext"]["properties"]["containerDimensions"]["allOf"]:
        for part in joined["anyOf"]:
            part["additionalProperties"] = True
    # A `Record` of TypeScript whose values may be undefined: no variable has to be there.
    schema["$defs"]["McpUiHostContext"]["properties"]["styles"]["properties"]["variables"].pop("required", None)
    for name, place in (("McpUiInitializeResult", "hostContext"), ("McpUiHostContextChangedNotification", "params")):
        schema["$defs"][name]["properties"][place] = schema["$defs"]["McpUiHostContext"]
    return schema


def wrong(message: Mapping[str, Any]) -> list[str]:
    """What breaks the schema in a request or a notification: a sentence, or none."""
    method: str = message["method"]
    if method == "tools/call":
        try:
            CallToolRequestParams.model_validate(message["params"])
        except ValidationError as error:
            return [str(error)]
        return []
    bare = {name: value for name, value in message.items() if name not in {"jsonrpc", "id"}}
    # An unknown method is a mistake of its own.
    return _broken(ASKED.get(method, method), bare)


def wrong_answer(method: str, answer: Mapping[str, Any]) -> list[str]:
    """What breaks the schema in the answer to a request: a sentence, or none."""
    return _broken(ANSWERED[method], answer["result"]) if method in ANSWERED and "result" in answer else []


def _broken(name: str, value: object) -> list[str]:
    schema = _schema()
    if schema is None:
        return []
    if name not in schema["$defs"]:
        return [f"{name} is no message of MCP Apps"]
    try:
        jsonschema.validate(value, {**schema, "$ref": f"#/$defs/{name}"})
    except jsonschema.ValidationError as error:
        return [f"{name}: {error.message}"]
    return []
