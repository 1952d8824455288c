"""The package's folders import downwards only, so that each can be read without those above it.

Imports inside functions and under `TYPE_CHECKING` count: they are dependencies too. `docs/architecture.md` says what
each folder is for.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parent.parent / "src" / "gpt_image_2_mcp"

ORDER = (
    "__main__",
    "cli",
    "admin",
    "doctor",
    "install",
    "hosting",
    "server",
    "studio",
    "app",
    "shared_parts",
    "service",
    "batches",
    "library",
    "generation",
    "jobs",
    "openai_api",
    "inputs",
    "picture_store",
    "persistence",
    "catalogue",
    "billing",
    "pixels",
    "storage",
    "masks",
    "images",
    "hosted_settings",
    "settings",
    "environment",
    "setting_types",
    "credentials",
    "paths",
    "parameters",
    "database",
    "redaction",
    "child_process",
    "malloc",
    "telemetry",
    "errors",
    "__init__",
)
"""From the top to the bottom: a folder, or a module of the root, imports those that stand after it."""

ASIDE = {"sandbox": {"app", "cli"}}
"""Folders that import nothing of the package, and those that may import them."""


def modules() -> dict[str, Path]:
    found = {".".join(path.relative_to(PACKAGE).with_suffix("").parts): path for path in PACKAGE.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in found.items()}


def imports(name: str, path: Path) -> Iterator[tuple[int, str]]:
    """Line and dotted name, within the package, of everything that a module imports from it."""
    here = name.split(".") if name != "__init__" else []
    if path.name != "__init__.py":
        here = here[:-1]
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            base = here[: len(here) - node.level + 1]
            target = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                yield node.lineno, ".".join([*target, alias.name]) if not node.module else ".".join(target)
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gpt_image_2_mcp"):
            pytest.fail(f"{path}:{node.lineno} imports its own package by an absolute name")
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("gpt_image_2_mcp") for alias in node.names), f"{path}:{node.lineno}"


def unit(module: str) -> str:
    top = module.split(".", maxsplit=1)[0]
    return "__init__" if top == "__version__" else top


@cache
def dependencies() -> tuple[tuple[str, str, str], ...]:
    """Who imports whom, and where."""
    return tuple(
        (unit(name), unit(target), f"{path.relative_to(PACKAGE)}:{line}")
        for name, path in modules().items()
        for line, target in imports(name, path)
        if unit(target) != unit(name)
    )


def test_folders_import_downwards_only() -> None:
    wrong = [
        f"{where}: {importer} stands below {imported}"
        for importer, imported, where in dependencies()
        if importer in ORDER and imported in ORDER and ORDER.index(importer) > ORDER.index(imported)
    ]
    assert wrong == []


def test_what_stands_aside_is_imported_by_its_users_alone_and_imports_nothing() -> None:
    wrong = [
        f"{where}: {importer} imports {imported}"
        for importer, imported, where in dependencies()
        if (imported in ASIDE and importer not in ASIDE[imported]) or (importer in ASIDE and imported != "__init__")
    ]
    assert wrong == []


def test_every_folder_has_its_place_in_the_order() -> None:
    assert {unit(name) for name in modules()} == {*ORDER, *ASIDE}


def test_the_architecture_page_lists_the_folders_in_this_order() -> None:
    page = (PACKAGE.parent.parent / "docs" / "architecture.md").read_text(encoding="utf-8")
    listed = [name.rstrip("/").removesuffix(".py") for name in re.findall(r"^\| `([a-z_.]+/?)` \|", page, re.MULTILINE)]
    assert listed == [name for name in ORDER if not name.startswith("__")]


def test_the_root_holds_wiring_only() -> None:
    root = {path.stem for path in PACKAGE.glob("*.py")}
    assert root == {
        *("__init__", "__main__", "app", "errors", "shared_parts"),
        *("environment", "hosted_settings", "settings", "setting_types"),
    }


def test_a_module_fits_on_a_few_screens() -> None:
    """Around 200 lines is the aim; beyond 360 a module holds two subjects."""
    long = {name: lines for name, path in modules().items() if (lines := len(path.read_text().splitlines())) > 360}
    assert long == {}
