"""Makes the SDK's client, sends requests, and decides what is sent again.

The SDK's own retries are off: it would ask again after a lost answer, and a picture would be paid for twice. Its client
is the blocking one: `threads` says why.
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
"""How long an answer may keep one waiting for its next byte: 4K at high quality passes 235 s now and then
(third-party measurements, 2026-11)."""
WHOLE_ANSWER_TIMEOUT_S = 900.0
"""How long a request may take from its first byte to the answer's last: one that drips would keep its place.

Whoever waits is told then. The thread ends with the next piece of the answer; one that waits for an upload, for the
whole of a Responses answer or for a stream that only says that it lives goes on, and costs nothing but itself.
"""
CONNECT_TIMEOUT_S = 5.0
"""How long one address of the host may take to be connected to: one that is dead leaves the next its chance soon."""

AnswerT = TypeVar("AnswerT")
PartT = TypeVar("PartT")

SANDBOX_KEY = "sandbox"
"""What the sandbox in this process takes for a key: it needs none, the SDK does."""


def make_sdk(settings: Settings, http: httpx2.Client) -> openai.OpenAI:
    """Make the SDK's client with nothing left for it to find in the environment by itself.

    `settings` are those that `Settings.require` is content with.
    """
    key = SANDBOX_KEY if settings.sandbox or settings.api_key is None else settings.api_key.get_secret_value()
    sdk = openai.OpenAI(
        api_key=key,
        admin_api_key="",
        base_url=DEFAULT_BASE_URL if settings.sandbox else settings.base_url or DEFAULT_BASE_URL,
        max_retries=0,
        http_client=http,
    )
    # Passed as arguments, None would mean "look into the environment".
    sdk.organization = settings.organization
    sdk.project = settings.project
    return sdk


def make_http(transport: httpx2.BaseTransport | None) -> httpx2.Client:
    """Make the HTTP client; a person's proxy settings count, since this is the person's own address to reach."""
    timeout = httpx2.Timeout(ANSWER_TIMEOUT_S, connect=CONNECT_TIMEOUT_S)
    # A redirect would take the prompt and the pictures to a host that nobody named.
    return httpx2.Client(transport=transport, timeout=timeout, follow_redirects=False)


def with_deadline(parts: Iterator[PartT]) -> Iterator[PartT]:
    """The parts of an answer for as long as the whole of it may take; raises httpx2's timeout then."""
    until = monotonic() + WHOLE_ANSWER_TIMEOUT_S
    for part in parts:
        if monotonic() > until:
            raise httpx2.ReadTimeout("the answer takes too long")
        yield part


class RequestSender:
    """Sends requests in their turn, and again where that is safe and may help."""

    def __init__(self, sdk: openai.OpenAI, limiter: RateLimiter) -> None:
        """Send through `sdk`, at the pace that all work of this process shares."""
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
        """Do `call()` in its turn, in a thread, up to `MAX_TRIES` times; its place is kept until all is saved.

        `model` and the `variable` that names it are for the reader of an error; `editing` tells that a refusal of the
        route has another way to go.

        Raises:
            ApiError: what the API said, or what became of the connection.
            GptImageError: what `call()` itself raises.

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
                            # The next try may have to go alone.
                            break
                        await self._limiter.sit_out_hold(status)

    async def send_unbilled(self, call: Callable[[], AnswerT], status: RequestStatus) -> AnswerT:
        """Do `call()` in its turn, in a thread, once; for what OpenAI does not bill. Raises the SDK's own errors."""
        async with self._limiter.slot(status), self._limiter.wait_to_start(status):
            return await self._call_in_thread(call)

    async def _call_in_thread(self, call: Callable[[], AnswerT]) -> AnswerT:
        # Whatever comes later is still saved.
        with anyio.move_on_after(WHOLE_ANSWER_TIMEOUT_S):
            return await run_in_thread(call)
        raise openai.APITimeoutError(request=httpx2.Request("POST", self.sdk.base_url))
