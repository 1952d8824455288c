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

CALLS = rounds(150, 1000)
SEED = int(os.environ.get("GPT_IMAGE_2_FAULT_SEED", "1"))

PENDING = frozenset(
    (
        # Answers are read strictly: base64, what stands around the JSON, other wrappings.
        "kept: 300 blanks before",
        "kept: 300 line ends before",
        "kept: 300,000 blanks before",
        "kept: a list at the top",
        "kept: a stream that was not asked for",
        "kept: artifacts",
        "kept: base64 for URLs",
        "kept: base64 for URLs without padding",
        "kept: base64 in lines",
        "kept: base64 in lines of Windows",
        "kept: base64 with blanks",
        "kept: base64 without padding",
        "kept: boundary after",
        "kept: byte order mark before",
        "kept: data is a list of texts",
        "kept: data is an object",
        "kept: error beside the pictures",
        "kept: image_url with a data URL",
        "kept: images instead of data",
        "kept: output instead of data",
        "kept: second JSON after",
        "kept: the picture itself",
        "kept: wrapped in a result",
        # Streams are read strictly, and one that was not asked for is not read.
        "kept: stream in lines of Windows",
        "kept: stream lost by a proxy",
        "kept: stream with DONE after",
        "kept: stream with a broken partial",
        "kept: stream with a garbled event",
        "kept: stream with an unknown event",
        "kept: stream with base64 in lines",
        "kept: stream with comments",
        "kept: stream without event lines",
        "kept: stream without its last empty line",
        # What a cut answer holds is thrown away.
        "kept: cut 20 bytes before the end",
        "kept: cut at nine tenths",
        "kept: cut at nine tenths of chunks",
        "kept: cut at one tenth",
        "kept: cut at the half",
        "kept: cut without a length",
        "kept: length 50 too large",
        "kept: length 50 too small",
        # Three formats are known.
        "kept: AVIF",
        "kept: BMP",
        "kept: GIF",
        "kept: SVG",
        "kept: TIFF",
        # Bodies are not kept as they came.
        "kept: half a base64",
        "kept: no picture at all",
        # A job counts as fetched before its answer has left the process.
        "paid: cancel",
        "paid: cancel as the answer comes",
        "paid: cancel and repeat",
        "paid: SIGHUP",
        "paid: SIGKILL",
        "paid: SIGTERM",
        "paid: stdin closed",
        # A blank at the end makes another call of it.
        "paid: repeat with a blank",
        # A row whose record the kill prevented gets none from the next start.
        "clean: SIGKILL",
        # Recovery looks for part files among the pictures, not among the records.
        "left: ",
    )
)
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
