"""Everything about a release that can be checked without the network: `make release-check`.

With `--publish`, as the workflow runs it, a release is refused that may not go out: while the owner is a placeholder,
or the changelog does not have the version.
"""

import json
import re
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Final
from zipfile import ZipFile

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.doctor.start import INITIALIZE
from gpt_image_2_mcp.install.launch import EXTRAS, PACKAGE

from .bundle import write_bundle
from .owner import PLACEHOLDER, ROOT, owner
from .validate_bundle import validate

STARTS: Final = 5
MOST_BARE_STARTS: Final = 4
"""How many times a bare start of Python the first answer to a client may take."""
IN_THE_WHEEL: Final = (
    "gpt_image_2_mcp/py.typed",
    "gpt_image_2_mcp/server/stdio/handshake.json",
    "gpt_image_2_mcp/library/gallery/templates/gallery.html.jinja",
    "gpt_image_2_mcp/database/migrations/versions/0001_charges.py",
)
IN_THE_SOURCE: Final = (
    "pyproject.toml",
    "LICENSE",
    "requirements.txt",
    "src/gpt_image_2_mcp/__init__.py",
    "tests/conftest.py",
)
NEVER_THERE: Final = re.compile(
    r"(^|/)(\.env|\.git/|\.venv/|node_modules/|__pycache__/|demo-output/|dist/|.*\.(pyc|key)$)"
)


class CheckFailed(Exception):
    """A check of the release failed."""


class Release:
    """The files of a release, built into a folder."""

    def __init__(self, uv: Path, tools: Path, folder: Path) -> None:
        """Use `uv`, with `uvx` beside it, and the programs in `tools`."""
        self.uv = uv
        self.tools = tools
        self.folder = folder

    def build(self) -> str:
        """Build the wheel and the source archive, with the build backend of the lock."""
        lock = ["--build-constraints", str(ROOT / "requirements.txt"), "--require-hashes"]
        _run([self.uv, "build", "--quiet", *lock, "--out-dir", self.folder, ROOT])
        return f"{self.wheel.name}, {self.source.name}"

    @property
    def wheel(self) -> Path:
        """The wheel."""
        return next(self.folder.glob("*.whl"))

    @property
    def source(self) -> Path:
        """The source archive."""
        return next(self.folder.glob("*.tar.gz"))

    def metadata(self) -> str:
        """Have twine look at what PyPI shows."""
        _run([self.tools / "twine", "check", "--strict", self.wheel, self.source])
        return "PyPI shows the README"

    def contents(self) -> str:
        """Look at which files are in the wheel and in the source archive."""
        with ZipFile(self.wheel) as archive:
            wheel = archive.namelist()
        with tarfile.open(self.source) as archive:
            source = [name.partition("/")[2] for name in archive.getnames()]
        wrong = [name for name in wheel if not name.startswith(("gpt_image_2_mcp/", "gpt_image_2_mcp-"))]
        wrong += [name for name in (*wheel, *source) if NEVER_THERE.search(name)]
        wrong += [f"no {name}" for name in IN_THE_WHEEL if name not in wheel]
        wrong += [f"no {name}" for name in IN_THE_SOURCE if name not in source]
        if wrong:
            raise CheckFailed(f"in the archives: {', '.join(wrong[:10])}")
        return f"{len(wheel)} files in the wheel, {len(source)} in the source archive"

    def installed(self) -> str:
        """Install the wheel into an empty environment, and measure its first answer to a client."""
        environment = self.folder / "environment"
        _run([self.uv, "venv", "--quiet", "--python", sys.executable, environment])
        python = environment / ("Scripts" if sys.platform == "win32" else "bin") / "python"
        constraints = ["--constraints", ROOT / "constraints.txt", "--compile-bytecode"]
        _run([self.uv, "pip", "install", "--quiet", "--python", python, *constraints, self.wheel])
        program = python.with_name("gpt-image-2-mcp")
        if __version__ not in _run([program, "--version"]):
            raise CheckFailed("the installed program has another version")
        bare = median(_seconds([python, "-c", "pass"]) for _ in range(STARTS))
        answer = median(_seconds_to_answer([program, "--sandbox"]) for _ in range(STARTS))
        text = f"it answers a client after {answer * 1000:.0f} ms; a bare start takes {bare * 1000:.0f} ms"
        if answer > MOST_BARE_STARTS * bare:
            raise CheckFailed(f"{text}: more than {MOST_BARE_STARTS} times that")
        return text

    def by_uvx(self) -> str:
        """Have uvx start the wheel with the extras of a client's entry, and tell uvx's own share of the time."""
        uvx = self.uv.with_name(f"uvx{self.uv.suffix}")
        start = [uvx, "--from", f"{PACKAGE}{EXTRAS} @ {self.wheel.as_uri()}"]
        if __version__ not in _run([*start, "gpt-image-2-mcp", "--version"]):
            raise CheckFailed("uvx starts another version")
        alone = median(_seconds([*start, "python", "-c", "pass"]) for _ in range(STARTS))
        answer = median(_seconds_to_answer([*start, "gpt-image-2-mcp", "--sandbox"]) for _ in range(STARTS))
        return f"uvx has it answer after {answer * 1000:.0f} ms, of which a bare Python by uvx takes {alone * 1000:.0f}"

    def bundle(self) -> str:
        """Write the bundle, and have Anthropic's validator look at it."""
        done = validate()
        if done.returncode:
            raise CheckFailed(done.stdout + done.stderr)
        return write_bundle(self.folder).name

    def registry(self) -> str:
        """Lint server.json."""
        _run([Path(sys.executable).with_name("skillsaw"), "lint", "."])
        return "server.json is as the MCP registry wants it"

    def site(self) -> str:
        """Build the documentation, with every warning an error."""
        _run([sys.executable, "-m", "release.site", self.folder / "pages"])
        _run(
            [
                self.tools / "mkdocs",
                "build",
                "--quiet",
                "--strict",
                "--config-file",
                self.folder / "pages" / "mkdocs.yml",
            ]
        )
        return "the documentation builds without a warning"


def why_not_published() -> list[str]:
    """What is in the way of publishing this version."""
    reasons: list[str] = []
    if owner() == PLACEHOLDER:
        reasons.append(f"the owner in pyproject.toml is still the placeholder {PLACEHOLDER}")
    if f"\n## {__version__} " not in (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"):
        reasons.append(f"CHANGELOG.md has no heading for {__version__}")
    return reasons


def _run(command: Sequence[str | Path]) -> str:
    done = subprocess.run(  # noqa: S603 - the programs of this checkout
        [str(part) for part in command], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise CheckFailed(f"{Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")
    return done.stdout


def _seconds(command: Sequence[str | Path]) -> float:
    started = time.monotonic()
    _run(command)
    return time.monotonic() - started


def _seconds_to_answer(command: Sequence[str | Path]) -> float:
    """Seconds from the start of a server to its answer to `initialize`."""
    started = time.monotonic()
    with subprocess.Popen(  # noqa: S603 - the program of this checkout
        [str(part) for part in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        if process.stdin is None or process.stdout is None:
            raise CheckFailed("the server has no pipes")
        process.stdin.write(json.dumps(INITIALIZE) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        took = time.monotonic() - started
        process.stdin.close()
    if '"result"' not in line:
        raise CheckFailed(f"{command[0]} did not answer a client")
    return took


def main(uv: str, tools: str, *arguments: str) -> int:
    """Go through the checks, and print a line for each; 1 if one failed, or with `--publish` if it may not go out."""
    with TemporaryDirectory() as folder:
        release = Release(Path(uv).absolute(), Path(tools).absolute(), Path(folder))
        checks: list[Callable[[], str]] = [
            release.build,
            release.metadata,
            release.contents,
            release.installed,
            release.by_uvx,
            release.bundle,
            release.registry,
            release.site,
        ]
        for check in checks:
            try:
                sys.stdout.write(f"✓ {check.__name__}: {check()}\n")
            except CheckFailed as error:
                sys.stdout.write(f"✗ {check.__name__}: {error}\n")
                return 1
            sys.stdout.flush()
    reasons = why_not_published()
    for reason in reasons:
        sys.stdout.write(f"! not to be published yet: {reason}\n")
    return 1 if reasons and "--publish" in arguments else 0


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
