"""What is published beside the package agrees with it, and the tools of those who take it accept it."""

import base64
import json
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit
from zipfile import ZipFile

import pytest

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.install.launch import EXTRAS, uvx_arguments
from gpt_image_2_mcp.install.links import install_links
from gpt_image_2_mcp.settings import Settings
from release import bundle, owner, registry
from release.validate_bundle import VALIDATOR, validate

ROOT = Path(__file__).parents[2]
ARGUMENTS = list(uvx_arguments(__version__))


# The entry of the MCP registry.


def test_server_json_is_what_the_code_says() -> None:
    """After a release or a change to it: `make docs`."""
    assert (ROOT / "server.json").read_text(encoding="utf-8") == registry.text()
    settings = Settings.variables()
    (package,) = registry.server_json()["packages"]
    assert all(variable["name"] in settings for variable in package["environmentVariables"])
    assert f"<!-- mcp-name: {registry.server_json()['name']} -->" in (ROOT / "README.md").read_text(encoding="utf-8")


def linted(folder: Path, document: dict[str, Any]) -> subprocess.CompletedProcess[str]:
    (folder / "server.json").write_text(json.dumps(document), encoding="utf-8")
    command = [str(Path(sys.executable).with_name("skillsaw")), "lint", "."]
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


def test_the_registrys_schema_and_rules_accept_server_json(tmp_path: Path) -> None:
    good = linted(tmp_path, registry.server_json())
    assert good.returncode == 0, good.stdout
    assert "Errors:   0" in good.stdout
    bad = linted(tmp_path, {**registry.server_json(), "name": "no-namespace", "version": "^1.0"})
    assert bad.returncode != 0


# The bundle for Claude Desktop.


@pytest.mark.skipif(not VALIDATOR.exists(), reason="the validator is not installed: make install")
def test_the_bundles_manifest_is_valid(monkeypatch: pytest.MonkeyPatch) -> None:
    done = validate()
    assert done.returncode == 0, done.stdout + done.stderr
    wrong = {**bundle.manifest(), "server": {"type": "uv"}}
    monkeypatch.setattr(bundle, "manifest", lambda: wrong)
    assert validate().returncode != 0


def test_the_bundle_installs_this_version_and_asks_for_the_key(tmp_path: Path) -> None:
    path = bundle.write_bundle(tmp_path)
    assert path.name == f"gpt-image-2-mcp-{__version__}.mcpb"
    assert bundle.write_bundle(tmp_path).read_bytes() == path.read_bytes()
    with ZipFile(path) as archive:
        content = {name: archive.read(name) for name in archive.namelist()}
    manifest = json.loads(content["manifest.json"])
    project = tomllib.loads(content["pyproject.toml"].decode())
    assert project["project"]["dependencies"] == [f"gpt-image-2-mcp{EXTRAS}=={__version__}"]
    assert manifest["server"]["entry_point"] in content
    assert manifest["icon"] in content
    variables = manifest["server"]["mcp_config"]["env"]
    assert set(variables) <= set(Settings.variables())
    assert {value.removeprefix("${user_config.").rstrip("}") for value in variables.values()} == set(
        manifest["user_config"]
    )
    assert manifest["user_config"]["api_key"]["sensitive"] is True


def test_what_a_person_leaves_out_of_the_bundles_form_counts_as_unset() -> None:
    settings = Settings.read(bundle.manifest()["server"]["mcp_config"]["env"])
    assert settings.problems == ()
    assert (settings.api_key, settings.output_dir, settings.budget_per_day_usd) == (None, None, None)


def test_the_bundles_program_is_the_server(tmp_path: Path) -> None:
    program = tmp_path / "server.py"
    program.write_bytes(bundle.files()["src/server.py"])
    shown = subprocess.run(
        [sys.executable, str(program), "--version"], capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert __version__ in shown.stdout


# The links.


def fields(address: str) -> dict[str, list[str]]:
    return parse_qs(urlsplit(address).query, strict_parsing=True)


def test_every_link_gives_the_right_configuration_and_no_key() -> None:
    links = {link.client: link.address for link in install_links(__version__)}
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"[Add to {client}]({address})" in readme for client, address in links.items())
    command = {"command": "uvx", "args": ARGUMENTS}
    cursor, code, studio, goose = (fields(links[name]) for name in ("Cursor", "VS Code", "LM Studio", "Goose"))
    assert cursor["name"] == code["name"] == studio["name"] == goose["name"] == ["gpt-image-2"]
    assert json.loads(base64.b64decode(cursor["config"][0], validate=True)) == {
        **command,
        "env": {"OPENAI_API_KEY": "${env:OPENAI_API_KEY}"},
    }
    assert json.loads(base64.b64decode(studio["config"][0], validate=True)) == {
        **command,
        "env": {"OPENAI_API_KEY": ""},
    }
    (question,) = json.loads(code["inputs"][0])
    assert json.loads(code["config"][0]) == {
        **command,
        "type": "stdio",
        "env": {"OPENAI_API_KEY": f"${{input:{question['id']}}}"},
    }
    assert question["password"] is True
    assert (goose["cmd"], goose["arg"]) == (["uvx"], ARGUMENTS)
    assert goose["env"] == ["OPENAI_API_KEY=OpenAI API key"]


def test_the_owner_stands_in_one_place() -> None:
    """Everything else is generated from it."""
    name = owner.owner()
    written_by_hand = [
        path
        for pattern in (
            "*.toml",
            "Makefile",
            "Dockerfile",
            ".github/**/*.yml",
            "release/*.py",
            "src/**/*.py",
            "mkdocs.yml",
        )
        for path in ROOT.glob(pattern)
    ]
    places = [path.name for path in written_by_hand if f"/{name}/" in path.read_text(encoding="utf-8")]
    assert places == ["pyproject.toml"]
