"""Checks of the program itself: its version, Python, and uv."""

import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping

from .. import __version__
from ..images.pixels_extra import HOW_TO_GET, is_installed
from ..install.launch import PACKAGE, find_uvx, last_error, run_uv
from .finding import Finding, green, yellow

INDEX_TIMEOUT_S = 20.0
_INSTALL_UV = "Install uv from https://docs.astral.sh/uv, so that clients can start the version that you choose."


def check_program(environ: Mapping[str, str], *, ask_index: bool) -> Iterator[Finding]:
    """The version, with `ask_index` beside the newest release that uv finds, Python, and uv."""
    yield _check_version(environ) if ask_index else green("version", f"gpt-image-2-mcp {__version__}")
    yield green("python", f"Python {platform.python_version()} on {platform.platform(terse=True)}")
    uvx = find_uvx()
    yield yellow("uv", "uvx was not found", _INSTALL_UV) if uvx is None else green("uv", uvx)
    if is_installed():
        yield green("exact edits", "numpy and OpenCV are there")
    else:
        yield yellow(
            "exact edits", "what they need is not installed with this program", f"If you want them, {HOW_TO_GET}."
        )


def _check_version(environ: Mapping[str, str]) -> Finding:
    own = f"gpt-image-2-mcp {__version__}"
    uv = shutil.which("uv")
    if uv is None:
        return yellow("version", f"{own}; the newest could not be looked up, since uv was not found", _INSTALL_UV)
    newest, reason = _newest_release(uv, environ)
    if newest is None:
        what = f"{own}; the newest could not be looked up ({reason})"
        return yellow("version", what, "Look again when uv reaches its package index.")
    if _order(newest) > _order(__version__):
        return yellow("version", f"{own}; {newest} is published", f"Run `uvx {PACKAGE}@{newest} install`.")
    return green("version", f"{own}, the newest")


def _newest_release(uv: str, environ: Mapping[str, str]) -> tuple[str | None, str]:
    """The newest release in the index that uv uses; None and the reason if uv finds none."""
    command = [uv, "pip", "compile", "--quiet", "--no-header", "--no-annotate", "--no-deps", "--python", sys.executable]
    # The key is no business of this process, nor are the settings of the project that this folder may be in.
    known = {name: value for name, value in environ.items() if name != "OPENAI_API_KEY"}
    try:
        done = run_uv([*command, "-"], known, timeout=INDEX_TIMEOUT_S, given=PACKAGE, folder=tempfile.gettempdir())
    except subprocess.TimeoutExpired:
        return None, f"no answer in {INDEX_TIMEOUT_S:.0f} s"
    except OSError as error:
        return None, error.strerror or type(error).__name__
    found = re.search(rf"^{PACKAGE}==(\d[\w.]*)", done.stdout, re.MULTILINE)
    return (found[1], "") if found else (None, last_error(done.stderr) or f"uv ended with code {done.returncode}")


def _order(version: str) -> tuple[int, ...]:
    return tuple(int(number) for number in re.findall(r"\d+", version))
