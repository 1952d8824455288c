"""Makes the SDK's client and the HTTP client under it, with all timeouts; `retry` sends requests through them.

The SDK's client is the blocking one; `threads` says why.
"""

from collections.abc import Callable, Iterator
from functools import partial
from time import monotonic
from typing import TypeVar

import httpx2
import openai

from ..settings import DEFAULT_BASE_URL, Settings
from .bounded_body import bound_body, is_results
from .connection_trace import trace_connection
from .network_variables import explain
from .origin import note_peer

ANSWER_TIMEOUT_S = 600.0
"""Seconds to wait for the next byte of an answer: 4K at high quality takes more than 235 s now and then
(third-party measurements, 2026-11)."""
WHOLE_ANSWER_TIMEOUT_S = 900.0
"""Seconds that a request may take from its first byte to the answer's last.

Without this bound, an answer that arrives a byte at a time would keep its slot for ever. After it, the caller gets a
timeout and the slot is free. The request's thread cannot be ended: it stops at the next piece of the answer
(`with_deadline`).
"""
RESULTS_TIMEOUT_S = 6 * 3600.0
"""Seconds that a file of a batch's results may take: 500 pictures of 2 MB are 1.3 GB, and each is saved meanwhile."""
CONNECT_TIMEOUT_S = 5.0
"""Seconds to connect to one IP address of the host; if it is dead, the host's next address is tried after that."""

PartT = TypeVar("PartT")

SANDBOX_KEY = "sandbox"
"""The key for the built-in sandbox, which checks none; the SDK insists on one."""


def make_sdk(settings: Settings, http: httpx2.Client) -> openai.OpenAI:
    """Make the SDK's client, so that it reads nothing from the environment by itself. Blocks.

    `settings` have passed `Settings.require_key`.

    Raises:
        NotConfigured: the key cannot be read.

    """
    key = None if settings.sandbox else settings.load_key()
    address, query = (DEFAULT_BASE_URL, {}) if settings.sandbox else settings.endpoint()
    sdk = openai.OpenAI(
        api_key=key or SANDBOX_KEY,
        admin_api_key="",
        base_url=address,
        default_query=query,
        max_retries=0,
        http_client=http,
        # A LiteLLM proxy repeats requests by itself, and each of its tries is billed: this asks it for none.
        default_headers={"x-litellm-num-retries": "0"},
    )
    # As an argument of the constructor, None would mean "read the environment".
    sdk.organization = settings.organization
    sdk.project = settings.project
    return sdk


def make_http(
    transport: httpx2.BaseTransport | None, note_headers: Callable[[httpx2.Response], None] = lambda _: None
) -> httpx2.Client:
    """Make the HTTP client. It uses the proxy variables of the environment: the user chose the API's address.

    `note_headers` is called with each answer when its head has arrived.

    Raises:
        NotConfigured: one of those variables, or one that names certificates, is wrong.

    """
    timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    # A connection that is used again may be one that the other side closes at this moment, and then the request counts
    # as billed; or it holds bytes that came after the last answer, which would be taken for this request's pictures.
    limits = httpx2.Limits(max_keepalive_connections=0)
    try:
        # A redirect would send the prompt, the pictures and the key to a host that the user did not choose.
        return httpx2.Client(
            transport=transport,
            timeout=timeout,
            limits=limits,
            follow_redirects=False,
            headers={"accept-encoding": "identity"},
            event_hooks={"request": [trace_connection], "response": [note_peer, note_headers, _bound_answer]},
        )
    except (ValueError, httpx2.InvalidURL, OSError) as error:
        if problem := explain(error):
            raise problem from None
        raise


def _bound_answer(response: httpx2.Response) -> None:
    bound_body(response, partial(with_deadline, seconds=RESULTS_TIMEOUT_S) if is_results(response) else with_deadline)


def with_deadline(parts: Iterator[PartT], *, seconds: float | None = None) -> Iterator[PartT]:
    """Iterate over the parts of an answer; raises `httpx2.ReadTimeout` after so many seconds.

    None stands for `WHOLE_ANSWER_TIMEOUT_S`.
    """
    until = monotonic() + (WHOLE_ANSWER_TIMEOUT_S if seconds is None else seconds)
    for part in parts:
        if monotonic() > until:
            raise httpx2.ReadTimeout("the answer takes too long")
        yield part
