"""A backend of raw sockets that answers each request as the wish in its prompt says, and keeps the bills.

A prompt holds the wish's id, and the plan says what kind of answer that wish gets.
"""

import contextlib
import re
import socket
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Self

from patience import PATIENCE_S

from .exchange import Bill, Exchange, Request, Route, read_request
from .kind import Kind

WISH = re.compile(rb"wish-([0-9a-z]+)")


class FaultBackend:
    """The backend, in threads of its own; `bills` has every request, in the order in which they came."""

    def __init__(self, plan: Mapping[str, Kind]) -> None:
        """`plan` has the kind of answer for each wish's id."""
        self._plan = plan
        self._socket = socket.create_server(("127.0.0.1", 0), backlog=128)
        self.address = f"http://127.0.0.1:{self._socket.getsockname()[1]}"
        self.bills: list[Bill] = []
        self._attempts: dict[str, int] = {}
        self._links: dict[str, tuple[Bill, bytes]] = {}
        self._open: set[socket.socket] = set()
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        """Accept connections."""
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        """Close all connections."""
        with contextlib.suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()
        for connection in list(self._open):
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(PATIENCE_S)

    def _start(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True, name="fault backend")
        self._threads = [one for one in self._threads if one.is_alive()] + [thread]
        thread.start()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:
                return
            connection.settimeout(PATIENCE_S)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open.add(connection)
            self._start(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        try:
            with connection, connection.makefile("rb") as incoming:
                while (request := read_request(incoming)) is not None and self._answer(connection, request):
                    pass
        except OSError:
            pass  # The other side has gone.
        finally:
            self._open.discard(connection)

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        """Answer a request; whether the connection goes on."""
        found = WISH.search(request.body)
        if found is None:
            self._give_link(connection, request.path)
            return True
        wish = found[1].decode()
        path = request.path
        route: Route = "responses" if "responses" in path else "edits" if "edits" in path else "generations"
        bill = Bill(wish, route)
        with self._lock:
            self.bills.append(bill)
            attempt = self._attempts[wish] = self._attempts.get(wish, 0) + 1
        exchange = Exchange(connection, request, bill, attempt, self.address)
        exchange.links = self._links
        kind = self._plan[wish]
        if kind.is_billed:
            exchange.charge()
        # So that answers come in another order than requests, and a cancellation meets every moment.
        time.sleep(int.from_bytes(wish.encode()[-2:]) % 7 * 0.01)
        kind.reply(exchange)
        return not exchange.is_closed

    def _give_link(self, connection: socket.socket, path: str) -> None:
        """Answer a request for a picture that an answer has named by its address."""
        bill, data = self._links.get(path, (None, b""))
        status = "200 OK" if bill else "404 Not Found"
        head = f"HTTP/1.1 {status}\r\ncontent-type: image/png\r\ncontent-length: {len(data)}\r\n\r\n"
        connection.sendall(head.encode() + data)
        if bill:
            bill.whole.append(data)
