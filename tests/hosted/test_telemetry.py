"""What is measured of a server: counters on `/metrics`, spans at a collector, and nothing of it over stdio."""

import os
import secrets
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx2
import pytest
from patience import PATIENCE_S
from ports import free_port
from workbench import KEY, SMALL

from gpt_image_2_mcp.database.url import PostgresUrl

from .parts.collector import Collector, running_collector
from .served import SECRET, served, write_tokens

SCRIPT = Path(__file__).with_name("measured_calls.py")


class Measured:
    """What a process printed that made a picture, and was refused a dear one."""

    def __init__(self, folder: Path, collector: Collector) -> None:
        environ = {
            **os.environ,
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
            "PYTHONPATH": str(SCRIPT.parents[1]),
        }
        command = [sys.executable, SCRIPT, folder, str(free_port())]
        ran = subprocess.run(command, env=environ, capture_output=True, text=True, check=False, timeout=PATIENCE_S)
        assert ran.returncode == 0, ran.stderr
        self.collector = collector
        self.lines = ran.stdout.splitlines()
        self.headers = self.lines[-1]

    def value(self, name: str, *labels: str) -> float:
        """The one line of this metric with these labels."""
        (line,) = [
            line
            for line in self.lines
            if line.startswith((name + "{", name + " ")) and all(each in line for each in labels)
        ]
        return float(line.rpartition(" ")[2])


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> Measured:
    with running_collector() as collector:
        return Measured(tmp_path_factory.mktemp("measured"), collector)


@pytest.mark.thorough
def test_metrics_count_jobs_pictures_dollars_and_refusals(measured: Measured) -> None:
    made = ('tool="generate_image"', 'model="gpt-image-2"', 'quality="low"')
    assert measured.value("gpt_image_2_jobs_total", 'outcome="done"', *made) == 1
    assert measured.value("gpt_image_2_jobs_total", 'outcome="failed"', 'quality="high"') == 1
    assert measured.value("gpt_image_2_pictures_total", *made) == 1
    assert 0 < measured.value("gpt_image_2_dollars_total", 'outcome="settled"', *made) < 0.05
    assert measured.value("gpt_image_2_refusals_total", 'reason="OverBudget"', 'tool="generate_image"') == 1


@pytest.mark.thorough
@pytest.mark.parametrize("step", ["queue", "openai", "save", "preview"])
def test_each_step_of_a_picture_is_timed_and_traced_below_the_call(measured: Measured, step: str) -> None:
    assert measured.value("gpt_image_2_step_seconds_count", f'step="{step}"', 'quality="low"') == 1
    (call, *_) = [span for span in measured.collector.spans if span.name == "tools/call generate_image"]
    found = measured.collector.span(step)
    assert (found.trace_id, found.parent_span_id) == (call.trace_id, call.span_id)
    assert measured.collector.services == {"gpt-image-2-mcp"}


def test_metrics_go_to_the_collector_too(measured: Measured) -> None:
    assert {"gpt_image_2.jobs", "gpt_image_2.pictures", "gpt_image_2.dollars"} <= measured.collector.metrics


def test_nothing_that_is_measured_says_who_or_what(measured: Measured) -> None:
    told = b"".join(measured.collector.bodies) + "\n".join(measured.lines).encode()
    assert [word for word in (b"private", b"dear fox", b"job-", b"img-") if word in told] == []


def test_no_header_of_a_trace_is_sent_to_openai(measured: Measured) -> None:
    assert "authorization" in measured.headers
    assert [name for name in ("traceparent", "tracestate", "baggage") if name in measured.headers] == []


@pytest.mark.thorough
@pytest.mark.anyio
async def test_a_served_team_is_measured(team_database: PostgresUrl, sandbox_url: str, tmp_path: Path) -> None:
    token, port = secrets.token_urlsafe(32), free_port()
    with running_collector() as collector:
        env = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": sandbox_url,
            "GPT_IMAGE_2_DATABASE_URL": team_database.text,
            "GPT_IMAGE_2_SECRET": SECRET,
            "GPT_IMAGE_2_PUBLIC_URL": "https://images.example.com/mcp",
            "GPT_IMAGE_2_TOKENS_FILE": str(write_tokens(tmp_path, {"alice": token})),
            "GPT_IMAGE_2_METRICS_PORT": str(port),
            "OTEL_EXPORTER_OTLP_ENDPOINT": collector.endpoint,
        }
        with served(tmp_path, env=env) as server:
            assert server.post("wrong").status_code == httpx2.codes.UNAUTHORIZED
            async with server.client(token) as client:
                trace: Any = {"traceparent": f"00-{'1' * 32}-{'2' * 16}-01"}
                arguments = {"prompt": "a very private fox", "size": SMALL, "quality": "low"}
                await client.call_tool("generate_image", arguments, meta=trace)
            metrics = httpx2.get(f"http://127.0.0.1:{port}/metrics").text
    assert 'gpt_image_2_refusals_total{reason="invalid_token",tool=""} 1.0' in metrics
    assert "gpt_image_2_leases 1.0" in metrics
    assert "gpt_image_2_outbox_age_seconds 0.0" in metrics
    assert "gpt_image_2_queue_length 0.0" in metrics
    call = collector.span("tools/call generate_image")
    assert call.trace_id.hex() == "1" * 32
    assert {collector.span(step).parent_span_id for step in ("queue", "openai", "save", "preview")} == {call.span_id}
    told = b"".join(collector.bodies) + metrics.encode()
    assert [word for word in (b"private", b"alice", token.encode()) if word in told] == []


def test_where_nothing_is_measured_nothing_is_imported() -> None:
    """As over stdio: `telemetry` is imported by what makes pictures, and OpenTelemetry's SDK by nothing."""
    code = """
import sys
import gpt_image_2_mcp.generation.pipeline
import gpt_image_2_mcp.telemetry as telemetry
telemetry.count_job(tool="t", model="m", quality="q", outcome="done", pictures=1)
telemetry.steps_of(tool="t", model="m", quality="q").enter("save")
print([name for name in sys.modules if name.startswith(("opentelemetry", "prometheus"))])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=PATIENCE_S)
    assert ran.stdout.strip() == "[]"
