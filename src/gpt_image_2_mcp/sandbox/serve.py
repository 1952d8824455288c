"""The sandbox as an HTTP server, for any OpenAI client on this machine.

It listens on loopback addresses only, since it accepts any key and lets every caller change its knobs.
"""

import ipaddress
import logging
import sys

from .app import build_sandbox

_DROPPED = "ASGI callable returned without"
"""The start of uvicorn's error for an incomplete answer. It is not logged: such an answer is a fault set by a test."""


def serve_sandbox(host: str = "127.0.0.1", port: int = 8080) -> None:
    """Serve a new sandbox until Ctrl-C; with port 0 the system chooses a free port.

    One line on stderr names the URL; nothing is written to stdout.

    Raises:
        ValueError: `host` is not a loopback address.
        OSError: the port is in use.
    """
    import socket

    import uvicorn

    address = ipaddress.ip_address("127.0.0.1" if host == "localhost" else host)
    if not address.is_loopback:
        raise ValueError(f"The sandbox serves loopback addresses only, and {host!r} is none: use 127.0.0.1.")
    family = socket.AF_INET6 if address.version == 6 else socket.AF_INET  # noqa: PLR2004, IPv6
    config = uvicorn.Config(
        build_sandbox(), log_level="error", access_log=False, lifespan="off", timeout_graceful_shutdown=1
    )
    logging.getLogger("uvicorn.error").addFilter(lambda record: _DROPPED not in record.getMessage())
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((str(address), port))
        sock.listen()  # before the URL is printed: a program that reads it may connect at once
        shown = f"[{address}]" if address.version == 6 else str(address)  # noqa: PLR2004, IPv6
        sys.stderr.write(
            f"Sandbox: set OPENAI_BASE_URL=http://{shown}:{sock.getsockname()[1]}/v1 and any OPENAI_API_KEY. "
            "Nothing is billed. Ctrl-C stops it.\n"
        )
        sys.stderr.flush()
        try:
            uvicorn.Server(config).run(sockets=[sock])
        except KeyboardInterrupt:
            return
