"""The workflows and the site fit the checkout, as far as that can be seen without running them."""

import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from gpt_image_2_mcp import __version__
from release import check, owner, site

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
PROJECT: dict[str, Any] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def workflow(path: Path) -> dict[str, Any]:
    yaml: Any = YAML(typ="safe", pure=True)
    return yaml.load(path)


def commands(document: dict[str, Any]) -> list[str]:
    return [step["run"] for job in document["jobs"].values() for step in job.get("steps", ()) if "run" in step]


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_runs_what_is_there_with_no_more_rights_than_it_needs(path: Path) -> None:
    document = workflow(path)
    assert document["permissions"] == {"contents": "read"}
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in commands(document):
        for target in re.findall(r"\bmake ([a-z-]+)", command):
            assert re.search(rf"^{target}:", makefile, re.MULTILINE) or (ROOT / target).exists(), command
        for file in re.findall(r"[\w/.-]+\.txt|\.ci/\w+", command):
            assert (ROOT / file).exists(), command
    text = path.read_text(encoding="utf-8")
    assert "secrets." not in text
    jobs = document["jobs"].values()
    assert {need for job in jobs for need in [job.get("needs")] if need} <= set(document["jobs"])


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_what_a_workflow_uses_of_others_is_pinned_to_a_commit_and_keeps_no_token(path: Path) -> None:
    """A tag can be moved to other code; `make check` has zizmor look for more of this kind."""
    used = re.findall(r"uses: (\S+)(.*)\n", path.read_text(encoding="utf-8"))
    assert used
    for action, rest in used:
        assert action.startswith("./") or re.fullmatch(r"[\w./-]+@[0-9a-f]{40}", action), action
        assert action.startswith("./") or re.fullmatch(r" # v\d+\.\d+\.\d+", rest), action
    for job in workflow(path)["jobs"].values():
        for step in job.get("steps", ()):
            if step.get("uses", "").startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False


def test_the_tests_run_on_every_system_and_python_that_the_package_names() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "tests.yml")["jobs"]
    named = [text.rsplit(" ", 1)[1] for text in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", text)]
    assert jobs["systems"]["strategy"]["matrix"] == {
        "os": ["ubuntu-latest", "macos-latest", "windows-latest"],
        "python": named,
    }
    assert PROJECT["requires-python"] == f">={named[0]}"
    assert any("--resolution lowest-direct" in step.get("run", "") for step in jobs["lowest"]["steps"])


def test_nothing_is_published_before_the_tests_and_the_strict_check() -> None:
    jobs = workflow(ROOT / ".github" / "workflows" / "release.yml")["jobs"]
    assert jobs["build"]["needs"] == "tests"
    assert any("make release-check ARGS=--publish" in step.get("run", "") for step in jobs["build"]["steps"])
    assert jobs["pypi"]["needs"] == "build"
    assert {name: job["needs"] for name, job in jobs.items() if name in {"github", "container", "registry"}} == {
        "github": "pypi",
        "container": "pypi",
        "registry": "pypi",
    }


def test_a_release_waits_for_an_owner_and_a_changelog(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(check, "owner", lambda: owner.PLACEHOLDER)
    assert any("placeholder" in reason for reason in check.why_not_published())
    monkeypatch.setattr(check, "owner", lambda: "someone")
    monkeypatch.setattr(check, "ROOT", tmp_path)
    (tmp_path / "CHANGELOG.md").write_text("# Changelog\n\n## Unreleased\n", encoding="utf-8")
    (reason,) = check.why_not_published()
    assert __version__ in reason
    (tmp_path / "CHANGELOG.md").write_text(f"# Changelog\n\n## {__version__} – 2026-12-01\n", encoding="utf-8")
    assert check.why_not_published() == []


# The site.


def test_the_site_has_every_document() -> None:
    assert sorted(site.documents()) == sorted(
        [
            "README.md",
            "SECURITY.md",
            "CHANGELOG.md",
            "CONTRIBUTING.md",
            *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md")),
        ]
    )


@pytest.mark.parametrize(
    ("document", "link", "rewritten"),
    [
        ("README.md", "[a](docs/install.md)", "[a](install.md)"),
        ("README.md", "![a](docs/contact-sheet.jpg)", "![a](contact-sheet.jpg)"),
        ("docs/costs.md", "[a](../README.md#get-started)", "[a](index.md#get-started)"),
        ("docs/costs.md", "[a](#here)", "[a](#here)"),
        ("docs/costs.md", "[a](https://example.com)", "[a](https://example.com)"),
        ("README.md", "[a](LICENSE)", f"[a]({owner.repository()}/blob/main/LICENSE)"),
    ],
)
def test_a_link_leads_to_the_same_in_the_site(document: str, link: str, rewritten: str) -> None:
    assert site.rewritten(document, link) == rewritten
