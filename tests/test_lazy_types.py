"""The types of the `openai` SDK are loaded when they are used; whoever uses them notices nothing."""

import json
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

NAMES = """
import importlib, json, pkgutil, sys, types
import openai.types
def names(package):
    yield from ((package.__name__, name) for name in vars(package) if not name.startswith("_"))
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.ispkg:
            yield from names(importlib.import_module(module.name))
def place(value):
    if isinstance(value, types.ModuleType):
        return repr(value)
    return [type(value).__name__, getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))]
print(json.dumps([[*name, place(getattr(sys.modules[name[0]], name[1]))] for name in names(openai.types)]))
"""

USED = """
import importlib, json, sys, types
from concurrent.futures import ThreadPoolExecutor
from gpt_image_2_mcp.openai_api.lazy_types import defer_types
defer_types()
defer_types()
def place(value):
    if isinstance(value, types.ModuleType):
        return repr(value)
    return [type(value).__name__, getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))]
def used(asked):
    package, name, _ = asked
    return [package, name, place(getattr(importlib.import_module(package), name))]
with ThreadPoolExecutor(8) as pool:
    print(json.dumps(list(pool.map(used, json.load(sys.stdin)))))
"""


def run(code: str, given: object = None) -> str:
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, input=json.dumps(given), capture_output=True, text=True, timeout=PATIENCE_S, check=True
    ).stdout


def test_a_picture_is_made_with_few_of_the_types(tmp_path: Path) -> None:
    """The rest would be a third of what a first call waits for."""
    command = [sys.executable, "-X", "importtime", "-m", "gpt_image_2_mcp", "--sandbox", "generate", "a red fox"]
    places = dict.fromkeys(("HOME", "USERPROFILE", "XDG_DATA_HOME", "LOCALAPPDATA"), str(tmp_path))
    environ = {**os.environ, **places, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "pictures")}
    made = subprocess.run(command, capture_output=True, text=True, env=environ, timeout=PATIENCE_S, check=True)
    assert Path(made.stdout.rstrip("\n")).exists()
    loaded = [line for line in made.stderr.splitlines() if line.startswith("import time:") and "openai.types." in line]
    assert 0 < len(loaded) < 150


@pytest.mark.thorough
def test_every_name_of_the_types_means_the_same_in_whatever_order_and_by_whichever_thread_it_is_used() -> None:
    names = json.loads(run(NAMES))
    assert len({package for package, _, _ in names}) > 30
    assert len(names) > 2000
    random.Random(7).shuffle(names)  # noqa: S311 - the same order in each run
    assert json.loads(run(USED, names)) == names


def test_a_name_that_the_types_do_not_have_is_missing() -> None:
    asked = "from gpt_image_2_mcp.openai_api.lazy_types import defer_types; defer_types(); import openai"
    assert run(f"{asked}; print([hasattr(openai.types, name) for name in ('Image', 'Nothing', '__nothing__')])") == (
        "[True, False, False]\n"
    )
