"""The instruments of OpenTelemetry's API; without an SDK and its providers, they do nothing."""

import logging
import threading
import time
from collections.abc import Callable, Iterable
from decimal import Decimal

from opentelemetry import trace
from opentelemetry.context import Context, get_current
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from . import Step, Steps

logger = logging.getLogger(__name__)

NAME = "gpt_image_2"

MAX_MODELS = 20
"""Models with a name of their own in the labels: a call can name any, and each one is a series that is kept."""

SECONDS = (0.01, 0.05, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 40.0, 60.0, 90.0, 120.0, 180.0, 300.0)
"""The bounds of the histogram: a picture takes from seconds to minutes, and its saving milliseconds."""


class Instruments:
    """The counters, the histogram and the tracer of this process."""

    def __init__(self, meters: MeterProvider) -> None:
        """Make them."""
        self._meter = meters.get_meter(NAME)
        self._tracer = trace.get_tracer(NAME)
        self._jobs = self._meter.create_counter(f"{NAME}.jobs", description="Jobs that have ended")
        self._pictures = self._meter.create_counter(f"{NAME}.pictures", description="Pictures that were saved")
        self._dollars = self._meter.create_counter(f"{NAME}.dollars", description="Dollars that were spent")
        self._refusals = self._meter.create_counter(f"{NAME}.refusals", description="Calls answered with an error")
        self._seconds = self._meter.create_histogram(
            f"{NAME}.step",
            unit="s",
            description="How long the steps of a job took",
            explicit_bucket_boundaries_advisory=SECONDS,
        )
        self._models: set[str] = set()

    def steps_of(self, *, tool: str, model: str, quality: str) -> "TracedSteps":
        """What measures the steps of a job."""
        labels = {"tool": tool, "model": self._known(model), "quality": quality}

        def record(step: Step, seconds: float) -> None:
            self._seconds.record(seconds, {"step": step, **labels})

        return TracedSteps(self._tracer, labels, record)

    def count_job(self, *, tool: str, model: str, quality: str, outcome: str, pictures: int) -> None:
        """Count a job, and its pictures."""
        labels = {"tool": tool, "model": self._known(model), "quality": quality}
        self._jobs.add(1, {**labels, "outcome": outcome})
        if pictures:
            self._pictures.add(pictures, labels)

    def count_dollars(self, usd: Decimal, *, tool: str, model: str, quality: str, outcome: str) -> None:
        """Count dollars."""
        labels = {"tool": tool, "model": self._known(model), "quality": quality, "outcome": outcome}
        self._dollars.add(float(usd), labels)

    def count_refusal(self, reason: str, *, tool: str) -> None:
        """Count a refusal."""
        self._refusals.add(1, {"reason": reason, "tool": tool})

    def observe(self, name: str, description: str, look: Callable[[], float]) -> None:
        """Have a value looked at whenever the metrics are read."""

        def callback(options: CallbackOptions) -> Iterable[Observation]:
            del options
            try:
                return [Observation(look())]
            except Exception as error:  # noqa: BLE001 - a database that is away must not take the other metrics along
                logger.info("%s could not be measured: %s", name, error)
                return []

        self._meter.create_observable_gauge(f"{NAME}.{name}", [callback], description=description)

    def _known(self, model: str) -> str:
        """The model's name, or `other` once there are many."""
        if model not in self._models and len(self._models) >= MAX_MODELS:
            return "other"
        self._models.add(model)
        return model


class TracedSteps(Steps):
    """The steps of one job, as spans and as seconds of the histogram."""

    __slots__ = ("_began", "_labels", "_lock", "_parent", "_record", "_span", "_step", "_tracer")

    def __init__(self, tracer: trace.Tracer, labels: dict[str, str], record: Callable[[Step, float], None]) -> None:
        """Trace below the span that is current now: the steps are entered from other threads too."""
        self._tracer = tracer
        self._labels = labels
        self._record = record
        self._parent: Context = get_current()
        self._lock = threading.Lock()
        self._step: Step | None = None
        self._span: trace.Span | None = None
        self._began = 0.0

    def enter(self, step: Step) -> None:
        """End the step before, and begin this one; the same step goes on."""
        with self._lock:
            if step == self._step:
                return
            self._end()
            self._step, self._began = step, time.monotonic()
            self._span = self._tracer.start_span(step, self._parent, attributes=self._labels)

    def end(self) -> None:
        """End the last step."""
        with self._lock:
            self._end()

    def _end(self) -> None:
        if self._step is not None and self._span is not None:
            self._span.end()
            self._record(self._step, time.monotonic() - self._began)
        self._step = self._span = None
