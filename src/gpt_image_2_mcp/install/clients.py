"""What a user puts into the configuration of each MCP client; `demo` prints it, and the documents contain it."""

import json
from dataclasses import dataclass

KEY_PLACEHOLDER = "sk-…"


@dataclass(frozen=True, slots=True)
class ClientSetup:
    """The set-up of one client: `where` its configuration is, and the `text` to put there, in `language`."""

    name: str
    where: str
    language: str
    text: str


def client_setups(version: str) -> list[ClientSetup]:
    """The set-up of every client that the documents name, with this version of the program.

    `uvx` without a version would take the newest release at each start, whatever that is.
    """
    package = f"gpt-image-2-mcp@{version}"
    server = {"command": "uvx", "args": [package], "env": {"OPENAI_API_KEY": KEY_PLACEHOLDER}}
    common = json.dumps({"mcpServers": {"gpt-image-2": server}}, indent=2, ensure_ascii=False)
    code = json.dumps({"servers": {"gpt-image-2": {"type": "stdio", **server}}}, indent=2, ensure_ascii=False)
    codex = (
        f'[mcp_servers.gpt-image-2]\ncommand = "uvx"\nargs = ["{package}"]\ntool_timeout_sec = 300\n'
        f'env = {{ OPENAI_API_KEY = "{KEY_PLACEHOLDER}" }}'
    )
    return [
        ClientSetup(
            "Claude Desktop", "Settings → Developer → Edit Config (claude_desktop_config.json)", "json", common
        ),
        ClientSetup(
            "Claude Code",
            "in a terminal",
            "sh",
            f"claude mcp add gpt-image-2 --env OPENAI_API_KEY={KEY_PLACEHOLDER} -- uvx {package}",
        ),
        ClientSetup("Cursor", "~/.cursor/mcp.json, or .cursor/mcp.json in a project", "json", common),
        ClientSetup("VS Code", ".vscode/mcp.json, or the command MCP: Open User Configuration", "json", code),
        ClientSetup("Codex", "~/.codex/config.toml", "toml", codex),
    ]
