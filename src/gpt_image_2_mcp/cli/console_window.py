"""Ctrl-C, Ctrl-Break and a closed console window on Windows, which sends no signals for them."""

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from threading import Event

if sys.platform == "win32":
    import ctypes
    from ctypes import wintypes

    CTRL_C_EVENT, CTRL_BREAK_EVENT, CTRL_CLOSE_EVENT = 0, 1, 2
    ADD, REMOVE = True, False

    @contextmanager
    def watched(on_event: Callable[[bool], object]) -> Generator[None]:
        """Call `on_event` in another thread when one of them comes within the block; it ends nothing by itself.

        The argument is whether the window was closed. Windows ends the process five seconds after that in any case,
        and at once when the handler returns: what was paid for has that time to be saved.
        """

        @ctypes.WINFUNCTYPE(wintypes.BOOL, wintypes.DWORD)
        def handle(event: int) -> bool:
            if event not in (CTRL_C_EVENT, CTRL_BREAK_EVENT, CTRL_CLOSE_EVENT):
                return False
            on_event(event == CTRL_CLOSE_EVENT)
            if event == CTRL_CLOSE_EVENT:
                Event().wait()
            return True

        set_handler = ctypes.windll.kernel32.SetConsoleCtrlHandler
        set_handler(handle, ADD)
        try:
            yield
        finally:
            set_handler(handle, REMOVE)
