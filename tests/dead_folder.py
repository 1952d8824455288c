"""A folder on a network drive whose server is gone: every system call on it blocks until the server is back."""

import os
import threading
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from patience import PATIENCE_S

from gpt_image_2_mcp.paths.safe_open import path_of_descriptor

CALLS = (
    "access",
    "link",
    "listdir",
    "lstat",
    "mkdir",
    "open",
    "readlink",
    "rename",
    "scandir",
    "stat",
    "statvfs",
    "unlink",
)


def full_path(path: Any, options: Mapping[str, Any]) -> Any:
    """What a system call names: some name a file in a folder that is open."""
    place = options.get("dir_fd", options.get("src_dir_fd"))
    if place is None or not isinstance(path, str):
        return path
    folder = path_of_descriptor(place, Path(path), os.fstat(place))
    return folder and folder / path


class DeadFolder:
    """Blocks what Python asks the system about `path` and all below it, from `die` until `come_back`."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, path: Path) -> None:
        self.asked_by_the_loop: list[str] = []
        """System calls that the event loop made: each would hold up everything."""
        self.asked = threading.Event()
        """The first system call blocks."""
        self._path = str(path)
        self._loop_thread = threading.current_thread()
        self._alive = threading.Event()
        self._alive.set()
        for name in CALLS:
            monkeypatch.setattr(os, name, self._blocking(name, getattr(os, name)))

    def die(self) -> None:
        self._alive.clear()

    def come_back(self) -> None:
        self._alive.set()

    def _blocking(self, name: str, call: Callable[..., Any]) -> Callable[..., Any]:
        def asked(*arguments: Any, **options: Any) -> Any:
            paths = [full_path(arguments[0], options), *arguments[1:]] if arguments else []
            if not self._alive.is_set() and any(map(self._is_inside, paths)):
                if threading.current_thread() is self._loop_thread:
                    self.asked_by_the_loop.append(f"{name}{arguments}")
                else:
                    self.asked.set()
                    assert self._alive.wait(PATIENCE_S)
            return call(*arguments, **options)

        return asked

    def _is_inside(self, argument: object) -> bool:
        return isinstance(argument, str | Path) and str(argument).startswith(self._path)
