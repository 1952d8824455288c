"""`ConnectionGuard`: one transaction at a time on a connection, and an end to the waiting for a server that is silent.

A server that is stopped, or whose disk hangs, goes on taking packets and answers nothing. No time-out of the driver and
none of the server covers that: the thread would wait without end, and with it every call that needs the database.
"""

import os
import socket
from contextlib import suppress
from threading import Lock, Timer, get_ident
from time import monotonic
from typing import Any, Final

ANSWER_SECONDS: Final = 35.0
"""Seconds for one statement: longer than the server lets one run (`statement_timeout`), so a healthy one answers."""


class ConnectionGuard:
    """Is entered for each transaction on the `connection`, which all threads share."""

    def __init__(self) -> None:
        """Guard no connection yet."""
        self.connection: Any = None
        """The driver's connection; set when it is made."""
        self.limit = ANSWER_SECONDS
        """Seconds for a statement of the present transaction."""
        self._transaction = Lock()
        self._state = Lock()
        self._timer: Timer | None = None
        self._began = 0.0
        self._thread = 0
        """The thread that is in a transaction."""
        self._unanswered = set[int]()
        """The threads whose last transaction was broken off here."""

    @property
    def is_silent(self) -> bool:
        """Whether the last transaction of this thread was broken off, since the server did not answer."""
        return get_ident() in self._unanswered

    def note_statement(self) -> None:
        """Note that the server has answered so far, and that a statement begins."""
        self._began = monotonic()

    def __enter__(self) -> None:
        """Wait until no other thread is in a transaction."""
        self._transaction.acquire()
        self.limit, self._thread = ANSWER_SECONDS, get_ident()
        self.note_statement()
        with self._state:
            self._unanswered.discard(self._thread)
            self._watch(self.limit)

    def __exit__(self, *_: object) -> None:
        """Let other threads go on."""
        with self._state:
            if self._timer is not None:
                self._timer.cancel()
            self._timer = None
        self._transaction.release()

    def _watch(self, seconds: float) -> None:
        self._timer = timer = Timer(seconds, lambda: self._look(timer))
        timer.daemon = True
        timer.start()

    def _look(self, timer: Timer) -> None:
        with self._state:
            # It may have come too late to be cancelled.
            if timer is not self._timer:
                return
            left = self._began + self.limit - monotonic()
            if left > 0:
                self._watch(left)
                return
            self._unanswered.add(self._thread)
            # The thread that waits gets an error of the driver, as when the server breaks the connection off.
            with suppress(Exception), socket.socket(fileno=os.dup(self.connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
