"""Sends a request, and sends it again after a wait where that is safe: one place for slots, threads and retries.

The SDK's own retries are off: it repeats a request whose answer was lost, and the picture would be paid twice. Which
failures are safe to repeat is decided in `unbilled`. After a rate limit (429), all requests of this process wait:
`RequestSender.send` sleeps for the request that met it, and `RateLimiter.note_refusal` holds back the others.
"""

import random
from collections.abc import Callable
from typing import TypeVar

import anyio
import httpx2
import openai

from . import client
from .error_body import error_body
from .errors import MODEL_NAMED_IN, translate
from .rate_limiter import RateLimiter
from .request_status import RequestStatus, Slot
from .threads import run_in_thread
from .unbilled import is_safe_to_repeat, named_wait

MAX_TRIES = 3
"""How often a request that cannot have been billed is sent in all."""
MAX_NAMED_WAIT_S = 120.0
"""The longest wait named by the API that is waited for. A longer one ends the request; its error names the wait."""
FIRST_WAIT_S = 0.5
"""The wait before the second try where the API names none. It doubles with each try, and varies by half."""

AnswerT = TypeVar("AnswerT")


def wait_before_retry(error: openai.OpenAIError, tries: int) -> float | None:
    """Seconds until the request is sent again after `tries` tries; None if it is not sent again."""
    if tries == MAX_TRIES or not is_safe_to_repeat(error):
        return None
    wait = named_wait(error)
    if wait is not None:
        return wait if wait <= MAX_NAMED_WAIT_S else None
    return FIRST_WAIT_S * 2 ** (tries - 1) * random.uniform(0.5, 1.5)  # noqa: S311 - jitter keeps no secret


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
        variable: str = MODEL_NAMED_IN,
        editing: bool = False,
    ) -> AnswerT:
        """Run `call()` in a thread, when there is a slot, up to `MAX_TRIES` times.

        `call` sends the request, reads the answer and saves its pictures; the slot is kept for all of it, unless the
        answer is too long in coming. `status` is updated, and its `before_sending` is awaited before every try.

        `model`, and `variable`, what names it, are for error messages. `editing` says that a refusal of the
        route can be answered by another route, and is to be raised as `RouteRefused`.

        Raises:
            ApiError: what the API answered, or what happened to the connection.
            GptImageError: what `call()` or `before_sending` raises.

        """
        tries = 0
        async with self._limiter.slot(status) as slot:
            while True:
                async with self._limiter.wait_to_start(slot, status) as alone:
                    while True:
                        tries += 1
                        await status.mark_sent()
                        try:
                            answer = await self._call_in_thread(call, slot, status)
                        except openai.OpenAIError as error:
                            failure = translate(error, model=model, variable=variable, editing=editing)
                            if not failure.may_be_billed:
                                # The job can be stopped again while this request waits for its next try.
                                status.unmark_sent()
                            wait = wait_before_retry(error, tries)
                            if wait is None or slot.given_up:
                                raise failure from error
                            if isinstance(error, openai.RateLimitError):
                                hold_s = wait if named_wait(error) is not None else None
                                await self._limiter.note_refusal(error_body(error).message, hold_s=hold_s)
                        else:
                            self._limiter.note_success()
                            return answer
                        status.held_until = anyio.current_time() + wait
                        await anyio.sleep(wait)
                        if not alone:
                            # A rate limit may have been met meanwhile: `wait_to_start` decides anew.
                            break
                        await self._limiter.sit_out_hold(slot, status)

    async def send_unbilled(self, call: Callable[[], AnswerT], status: RequestStatus) -> AnswerT:
        """Run `call()` in a thread, once, when there is a slot; for requests that are never billed, such as uploads.

        Raises the SDK's own errors.
        """
        async with self._limiter.slot(status) as slot, self._limiter.wait_to_start(slot, status):
            return await self._call_in_thread(call, slot, status)

    async def _call_in_thread(self, call: Callable[[], AnswerT], slot: Slot, status: RequestStatus) -> AnswerT:
        # Only the waiting ends at the timeout: the thread goes on, and saves what still arrives.
        with anyio.move_on_after(client.WHOLE_ANSWER_TIMEOUT_S), self._limiter.bound_silence(slot, status):
            try:
                return await run_in_thread(call)
            # The SDK lets these through where the body of an error breaks off.
            except httpx2.TimeoutException as error:
                raise openai.APITimeoutError(request=error.request) from error
            except httpx2.RequestError as error:
                raise openai.APIConnectionError(request=error.request) from error
        raise openai.APITimeoutError(request=httpx2.Request("POST", self.sdk.base_url))
