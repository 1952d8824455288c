"""Where the metrics and traces of a server for a team go: to whoever reads `/metrics`, and to an OTLP collector.

The standard variables of OpenTelemetry say where the collector is (`OTEL_EXPORTER_OTLP_ENDPOINT`) and all about it;
without one, nothing is sent. No request to OpenAI carries a header of a trace: nothing here touches the HTTP client.

OpenTelemetry's SDK is imported only where something is measured: it takes 3 MiB.
"""

import logging
import os
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ..errors import NotConfigured
from . import turn_off, turn_on

if TYPE_CHECKING:
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import MetricReader
    from opentelemetry.sdk.resources import Resource

logger = logging.getLogger(__name__)

ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
METRICS_ENDPOINT = "OTEL_EXPORTER_OTLP_METRICS_ENDPOINT"
TRACES_ENDPOINT = "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"

HOST = "127.0.0.1"
"""Who may read `/metrics`: what runs on this computer, or in this container's network."""


@contextmanager
def exported(
    *, version: str, metrics_port: int | None = None, environ: Mapping[str, str] = os.environ
) -> Generator[None]:
    """Measure and export while the block runs; without a port and without a collector, nothing is measured.

    Raises:
        NotConfigured: the port is taken.

    """
    has_metrics = bool(environ.get(ENDPOINT) or environ.get(METRICS_ENDPOINT))
    has_traces = bool(environ.get(ENDPOINT) or environ.get(TRACES_ENDPOINT))
    if metrics_port is None and not has_metrics and not has_traces:
        yield
        return
    from opentelemetry.sdk.resources import Resource

    name = {} if environ.get("OTEL_SERVICE_NAME") else {"service.name": "gpt-image-2-mcp"}
    resource = Resource.create({"service.version": version, **name})
    with _metrics(resource, metrics_port, sends=has_metrics) as meters, _traces(resource, sends=has_traces):
        turn_on(meters)
        try:
            yield
        finally:
            turn_off()


@contextmanager
def _metrics(resource: "Resource", port: int | None, *, sends: bool) -> "Generator[MeterProvider]":
    from opentelemetry.sdk.metrics import MeterProvider
    from opentelemetry.sdk.metrics.export import PeriodicExportingMetricReader

    readers: list[MetricReader] = []
    if sends:
        from opentelemetry.exporter.otlp.proto.http.metric_exporter import OTLPMetricExporter

        readers.append(PeriodicExportingMetricReader(OTLPMetricExporter()))
    if port is None:
        with _until_shutdown(MeterProvider(readers, resource)) as provider:
            yield provider
        return
    from opentelemetry.exporter.prometheus import PrometheusMetricReader
    from prometheus_client import start_http_server

    readers.append(PrometheusMetricReader(scope_info_enabled=False))
    with _until_shutdown(MeterProvider(readers, resource)) as provider:
        try:
            server, thread = start_http_server(port, HOST)
        except OSError as error:
            raise NotConfigured(
                f"GPT_IMAGE_2_METRICS_PORT is {port}, and this computer does not give that port ({error.strerror}):"
                " name another one, or unset the variable."
            ) from error
        logger.info("metrics are at http://%s:%d/metrics", HOST, server.server_port)
        try:
            yield provider
        finally:
            server.shutdown()
            server.server_close()
            thread.join()


@contextmanager
def _until_shutdown(provider: "MeterProvider") -> "Generator[MeterProvider]":
    try:
        yield provider
    finally:
        provider.shutdown()


@contextmanager
def _traces(resource: "Resource", *, sends: bool) -> Generator[None]:
    if not sends:
        yield
        return
    from opentelemetry import trace
    from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
    from opentelemetry.sdk.trace import TracerProvider
    from opentelemetry.sdk.trace.export import BatchSpanProcessor

    provider = TracerProvider(resource=resource)
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter()))
    # The one of the process, since the MCP SDK traces calls with that.
    trace.set_tracer_provider(provider)
    try:
        yield
    finally:
        provider.shutdown()
