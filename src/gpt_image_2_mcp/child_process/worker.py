"""What a child process runs: it reads one request from its standard input, calls the function, and writes the answer.

This file is run as a script by a Python that knows of no packages (`-I -S`). It imports from the standard library only,
until the limits are set.
"""

import importlib
import io
import json
import os
import sys
import threading
from typing import Any

HEAD = 8
"""Bytes before a JSON text: its length."""


def main() -> None:
    """Serve one request."""
    answers = os.fdopen(os.dup(1), "wb")
    # What a library prints must not get among the answer.
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
    requests = io.FileIO(0)
    request: dict[str, Any] = json.loads(_read(requests, int.from_bytes(_read(requests, HEAD))))
    _set_limits(request["memory"], request["seconds"])
    found, content = _read_and_call(requests, request)
    head = json.dumps(found).encode()
    for part in (len(head).to_bytes(HEAD), head, content):
        answers.write(part)
    answers.flush()
    # Without the end of the interpreter, which waits for the thread.
    os._exit(0)


def _read_and_call(requests: io.FileIO, request: dict[str, Any]) -> tuple[dict[str, Any], bytes]:
    """What `_call` gives; the data that it was called with is not held any longer."""
    try:
        data = [_read(requests, size) for size in request["sizes"]]
    except MemoryError:
        return {"error": "memory"}, b""
    _end_with_parent()
    return _call(request, data)


def _call(request: dict[str, Any], data: list[bytes]) -> tuple[dict[str, Any], bytes]:
    """The function's values and bytes; the values have an `error` in place of a result."""
    module, _, function = request["function"].partition(":")
    try:
        sys.path[:] = request["path"]
        values, content = getattr(importlib.import_module(module), function)(*data, **request["arguments"])
    except MemoryError:
        return {"error": "memory"}, b""
    except ValueError as error:
        return {"error": "value", "message": str(error)}, b""
    except Exception as error:  # noqa: BLE001 - what it was is all that the other process can tell
        return {"error": "other", "message": f"{type(error).__name__}: {error}"}, b""
    return {"values": values}, content


def _set_limits(memory: int, seconds: int) -> None:
    """Limit memory (bytes) and processor time (seconds), and forbid files to be written.

    Linux has all of these limits, and Windows none.
    """
    try:
        import resource
    except ImportError:
        return
    for limit, value in (
        # Not the address space, which also holds libraries, and room that threads only reserve.
        (resource.RLIMIT_DATA, memory),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        hard = resource.getrlimit(limit)[1]
        most = value if hard == resource.RLIM_INFINITY else min(value, hard)
        try:
            resource.setrlimit(limit, (most, most))
        except (OSError, ValueError):
            # macOS does not take every limit.
            continue


def _end_with_parent() -> None:
    """End this process when the pipe from its parent closes: nothing more is written to it, so only then it is read."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os._exit(1)

    threading.stack_size(256 * 1024)
    threading.Thread(target=wait, daemon=True).start()


def _read(pipe: io.FileIO, size: int) -> bytes:
    """Read `size` bytes; ends this process where there are fewer."""
    data = bytearray(size)
    with memoryview(data) as view:
        done = 0
        while done < size:
            count = pipe.readinto(view[done:])
            if not count:
                os._exit(1)
            done += count
    return bytes(data)


if __name__ == "__main__":
    main()
