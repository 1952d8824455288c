"""What is installed: the lock has every package with its hashes, and the published constraints are its versions."""

import re
import tomllib
from importlib.metadata import requires
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from promises import promise

ROOT = Path(__file__).parent.parent
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def pins(file: str) -> dict[str, str]:
    """The version of each package in a file of requirements; of one that some systems have another of, the usual."""
    lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
    found = [re.match(r"([a-z0-9._-]+)==([^ \\]+)", line) for line in lines]
    return {match[1]: match[2] for match in found if match}


def needed(names: list[str], extras: set[str]) -> set[str]:
    """All packages that these need on this machine, by what the installed ones declare."""
    found: set[str] = set()
    while names:
        name = names.pop()
        if name in found:
            continue
        found.add(name)
        for text in requires(name) or []:
            other = Requirement(text)
            if other.marker is None or any(other.marker.evaluate({"extra": extra}) for extra in {"", *extras}):
                names.append(canonicalize_name(other.name))
        extras = set()
    return found


@promise("Supply", "Every package that builds, tests and runs this program is pinned in the lock with its hashes.")
def test_every_package_of_the_lock_has_a_version_and_hashes() -> None:
    text = (ROOT / "requirements.txt").read_text(encoding="utf-8")
    blocks = re.split(r"\n(?=[a-z0-9])", text)[1:]
    assert len(pins("requirements.txt")) > 50
    assert all(re.match(r"[a-z0-9._-]+==", block) and "--hash=sha256:" in block for block in blocks)


@promise("Supply", "The build backend is in the lock too.")
def test_the_lock_has_the_build_backend() -> None:
    (backend,) = PROJECT["build-system"]["requires"]
    assert backend in PROJECT["dependency-groups"]["build"]
    locked = pins("requirements.txt")
    assert {Requirement(text).name for text in PROJECT["dependency-groups"]["build"]} <= set(locked)
    assert Requirement(backend).specifier.contains(locked[Requirement(backend).name])
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert "--no-build-isolation" in makefile, "or else another backend builds the checkout"


def test_the_constraints_are_the_versions_of_the_lock() -> None:
    """After a change to the dependencies: `make lock`, or `make constraints`."""
    locked, constrained = pins("requirements.txt"), pins("constraints.txt")
    assert constrained.items() <= locked.items()
    assert "pytest" not in constrained


@promise(
    "Supply",
    "`constraints.txt` pins what a version was tested with: `uvx --constraints constraints.txt "
    "gpt-image-2-mcp@VERSION`.",
)
def test_the_constraints_name_everything_that_is_installed_with_the_program() -> None:
    extras = set(PROJECT["project"]["optional-dependencies"])
    assert extras == {"postgres", "keyring", "pixels", "ocr", "server"}
    found = needed(["gpt-image-2-mcp"], extras) - {"gpt-image-2-mcp"}
    assert {"keyring", "psycopg", "openai", "pydantic-core", "numpy"} <= found
    assert found <= set(pins("constraints.txt"))
