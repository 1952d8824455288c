"""The README's tables are what the code says."""

import importlib.util
import json
from pathlib import Path
from types import ModuleType

import pytest

from gpt_image_2_mcp.install.clients import setups
from gpt_image_2_mcp.server.prompts.templates import all_prompts
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

ROOT = Path(__file__).parent.parent


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_readme_is_as_the_code_generates_it(generate: ModuleType) -> None:
    """After a change to a tool, a setting or a command: `make docs`."""
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert generate.written(readme) == readme


def test_every_tool_prompt_setting_and_client_is_in_the_readme() -> None:
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert all(f"| `{tool.name}` |" in readme for tool in all_tools())
    assert all(f"| `{prompt.name}` |" in readme for prompt in all_prompts())
    assert all(f"| `{variable}` |" in readme for variable in Settings.variables())
    assert all(setup.text in readme for setup in setups())


def test_every_setting_says_what_it_does() -> None:
    assert all(Settings.model_fields[name].description for name in Settings.variables().values())


def test_the_pictures_of_the_readme_are_there() -> None:
    for name in ("contact-sheet.jpg", "bench.png"):
        assert (ROOT / "docs" / name).stat().st_size < 1_000_000


def test_the_readme_says_what_was_measured_of_every_kind_and_when(generate: ModuleType) -> None:
    """After a run: `make bench docs BENCH=--publish`."""
    measured = json.loads((ROOT / "docs" / "bench.json").read_text(encoding="utf-8"))
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert generate.benchmark() in readme
    assert measured["header"]["date"] in readme
    asked = {row["section"] for row in measured["rows"] if "goal" in row}
    assert any("100,000 pictures" in section for section in asked)
    assert all(f"| {section}" in readme for section in asked)
