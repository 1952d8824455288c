"""Ports for programs that cannot choose one themselves."""

import secrets
import socket
from contextlib import suppress

LOWEST, COUNT = 10_000, 20_000
"""Below the ports that systems give to connections that go out: one of those may take any other before it is used."""


def free_port() -> int:
    """A port of loopback that nothing listens on."""
    while True:
        port = LOWEST + secrets.randbelow(COUNT)
        with suppress(OSError), socket.create_server(("127.0.0.1", port)):
            return port
