"""A backend of raw sockets that answers each request as the wish in its prompt says, and keeps the bills.

A prompt holds the wish's id, and the plan says what kind of answer that wish gets.
"""

import re
import socket
import threading
import time
from collections.abc import Mapping

from listener import Listener

from .exchange import Bill, Exchange, Request, Route, read_request
from .kind import Kind

WISH = re.compile(rb"wish-([0-9a-z]+)")


class FaultBackend(Listener):
    """The backend, in threads of its own; `bills` has every request, in the order in which they came."""

    def __init__(self, plan: Mapping[str, Kind]) -> None:
        """`plan` has the kind of answer for each wish's id."""
        super().__init__()
        self._plan = plan
        self.bills: list[Bill] = []
        self._attempts: dict[str, int] = {}
        self._links: dict[str, tuple[Bill, bytes]] = {}
        self._lock = threading.Lock()

    def serve(self, connection: socket.socket) -> None:
        """Answer the requests of a connection."""
        with connection.makefile("rb") as incoming:
            while (request := read_request(incoming)) is not None and self._answer(connection, request):
                pass

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
