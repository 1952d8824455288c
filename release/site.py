"""Lays out the documentation site: `python -m release.site FOLDER` writes the pages and the configuration of mkdocs.

The pages are those of docs/, with the README as the front page. They link to one another, and to files of the checkout
by the repository's address.
"""

import json
import posixpath
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Final

from .owner import ROOT, repository

FRONT: Final = "README.md"
NAVIGATION: Final = {
    "Getting started": ("README.md", "docs/install.md"),
    "Making pictures": (
        "docs/tools.md",
        "docs/studio.md",
        "docs/exact-edits.md",
        "docs/transparency.md",
        "docs/exports.md",
        "docs/batches.md",
        "docs/slow-pictures.md",
        "docs/costs.md",
        "docs/library.md",
    ),
    "Setting up": (
        "docs/settings.md",
        "docs/backends.md",
        "docs/postgresql.md",
        "docs/hosting.md",
        "docs/command-line.md",
        "docs/sandbox.md",
    ),
    "When something is wrong": ("docs/troubleshooting.md", "SECURITY.md", "CHANGELOG.md"),
    "How it works": ("docs/architecture.md", "docs/performance.md", "CONTRIBUTING.md"),
}
"""The pages of the site, by section."""


def page_of(document: str) -> str:
    """The name that a document has in the site."""
    return "index.md" if document == FRONT else posixpath.basename(document).lower()


def documents() -> list[str]:
    """Every document of the site."""
    return [document for those in NAVIGATION.values() for document in those]


def rewritten(document: str, text: str) -> str:
    """A document whose links fit the site."""
    pages = {name: page_of(name) for name in documents()}

    def target(match: re.Match[str]) -> str:
        path, hash_, anchor = match[2].partition("#")
        if not path or "://" in path:
            return match[0]
        file = posixpath.normpath(posixpath.join(posixpath.dirname(document), path))
        if file in pages:
            return f"{match[1]}({pages[file]}{hash_}{anchor})"
        if Path(file).suffix in {".jpg", ".png"}:
            return f"{match[1]}({posixpath.basename(file)})"
        return f"{match[1]}({repository()}/blob/main/{file}{hash_}{anchor})"

    return re.sub(r"(\])\(([^)\s]+)\)", target, text)


def write_site(folder: Path) -> None:
    """Write the pages, their pictures and the configuration into `folder`."""
    pages = folder / "docs"
    pages.mkdir(parents=True)
    for document in documents():
        text = (ROOT / document).read_text(encoding="utf-8")
        (pages / page_of(document)).write_text(rewritten(document, text), encoding="utf-8")
    for picture in (*(ROOT / "docs").glob("*.jpg"), *(ROOT / "docs").glob("*.png")):
        shutil.copy(picture, pages)
    # YAML understands JSON.
    (folder / "mkdocs.yml").write_text(json.dumps(configuration(), indent=2), encoding="utf-8")


def configuration() -> dict[str, Any]:
    """The configuration of mkdocs; the site asks no other host for fonts."""
    return {
        "site_name": "gpt-image-2-mcp",
        "repo_url": repository(),
        "theme": {"name": "material", "font": False, "features": ["navigation.sections", "content.code.copy"]},
        "nav": [{section: [page_of(one) for one in those]} for section, those in NAVIGATION.items()],
        "plugins": ["search"],
        "markdown_extensions": ["tables", "toc", "pymdownx.superfences", "pymdownx.highlight"],
        "validation": {"links": {"anchors": "warn", "unrecognized_links": "warn", "not_found": "warn"}},
        "strict": True,
    }


if __name__ == "__main__":
    write_site(Path(sys.argv[1]))
