"""Starts the engine: forks the front twice, so that the engine is no child of the front and has a session of its own.

The engine is forked instead of started anew, so it is the front's program: same interpreter, same environment, same
rights. What it imports afterwards comes from the disk, and `Installation` tells whether that is still the same.
"""

import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import socket

SWITCH = "GPT_IMAGE_2_ENGINE"
"""The setting that turns the engine off. The front reads it by itself, since importing `Settings` takes long."""

_OFF = ("off", "0", "false", "no", "f", "n")


def is_wanted() -> bool:
    """Whether this process may start an engine; otherwise it becomes the full server itself.

    The first process of a container stays alone: the container ends with it, and an engine would be killed at once. On
    macOS and Windows the engine has not been tried.
    """
    return sys.platform == "linux" and os.getpid() != 1 and os.environ.get(SWITCH, "").strip().lower() not in _OFF


def fork_engine() -> "tuple[bool, socket.socket]":
    """Fork. Returns twice: in the front with False, in the engine with True, each time with that side's socket.

    Raises:
        OSError: the system forbids new processes or sessions; there is no engine.

    """
    import socket

    front, engine = socket.socketpair()
    middle = os.fork()
    if middle == 0:
        # This process stands between the two: the engine is no child of the front when it has ended.
        try:
            os.setsid()
            if os.fork():
                os._exit(0)
        except OSError:
            os._exit(1)
        front.close()
        return True, engine
    engine.close()
    if os.waitpid(middle, 0)[1] != 0:
        front.close()
        raise PermissionError("the system forbids a process with a session of its own")
    return False, front
