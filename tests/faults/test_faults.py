"""A thousand calls through everything that can go wrong: `make faults`. `make test` goes through 150 of them."""

import os
import sys
import time
from collections import Counter
from pathlib import Path

import anyio
import pytest
from patience import rounds

from .backend import FaultBackend
from .clients import Chat, Home, checked, left_running
from .invariants import Violation, counted, described, table
from .kinds import KINDS
from .pictures import picture
from .wishes import mixture

pytestmark = [
    pytest.mark.anyio,
    pytest.mark.skipif(sys.platform == "win32", reason="the clients use the signals of Unix"),
]

CALLS = rounds(60, 1000)
SEED = int(os.environ.get("GPT_IMAGE_2_FAULT_SEED", "1"))

PENDING = frozenset[str]()
"""What does not hold yet, as the invariant and the kind, the action or the ending; a line goes as soon as it holds."""


def _pending(one: Violation) -> str:
    """The entry of `PENDING` that a violation belongs to."""
    names = ["", *([one.round.ending] if one.round else [])]
    if one.fate:
        names = [one.fate.wish.kind, one.fate.wish.action, one.fate.ending]
    return next((entry for name in names if (entry := f"{one.invariant}: {name}") in PENDING), "")


@pytest.mark.slow
async def test_whatever_happens_each_wish_is_paid_once_and_no_picture_is_lost(tmp_path: Path) -> None:
    began, cpu = time.monotonic(), os.times()
    home = Home(tmp_path, "")
    plans = mixture(SEED, CALLS)
    wishes = [wish for plan in plans for wish in plan.wishes]
    with FaultBackend({wish.id: KINDS[wish.kind] for wish in wishes}) as backend:
        home.address = backend.address
        home.make(picture("photo"))
        chats = [Chat(home, plan.session) for plan in plans]
        async with anyio.create_task_group() as tasks:
            for chat, plan in zip(chats, plans, strict=True):
                tasks.start_soon(chat.live, plan.rounds)
        left = await left_running(home)
        check = await checked(home)
    count = counted(home, chats, backend.bills, check)
    count.hold("ended", not left, f"{left} processes are left")
    pending = [one for one in count.violations if _pending(one)]
    failed = [one for one in count.violations if not _pending(one)]
    took, used = time.monotonic() - began, sum(os.times()[:4]) - sum(cpu[:4])
    servers, paid = sum(len(chat.endings) for chat in chats), sum(bill.pictures for bill in backend.bills)
    known = Counter(map(_pending, pending)).most_common()
    head = f"GPT_IMAGE_2_FAULT_SEED={SEED}: {CALLS} wishes, {len({wish.kind for wish in wishes})} kinds of answers"
    head += (
        f", {servers} servers, {len(backend.bills)} requests, {paid} pictures billed; {took:.0f} s, CPU {used:.0f} s"
    )
    tail = f"known, and pending: {', '.join(f'{name} ({number})' for name, number in known) or 'nothing'}"
    lines = [head, table(count, pending), tail]
    lines += map(described, failed)
    text = "\n".join(lines)
    sys.stdout.write(f"\n{text}\n")
    assert not failed, text
