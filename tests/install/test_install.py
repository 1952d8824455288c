"""`gpt-image-2-mcp install`: only the entry of this server changes, and what was there can be had again."""

import json
import os
import re
import subprocess
import sys
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result
from patience import PATIENCE_S
from promises import promise

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.errors import SetupError
from gpt_image_2_mcp.install.clients import CLIENTS
from gpt_image_2_mcp.install.config_file import read_config, replace_config
from gpt_image_2_mcp.install.formats import json_editor, yaml_editor
from gpt_image_2_mcp.install.launch import last_error, uvx_arguments
from gpt_image_2_mcp.install.systems import System
from gpt_image_2_mcp.storage import open_folder

KEY = "sk-proj-0123456789abcdefghijklmnop"
ARGUMENTS = list(uvx_arguments(__version__))

ZED = """\
// My settings.
{
    "theme": "One Dark", // dark
    "context_servers": {
        // The files of my project.
        "files": {"source": "custom", "command": "npx", "args": ["files", "."]}, /* keep */
    },
    "vim_mode": true,
}
"""


@pytest.fixture
def home() -> Path:
    return Path(os.environ["HOME"])


@pytest.fixture
def uvx(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `uvx` that has this version."""
    return program_named_uvx(tmp_path, monkeypatch, f"echo 'gpt-image-2-mcp, version {__version__}'")


def program_named_uvx(folder: Path, monkeypatch: pytest.MonkeyPatch, script: str) -> Path:
    if sys.platform == "win32":
        pytest.skip("this uvx is a shell script")
    path = folder / "bin" / "uvx"
    path.parent.mkdir(exist_ok=True)
    path.write_text(f'#!/bin/sh\necho "$OPENAI_API_KEY" >> {folder}/keys\n{script}\n', encoding="utf-8")
    path.chmod(0o755)
    monkeypatch.setenv("PATH", f"{path.parent}:/bin:/usr/bin")
    return path


def run(*arguments: str, typed: str | None = None) -> Result:
    return CliRunner().invoke(commands, ["install", *arguments], input=typed)


def done(*arguments: str) -> Result:
    result = run(*arguments, "--yes")
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode())
    return path


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def entry_of(path: Path, section: str = "mcpServers") -> dict[str, Any]:
    return json_editor.read(path.read_text(encoding="utf-8"))[section]["gpt-image-2"]


# What is written.


@promise("Set-up", "`install` writes its own entry into a client's configuration and changes nothing else in the file.")
def test_only_the_entry_is_added(home: Path, uvx: Path) -> None:
    settings = write(home / ".config/zed/settings.json", ZED)
    done("zed")
    text = settings.read_text(encoding="utf-8")
    before, after = ZED.split("/* keep */\n")
    assert text.startswith(before + "/* keep */\n")
    assert text.endswith(after)
    assert entry_of(settings, "context_servers") == {"source": "custom", "command": str(uvx), "args": ARGUMENTS}


@pytest.mark.usefixtures("uvx")
def test_a_second_run_changes_nothing(home: Path) -> None:
    write(home / ".config/zed/settings.json", ZED)
    write(home / ".codex/config.toml", "# mine\nmodel = 'x'\n")
    write(home / ".config/goose/config.yaml", "extensions:\n  other:\n    cmd: x\n")
    clients = ("zed", "codex", "goose", "vscode", "cursor", "opencode", "cline")
    done(*clients)
    first = files(home)
    result = done(*clients)
    assert files(home) == first
    assert result.stderr.count("nothing was changed") == len(clients)


@pytest.mark.usefixtures("uvx")
@pytest.mark.parametrize("client", CLIENTS)
def test_every_clients_file_is_given_back_to_the_last_byte(client: str, home: Path) -> None:
    """Also after the entry was changed in between."""
    texts = {
        "json": '\ufeff{\r\n\t"a": [1, 2,], // x\r\n\t"mcpServers": {},\r\n\t"inputs": [{"id": "mine"}]\r\n}',
        "toml": "# mine\n\n[tui]\nx = 1\n",
        "yaml": "# mine\nextensions: # none\nx: 'y'\n",
    }
    file = CLIENTS[client].user_file(System("linux", home))
    for before in (texts[CLIENTS[client].format], None):
        if before is not None:
            write(file, before)
        there = files(home)
        done(client)
        assert json.loads(done(client, "--sandbox", "--json").stdout)[0]["status"] == "written"
        assert json.loads(done(client, "--uninstall", "--json").stdout)[0]["status"] == "removed"
        assert files(home) == there
        file.unlink(missing_ok=True)


@pytest.mark.usefixtures("uvx")
def test_a_removal_shows_what_goes_and_says_nothing_about_setting_up(home: Path) -> None:
    """A reference to a variable is no secret, and is shown."""
    write(home / ".cursor/mcp.json", "{}")
    done("cursor", "vscode")
    result = done("cursor", "vscode", "--uninstall")
    assert '-        "OPENAI_API_KEY": "${env:OPENAI_API_KEY}"' in result.stderr
    assert "asks for the key" not in result.stderr
    assert "Removed. VS Code uses the server until it is restarted." in result.stderr


@pytest.mark.usefixtures("uvx")
def test_uninstalling_keeps_what_was_changed_since(home: Path) -> None:
    settings = write(home / ".config/zed/settings.json", ZED)
    done("zed")
    write(settings, settings.read_text(encoding="utf-8").replace("One Dark", "Ayu"))
    done("zed", "--uninstall")
    assert settings.read_text(encoding="utf-8") == ZED.replace("One Dark", "Ayu")


@pytest.mark.usefixtures("uvx")
def test_what_a_person_added_to_the_entry_stays(home: Path) -> None:
    cursor = home / ".cursor/mcp.json"
    write(
        cursor,
        '{"mcpServers": {"gpt-image-2": {"command": "npx", "args": ["old"], "disabled": true, // off\n'
        '"env": {"GPT_IMAGE_2_MAX_WAIT_S": "20", "OPENAI_API_KEY": "sk-mine"}}}}',
    )
    result = done("cursor")
    assert "// off" in cursor.read_text(encoding="utf-8")
    assert entry_of(cursor)["args"] == ARGUMENTS
    assert entry_of(cursor)["disabled"] is True
    assert entry_of(cursor)["env"] == {"GPT_IMAGE_2_MAX_WAIT_S": "20", "OPENAI_API_KEY": "sk-mine"}
    assert "sk-mine" not in result.output


@pytest.mark.usefixtures("uvx")
def test_a_link_stays_a_link(home: Path, tmp_path: Path) -> None:
    real = write(tmp_path / "dotfiles" / "zed.json", ZED)
    link = home / ".config/zed/settings.json"
    link.parent.mkdir(parents=True)
    link.symlink_to(real)
    done("zed")
    assert link.is_symlink()
    assert entry_of(real, "context_servers")
    assert [path.name.partition(".gpt")[0] for path in real.parent.iterdir() if path != real] == ["zed.json"]


@promise(
    "Set-up", "The copy of a client's old configuration, and a configuration that is new, are yours alone to read."
)
@pytest.mark.usefixtures("uvx")
def test_copies_and_new_files_are_private_and_old_ones_keep_their_mode(home: Path) -> None:
    settings = write(home / ".config/zed/settings.json", ZED)
    settings.chmod(0o640)
    done("zed", "cursor")
    (backup,) = settings.parent.glob("*backup*")
    assert backup.read_text(encoding="utf-8") == ZED
    modes = [path.stat().st_mode & 0o777 for path in (settings, backup, home / ".cursor/mcp.json")]
    assert modes == [0o640, 0o600, 0o600]


@promise("Set-up", "`install` opens no link and no pipe that has the name of a copy or of a lock.")
@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes in folders")
@pytest.mark.usefixtures("uvx")
def test_what_only_has_the_name_of_a_copy_or_a_lock_is_not_opened(home: Path) -> None:
    path = write(home / ".cursor/mcp.json", "{}")
    os.mkfifo(path.with_name(f"{path.name}.gpt-image-2-backup-1"))
    path.with_name(f"{path.name}.gpt-image-2-backup-2").symlink_to("/dev/zero")
    with path.with_name(f"{path.name}.gpt-image-2-backup-3").open("wb") as large:
        large.truncate(1_000_000_000_000)
    done("cursor")
    done("cursor", "--uninstall")
    assert path.read_text(encoding="utf-8") == "{}"
    lock = path.with_name(f".{path.name}.gpt-image-2-lock")
    lock.symlink_to(home / "elsewhere")
    assert "cannot be written" in run("cursor", "--yes").output
    assert not (home / "elsewhere").exists()
    lock.unlink()
    os.mkfifo(lock)
    done("cursor")


@pytest.mark.usefixtures("uvx")
def test_what_cannot_be_read_is_left_alone_and_the_others_are_set_up(home: Path) -> None:
    broken = {
        "cursor": write(home / ".cursor/mcp.json", '{"mcpServers": {"a": {}'),
        "gemini": write(home / ".gemini/settings.json", '{"mcpServers": []}'),
        "kiro": write(home / ".kiro/settings/mcp.json", "\ufeff\udcff".encode("utf-8", "replace").decode()),
        "codex": write(home / ".codex/config.toml", "[a\n"),
        "goose": write(home / ".config/goose/config.yaml", "a: [\n"),
    }
    locked = write(home / ".lmstudio/mcp.json", "{}")
    locked.chmod(0o400)
    (home / ".copilot/mcp-config.json").mkdir(parents=True)
    before = files(home)
    result = run(*broken, "lm-studio", "copilot", "windsurf", "--yes")
    assert result.exit_code == 1
    assert before.items() <= files(home).items()
    assert len(files(home)) == len(before) + 1
    assert entry_of(home / ".codeium/windsurf/mcp_config.json")["args"] == ARGUMENTS
    assert result.stderr.count("left alone") == len(broken) + 2
    for client in (*broken, "lm-studio", "copilot"):
        assert f"{CLIENTS[client].name}: {CLIENTS[client].user_file(System('linux', home))} " in result.stderr
    assert "is write-protected" in run("lm-studio", "--dry-run").stderr


@pytest.mark.usefixtures("uvx")
def test_a_file_of_2_mb_is_changed(home: Path) -> None:
    """Claude Code keeps its history in the same file."""
    history = {f"/projects/{number}": {"history": ["a line of it"] * 20, "cost": 0.25} for number in range(4000)}
    text = json.dumps({"projects": history, "mcpServers": {"a": {"command": "b"}}}, indent=2)
    assert len(text) > 2_000_000
    file = write(home / ".claude.json", text)
    done("claude-code")
    assert json.loads(file.read_bytes())["projects"] == history
    assert entry_of(file)["type"] == "stdio"


# Asking, showing, and doing nothing.


@pytest.mark.usefixtures("uvx")
def test_the_difference_is_shown_and_nothing_is_written_without_a_yes(home: Path) -> None:
    write(home / ".config/zed/settings.json", ZED)
    before = files(home)
    for typed in ("n\n", ""):
        result = run("zed", typed=typed)
        assert result.exit_code == 0
        assert f'+                "{ARGUMENTS[0]}' in result.stderr
        assert "Nothing was written" in result.stderr
    assert run("zed", "--dry-run").exit_code == 0
    assert files(home) == before
    assert run("zed", typed="y\n").exit_code == 0
    assert files(home) != before


@pytest.mark.usefixtures("uvx")
def test_without_a_name_the_clients_that_are_there_are_set_up(home: Path) -> None:
    assert run("--yes").exit_code == 1
    (home / ".cursor").mkdir()
    (home / ".config/Code/User").mkdir(parents=True)
    report = json.loads(done("--json").stdout)
    assert [one["client"] for one in report] == ["cursor", "vscode"]
    assert all(Path(one["file"]).is_file() for one in report)


def test_an_entry_is_printed_for_pasting(home: Path) -> None:
    shown = run("codex", "--print")
    assert tomllib.loads(shown.stdout)["mcp_servers"]["gpt-image-2"] == {
        "command": "uvx",
        "args": ARGUMENTS,
        "env_vars": ["OPENAI_API_KEY"],
        "startup_timeout_sec": 60,
        "tool_timeout_sec": 900,
    }
    assert json.loads(run("claude-desktop", "--print").stdout)["mcpServers"]["gpt-image-2"]["env"] == {
        "OPENAI_API_KEY": "sk-…"
    }
    assert yaml_editor.read(run("goose", "--print", "--sandbox").stdout)["extensions"]["gpt-image-2"]["args"] == [
        *ARGUMENTS,
        "--sandbox",
    ]
    assert files(home) == {}


@pytest.mark.usefixtures("uvx")
def test_a_projects_files_hold_no_key_and_no_path_of_this_computer(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    clients = [client for client in CLIENTS.values() if client.project_file]
    done(*(client.id for client in clients), "--project", "--key-from-env")
    here = files(Path.cwd())
    assert {client.project_file for client in clients} == set(here)
    assert not any(KEY.encode() in content or str(Path.home()).encode() in content for content in here.values())
    refused = run("goose", "--project", "--yes")
    assert "no file for a project" in refused.stderr


def test_an_address_takes_the_place_of_a_command(home: Path) -> None:
    cursor = write(home / ".cursor/mcp.json", '{"mcpServers": {"gpt-image-2": {"command": "uvx", "args": []}}}')
    done("cursor", "windsurf", "goose", "--url", "https://images.example.com/mcp")
    assert entry_of(cursor) == {"url": "https://images.example.com/mcp"}
    assert entry_of(home / ".codeium/windsurf/mcp_config.json") == {"serverUrl": "https://images.example.com/mcp"}
    assert "Connectors" in run("claude-desktop", "--url", "https://images.example.com/mcp", "--yes").stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["netscape"],
        ["--json"],
        ["--url", "ftp://x"],
        ["--name", "a b"],
        ["--name", ""],
        ["--key-file", "/no/such/file"],
        ["cursor", "--key-from-env", "--yes"],
    ],
)
def test_wrong_arguments_are_refused_before_anything_happens(arguments: list[str], home: Path) -> None:
    assert run(*arguments).exit_code in (1, 2)
    assert files(home) == {}


@pytest.mark.usefixtures("uvx")
def test_another_entry_of_this_program_is_named(home: Path) -> None:
    write(home / ".cursor/mcp.json", '{"mcpServers": {"pictures": {"command": "npx", "args": ["gpt-image-2-mcp"]}}}')
    assert "'pictures'" in done("cursor").stderr


# The key.


@promise("Set-up", "The key is in no argument, in no output of `install`, and not copied from the environment unasked.")
def test_a_key_in_the_environment_is_named_or_left_out(
    home: Path, tmp_path: Path, uvx: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del uvx
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    result = done(*CLIENTS)
    assert not any(KEY.encode() in content for content in files(home).values())
    assert KEY not in result.output
    assert (tmp_path / "keys").read_text(encoding="utf-8").strip() == ""
    assert entry_of(home / ".cursor/mcp.json")["env"] == {"OPENAI_API_KEY": "${env:OPENAI_API_KEY}"}
    assert tomllib.loads((home / ".codex/config.toml").read_text())["mcp_servers"]["gpt-image-2"]["env_vars"]
    code = json.loads((home / ".config/Code/User/mcp.json").read_text())
    assert code["servers"]["gpt-image-2"]["env"]["OPENAI_API_KEY"] == f"${{input:{code['inputs'][0]['id']}}}"
    assert code["inputs"][0]["password"] is True


@pytest.mark.usefixtures("uvx")
def test_a_key_is_copied_when_that_is_asked_for_and_never_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    result = done("cursor", "codex", "goose", "claude-desktop", "--key-from-env", "--json")
    assert KEY not in result.output
    holding = [name for name, content in files(home).items() if KEY.encode() in content]
    assert len(holding) == 4
    assert result.stderr.count(f"The key: in {home}") == 4
    assert KEY not in done("cursor", "--uninstall").output
    assert not any(name.startswith(".cursor") for name in files(home))


@pytest.mark.usefixtures("uvx")
def test_a_keys_file_is_named_and_must_be_private(home: Path, tmp_path: Path) -> None:
    key = write(tmp_path / "key", f"{KEY}\n")
    key.chmod(0o644)
    refused = run("cursor", "--key-file", str(key), "--yes")
    assert refused.exit_code == 1
    assert "chmod 600" in refused.stderr
    key.chmod(0o600)
    done("cursor", "--key-file", str(key))
    assert entry_of(home / ".cursor/mcp.json")["env"] == {"OPENAI_API_KEY_FILE": str(key)}
    assert not any(KEY.encode() in content for content in files(home).values())


@pytest.mark.usefixtures("uvx")
def test_a_key_is_asked_for_once_and_not_shown(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gpt_image_2_mcp.cli.install._is_a_terminal", lambda: True)
    result = run("claude-desktop", "zed", typed=f"{KEY}\ny\ny\n")
    assert result.exit_code == 0, result.output
    assert KEY not in result.output
    assert result.stderr.count("Your OpenAI API key") == 1
    for file, section in (
        (".config/Claude/claude_desktop_config.json", "mcpServers"),
        (".config/zed/settings.json", "context_servers"),
    ):
        assert entry_of(home / file, section)["env"] == {"OPENAI_API_KEY": KEY}


# The program that the entry names.


@pytest.mark.parametrize("script", [None, "echo 'no version of gpt-image-2-mcp' >&2; exit 1", "echo 'version 9.9'"])
def test_without_a_usable_uvx_the_entry_names_the_running_program(
    script: str | None, home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if script:
        program_named_uvx(tmp_path, monkeypatch, script)
    else:
        monkeypatch.setenv("PATH", str(tmp_path))
    result = done("cursor")
    assert "Warning: uvx" in result.stderr
    entry = entry_of(home / ".cursor/mcp.json")
    assert entry["command"] == sys.executable
    shown = subprocess.run([entry["command"], *entry["args"], "--version"], capture_output=True, text=True, check=True)
    assert __version__ in shown.stdout


def test_uvx_is_tried_with_what_the_client_will_pass_on(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Otherwise its cache is filled from an index that the client's start does not know."""
    version = f"gpt-image-2-mcp, version {__version__}"
    program_named_uvx(tmp_path, monkeypatch, f'test -n "$UV_INDEX_URL" && echo "{version}" || exit 1')
    monkeypatch.setenv("UV_INDEX_URL", "https://packages.example.com")
    result = done("cursor")
    (withheld,) = re.findall(r"tried without (.+), which clients do not pass on", result.stderr)
    assert "UV_INDEX_URL" in withheld.split(", ")
    assert entry_of(home / ".cursor/mcp.json")["command"] == sys.executable


@pytest.mark.parametrize(
    ("stderr", "told"),
    [
        ("", ""),
        ("Resolving …\nValueError: no\n", "ValueError: no"),
        (
            "  × No solution:\n  ╰─▶ Because there is no foo and you\n      require it, it ends.\n\n      hint: x\n",
            "Because there is no foo and you require it, it ends.",
        ),
        (
            "error: Failed to fetch\n  Caused by: Request failed\n  cause: UnknownIssuer\n\nhint: x\n",
            "UnknownIssuer",
        ),
    ],
)
def test_of_what_uv_says_the_innermost_reason_is_told(stderr: str, told: str) -> None:
    assert last_error(stderr) == told


# Other programs, kills, other systems.


def test_a_file_that_another_program_changed_meanwhile_is_left_alone(home: Path) -> None:
    path = write(home / "settings.json", "{}")
    seen = read_config(path)
    write(path, '{"theirs": 1}')
    with pytest.raises(SetupError, match="changed meanwhile"):
        replace_config(seen, '{"ours": 1}')
    assert path.read_text(encoding="utf-8") == '{"theirs": 1}'


@pytest.mark.parametrize("before", ["{}", None])
def test_what_a_client_writes_while_the_new_text_is_synced_stays(
    before: str | None, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = home / "settings.json"
    if before is not None:
        write(path, before)
    seen = read_config(path)
    sync = os.fsync

    def sync_slowly(descriptor: int) -> None:
        sync(descriptor)
        write(path, '{"theirs": 1}')

    monkeypatch.setattr(os, "fsync", sync_slowly)
    with pytest.raises(SetupError, match="changed meanwhile"):
        replace_config(seen, '{"ours": 1}')
    assert path.read_text(encoding="utf-8") == '{"theirs": 1}'
    assert not list(home.glob("*.part"))
    assert not list(home.glob(".settings*"))


KILLED_AT_EACH_CALL = """
import os, sys
from pathlib import Path
from gpt_image_2_mcp.install.config_file import read_config, replace_config

CALLS = ("open", "os.", "fcntl.", "shutil.", "tempfile.")
path, old, new = Path(sys.argv[1]), *sys.argv[2:]

def change(kill_at):
    calls = 0
    def count(event, arguments):
        nonlocal calls
        if event.startswith(CALLS):
            calls += 1
            if calls == kill_at:
                os._exit(9)
    file = read_config(path)
    sys.addaudithook(count)
    replace_config(file, new)
    os._exit(0)

for kill_at in range(1, 1000):
    for left in path.parent.glob("*settings.json*"):
        left.unlink()
    path.write_text(old)
    if os.fork() == 0:
        change(kill_at)
    code = os.waitstatus_to_exitcode(os.wait()[1])
    is_whole = path.read_text() in (old, new)
    # The next run removes what a killed one left.
    replace_config(read_config(path), "next")
    print(code, is_whole, len(list(path.parent.glob(".settings*"))), flush=True)
    if code == 0:
        break
"""


@promise("Set-up", "A kill at any moment leaves a client's configuration as it was, or as it should be.")
@pytest.mark.skipif(sys.platform == "win32", reason="it has no fork")
def test_a_kill_between_any_two_system_calls_leaves_the_old_file_or_the_new_one(home: Path) -> None:
    path = home / "settings.json"
    shown = subprocess.run(
        [sys.executable, "-c", KILLED_AT_EACH_CALL, str(path), "old" * 3000, "new" * 3000],
        capture_output=True,
        text=True,
        check=True,
        timeout=PATIENCE_S,
    )
    lines = shown.stdout.splitlines()
    assert len(lines) > 20
    assert lines[-1] == "0 True 0"
    assert set(lines[:-1]) == {"9 True 0"}


def test_the_store_version_of_claude_desktop_is_found_and_two_of_them_are_refused(tmp_path: Path) -> None:
    client = CLIENTS["claude-desktop"]
    system = System("win32", tmp_path)
    plain = tmp_path / "AppData/Roaming/Claude/claude_desktop_config.json"
    assert client.user_file(system) == plain
    store = tmp_path / "AppData/Local/Packages/Claude_pzs8sxrjxfjjc/LocalCache/Roaming/Claude"
    store.mkdir(parents=True)
    assert client.user_file(system) == store / plain.name
    assert client.is_here(system)
    (tmp_path / "AppData/Local/Packages/Claude_other/LocalCache/Roaming/Claude").mkdir(parents=True)
    with pytest.raises(SetupError, match="2 folders of settings"):
        client.user_file(system)


def test_each_system_has_its_folders(tmp_path: Path) -> None:
    def there(platform: str, **environ: str) -> Mapping[str, str]:
        system = System(platform, tmp_path, environ)
        return {name: str(client.user_file(system).relative_to(tmp_path)) for name, client in CLIENTS.items()}

    mac, linux, windows = there("darwin"), there("linux"), there("win32")
    assert mac["vscode"] == "Library/Application Support/Code/User/mcp.json"
    assert linux["vscode-insiders"] == ".config/Code - Insiders/User/mcp.json"
    assert windows["goose"] == "AppData/Roaming/Block/goose/config/config.yaml"
    assert windows["zed"] == "AppData/Roaming/Zed/settings.json"
    assert mac["zed"] == linux["zed"] == ".config/zed/settings.json"
    assert there("linux", XDG_CONFIG_HOME=str(tmp_path / "x"))["opencode"] == "x/opencode/opencode.jsonc"
    assert there("linux", CODEX_HOME=str(tmp_path / "y"))["codex"] == "y/config.toml"


@pytest.mark.thorough
def test_runs_at_the_same_time_lose_no_entry(home: Path) -> None:
    """One that saw the file before another changed it says so, and writes nothing."""
    file = write(home / ".cursor/mcp.json", "{}")
    command = [sys.executable, "-m", "gpt_image_2_mcp", "install", "cursor", "--yes", "--sandbox", "--json", "--name"]
    processes = [
        subprocess.Popen(
            [*command, f"server-{number}"],
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PATH": ""},
        )
        for number in range(6)
    ]
    reports = [json.loads(process.communicate(timeout=PATIENCE_S)[0])[0] for process in processes]
    states = [report["status"] for report in reports]
    assert states.count("written") == len(json.loads(file.read_bytes())["mcpServers"]) >= 1
    assert set(states) <= {"written", "refused"}


def test_a_file_that_another_program_has_open_for_a_moment_is_replaced_on_windows(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Windows refuses to replace an open file; virus scanners open what is new."""
    path = write(home / "settings.json", "{}")
    tries: list[object] = []
    replace = os.replace

    def refused_twice(*arguments: Any, **options: Any) -> None:
        tries.append(arguments)
        if len(tries) < 3:
            raise PermissionError(13, "The process cannot access the file")
        replace(*arguments, **options)

    monkeypatch.setattr(open_folder, "REPLACE_WAITS_S", (0.0, 0.0))
    monkeypatch.setattr(os, "replace", refused_twice)
    replace_config(read_config(path), '{"a": 1}')
    assert (path.read_text(encoding="utf-8"), len(tries)) == ('{"a": 1}', 3)
    tries.clear()
    monkeypatch.setattr(open_folder, "REPLACE_WAITS_S", ())
    with pytest.raises(SetupError, match="cannot access"):
        replace_config(read_config(path), "{}")
    assert path.read_text(encoding="utf-8") == '{"a": 1}'
