"""The MCP clients: where each keeps its configuration, and how it writes down a server.

The facts are those of November 2026, from the clients' own documentation and, where that is silent, their source:

- Claude Code, "Connect Claude Code to tools via MCP": `${VAR}` in `env`; it waits 30 s for the start (`MCP_TIMEOUT`)
  and about 28 hours for a call (`MCP_TOOL_TIMEOUT`, or the server's `timeout`), so no time-out is written.
- OpenCode, "MCP servers" and its source: `{env:VAR}`; without `timeout`, in milliseconds, it waits 5 s for the list of
  tools and a minute for a call. Its second version migrates these entries to `mcp.servers`.
- Codex, "Model Context Protocol": `env_vars`, `startup_timeout_sec` (10 s), `tool_timeout_sec` (60 s).
- Gemini CLI, "MCP servers with the Gemini CLI": `$VAR` and `${VAR}`, `timeout` in milliseconds (10 minutes).
- Cursor, "Model Context Protocol", and Windsurf, "Cascade MCP integration": `${env:VAR}`.
- VS Code, "MCP configuration reference": `inputs` and `${input:id}`.
- Goose, "Using Extensions"; Zed, "Model Context Protocol"; LM Studio, "Use MCP Servers", which follows Cursor's file.
- The paths of all are also those of add-mcp 2.4.0.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal

from ..errors import SetupError
from ..paths.safe_open import exists
from .launch import Launch
from .systems import System

START_TIMEOUT_S: Final = 60
"""How long a client may wait for the server's first answer: uv may have to unpack it."""
CALL_TIMEOUT_S: Final = 900
"""How long a client may wait for a call: with `GPT_IMAGE_2_MAX_WAIT_S=0` that is as long as the picture takes."""

Entry = dict[str, Any]
Format = Literal["json", "toml", "yaml"]


@dataclass(frozen=True, slots=True)
class Client:
    """One client."""

    id: str
    name: str
    user_file: Callable[[System], Path]
    entry: Callable[[Launch], Entry]
    """How the client writes a server down."""
    section: str = "mcpServers"
    """The member of the document that holds the servers."""
    format: Format = "json"
    project_file: str | None = None
    folder: Callable[[System], Path] | None = None
    """The folder that shows that the client is there; None if it is that of `user_file`."""
    reference: str | None = None
    """What the client replaces with its own environment variable `OPENAI_API_KEY`."""
    asks_for_key: bool = False
    """Whether the client asks for the key itself: VS Code's `inputs`."""
    forwards_key: bool = False
    """Whether the client passes variables on by name: Codex's `env_vars`."""
    in_terminal: bool = False
    """Whether it is a program of the terminal, which shows no pictures to a person."""
    then: str = "Restart it."
    """What a person does next, so that the client sees the change."""

    def is_here(self, system: System) -> bool:
        """Whether the client seems to be installed."""
        try:
            file = self.user_file(system)
        except SetupError:
            return True
        return exists(file) or exists(self.folder(system) if self.folder else file.parent)


def _claude_desktop_file(system: System) -> Path:
    name = "claude_desktop_config.json"
    if system.platform == "win32":
        # From the Microsoft Store, Windows redirects what Claude writes into its %APPDATA% to such a folder.
        packages = system.folder("LOCALAPPDATA", "AppData/Local") / "Packages"
        found = sorted(packages.glob("Claude_*/LocalCache/Roaming/Claude"))
        if len(found) > 1:
            raise SetupError(
                f"Claude Desktop has {len(found)} folders of settings, and it is not known which it reads:"
                f" {', '.join(map(str, found))}. Remove the one of an old installation, or put the entry of --print"
                f" into {name} in the one that was changed last."
            )
        if found:
            return found[0] / name
    return system.app_data / "Claude" / name


def _code_user_folder(system: System, edition: str = "Code") -> Path:
    return system.app_data / edition / "User"


def _cline_folder(system: System) -> Path:
    return _code_user_folder(system) / "globalStorage" / "saoudrizwan.claude-dev"


def _goose_file(system: System) -> Path:
    if system.platform == "win32":
        return system.app_data / "Block" / "goose" / "config" / "config.yaml"
    return system.home / ".config" / "goose" / "config.yaml"


def _zed_file(system: System) -> Path:
    if system.platform == "win32":
        return system.app_data / "Zed" / "settings.json"
    documented = system.folder("XDG_CONFIG_HOME", ".config") / "zed" / "settings.json"
    other = system.app_data / "Zed" / "settings.json"
    return other if system.platform == "darwin" and other.exists() and not documented.exists() else documented


def _opencode_file(system: System) -> Path:
    folder = system.folder("XDG_CONFIG_HOME", ".config") / "opencode"
    plain = folder / "opencode.json"
    return plain if plain.exists() and not plain.with_suffix(".jsonc").exists() else plain.with_suffix(".jsonc")


def _home(path: str) -> Callable[[System], Path]:
    return lambda system: system.home / path


def _standard(launch: Launch, **more: Any) -> Entry:
    """The form that Claude Desktop began with and most clients took over."""
    if launch.url:
        return {"url": launch.url}
    env = {"env": dict(launch.env)} if launch.env else {}
    return {"command": launch.command, "args": list(launch.args), **env, **more}


def _typed(launch: Launch) -> Entry:
    return {"type": "http" if launch.url else "stdio", **_standard(launch)}


def _windsurf(launch: Launch) -> Entry:
    return {"serverUrl": launch.url} if launch.url else _standard(launch)


def _gemini(launch: Launch) -> Entry:
    timeout = CALL_TIMEOUT_S * 1000
    return {"httpUrl": launch.url, "timeout": timeout} if launch.url else _standard(launch, timeout=timeout)


def _codex(launch: Launch) -> Entry:
    forwarded = {"env_vars": list(launch.forwarded)} if launch.forwarded else {}
    timeouts = {"startup_timeout_sec": START_TIMEOUT_S, "tool_timeout_sec": CALL_TIMEOUT_S}
    return {**_standard(launch), **forwarded, **timeouts}


def _goose(launch: Launch) -> Entry:
    common = {"enabled": True, "timeout": CALL_TIMEOUT_S}
    named = {"name": "gpt-image-2", "description": "Makes and edits pictures with gpt-image-2"}
    if launch.url:
        return {**named, "type": "streamable_http", "uri": launch.url, **common}
    envs = {"envs": dict(launch.env)}
    return {**named, "type": "stdio", "cmd": launch.command, "args": list(launch.args), **envs, **common}


def _zed(launch: Launch) -> Entry:
    return _standard(launch) if launch.url else {"source": "custom", **_standard(launch)}


def _opencode(launch: Launch) -> Entry:
    common = {"enabled": True, "timeout": CALL_TIMEOUT_S * 1000}
    if launch.url:
        return {"type": "remote", "url": launch.url, **common}
    env = {"environment": dict(launch.env)} if launch.env else {}
    return {"type": "local", "command": [launch.command, *launch.args], **env, **common}


def _copilot(launch: Launch) -> Entry:
    return {"type": "http" if launch.url else "local", **_standard(launch), "tools": ["*"]}


def _cline(launch: Launch) -> Entry:
    kind = {"type": "streamableHttp"} if launch.url else {}
    return {**_standard(launch), **kind, "timeout": CALL_TIMEOUT_S, "disabled": False}


def _claude_desktop(launch: Launch) -> Entry:
    if launch.url:
        raise SetupError(
            f"Claude Desktop's file takes no addresses: add {launch.url} in Settings → Connectors → Add custom"
            " connector."
        )
    return _standard(launch)


def _vs_code(client_id: str, name: str, folder: str) -> Client:
    """VS Code, or another edition of it, by the name of its folder."""
    return Client(
        client_id,
        name,
        lambda system: _code_user_folder(system, folder) / "mcp.json",
        _typed,
        section="servers",
        project_file=".vscode/mcp.json",
        asks_for_key=True,
        then="Open the chat in agent mode: VS Code starts the server and asks for the key once.",
    )


CLIENTS: Final[Mapping[str, Client]] = {
    client.id: client
    for client in (
        Client(
            "claude-desktop",
            "Claude Desktop",
            _claude_desktop_file,
            _claude_desktop,
            then="Quit Claude Desktop completely, also in the menu bar or the tray, and start it again.",
        ),
        Client(
            "claude-code",
            "Claude Code",
            _home(".claude.json"),
            _typed,
            project_file=".mcp.json",
            folder=_home(".claude"),
            reference="${OPENAI_API_KEY}",
            in_terminal=True,
            then="Start a new session; /mcp lists the server.",
        ),
        Client(
            "cursor",
            "Cursor",
            _home(".cursor/mcp.json"),
            _standard,
            project_file=".cursor/mcp.json",
            reference="${env:OPENAI_API_KEY}",
            then="Look at Settings → MCP: the server is listed there, and can be switched on.",
        ),
        _vs_code("vscode", "VS Code", "Code"),
        _vs_code("vscode-insiders", "VS Code Insiders", "Code - Insiders"),
        Client(
            "windsurf",
            "Windsurf",
            _home(".codeium/windsurf/mcp_config.json"),
            _windsurf,
            reference="${env:OPENAI_API_KEY}",
            then="Press the refresh button in the MCP panel of Cascade.",
        ),
        Client(
            "codex",
            "Codex",
            lambda system: system.folder("CODEX_HOME", ".codex") / "config.toml",
            _codex,
            section="mcp_servers",
            format="toml",
            project_file=".codex/config.toml",
            forwards_key=True,
            in_terminal=True,
            then="Start a new session; /mcp lists the server.",
        ),
        Client(
            "gemini",
            "Gemini CLI",
            _home(".gemini/settings.json"),
            _gemini,
            project_file=".gemini/settings.json",
            reference="${OPENAI_API_KEY}",
            in_terminal=True,
            then="Start a new session; /mcp lists the server.",
        ),
        Client("goose", "Goose", _goose_file, _goose, section="extensions", format="yaml", then="Start a new session."),
        Client(
            "zed",
            "Zed",
            _zed_file,
            _zed,
            section="context_servers",
            project_file=".zed/settings.json",
            then="The agent panel's settings list the server; Zed sees the change by itself.",
        ),
        Client(
            "lm-studio", "LM Studio", _home(".lmstudio/mcp.json"), _standard, then="Switch the server on in Program."
        ),
        Client(
            "opencode",
            "OpenCode",
            _opencode_file,
            _opencode,
            section="mcp",
            project_file="opencode.jsonc",
            reference="{env:OPENAI_API_KEY}",
            in_terminal=True,
            then="Start it again.",
        ),
        Client(
            "copilot",
            "Copilot CLI",
            _home(".copilot/mcp-config.json"),
            _copilot,
            in_terminal=True,
            then="Start a new session.",
        ),
        Client(
            "cline",
            "Cline",
            lambda system: _cline_folder(system) / "settings" / "cline_mcp_settings.json",
            _cline,
            folder=_cline_folder,
            then="Look at its MCP servers; Cline sees the change by itself.",
        ),
        Client(
            "kiro",
            "Kiro",
            _home(".kiro/settings/mcp.json"),
            _standard,
            project_file=".kiro/settings/mcp.json",
            folder=_home(".kiro"),
            then="Look at its MCP servers; Kiro sees the change by itself.",
        ),
    )
}
"""Every client by its id, in the order of the documentation."""
