"""What is measured of a server for a team: counters, and how long each step of a job takes.

`turn_on` has it measured, by OpenTelemetry's API. Where nothing turns it on, as over stdio, the functions do nothing
and import nothing. Labels name tools, models, qualities and outcomes, and never a person, an id or words of a prompt.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from opentelemetry.metrics import MeterProvider

    from .instruments import Instruments

Step = Literal["queue", "openai", "save", "preview"]
"""What a job waits for: a slot of the rate limiter, OpenAI, the disk, the previews."""


class Steps:
    """The steps of one job, one after another; this one measures nothing. Safe to use from several threads."""

    __slots__ = ()

    def enter(self, step: Step) -> None:
        """End the step before, and begin this one; the same step goes on."""

    def end(self) -> None:
        """End the last step."""


UNMEASURED = Steps()

_instruments: "Instruments | None" = None


def turn_on(meters: "MeterProvider") -> None:
    """Measure from now on, with these meters and the process's tracer; see `telemetry.export`."""
    global _instruments  # noqa: PLW0603 - as OpenTelemetry's own providers, it is one for the process
    from .instruments import Instruments

    _instruments = Instruments(meters)


def turn_off() -> None:
    """Measure nothing any more."""
    global _instruments  # noqa: PLW0603
    _instruments = None


def steps_of(*, tool: str, model: str, quality: str) -> Steps:
    """What measures the steps of a job; its spans are children of the span of the call that is being answered."""
    return _instruments.steps_of(tool=tool, model=model, quality=quality) if _instruments else UNMEASURED


def count_job(*, tool: str, model: str, quality: str, outcome: str, pictures: int) -> None:
    """Count a job that has ended, and the pictures that it made; `outcome` is its state."""
    if _instruments:
        _instruments.count_job(tool=tool, model=model, quality=quality, outcome=outcome, pictures=pictures)


def count_dollars(usd: Decimal, *, tool: str, model: str, quality: str, outcome: str) -> None:
    """Count what was spent; `outcome` is the state of the charge."""
    if _instruments:
        _instruments.count_dollars(usd, tool=tool, model=model, quality=quality, outcome=outcome)


def count_refusal(reason: str, *, tool: str = "") -> None:
    """Count a call that was answered with an error; `reason` is a word of this program, as the name of an error."""
    if _instruments:
        _instruments.count_refusal(reason, tool=tool)


def observe(name: str, description: str, look: Callable[[], float]) -> None:
    """Have `look` called whenever the metrics are read; it may block, and where it fails the value is left out."""
    if _instruments:
        _instruments.observe(name, description, look)
