"""The paths that these tests name are those of Linux, on whatever system they run."""

import os
from pathlib import Path

import pytest

from gpt_image_2_mcp.install.systems import System


@pytest.fixture(autouse=True)
def as_on_linux(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(System, "here", lambda: System("linux", Path.home(), os.environ))
