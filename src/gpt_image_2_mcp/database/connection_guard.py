"""`ConnectionGuard`: an end to the waiting for a server that is silent.

A server that is stopped, or whose disk hangs, goes on taking packets and answers nothing. No time-out of the driver and
none of the server covers that: the thread would wait without end, and with it every call that needs the database.
"""

import os
import socket
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Condition, Thread, local
from time import monotonic
from typing import Any, Final

ANSWER_SECONDS: Final = 35.0
"""Seconds for one statement: longer than the server lets one run (`statement_timeout`), so a healthy one answers."""


@dataclass(slots=True, eq=False)
class _Watch:
    """Watches one transaction of one thread."""

    limit: float
    began: float = field(default_factory=monotonic)
    connection: Any = None
    """The driver's connection; None until the transaction has one."""
    is_broken_off: bool = False

    @property
    def ends(self) -> float:
        """When the server has been silent for too long."""
        return self.began + self.limit

    def look(self, now: float) -> float:
        """Break the connection off if that is over, and tell when to look again."""
        if self.ends > now:
            return self.ends
        # Without a connection it waits for one, which has a time limit of its own.
        if self.connection is not None and not self.is_broken_off:
            self.is_broken_off = True
            # The thread that waits gets an error of the driver, as when the server breaks the connection off.
            with suppress(Exception), socket.socket(fileno=os.dup(self.connection.fileno())) as line:
                line.shutdown(socket.SHUT_RDWR)
        return now + self.limit


class ConnectionGuard:
    """Is entered for each transaction; each thread has its own, on a connection of its own.

    One thread looks at all of them. It sleeps until the first could have waited for too long, and ends when it finds
    none under way, so that the many short transactions start no thread.
    """

    def __init__(self) -> None:
        """Guard nothing yet."""
        self._threads = local()
        self._news = Condition()
        self._watches: set[_Watch] = set()
        self._is_looking = False
        self._look_at = 0.0
        """When the thread looks again, by `time.monotonic`."""

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
        watch = self._threads.watch = _Watch(ANSWER_SECONDS)
        with self._news:
            self._watches.add(watch)
            if not self._is_looking:
                self._is_looking = True
                Thread(target=self._look, name="connection guard", daemon=True).start()
            elif watch.ends < self._look_at:
                self._news.notify()

    def __exit__(self, *_: object) -> None:
        """Watch it no longer."""
        if watch := self._watch:
            with self._news:
                self._watches.discard(watch)

    @property
    def _watch(self) -> _Watch | None:
        return getattr(self._threads, "watch", None)

    def _look(self) -> None:
        with self._news:
            while self._watches:
                now = monotonic()
                self._look_at = min(watch.look(now) for watch in self._watches)
                self._news.wait(self._look_at - now)
            self._is_looking = False
