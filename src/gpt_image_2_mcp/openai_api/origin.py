"""Says whose words an answer has: messages name OpenAI only where OpenAI answered, and quote what a backend says."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import httpx2

from ..redaction.printable import printable_line
from .sanitize import sanitized

OPENAI_DOMAIN = "openai.com"
SANDBOX_HEADER = "x-gpt-image-2-sandbox"
"""The header in every answer of the sandbox of this project."""
MAX_REQUEST_ID = 100
"""Characters of a request's id; OpenAI's have 36."""
MAX_CONTENT_TYPE = 100

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

    @classmethod
    def of(cls, url: httpx2.URL, headers: Mapping[str, str]) -> Self:
        """The origin of an answer with these headers to a request to `url`."""
        host = url.netloc.decode("ascii", "replace").rpartition("@")[2]
        content_type = printable_line(headers.get("content-type", "")[:MAX_CONTENT_TYPE].partition(";")[0])
        return cls(host, _request_id(headers), SANDBOX_HEADER in headers, content_type or cls.content_type)

    @property
    def name(self) -> str:
        """How a sentence that begins with the backend names it."""
        domain = self.host.partition(":")[0]
        is_openai = domain == OPENAI_DOMAIN or domain.endswith(f".{OPENAI_DOMAIN}")
        return "OpenAI" if is_openai else f"The backend at {self.host}"

    @property
    def is_openai(self) -> bool:
        """Whether this is OpenAI itself, so that its pages help."""
        return self.name == "OpenAI"


def says(message: str) -> str:
    """The words of a backend in a message of ours, so that they are not taken for ours."""
    return f"the backend says: {quoted(message)}" if message else "the backend gives no reason"


def quoted(words: str) -> str:
    """The words on one line, in quotes that no quote of theirs ends."""
    return json.dumps(sanitized(words), ensure_ascii=False)


def _request_id(headers: Mapping[str, str]) -> str | None:
    return _ODD_IN_ID.sub("", headers.get("x-request-id", "")[: 2 * MAX_REQUEST_ID])[:MAX_REQUEST_ID] or None
