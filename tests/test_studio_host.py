"""`gpt-image-2-mcp studio`: a real process and real requests, by its own page and by everything else that can send."""

import base64
import http.client
import json
import os
import re
import secrets
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread
import httpx2
import pytest
from fault_proxy import paying
from patience import PATIENCE_S
from promises import promise
from stdio_bench import Box
from test_consent import DEAR, LIMIT
from workbench import SMALL

from gpt_image_2_mcp.studio.host.app import MAX_BODY, build_host
from gpt_image_2_mcp.studio.host.keys import Keys
from gpt_image_2_mcp.studio.page import page

BROWSER = """
import socket, sys
with socket.create_connection(("127.0.0.1", int(sys.argv[1]))) as to:
    to.sendall(sys.argv[2].encode())
"""
"""A browser that tells the address with which it was started."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True)
class Running:
    """The command, the address that it has printed, and the one with which it has started the browser."""

    process: subprocess.Popen[str]
    port: int
    token: str
    opened: str
    folder: Path

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def send(self, method: str, path: str, body: bytes = b"", **headers: str | None) -> Answer:
        """Send a request as the host's own page does, but for the headers that are given; None leaves one out."""
        own = {"Host": f"127.0.0.1:{self.port}", "Authorization": f"Bearer {self.token}"}
        own |= {"Origin": self.origin} if method == "POST" else {}
        sent = {name: value for name, value in {**own, **headers}.items() if value is not None}
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.putrequest(method, path, skip_host=True, skip_accept_encoding=True)
            for name, value in {**sent, "Content-Length": str(len(body))}.items():
                connection.putheader(name, value)
            connection.endheaders(body)
            answer = connection.getresponse()
            return Answer(answer.status, {k.lower(): v for k, v in answer.getheaders()}, answer.read())
        finally:
            connection.close()

    def rpc(self, agreed: str | None = None, /, **arguments: Any) -> dict[str, Any]:
        answer = self.send("POST", "/rpc", json.dumps({"arguments": arguments, "agreed": agreed}).encode())
        assert answer.status == 200, answer.body
        return json.loads(answer.body)

    def ask(self, **arguments: Any) -> dict[str, Any]:
        found = self.rpc(**arguments)
        assert not found["is_error"], found
        return json.loads(found["text"])

    def end(self, number: signal.Signals) -> int:
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_S)


def start(folder: Path, *arguments: str, **environ: str) -> Running:
    """Start the command on the sandbox; its browser is the one above."""
    script = folder / "browser.py"
    script.write_text(BROWSER, encoding="utf-8")
    with socket.create_server(("127.0.0.1", 0)) as told:
        told.settimeout(PATIENCE_S)
        browser = f"{sys.executable} {script} {told.getsockname()[1]} %s"
        places = {"HOME": str(folder), "XDG_DATA_HOME": str(folder), "GPT_IMAGE_2_OUTPUT_DIR": str(folder / "pictures")}
        command = [sys.executable, "-m", "gpt_image_2_mcp", "studio", *arguments]
        variables = {**os.environ, **places, "BROWSER": browser, **environ}
        process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=variables, cwd=folder)
        assert process.stderr is not None
        found = re.search(r"http://127\.0\.0\.1:(\d+)/#(\S+)", process.stderr.readline())
        assert found, process.stderr.read()
        opened = ""
        if "--no-browser" not in arguments:
            connection, _ = told.accept()
            with connection:
                opened = connection.recv(1000).decode()
    return Running(process, int(found[1]), found[2], opened, folder)


@pytest.fixture(scope="module")
def studio(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    running = start(tmp_path_factory.mktemp("studio"), "--sandbox")
    yield running
    running.process.kill()
    running.process.communicate()


def click() -> str:
    return secrets.token_hex(16)


def made(studio: Running) -> str:
    """The id of a new picture."""
    job = studio.ask(op="generate", click=click(), prompt="a fox", size=SMALL, quality="low")["job"]
    while not (answer := studio.ask(op="job", job=job))["done"]:
        pass
    (picture,) = answer["pictures"]
    return picture


def test_the_page_makes_pictures_and_reads_them(studio: Running) -> None:
    fox = made(studio)
    assert studio.ask(op="open")["shown"] == fox
    part = studio.ask(op="original", picture=fox)
    (file,) = studio.folder.rglob(part["name"])
    assert file.read_bytes().startswith(base64.b64decode(part["data"]))
    refused = studio.rpc(op="picture", picture="../../etc/passwd")
    assert refused["is_error"]
    assert "A picture is named by its id here" in refused["text"]


def test_the_host_frames_the_page_without_an_origin_and_without_a_way_to_the_network(studio: Running) -> None:
    host = studio.send("GET", "/", Authorization=None)
    assert b'sandbox="allow-scripts"' in host.body
    assert studio.token.encode() not in host.body
    assert "frame-ancestors 'none'" in host.headers["content-security-policy"]
    framed = studio.send("GET", "/page", Authorization=None)
    assert framed.body.decode() == page()
    policy = framed.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-scripts; default-src 'none'")
    assert "connect-src" not in policy
    for path in ("/host.js", "/host.css"):
        assert studio.send("GET", path, Authorization=None).status == 200


@promise("The studio in the browser", "Only the page that the command has opened can see pictures or spend money.")
def test_no_other_page_or_program_is_answered(studio: Running) -> None:
    call = json.dumps({"arguments": {"op": "open"}}).encode()
    refused: list[tuple[int, dict[str, str | None]]] = [
        (401, {"Authorization": None}),
        (401, {"Authorization": "Bearer "}),
        (401, {"Authorization": "Bearer ä"}),
        (401, {"Authorization": f"Bearer {studio.token[:-1]}"}),
        (403, {"Host": f"evil.example:{studio.port}"}),
        # A name whose server lets it mean 127.0.0.1 (DNS rebinding).
        (403, {"Host": f"evil.example:{studio.port}", "Origin": f"http://evil.example:{studio.port}"}),
        (403, {"Host": "127.0.0.1"}),
        (403, {"Host": f"127.0.0.1:{studio.port}.evil.example"}),
        (403, {"Host": None}),
        (403, {"Origin": None}),
        (403, {"Origin": "null"}),
        (403, {"Origin": "http://evil.example"}),
        (403, {"Origin": f"http://127.0.0.1:{studio.port + 1}"}),
        (403, {"Origin": f"https://127.0.0.1:{studio.port}"}),
        (403, {"Origin": f"http://localhost:{studio.port}"}),
    ]
    for status, headers in refused:
        answer = studio.send("POST", "/rpc", call, **headers)
        assert answer.status in {status, 400} if headers == {"Host": None} else answer.status == status, headers
        assert b"pictures" not in answer.body
        assert "access-control-allow-origin" not in answer.headers
    assert studio.send("GET", "/page", Host=f"evil.example:{studio.port}").status == 403
    by_name = {"Host": f"localhost:{studio.port}", "Origin": f"http://localhost:{studio.port}"}
    assert studio.send("POST", "/rpc", call, **by_name).status == 200


def test_there_is_nothing_else(studio: Running) -> None:
    for path in ("/rpc/x", "/studio.html", "/..%2f..%2fetc/passwd", "//rpc", "/host.html", "/docs"):
        assert studio.send("GET", path).status == 404, path
    for method, path in (("GET", "/rpc"), ("PUT", "/rpc"), ("POST", "/"), ("DELETE", "/page"), ("GET", "/token")):
        answer = studio.send(method, path, Origin=studio.origin)
        assert answer.status == 405, (method, path)
    preflight = studio.send("OPTIONS", "/rpc", Origin="http://evil.example")
    assert preflight.status == 403


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"arguments": []}', b'{"arguments": "op"}', b"[" * 100_000])
def test_a_body_that_is_no_call_is_refused(studio: Running, body: bytes) -> None:
    assert studio.send("POST", "/rpc", body).status == 400


def test_a_large_body_is_refused(studio: Running) -> None:
    assert studio.send("POST", "/rpc", b" " * (MAX_BODY + 1)).status == 413


@pytest.mark.anyio
async def test_a_request_that_breaks_off_is_no_error_of_the_program(tmp_path: Path) -> None:
    async def receive() -> dict[str, Any]:
        return {"type": "http.disconnect"}

    async def send(message: Any) -> None:
        assert message.get("status", 403) == 403

    headers = [(b"host", b"127.0.0.1:9"), (b"origin", b"http://127.0.0.1:9"), (b"content-length", b"9")]
    scope = {"type": "http", "method": "POST", "path": "/token", "query_string": b"", "headers": headers}
    async with paying(tmp_path) as bench:
        assert bench.server.service is not None
        await build_host(bench.server.service, Keys(), 9)(scope, receive, send)


@promise("The studio in the browser", "The address with which the browser is started works once.")
def test_the_code_in_the_browser_s_address_is_exchanged_once(studio: Running) -> None:
    """Other users of the computer can read the arguments of every process."""
    assert studio.token not in studio.opened
    address, _, code = studio.opened.partition("#once=")
    assert address == f"{studio.origin}/"
    for other in ("", "x", studio.token):
        assert studio.send("POST", "/token", other.encode()).status == 403
    assert studio.send("POST", "/token", code.encode(), Origin="http://evil.example").status == 403
    assert studio.send("POST", "/token", code.encode()).body.decode() == studio.token
    assert studio.send("POST", "/token", code.encode()).status == 403


@pytest.mark.thorough
@pytest.mark.parametrize("name", ["SIGHUP", pytest.param("SIGINT", marks=pytest.mark.thorough)])
@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such signals")
def test_the_command_ends_with_the_terminal(tmp_path: Path, name: str) -> None:
    running = start(tmp_path, "--sandbox", "--no-browser")
    assert running.ask(op="open")["shown"] is None
    assert running.end(signal.Signals[name]) == 0
    assert running.process.stderr is not None
    assert running.process.stderr.read() == "Ctrl-C ends it.\n"
    running.process.stderr.close()


@pytest.mark.anyio
@promise("The studio in the browser", "A click above your limit is asked about, outside of the page's frame.")
async def test_a_dear_click_is_asked_about_and_a_yes_counts_for_its_own_price(tmp_path: Path) -> None:
    async with paying(tmp_path, LIMIT) as bench:
        keys = Keys()
        assert bench.server.service is not None
        app = build_host(bench.server.service, keys, 80)
        headers = {"Origin": "http://127.0.0.1:80", "Host": "127.0.0.1:80", "Authorization": f"Bearer {keys.token}"}
        call = {"op": "generate", "click": click(), **DEAR}
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), headers=headers) as client:

            async def press(agreed: object = None) -> dict[str, Any]:
                return (await client.post("http://127.0.0.1/rpc", json={"arguments": call, "agreed": agreed})).json()

            asked = await press()
            assert "will cost about $0.0287" in asked["question"]
            assert await press("1 picture will cost about $0.0001. Go ahead?") == asked
            assert await press({"yes": 1}) == asked
            assert not bench.seen()
            job = json.loads((await press(asked["question"]))["text"])["job"]
            # The same click is that job: nothing is asked about again.
            assert json.loads((await press())["text"])["job"] == job


@pytest.mark.thorough
@pytest.mark.anyio
@promise("The studio in the browser", "A click whose process was killed is never sent again by itself.")
async def test_a_click_of_a_killed_process_is_the_same_job_in_the_next_one(tmp_path: Path, box: Box) -> None:
    call = {"op": "generate", "click": click(), "prompt": "a fox", "size": SMALL, "quality": "low"}
    await box.turn(hold=True)
    opened = partial(start, tmp_path, "--no-browser", **box.environ)
    first = await anyio.to_thread.run_sync(opened)
    job = first.ask(**call)["job"]
    await box.reached(1)
    first.process.kill()
    first.process.communicate()
    second = await anyio.to_thread.run_sync(opened)
    assert second.ask(**call)["job"] == job
    found = second.ask(op="job", job=job)
    assert found["done"]
    assert "may have been billed" in found["error"]
    await box.release()
    assert second.end(signal.SIGTERM) == 0
    second.process.communicate()
    assert await box.count("started") == 1
