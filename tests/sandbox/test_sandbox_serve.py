"""The sandbox as a server of its own: one real process, on loopback."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator

import httpx2
import pytest
from fault_proxy import until
from openai import OpenAI
from patience import PATIENCE_S
from promises import promise
from sandbox_batches import GENERATIONS, jsonl, line
from sandbox_pictures import SMALL, opened, png, upload

from gpt_image_2_mcp.sandbox import serve_sandbox

PROGRAM = "from gpt_image_2_mcp.sandbox import serve_sandbox; serve_sandbox(port=0)"


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    process = subprocess.Popen(
        [sys.executable, "-c", PROGRAM], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env={**os.environ}
    )
    assert process.stderr is not None
    try:
        line = process.stderr.readline()
        match = re.search(r"OPENAI_BASE_URL=(http://127\.0\.0\.1:\d+/v1)", line)
        assert match, line
        yield match[1]
    finally:
        process.send_signal(signal.SIGINT)
        out, rest = process.communicate(timeout=PATIENCE_S)
    assert (out, rest, process.returncode) == ("", "", 0)


def test_any_openai_client_can_use_the_server(base_url: str) -> None:
    with OpenAI(api_key="sk-any", base_url=base_url, max_retries=0) as client:
        made = client.images.generate(model="gpt-image-2", prompt="a fox", size=SMALL)
        assert made.data is not None
        assert opened(made.data[0].b64_json).size == (1024, 640)
        edited = client.images.edit(model="gpt-image-2", prompt="a hat", image=upload(png((64, 64))), size=SMALL)
        assert edited.usage is not None
        types = [
            event.type
            for event in client.images.generate(
                model="gpt-image-2", prompt="a fox", size=SMALL, stream=True, partial_images=1
            )
        ]
        assert types == ["image_generation.partial_image", "image_generation.completed"]


def test_the_servers_knobs_turn_over_http_and_its_cuts_are_real(base_url: str) -> None:
    """Held and stalled requests must notice that their caller left, over a real socket too."""
    body = {"model": "gpt-image-2", "prompt": "a fox", "size": SMALL}
    control = base_url.removesuffix("/v1") + "/_sandbox"
    with httpx2.Client(base_url=base_url, headers={"authorization": "Bearer x"}, timeout=PATIENCE_S) as http:
        for fault in ({"kind": "cut", "after": 100}, {"kind": "cut", "after": 0}):
            http.post(f"{control}/knobs", json={"faults": [fault]})
            with pytest.raises(httpx2.RemoteProtocolError):
                http.post("/images/generations", json=body)
        http.post(f"{control}/knobs", json={"hold": True})
        with pytest.raises(httpx2.ReadTimeout):
            http.post("/images/generations", json=body, timeout=httpx2.Timeout(PATIENCE_S, read=0.3))
        assert http.post(f"{control}/release").json()["held"] is False
        http.post(f"{control}/knobs", json={"faults": [{"kind": "url"}]})
        url = http.post("/images/generations", json=body).json()["data"][0]["url"]
        assert http.get(url).headers["content-type"] == "image/png"
        until(lambda: http.get(f"{control}/state").json()["left"] == 1)
        assert http.get(f"{control}/state").json()["running"] == 0


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.0.1", "example.org", "::"])  # noqa: S104, refused is the point
def test_the_server_refuses_to_be_reached_from_elsewhere(host: str) -> None:
    with pytest.raises(ValueError, match=r"loopback|does not appear"):
        serve_sandbox(host, 0)


@promise("Claims", "A sandbox that runs as a server answers no web page.")
@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/_sandbox/requests", {"host": "evil.example"}, 403),
        ("/_sandbox/requests", {"host": "127.0.0.1.evil.example:80"}, 403),
        ("/_sandbox/requests", {"origin": "http://evil.example"}, 403),
        ("/_sandbox/requests", {"origin": "null"}, 403),
        ("/pictures/x", {"host": "evil.example"}, 403),
        ("/_sandbox/requests", {"host": "localhost:8080"}, 200),
        ("/_sandbox/requests", {"origin": "http://127.0.0.1:5173"}, 200),
    ],
)
def test_a_web_page_learns_nothing(base_url: str, path: str, headers: dict[str, str], status: int) -> None:
    """Its requests come from this machine too, under a name of its own or with its origin."""
    assert httpx2.get(base_url.removesuffix("/v1") + path, headers=headers).status_code == status


def test_a_web_page_turns_no_knob(base_url: str) -> None:
    url = base_url.removesuffix("/v1") + "/_sandbox/knobs"
    assert httpx2.post(url, content=b'{"hold": true}', headers={"content-type": "text/plain"}).status_code == 415
    assert httpx2.post(url, json={"hold": True}, headers={"origin": "http://evil.example"}).status_code == 403
    assert httpx2.post(url, json={}).json()["held"] == 0


def test_a_batchs_output_is_no_longer_painted_once_its_reader_has_left(base_url: str) -> None:
    control = base_url.removesuffix("/v1") + "/_sandbox"
    httpx2.post(f"{control}/knobs", json={"batch_s": 0})
    before = httpx2.get(f"{control}/state").json()
    with OpenAI(api_key="sk-any", base_url=base_url, max_retries=0) as client:
        lines = jsonl(*(line(str(number)) for number in range(200)))
        file = client.files.create(file=("lines.jsonl", lines), purpose="batch")
        sent = client.batches.create(input_file_id=file.id, endpoint=GENERATIONS, completion_window="24h")
        batch = client.batches.retrieve(sent.id)
        assert batch.output_file_id is not None
        with client.files.with_streaming_response.content(batch.output_file_id) as output:
            assert '"custom_id"' in next(output.iter_lines())
    until(lambda: httpx2.get(f"{control}/state").json()["left"] == before["left"] + 1)
    after = httpx2.get(f"{control}/state").json()
    assert after["painted"] - before["painted"] < 100
    assert after["paid_at_half"] == 200
