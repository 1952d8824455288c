"""Whether the program on the disk is still the one that was started: two versions must not be mixed in one process.

An upgrade replaces the program underneath a running server, and `uv cache prune` may remove it.
"""

# The values of JSON have the type `Any`, which is imported for the type checkers only: `typing` takes time to load.
# pyright: reportUnknownMemberType=false, reportUnknownArgumentType=false, reportUnknownVariableType=false

import json
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    from .pipes import StdioPipes

REPLACED = (
    "gpt-image-2-mcp was replaced on the disk by another version, or removed, since this server was started, and two"
    " versions must not be mixed; nothing was sent. Restart the MCP server in your client."
)

NOT_LOADED = (
    "gpt-image-2-mcp could not be loaded, and ends: the program may have been replaced or damaged since this server was"
    " started. A picture that was asked for may have been made and billed, and is saved then: restart the MCP server in"
    " your client, whose log has the reason, and look with list_images before you ask for it again."
)

_PACKAGE = os.path.dirname(os.path.dirname(os.path.dirname(__file__)))  # noqa: PTH120 - pathlib costs 5 ms
_FILES = [f"{_PACKAGE}/{name}" for name in ("__init__.py", "app.py")]


class Installation:
    """The version of this program that is on the disk, told by two files that every installation writes anew."""

    __slots__ = ("_seen",)

    def __init__(self) -> None:
        """Look at the disk."""
        self._seen = _look()

    def is_unchanged(self) -> bool:
        """Whether the disk still has the version that was there when this object was made."""
        return self._seen is not None and _look() == self._seen

    def guard_imports(self) -> None:
        """From now on, let what is not loaded yet be imported only while the version is the same."""
        sys.meta_path.insert(0, _Guard(self))


def refuse_all(pipes: "StdioPipes", line: bytes) -> None:
    """Answer this line and all that follow with `REPLACED`, until the client closes stdin. Nothing has to be loaded."""
    while line or (line := pipes.read_line()):
        refuse(pipes, line, REPLACED)
        line = b""


def refuse(pipes: "StdioPipes", line: bytes, reason: str) -> None:
    """Answer a line with the reason why it is not carried out, if it is a request."""
    try:
        message: Any = json.loads(line)
        if "id" in message and "method" in message:
            pipes.write(refusal(message["id"], message["method"], reason))
    except (ValueError, TypeError, RecursionError):
        return


def refusal(request_id: object, method: object, reason: str) -> bytes:
    """The answer to a request that is not carried out, as a line."""
    body: dict[str, Any] = {"jsonrpc": "2.0", "id": request_id}
    if method == "tools/call":
        body["result"] = {"content": [{"type": "text", "text": reason}], "isError": True}
    else:
        body["error"] = {"code": -32603, "message": reason}
    return json.dumps(body, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"


class _Guard:
    """A finder of modules that finds none. What it refuses is told by `ProgramReplaced`."""

    def __init__(self, installation: Installation) -> None:
        self._installation = installation

    def find_spec(self, name: str, path: "Sequence[str] | None" = None, target: object = None) -> None:
        """Refuse what is not of the standard library if the program was replaced: an upgrade replaces libraries too."""
        del path, target
        if name.split(".", 1)[0] not in sys.stdlib_module_names and not self._installation.is_unchanged():
            from ...errors import ProgramReplaced

            raise ProgramReplaced(name)


def _look() -> "tuple[object, ...] | None":
    try:
        found = [os.stat(name) for name in _FILES]  # noqa: PTH116
    except OSError:
        return None
    return tuple((one.st_dev, one.st_ino, one.st_mtime_ns, one.st_size) for one in found)
