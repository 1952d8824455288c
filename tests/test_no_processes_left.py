"""Tests that leave a process fail, also where they run in workers of pytest-xdist."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from fault_proxy import until
from patience import PATIENCE_S

LEAVES = """
import subprocess

def test_that_passes():
    subprocess.Popen(["sleep", "1000"], start_new_session=True).returncode = 0
"""


@pytest.mark.skipif(sys.platform != "linux", reason="it looks into /proc")
@pytest.mark.parametrize("options", [[], ["-n", "1"]])
@pytest.mark.thorough
def test_a_process_that_is_left_fails_the_run_and_is_killed(options: list[str], tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(LEAVES, encoding="utf-8")
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no_processes_left", "-q", *options, tmp_path],
        env={**os.environ, "GPT_IMAGE_2_TEST_PATIENCE": "0.05", "PYTHONPATH": str(Path(__file__).parent)},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )
    assert "1 passed" in done.stdout
    assert done.returncode == pytest.ExitCode.TESTS_FAILED
    found = re.search(r"have left a process: (\d+), sleep 1000", done.stderr)
    assert found, done.stderr
    command = Path("/proc", found[1], "cmdline")
    # A process that has ended and was not waited for has no command any more.
    until(lambda: not command.exists() or not command.read_bytes())
