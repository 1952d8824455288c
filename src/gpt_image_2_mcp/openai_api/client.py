"""Makes the SDK's client, and sends requests through it: one place for slots, threads, timeouts and retries.

The SDK's own retries are off: it repeats a request whose answer was lost, and the picture would be paid for twice. What
is repeated is decided in `retry`. The SDK's client is the blocking one; `threads` says why.
"""

from collections.abc import Callable, Iterator
from time import monotonic
from typing import TypeVar

import anyio
import httpx2
import openai

from ..settings import Settings
from .errors import translate
from .rate_limiter import RateLimiter, RequestStatus
from .retry import named_wait, wait_before_retry
from .threads import run_in_thread

DEFAULT_BASE_URL = "https://api.openai.com/v1"

ANSWER_TIMEOUT_S = 600.0
"""Seconds to wait for the next byte of an answer: 4K at high quality takes more than 235 s now and then
(third-party measurements, 2026-11)."""
WHOLE_ANSWER_TIMEOUT_S = 900.0
"""Seconds that a request may take from its first byte to the answer's last.

Without this bound, an answer that arrives a byte at a time would keep its slot for ever. After it, the caller gets a
timeout and the slot is free. The request's thread cannot be ended: it stops at the next piece of the answer if it
reads one piece by piece (`with_deadline`), and otherwise goes on until the connection ends, which costs its memory.
"""
CONNECT_TIMEOUT_S = 5.0
"""Seconds to connect to one IP address of the host; if it is dead, the host's next address is tried after that."""

AnswerT = TypeVar("AnswerT")
PartT = TypeVar("PartT")

SANDBOX_KEY = "sandbox"
"""The key for the built-in sandbox, which checks none; the SDK insists on one."""


def make_sdk(settings: Settings, http: httpx2.Client) -> openai.OpenAI:
    """Make the SDK's client, so that it reads nothing from the environment by itself.

    `settings` have passed `Settings.require_key`.
    """
    key = SANDBOX_KEY if settings.sandbox or settings.api_key is None else settings.api_key.get_secret_value()
    sdk = openai.OpenAI(
        api_key=key,
        admin_api_key="",
        base_url=DEFAULT_BASE_URL if settings.sandbox else settings.base_url or DEFAULT_BASE_URL,
        max_retries=0,
        http_client=http,
        # A LiteLLM proxy repeats requests by itself, and each of its tries is billed: this asks it for none.
        default_headers={"x-litellm-num-retries": "0"},
    )
    # As an argument of the constructor, None would mean "read the environment".
    sdk.organization = settings.organization
    sdk.project = settings.project
    return sdk


def make_http(transport: httpx2.BaseTransport | None) -> httpx2.Client:
    """Make the HTTP client. It uses the proxy variables of the environment: the user chose the API's address."""
    timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    # A redirect would send the prompt, the pictures and the key to a host that the user did not choose.
    return httpx2.Client(transport=transport, timeout=timeout, follow_redirects=False)


def with_deadline(parts: Iterator[PartT]) -> Iterator[PartT]:
    """Iterate over the parts of an answer; raises `httpx2.ReadTimeout` after `WHOLE_ANSWER_TIMEOUT_S`."""
    until = monotonic() + WHOLE_ANSWER_TIMEOUT_S
    for part in parts:
        if monotonic() > until:
            raise httpx2.ReadTimeout("the answer takes too long")
        yield part


class RequestSender:
    """Sends requests: waits for a slot, marks them as sent, runs them in a thread, and repeats what is safe."""

    def __init__(self, sdk: openai.OpenAI, limiter: RateLimiter) -> None:
        """Send through `sdk`; `limiter` is shared by all requests of this process."""
        self.sdk = sdk
        self._limiter = limiter

    async def send(
        self,
        call: Callable[[], AnswerT],
        status: RequestStatus,
        *,
        model: str,
        variable: str = "GPT_IMAGE_2_MODEL",
        editing: bool = False,
    ) -> AnswerT:
        """Run `call()` in a thread, when there is a slot, up to `retry.MAX_TRIES` times.

        `call` sends the request, reads the answer and saves its pictures; the slot is kept for all of it. `status` is
        updated, and its `before_sending` is awaited before every try.

        `model`, and `variable`, the setting that names it, are for error messages. `editing` says that a refusal of the
        route can be answered by another route, and is to be raised as `RouteRefused`.

        Raises:
            ApiError: what the API answered, or what happened to the connection.
            GptImageError: what `call()` or `before_sending` raises.

        """
        tries = 0
        async with self._limiter.slot(status):
            while True:
                async with self._limiter.wait_to_start(status) as alone:
                    while True:
                        tries += 1
                        await status.mark_sent()
                        try:
                            answer = await self._call_in_thread(call)
                        except openai.OpenAIError as error:
                            failure = translate(error, model=model, variable=variable, editing=editing)
                            if not failure.may_be_billed:
                                # The job can be stopped again while this request waits for its next try.
                                status.unmark_sent()
                            wait = wait_before_retry(error, tries)
                            if wait is None:
                                raise failure from error
                            if isinstance(error, openai.RateLimitError) and named_wait(error) is not None:
                                self._limiter.hold(wait)
                        else:
                            self._limiter.note_success()
                            return answer
                        status.held_until = anyio.current_time() + wait
                        await anyio.sleep(wait)
                        if not alone:
                            # A rate limit may have been met meanwhile: `wait_to_start` decides anew.
                            break
                        await self._limiter.sit_out_hold(status)

    async def send_unbilled(self, call: Callable[[], AnswerT], status: RequestStatus) -> AnswerT:
        """Run `call()` in a thread, once, when there is a slot; for requests that are never billed, such as uploads.

        Raises the SDK's own errors.
        """
        async with self._limiter.slot(status), self._limiter.wait_to_start(status):
            return await self._call_in_thread(call)

    async def _call_in_thread(self, call: Callable[[], AnswerT]) -> AnswerT:
        # Only the waiting ends at the timeout: the thread goes on, and saves what still arrives.
        with anyio.move_on_after(WHOLE_ANSWER_TIMEOUT_S):
            return await run_in_thread(call)
        raise openai.APITimeoutError(request=httpx2.Request("POST", self.sdk.base_url))
