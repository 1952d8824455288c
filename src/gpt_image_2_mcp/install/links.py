"""Links that add the server to a client by one click, without a key: the client asks for it, or it is added later.

Their forms are those of Cursor's "MCP Install Links", VS Code's "MCP developer guide", LM Studio's "Deeplink" page and
Goose's deeplink generator. GitHub shows links with the clients' own schemes as plain text, so Cursor, VS Code and
LM Studio have a web page that opens them.
"""

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote, urlencode

from .entry import KEY_INPUT
from .key_choice import VARIABLE
from .launch import uvx_arguments

NAME = "gpt-image-2"


@dataclass(frozen=True, slots=True)
class Link:
    """The link for one client, by its name."""

    client: str
    address: str


def install_links(version: str) -> list[Link]:
    """The links of the README. Those of Cursor, VS Code and LM Studio open the client from a web page."""
    arguments = list(uvx_arguments(version))
    server = {"command": "uvx", "args": arguments}
    by_name = {**server, "env": {VARIABLE: f"${{env:{VARIABLE}}}"}}
    code = {**server, "type": "stdio", "env": {VARIABLE: f"${{input:{KEY_INPUT['id']}}}"}}
    goose = [
        ("cmd", "uvx"),
        *(("arg", argument) for argument in arguments),
        ("id", NAME),
        ("name", NAME),
        ("description", "Makes and edits pictures with gpt-image-2"),
        ("env", f"{VARIABLE}=OpenAI API key"),
    ]
    return [
        Link("Cursor", f"https://cursor.com/en/install-mcp?name={NAME}&config={_packed(by_name)}"),
        Link(
            "VS Code",
            f"https://insiders.vscode.dev/redirect/mcp/install?name={NAME}"
            f"&inputs={quote(_compact([KEY_INPUT]), safe='')}&config={quote(_compact(code), safe='')}",
        ),
        Link(
            "LM Studio",
            f"https://lmstudio.ai/install-mcp?name={NAME}&config={_packed({**server, 'env': {VARIABLE: ''}})}",
        ),
        Link("Goose", f"goose://extension?{urlencode(goose, quote_via=quote)}"),
    ]


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"))


def _packed(value: object) -> str:
    return quote(base64.b64encode(_compact(value).encode()).decode(), safe="")
