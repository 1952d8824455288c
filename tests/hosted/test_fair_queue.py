"""The queue for requests to the API is fair by person, and in order of arrival for each of them."""

import anyio
import anyio.lowlevel
import pytest

from gpt_image_2_mcp.openai_api.picture_pace import PicturePace
from gpt_image_2_mcp.openai_api.rate_limiter import RateLimiter
from gpt_image_2_mcp.openai_api.request_status import RequestStatus

pytestmark = pytest.mark.anyio


class TakenTogether(PicturePace):
    """A pace that counts as shared with others, and allows everything."""

    is_shared = True


async def order_of(limiter: RateLimiter, *queued: tuple[str, str, bool]) -> list[str]:
    """The order in which requests run that are queued behind one: person, name, and whether a batch sends it."""
    order: list[str] = []
    go = anyio.Event()

    async def ask(person: str, name: str, *, is_paced: bool) -> None:
        status = RequestStatus(person=person, is_paced=is_paced)
        async with limiter.slot(status):
            order.append(name)
            await go.wait()

    async with anyio.create_task_group() as tasks:
        for person, name, is_paced in (("ann", "first", False), *queued):
            tasks.start_soon(lambda person=person, name=name, paced=is_paced: ask(person, name, is_paced=paced))
            await anyio.wait_all_tasks_blocked()
        go.set()
    return order


@pytest.mark.parametrize("pace", [PicturePace(1000), TakenTogether(1000)], ids=["alone", "shared"])
async def test_a_hundred_requests_of_one_person_do_not_hold_up_one_of_another(pace: PicturePace) -> None:
    many = [("ann", str(number), False) for number in range(100)]
    order = await order_of(RateLimiter(1, pace), *many, ("bea", "bea", False))
    assert order == ["first", "bea", *(name for _, name, _ in many)]


async def test_places_go_round_between_people() -> None:
    queued = [(person, person + str(number), False) for person in ("ann", "bea", "cid") for number in range(2)]
    order = await order_of(RateLimiter(2, PicturePace(1000)), *queued)
    assert order[:2] == ["first", "ann0"], "both places were free"
    assert order[2:4] == ["bea0", "cid0"]


async def test_of_a_persons_own_requests_those_of_a_batch_come_last_where_all_wait_for_the_pace() -> None:
    queued = [("ann", "line 1", True), ("ann", "line 2", True), ("ann", "single", False)]
    assert await order_of(RateLimiter(1, TakenTogether(1000)), *queued) == ["first", "single", "line 1", "line 2"]


async def test_the_queue_goes_on_when_a_waiting_request_is_cancelled() -> None:
    limiter = RateLimiter(1, TakenTogether(1000))
    ran = anyio.Event()

    async def ask() -> None:
        async with limiter.slot(RequestStatus()):
            ran.set()

    async with limiter.slot(RequestStatus()):
        with anyio.move_on_after(0) as cancelled:
            await ask()
        assert cancelled.cancelled_caught
        assert limiter.waiting == 0
    await ask()
    assert ran.is_set()


async def test_a_request_that_is_cancelled_while_it_waits_for_the_pace_lets_the_next_one_ask() -> None:
    pace = TakenTogether(60)
    pace.take(60)
    limiter = RateLimiter(1, pace)
    with anyio.move_on_after(0):
        async with limiter.slot(RequestStatus(is_paced=True)):
            pytest.fail("nothing is left of the minute")
    status = RequestStatus()
    async with limiter.slot(status):
        assert (status.waiting, limiter.waiting) == (0, 0)


class AskedElsewhere(TakenTogether):
    """It takes a moment to ask it, as it does to ask a database."""

    async def ask(self, pictures: int, *, is_paced: bool) -> float:
        await anyio.lowlevel.checkpoint()
        return await super().ask(pictures, is_paced=is_paced)


async def test_requests_that_come_at_the_same_moment_run_side_by_side() -> None:
    """One that came while another was asking for its turn does not wait until that has its picture."""
    limiter = RateLimiter(4, AskedElsewhere(1000))
    running: list[str] = []
    go = anyio.Event()

    async def ask(person: str) -> None:
        async with limiter.slot(RequestStatus(person=person)):
            running.append(person)
            await go.wait()

    async with anyio.create_task_group() as tasks:
        for person in ("ann", "bea", "ann"):
            tasks.start_soon(ask, person)
        await anyio.wait_all_tasks_blocked()
        assert sorted(running) == ["ann", "ann", "bea"]
        go.set()
