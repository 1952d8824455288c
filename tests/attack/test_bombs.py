"""Files that take much memory or time to decode: no file and no number of calls take more than is promised."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
from patience import ALL_ROUNDS, PATIENCE_S
from promises import promise

from .bombs import BOMBS

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="memory is limited and measured on Linux only")

MAX_GROWTH_MIB = 300
MAX_CPU_S = 20
"""Seconds of a processor for all that is done with one file; the scans of a JPEG take most of it."""
FEW = ("webp-46-bytes", "webp-largest", "webp-animated", "png-no-palette", "jpeg-segments", "png-empty-idat")
"""What is decoded in `make test`."""
SCRIPT = Path(__file__).with_name("decoding.py")


def decode(*paths: Path, threads: int) -> dict[str, float]:
    """Have a new process decode files; raises if it fails."""
    command = [sys.executable, str(SCRIPT), str(threads), *map(str, paths)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S * 4, check=False)
    assert done.returncode == 0, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


@promise(
    "Quantity",
    "No file takes more than 300 MiB to decode, however small or large it is (on Linux). What compares and composes"
    " pictures (exact edits, `around`, `against`) has a process of its own, of at most 1,400 MiB, one at a time.",
)
@pytest.mark.parametrize("name", BOMBS if ALL_ROUNDS else FEW)
def test_a_bomb_takes_little_memory_and_time(name: str, tmp_path: Path) -> None:
    path = tmp_path / name
    path.write_bytes(BOMBS[name]())
    took = decode(path, threads=1)
    sys.stdout.write(
        f"{name:<26} {path.stat().st_size:>11,} bytes {took['here']:>5.0f} MiB here"
        f" {took['child']:>5.0f} MiB in a child {took['cpu']:>5.1f} s\n"
    )
    assert took["together"] < MAX_GROWTH_MIB
    assert took["cpu"] < MAX_CPU_S


@pytest.mark.thorough
@promise("Quantity", "Many calls at once take no more than 300 MiB to decode either, all together (on Linux).")
def test_many_bombs_at_once_take_no_more_memory_than_one(tmp_path: Path) -> None:
    names = BOMBS if ALL_ROUNDS else ("jpeg", "png-here", "jpeg-here")
    paths = list[Path]()
    for name in names:
        # Those left out are refused undecoded, or take as much memory as another one and long.
        if not name.startswith(("jpeg-fill", "jpeg-re", "jpeg-seg", "jpeg-scans", "png-chunks", "png-empty")):
            paths.append(tmp_path / name)
            paths[-1].write_bytes(BOMBS[name]())
    took = decode(*paths, threads=40)
    sys.stdout.write(
        f"all of them {took['together']:>26.0f} MiB: {took['here']:.0f} MiB here, {took['child']:.0f} MiB in a child\n"
    )
    assert took["together"] < MAX_GROWTH_MIB
