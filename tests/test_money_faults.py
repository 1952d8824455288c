"""Answers and networks that are wrong in a way that must cost neither a picture nor a cent too much."""

import os
import socket
import subprocess
import sys
import threading
from base64 import b64encode
from collections.abc import Generator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx2
import pytest
import sqlalchemy as sa
from patience import PATIENCE_S
from workbench import KEY, META, SMALL, Bench, Benches, Canned, canned, encoded, said

from gpt_image_2_mcp.database import schema
from gpt_image_2_mcp.database.sqlite import open_database
from gpt_image_2_mcp.openai_api import edit_router
from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}


@pytest.mark.parametrize("tokens", [10**10, 10**15, 10**31])
async def test_a_count_of_tokens_that_cannot_be_right_is_no_count(benches: Benches, tokens: int) -> None:
    """Such a number once stopped the database of every process, or the report of a picture that was paid for."""
    usage = {"input_tokens": tokens, "output_tokens": tokens, "total_tokens": 2 * tokens}
    bench = await benches.open(wrap=canned(encoded(), usage=usage).wrap)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == encoded()
    assert "The API named no usage; cost unknown." in made.text
    # The next call, and what was spent, are answered as ever.
    await bench.made("generate_image", **FOX)
    assert "unknown outcome" not in said(await bench.call("image_costs"))


async def test_more_pictures_than_a_turn_asked_for_are_saved_and_listed(benches: Benches, tmp_path: Path) -> None:
    """A proxy that ignores `n`: the first picture is the turn, the other one is a picture all the same."""
    (tmp_path / "fox.png").write_bytes(encoded())
    bench = await benches.open(wrap=canned(encoded(), encoded("JPEG")).wrap)
    result = await bench.call("start_edit_session", prompt="blue", images=[str(tmp_path / "fox.png")], size=SMALL)
    started = (result.meta or {})[META]
    assert not result.is_error
    assert len(started["images"]) == 2
    assert "could not be written" not in said(result)
    again = await bench.call("continue_edit_session", session_id=started["session_id"], prompt="green", size=SMALL)
    assert (again.meta or {})[META]["turn"] == 2
    listed = said(await bench.call("list_images"))
    assert all(image["id"] in listed for image in started["images"])


async def test_a_proxy_of_litellm_is_asked_for_no_tries_of_its_own(benches: Benches) -> None:
    """Its default would send a request nine times, and bill each."""
    seen: list[str | None] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers.get("x-litellm-num-retries"))
        return httpx2.Response(200, json={"data": [{"b64_json": b64encode(encoded()).decode()}]})

    bench = await benches.open(wrap=Canned(answer).wrap)
    await bench.made("generate_image", **FOX)
    assert seen == ["0"]


@contextmanager
def proxy(answer: bytes) -> Generator[int]:
    """A proxy on loopback that gives every CONNECT this answer; ends with the test."""
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def serve() -> None:
            while True:
                try:
                    client, _ = server.accept()
                except OSError:
                    return
                with closing(client):
                    client.recv(65536)
                    client.sendall(answer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]


@pytest.mark.parametrize("status", ["407 Proxy Authentication Required", "403 Forbidden", "502 Bad Gateway"])
def test_a_proxy_that_refuses_to_connect_has_sent_nothing_and_costs_nothing(status: str) -> None:
    with proxy(f"HTTP/1.1 {status}\r\ncontent-length: 0\r\n\r\n".encode()) as port:
        variables = {
            "OPENAI_API_KEY": KEY,
            "OPENAI_BASE_URL": "https://api.invalid/v1",
            "HTTPS_PROXY": f"http://127.0.0.1:{port}",
        }
        command = [sys.executable, "-m", "gpt_image_2_mcp", "generate", "a fox", "--size", SMALL]
        ran = subprocess.run(
            command, env={**os.environ, **variables}, capture_output=True, text=True, check=False, timeout=PATIENCE_S
        )
    refused = ran.stderr
    assert ran.returncode == 1
    assert "The proxy on the way to https://api.invalid refused to connect" in refused
    assert status[:3] in refused
    assert "nothing was sent or billed" in refused


async def test_a_stray_404_is_not_the_last_word_on_a_route(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(edit_router, "REMEMBERED_S", 0.0)
    original = await bench.made("generate_image", **FOX)
    bench.knobs.faults = [Fault("html", status=404, route="edits", times=1)]
    for _ in range(2):
        await bench.made("edit_image", prompt="blue", images=[str(original.path)], size=SMALL)
    assert [seen.path.rpartition("/v1")[2] for seen in bench.seen()][1:] == [
        "/images/edits",
        "/responses",
        "/images/edits",
    ]


def test_a_statement_that_fails_stops_no_other_process(tmp_path: Path) -> None:
    """The failure is kept, as a traceback in a log keeps it: the lock on the file goes all the same."""
    one, other = (open_database(tmp_path / "data.db", busy_seconds=0.1) for _ in range(2))
    row = {"id": "session-1", "created_us": 1, "updated_us": 1, "folder": "/", "head": 1, "active": True}
    failures: list[Exception] = []
    for values in ([row, row], [{**row, "head": 10**30}]):
        try:
            with one.transaction() as connection:
                for value in values:
                    connection.execute(sa.insert(schema.sessions), value)
        except Exception as error:  # noqa: BLE001 - whatever it is
            failures.append(error)
        with other.transaction() as connection:
            assert connection.scalar(sa.select(sa.func.count()).select_from(schema.sessions)) == 0
            connection.execute(sa.delete(schema.sessions))
    assert len(failures) == 2
    with one.transaction() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(schema.sessions)) == 0
    one.close()
    other.close()
