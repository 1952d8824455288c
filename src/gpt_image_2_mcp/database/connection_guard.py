"""`ConnectionGuard`: an end to the waiting for a server that is silent.

A server that is stopped, or whose disk hangs, goes on taking packets and answers nothing. No time-out of the driver and
none of the server covers that: the thread would wait without end, and with it every call that needs the database.
"""

import os
import socket
from contextlib import suppress
from threading import Lock, Timer, local
from time import monotonic
from typing import Any, Final

ANSWER_SECONDS: Final = 35.0
"""Seconds for one statement: longer than the server lets one run (`statement_timeout`), so a healthy one answers."""


class _Watch:
    """Watches one transaction of one thread."""

    def __init__(self) -> None:
        self.connection: Any = None
        """The driver's connection; None until the transaction has one."""
        self.limit = ANSWER_SECONDS
        self.began = monotonic()
        self.is_broken_off = False
        self._state = Lock()
        self._timer: Timer | None = None
        self._start_timer(self.limit)

    def end(self) -> None:
        with self._state:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None

    def _start_timer(self, seconds: float) -> None:
        self._timer = timer = Timer(seconds, lambda: self._look(timer))
        timer.daemon = True
        timer.start()

    def _look(self, timer: Timer) -> None:
        with self._state:
            # It may have come too late to be cancelled.
            if timer is not self._timer:
                return
            left = self.began + self.limit - monotonic()
            # Without a connection it waits for one, which has a time limit of its own.
            if left > 0 or self.connection is None:
                self._start_timer(left if left > 0 else self.limit)
                return
            self.is_broken_off = True
            # The thread that waits gets an error of the driver, as when the server breaks the connection off.
            with suppress(Exception), socket.socket(fileno=os.dup(self.connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)


class ConnectionGuard:
    """Is entered for each transaction; each thread has its own, on a connection of its own."""

    def __init__(self) -> None:
        """Guard nothing yet."""
        self._threads = local()

    @property
    def is_silent(self) -> bool:
        """Whether the last transaction of this thread was broken off, since the server did not answer."""
        watch = self._watch
        return watch is not None and watch.is_broken_off

    @property
    def limit(self) -> float:
        """Seconds for a statement of the last transaction of this thread."""
        watch = self._watch
        return ANSWER_SECONDS if watch is None else watch.limit

    @limit.setter
    def limit(self, seconds: float) -> None:
        if watch := self._watch:
            watch.limit = seconds

    def use(self, connection: Any) -> None:
        """Note the driver's connection that the transaction of this thread has now, or makes."""
        if watch := self._watch:
            watch.connection = connection
            watch.began = monotonic()

    def note_statement(self) -> None:
        """Note that the server has answered so far, and that a statement begins."""
        if watch := self._watch:
            watch.began = monotonic()

    def __enter__(self) -> None:
        """Watch a transaction."""
        self._threads.watch = _Watch()

    def __exit__(self, *_: object) -> None:
        """Watch it no longer."""
        if watch := self._watch:
            watch.end()

    @property
    def _watch(self) -> _Watch | None:
        return getattr(self._threads, "watch", None)
