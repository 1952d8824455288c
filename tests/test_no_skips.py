"""What is skipped in CI on Linux fails there, and nowhere else."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from patience import PATIENCE_S

TESTS = """
import pytest

@pytest.mark.skip(reason="no time")
def test_marked(): ...

@pytest.mark.skipif("True", reason="no time")
def test_marked_with_a_condition(): ...

def test_on_its_way():
    pytest.skip("no time")

@pytest.mark.xfail(strict=False)
def test_that_may_fail():
    raise ValueError

@pytest.mark.xfail
def test_that_has_to_fail():
    raise ValueError

def test_that_passes(): ...
"""
MODULE = """
import pytest
pytest.skip("no time", allow_module_level=True)
"""


@pytest.mark.thorough
@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere tests are skipped for good reasons")
@pytest.mark.parametrize(
    ("ci", "told"), [("true", "2 failed, 1 passed, 1 xfailed, 3 errors"), ("", "4 skipped, 2 xfailed")]
)
def test_a_skipped_test_fails_in_ci(ci: str, told: str, tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(TESTS, encoding="utf-8")
    (tmp_path / "test_module.py").write_text(MODULE, encoding="utf-8")
    options = ["-p", "no_skips", "-q", "-o", "xfail_strict=true", "--continue-on-collection-errors"]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, tmp_path],
        env={**os.environ, "CI": ci, "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert told in done.stdout, done.stdout
    assert done.returncode == bool(ci)
