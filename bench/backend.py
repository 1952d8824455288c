"""A child process: the images route of the API, which repeats prepared pictures with as little work as possible.

`backend.py FOLDER` serves `/images/generations` and `/images/edits` with the `SIZE.b64` files of the folder, prints its
port, and ends when its stdin does. `/last-arrival` tells when the latest request came. Blocking sockets, a thread a
connection: an answer is handed to the kernel without a copy.
"""

import json
import os
import re
import sys
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from socketserver import StreamRequestHandler, ThreadingTCPServer
from typing import Any

DEFAULT_SIZE = "1024x1024"
USAGE = (
    b'"usage":{"input_tokens":20,"output_tokens":196,"total_tokens":216,'
    b'"input_tokens_details":{"text_tokens":20,"image_tokens":0}}'
)

pictures: dict[str, bytes] = {}
"""Base64 by size."""
arrivals: list[float] = []
"""When the latest request came, by a clock that all processes share."""


class Images(StreamRequestHandler):
    """One connection."""

    disable_nagle_algorithm = True

    def handle(self) -> None:
        """Answer request after request until the client hangs up."""
        while line := self.rfile.readline():
            at = time.perf_counter()
            if line.startswith(b"POST"):
                arrivals[:] = [at]
            if line.strip():
                try:
                    self._answer(line)
                except ConnectionError:
                    return

    def _answer(self, line: bytes) -> None:
        length = 0
        while (header := self.rfile.readline()).strip():
            name, _, value = header.partition(b":")
            if name.lower() == b"content-length":
                length = int(value)
        body = self.rfile.read(length)
        if line.startswith(b"GET /last-arrival "):
            self._send(b"200 OK", [json.dumps({"at": arrivals[-1]}).encode()])
            return
        if not line.startswith((b"POST /v1/images/generations ", b"POST /v1/images/edits ")):
            self._send(b"404 Not Found", [b'{"error":{"message":"not here","type":"invalid_request_error"}}'])
            return
        asked: Mapping[str, Any] = json.loads(body) if body.startswith(b"{") else _read_form(body)
        size = asked.get("size") or DEFAULT_SIZE
        size = size if size in pictures else DEFAULT_SIZE
        row = [b'{"b64_json":"', pictures[size], b'"}']
        rows = [*row, *([b",", *row] * (int(asked.get("n") or 1) - 1))]
        facts = b'"background":"opaque","output_format":"png","quality":"low","size":"%s"' % size.encode()
        self._send(b"200 OK", [b'{"created":1780000000,"data":[', *rows, b"]," + facts + b"," + USAGE + b"}"])

    def _send(self, status: bytes, parts: list[bytes]) -> None:
        head = b"HTTP/1.1 %s\r\ncontent-type: application/json\r\nx-request-id: req_bench\r\ncontent-length: %d\r\n\r\n"
        self.connection.sendall(head % (status, sum(map(len, parts))))
        for part in parts:
            self.connection.sendall(part)


def _read_form(body: bytes) -> Mapping[str, str]:
    """The short fields of a form."""
    found = re.findall(rb'name="(size|n)"\r\n\r\n([0-9x]+)\r\n', body)
    return {name.decode(): value.decode() for name, value in found}


class Server(ThreadingTCPServer):
    """On an ephemeral port of this machine."""

    daemon_threads = True
    request_queue_size = 128


def main() -> None:
    """Serve until stdin ends."""
    for file in Path(sys.argv[1]).glob("*.b64"):
        pictures[file.stem] = file.read_bytes()
    with Server(("127.0.0.1", 0), Images) as server:
        sys.stdout.write(json.dumps({"id": 0, "result": {"port": server.server_address[1]}}) + "\n")
        sys.stdout.flush()
        threading.Thread(target=server.serve_forever, daemon=True).start()
        while os.read(0, 4096):
            pass
        server.shutdown()


if __name__ == "__main__":
    main()
