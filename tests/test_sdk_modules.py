"""The `openai` SDK is loaded as far as it is used, by one thread at a time, and never in the thread of a request.

Several threads that load its modules as they come to them can end each other's imports with an error, which would hit
an answer that is paid.
"""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from patience import PATIENCE_S, rounds
from sdk_uses import THREADS

USES = Path(__file__).parent / "sdk_uses.py"
PROCESSES = 4

NAMES = """
import importlib, json, pkgutil, sys, types
{before}
import openai.types
def names(package):
    for name in sorted(vars(package)):
        if not name.startswith("_"):
            yield package.__name__, name
    for module in pkgutil.iter_modules(package.__path__, package.__name__ + "."):
        if module.ispkg:
            yield from names(importlib.import_module(module.name))
def place(value):
    if isinstance(value, types.ModuleType):
        return repr(value)
    return [type(value).__name__, getattr(value, "__module__", ""), getattr(value, "__qualname__", repr(value))]
openai.types.Batch, openai.types.responses.Response
print(json.dumps([[*name, place(getattr(sys.modules[name[0]], name[1]))] for name in names(openai.types)]))
"""
PICTURES_FIRST = "from gpt_image_2_mcp.openai_api.sdk_modules import load_resources; load_resources('images')"


def run(*arguments: str) -> str:
    command = [sys.executable, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(kind: str, folder: Path) -> tuple[list[str], list[str], int]:
    """Use the SDK in a process of its own; what its result says is in `sdk_uses`."""
    folder.mkdir()
    ours, others, turns = json.loads(run(str(USES), kind, str(folder)))
    return ours, others, turns


def test_a_picture_needs_few_modules_and_no_request_loads_one(tmp_path: Path) -> None:
    """The others would be a third of what a first call waits for."""
    ours, others, _ = loaded("pictures", tmp_path / "pictures")
    assert others == []
    assert 100 < len(ours) < 200


@pytest.mark.thorough
@pytest.mark.parametrize("kind", ["responses", "find", "batch"])
def test_what_is_used_beside_pictures_is_loaded_before_its_request(kind: str, tmp_path: Path) -> None:
    ours, others, _ = loaded(kind, tmp_path / kind)
    assert others == []
    assert len(ours) > 200


@pytest.mark.thorough
def test_threads_that_need_different_parts_at_the_same_moment_load_them_in_turn(tmp_path: Path) -> None:
    """Each once at most. Several processes begin together, so that their threads are interrupted wherever they are."""
    for number in range(rounds(1, 2)):
        with ThreadPoolExecutor(PROCESSES) as pool:
            folders = [tmp_path / f"{number}-{one}" for one in range(PROCESSES)]
            for ours, others, turns in pool.map(loaded, ["together"] * PROCESSES, folders):
                assert others == []
                assert len(ours) > 500
                assert turns < THREADS


@pytest.mark.thorough
def test_every_name_of_the_types_means_the_same_as_without_this() -> None:
    names = json.loads(run("-c", NAMES.format(before="")))
    assert len(names) > 2000
    assert json.loads(run("-c", NAMES.format(before=PICTURES_FIRST))) == names


def test_a_name_that_the_types_do_not_have_is_missing() -> None:
    asked = f"{PICTURES_FIRST}; import openai"
    names = ("Image", "Nothing", "__nothing__")
    assert run("-c", f"{asked}; print([hasattr(openai.types, name) for name in {names}])") == "[True, False, False]\n"
