"""What is done otherwise on macOS and Windows, as far as it can be tried on Linux.

By value, and with system calls that answer as theirs do. The workflow runs all tests on the three systems.
"""

import errno
import os
import sys
from pathlib import Path, PureWindowsPath

import pytest
from promises import promise

from gpt_image_2_mcp.paths import denylist
from gpt_image_2_mcp.paths.data_folder import data_folder
from gpt_image_2_mcp.storage import sync
from gpt_image_2_mcp.storage.atomic_write import part_name
from gpt_image_2_mcp.storage.recovery import recover_parts
from gpt_image_2_mcp.storage.room import LONGEST_NAME, is_long_for_windows

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="these tests take the place of running there")


@promise("Money", "On macOS, what must be on the disk is asked of the drive itself, not of its memory.")
def test_on_macos_the_drive_itself_is_asked_to_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And where a network share does not know that request, the usual one is made."""
    import fcntl

    asked: list[object] = []
    refusal: list[OSError] = []

    def control(_: int, command: int) -> int:
        asked.append(command)
        if refusal:
            raise refusal[0]
        return 0

    def usual(_: int) -> None:
        asked.append("fsync")

    monkeypatch.setattr(sys, "platform", "darwin")
    monkeypatch.setattr(fcntl, "fcntl", control)
    monkeypatch.setattr(os, "fsync", usual)
    with (tmp_path / "file").open("wb") as file:
        sync.sync_to_disk(file.fileno())
        assert asked == [51]
        refusal.append(OSError(errno.ENOTSUP, "not supported"))
        sync.sync_to_disk(file.fileno())
    assert asked == [51, 51, "fsync"]


def test_on_windows_the_data_folder_is_not_where_the_store_redirects() -> None:
    """A folder that an earlier version made is used on."""
    usual = data_folder("linux")
    assert data_folder("win32") == Path.home() / ".gpt-image-2-mcp"
    usual.mkdir(parents=True)
    assert data_folder("win32") == usual == data_folder("darwin")


@pytest.mark.parametrize(("length", "is_long"), [(157, False), (158, False), (159, True), (400, True)])
def test_a_folder_in_which_windows_takes_no_record_is_known(length: int, is_long: bool) -> None:
    folder = PureWindowsPath("C:/" + "x" * (length - 3))
    assert len(str(folder)) == length
    assert is_long_for_windows(folder) is is_long


def test_what_a_killed_check_for_room_left_is_removed(tmp_path: Path) -> None:
    left = tmp_path / part_name(".", LONGEST_NAME)
    assert len(left.name) == LONGEST_NAME
    left.write_bytes(b"")
    assert recover_parts(tmp_path) == []
    assert not left.exists()


@pytest.mark.parametrize(
    ("path", "other"),
    [
        ("/Users/kim/Bu\u0308ro/.SSH", "/users/KIM/B\u00fcro/.ssh"),
        ("/System/Volumes/Data/Users/ki\u0301m", "/Users/k\u00edm"),
        ("/Users/kim/\u1112\u1161\u11ab", "/Users/kim/\ud55c"),
    ],
)
def test_a_folder_is_the_same_with_its_marks_composed_or_apart(path: str, other: str) -> None:
    """APFS takes both for one name, HFS+ keeps them apart."""
    assert denylist.fold_parts(path) == denylist.fold_parts(other)
    assert denylist.is_below(f"{path}/x", other)


def test_two_folders_that_linux_keeps_apart_stay_apart_for_what_is_allowed(tmp_path: Path) -> None:
    apart, composed = tmp_path / "Bu\u0308ro", tmp_path / "B\u00fcro"
    apart.mkdir()
    if composed.exists():
        assert denylist.is_in(apart / "x.png", composed)
        return
    composed.mkdir()
    assert not denylist.is_in(apart / "x.png", composed)
