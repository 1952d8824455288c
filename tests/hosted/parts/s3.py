"""An S3 server with checked signatures (`rclone serve s3`), and a proxy in front of it that fails on demand."""

import contextlib
import os
import secrets
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, Protocol

from patience import PATIENCE_S
from ports import free_port

from .process import running

HOST = "127.0.0.1"
BUCKET = "pictures"
KEY_ID = "testkey"
SECRET = "test-secret-of-the-store"


@dataclass(frozen=True)
class S3:
    """A running server with one bucket, whose objects are the files of a folder."""

    port: int
    bucket: Path
    scheme: Literal["http", "https"] = "http"

    def url(self, prefix: str = "", *, port: int | None = None, bucket: str = BUCKET) -> str:
        """The GPT_IMAGE_2_STORE_URL of a part of the bucket; `port` is that of a proxy."""
        return f"s3://{bucket}/{prefix}?endpoint={self.scheme}://{HOST}:{port or self.port}&region=us-east-1"

    @property
    def environ(self) -> Mapping[str, str]:
        """The credentials, as the environment has them."""
        return {"AWS_ACCESS_KEY_ID": KEY_ID, "AWS_SECRET_ACCESS_KEY": SECRET}

    def names(self, prefix: str) -> list[str]:
        """The names of what is below a prefix."""
        return list(self.objects(prefix))

    def objects(self, prefix: str = "") -> dict[str, bytes]:
        """What is below a prefix."""
        top = self.bucket / prefix
        return {str(path.relative_to(top)): path.read_bytes() for path in top.rglob("*") if path.is_file()}


@contextmanager
def running_s3(*, certificate: Path | None = None) -> Generator[S3]:
    """Run the server; it speaks TLS with a certificate, whose file has the key too."""
    with tempfile.TemporaryDirectory(prefix="s3") as folder:
        served, port = Path(folder, "served"), free_port()
        (served / BUCKET).mkdir(parents=True)
        environ = {"RCLONE_CONFIG": os.devnull, "HOME": folder, "RCLONE_CACHE_DIR": str(Path(folder, "cache"))}
        command = [str(Path(sys.executable).with_name("rclone")), "serve", "s3", "--auth-key", f"{KEY_ID},{SECRET}"]
        command += ["--addr", f"{HOST}:{port}", "--vfs-cache-mode", "off", "--dir-cache-time", "1ms", str(served)]
        command += ["--cert", str(certificate), "--key", str(certificate)] if certificate else []
        with running(command, port=port, log=Path(folder, "log"), env=environ):
            yield S3(port, served / BUCKET, "https" if certificate else "http")


def new_prefix() -> str:
    """A part of the bucket for one test."""
    return f"p{secrets.token_hex(6)}"


Mode = Literal["on", "down", "silent", "slow", "full", "wrong credentials", "no bucket"]
SLOW_S = 1.0


class Listening(Protocol):
    """A server on loopback."""

    @property
    def port(self) -> int: ...


class StoreProxy:
    """A TCP proxy on loopback in front of the server; `mode` says what happens to the requests that come from now on.

    `puts` counts those that reached the server.
    """

    def __init__(self, store: Listening) -> None:
        self._upstream = store.port
        self.mode: Mode = "on"
        self.puts = 0
        self._open = list[socket.socket]()
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        """End all connections."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.hang_up()

    def hang_up(self) -> None:
        """End the connections that are open, which a client would use again."""
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def turn(self, mode: Mode) -> None:
        """Fail so from now on, on connections that are open as well."""
        self.mode = mode
        self.hang_up()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        self._open.append(client)
        with client:
            client.settimeout(PATIENCE_S)
            match self.mode:
                case "down":
                    return
                case "silent":
                    with suppress(OSError):
                        while client.recv(1 << 16):
                            pass
                case "full":
                    self._refuse(client, "507 Insufficient Storage", "InsufficientStorage")
                case "wrong credentials":
                    self._refuse(client, "403 Forbidden", "SignatureDoesNotMatch")
                case "no bucket":
                    self._refuse(client, "404 Not Found", "NoSuchBucket")
                case "slow":
                    time.sleep(SLOW_S)
                    self._pass_on(client)
                case "on":
                    self._pass_on(client)

    @staticmethod
    def _refuse(client: socket.socket, status: str, code: str) -> None:
        body = f"<Error><Code>{code}</Code></Error>".encode()
        with suppress(OSError):
            client.recv(1 << 16)
            head = f"HTTP/1.1 {status}\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
            client.sendall(head.encode() + body)
            client.settimeout(0.2)
            while client.recv(1 << 16):
                pass

    def _pass_on(self, client: socket.socket) -> None:
        with contextlib.closing(socket.create_connection(("127.0.0.1", self._upstream), PATIENCE_S)) as server:
            self._open.append(server)
            back = threading.Thread(target=_copy, args=(server, client), daemon=True)
            back.start()
            with suppress(OSError):
                while data := client.recv(1 << 16):
                    self.puts += data.startswith(b"PUT ")
                    server.sendall(data)
            with suppress(OSError):
                server.shutdown(socket.SHUT_RDWR)
            back.join(PATIENCE_S)


def _copy(source: socket.socket, target: socket.socket) -> None:
    with suppress(OSError):
        while data := source.recv(1 << 16):
            target.sendall(data)
    with suppress(OSError):
        target.shutdown(socket.SHUT_RDWR)
