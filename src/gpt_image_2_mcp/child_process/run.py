"""`run_in_child`: the parent's side."""

import io
import json
import os
import subprocess
import sys
import threading
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, Final, cast

from ..errors import ChildDied, ChildOutOfMemory, ChildTooSlow
from .worker import HEAD

MAX_HEAD: Final = 1_000_000
"""Bytes of the values in an answer."""
MAX_DATA: Final = 52_000_000
"""Bytes of the data in an answer, unless a caller allows more: those of the largest picture that the API takes."""
_WORKER: Final = str(Path(__file__).with_name("worker.py"))


@dataclass(frozen=True, slots=True)
class ChildResult:
    """What the function returned."""

    values: dict[str, Any]
    data: bytes


def run_in_child(
    function: str, *data: bytes, memory: int, seconds: int, max_data: int = MAX_DATA, **arguments: Any
) -> ChildResult:
    """Call a function in a child process. Blocks: call it in a thread.

    `function` is "module:name"; it is called with `data` and with `arguments`, which are JSON values, and returns a
    dictionary of JSON values and bytes. `memory` is the most bytes that the process may have, some 12 MB of which
    Python takes; `seconds` is how long it may take, and `max_data` how many bytes it returns at most. Only Linux keeps
    the limit on memory.

    Raises:
        ValueError: the function raised one; it has the same text.
        ChildOutOfMemory: the work needs more memory.
        ChildTooSlow: the work takes longer.
        ChildDied: the process could not be started, or ended without an answer.

    """
    request = {
        "function": function,
        "arguments": arguments,
        "sizes": [len(part) for part in data],
        "path": [os.path.abspath(place) for place in sys.path],  # noqa: PTH100 - "" stands for the working directory
        "memory": memory,
        "seconds": seconds,
    }
    head = json.dumps(request).encode()
    try:
        process = subprocess.Popen(  # noqa: S603 - our own script
            [sys.executable, "-I", "-S", "-B", "-X", "utf8", _WORKER],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
            env=_environment(),
            # A terminal's Ctrl-C is for this process, which ends in order.
            start_new_session=True,
        )
    except OSError as error:
        raise ChildDied(f"it could not be started: {error.strerror}") from None
    timer = threading.Timer(seconds, process.kill)
    timer.daemon = True
    timer.start()
    try:
        assert process.stdin is not None
        assert process.stdout is not None
        with suppress(OSError):
            for part in (len(head).to_bytes(HEAD), head, *data):
                _write(process.stdin, part)
        answer = _read_answer(process.stdout, max_data)
    finally:
        is_late = not timer.is_alive()
        timer.cancel()
        process.kill()
        for pipe in (process.stdin, process.stdout):
            if pipe:
                pipe.close()
        process.wait()
    if answer is not None:
        return _result(*answer, memory=memory)
    # The limit on processor time ends a process with a signal, too.
    if is_late or process.returncode == -_SIGXCPU:
        raise ChildTooSlow(seconds)
    raise ChildDied(f"it ended without an answer ({process.returncode})")


_SIGXCPU: Final = 24


def _environment() -> dict[str, str]:
    """No variable of this process, but for those without which some systems find no libraries."""
    return {name: os.environ[name] for name in ("SYSTEMROOT", "LD_LIBRARY_PATH") if name in os.environ}


def _write(pipe: IO[bytes], data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[pipe.write(view) :]


def _read_answer(pipe: IO[bytes], max_data: int) -> tuple[dict[str, Any], bytes] | None:
    """The answer's head and its bytes; None where it is not whole, or has more bytes than it may have."""
    size = int.from_bytes(_read(pipe, HEAD))
    head = _read(pipe, min(size, MAX_HEAD))
    data = _read(pipe, max_data + 1)
    try:
        found: object = json.loads(head)
    except ValueError:
        return None
    return (cast("dict[str, Any]", found), data) if isinstance(found, dict) and len(data) <= max_data else None


def _read(pipe: IO[bytes], size: int) -> bytes:
    """Up to `size` bytes; fewer where the pipe ends."""
    # Its value is not a copy, as that of joined parts is.
    read = io.BytesIO()
    while size > 0 and (part := pipe.read(min(size, 1 << 20))):
        read.write(part)
        size -= len(part)
    return read.getvalue()


def _result(found: dict[str, Any], data: bytes, *, memory: int) -> ChildResult:
    if isinstance(found.get("values"), dict):
        return ChildResult(found["values"], data)
    match found:
        case {"error": "memory"}:
            raise ChildOutOfMemory(memory)
        case {"error": "value", "message": str() as message}:
            raise ValueError(message)
        case {"error": "other", "message": str() as message}:
            raise ChildDied(message[:200])
        case _:
            raise ChildDied("its answer makes no sense")
