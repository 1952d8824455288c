"""How long the tests wait for what hangs, and how many rounds they go: each from one place.

A bound costs time only where something hangs, so there is one, and it is generous. On a machine that is slower still,
`GPT_IMAGE_2_TEST_PATIENCE=5 make test` waits five times as long.
"""

import os

import anyio

_SLOWNESS = float(os.environ.get("GPT_IMAGE_2_TEST_PATIENCE", "1"))

PATIENCE_S = 90.0 * _SLOWNESS
"""How long a test waits for anything before it fails."""

LOOK_S = 0.01
"""The pause between two looks of a test that waits for other processes or threads: looking takes time from them."""

LONG_WAIT = {"GPT_IMAGE_2_MAX_WAIT_S": str(PATIENCE_S)}
"""For servers whose calls are to be answered with their pictures, however slow the machine is."""

MOMENT_S = 0.5 * _SLOWNESS
"""How long a test looks on while something must not happen: it passes sooner where it does, and takes so long else."""

ALL_ROUNDS = bool(os.environ.get("GPT_IMAGE_2_TEST_ALL_ROUNDS"))
"""Whether the tests marked `slow` go all of their rounds, as they do in `make test-all`."""


async def look_again() -> None:
    """Pause before the next look."""
    await anyio.sleep(LOOK_S)


def rounds(few: int, every: int) -> int:
    """How often a state machine, a race or a loop of kills is gone through: a few times, or all of them."""
    return every if ALL_ROUNDS else few
