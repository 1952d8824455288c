"""What a closed console window means on Windows, which has no SIGHUP for it."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    CTRL_CLOSE_EVENT = 2
    ADD, REMOVE = True, False

    @contextmanager
    def closing(stop: Callable[[], object]) -> Generator[None]:
        """Call `stop` when the console window is closed within the block, and go on until the process ends by itself.

        Windows ends the process as soon as the handler returns, and five seconds after the window was closed in any
        case. What was paid for has that time to be saved.
        """

        @ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
        def handle(event: int) -> bool:
            if event != CTRL_CLOSE_EVENT:
                return False
            stop()
            Event().wait()
            return True

        set_handler = ctypes.windll.kernel32.SetConsoleCtrlHandler
        set_handler(handle, ADD)
        try:
            yield
        finally:
            set_handler(handle, REMOVE)
