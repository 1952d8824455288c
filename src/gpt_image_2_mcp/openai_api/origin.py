"""Says whose words an answer has: messages name OpenAI only where OpenAI answered, and quote what a backend says."""

import ipaddress
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self, cast

import httpx2

from ..redaction.printable import printable_line
from .connection_trace import trace_of
from .sanitize import sanitized

OPENAI_DOMAIN = "openai.com"
SANDBOX_HEADER = "x-gpt-image-2-sandbox"
"""The header in every answer of the sandbox of this project."""
MAX_REQUEST_ID = 100
"""Characters of a request's id; OpenAI's have 36."""
MAX_CONTENT_TYPE = 100
UNKNOWN_PEER = "unknown"
"""The address of a connection that was reset before it was asked for."""
_PEER = "peer"
"""The key of `Response.extensions` for the address."""

_ODD_IN_ID = re.compile(r"[^A-Za-z0-9._:/+=-]+")


@dataclass(frozen=True)
class Origin:
    """Where an answer came from."""

    host: str
    """With the port, if the address has one."""
    request_id: str | None = None
    """The id that OpenAI's support asks for."""
    sandbox: bool = False
    """Whether the sandbox of this project answered, and nothing is billed."""
    content_type: str = "no content type"

    reached_at: str | None = None
    """The IP address that the answer came from, or `UNKNOWN_PEER`; None if it came over no network."""

    @classmethod
    def of(cls, response: httpx2.Response) -> Self:
        """The origin of an answer."""
        url, headers = response.request.url, response.headers
        content_type = printable_line(headers.get("content-type", "")[:MAX_CONTENT_TYPE].partition(";")[0])
        reached_at: str | None = response.extensions.get(_PEER)
        # Only the sandbox's word is taken for it that nothing is billed, and that listens on this computer.
        is_near = reached_at is None or (_is_loopback(reached_at) and trace_of(response.request).proxy is None)
        return cls(
            _host(url),
            _request_id(headers),
            SANDBOX_HEADER in headers and is_near,
            content_type or cls.content_type,
            reached_at,
        )

    @classmethod
    def of_request(cls, request: httpx2.Request) -> Self:
        """The origin of an answer of which only the request is known."""
        return cls(_host(request.url))

    @property
    def name(self) -> str:
        """How a sentence that begins with the backend names it."""
        domain = self.host.partition(":")[0]
        is_openai = domain == OPENAI_DOMAIN or domain.endswith(f".{OPENAI_DOMAIN}")
        return "OpenAI" if is_openai else f"The backend at {self.host}"

    @property
    def name_within(self) -> str:
        """How a sentence names it that begins otherwise."""
        return self.name if self.is_openai else f"the backend at {self.host}"

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, so that its pages help."""
        return self.name == "OpenAI"


def _host(url: httpx2.URL) -> str:
    return url.netloc.decode("ascii", "replace").rpartition("@")[2]


def note_peer(response: httpx2.Response) -> None:
    """Note where an answer comes from, while its connection is open; an event hook of the HTTP client."""
    stream: Any = response.extensions.get("network_stream")
    if stream is None:
        return
    try:
        address: Any = stream.get_extra_info("server_addr")
    except OSError:
        # It was reset already.
        address = None
    known = str(cast("tuple[Any, ...]", address)[0]) if isinstance(address, tuple) else UNKNOWN_PEER
    response.extensions[_PEER] = known


def _is_loopback(address: str) -> bool:
    try:
        return ipaddress.ip_address(address).is_loopback
    except ValueError:
        return False


def says(message: str) -> str:
    """The words of a backend in a message of ours, so that they are not taken for ours."""
    return f"the backend says: {quoted(message)}" if message else "the backend gives no reason"


def quoted(words: str) -> str:
    """The words on one line, in quotes that no quote of theirs ends."""
    return json.dumps(sanitized(words), ensure_ascii=False)


def _request_id(headers: Mapping[str, str]) -> str | None:
    return _ODD_IN_ID.sub("", headers.get("x-request-id", "")[: 2 * MAX_REQUEST_ID])[:MAX_REQUEST_ID] or None
