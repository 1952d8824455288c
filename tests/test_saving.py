"""What goes wrong around the saving of a paid picture, and does not lose it."""

import base64
import gc
import hashlib
import io
import logging
import os
import threading
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from fault_proxy import until
from PIL import Image
from workbench import KEY, SMALL, Benches, Canned, canned, encoded

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.images import preview_worker as looks
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}


def looking() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("looks")]


def saved(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.png") if not path.name.startswith(".")]


def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    real = threading.Thread.start

    def start(thread: threading.Thread) -> None:
        if thread.name.startswith("looks"):
            raise RuntimeError("can't start new thread")
        real(thread)

    monkeypatch.setattr(threading.Thread, "start", start)


def no_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    def preview(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(looks, "preview", preview)


@pytest.mark.parametrize("how", [no_thread, no_memory])
async def test_a_picture_that_cannot_be_looked_at_is_saved_and_told_of(
    benches: Benches, monkeypatch: pytest.MonkeyPatch, how: Callable[[pytest.MonkeyPatch], None]
) -> None:
    """A preview is a comfort, the picture is paid for; its record is right all the same."""
    how(monkeypatch)
    bench = await benches.open(wrap=canned(encoded()).wrap)
    made = await bench.made("generate_image", **FOX)
    assert made.path.read_bytes() == encoded()
    assert made.report["images"][0]["sha256"] == hashlib.sha256(encoded()).hexdigest()


async def test_what_is_being_saved_when_the_grace_ends_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are there: a slow disk is waited for."""
    begun, go, left = threading.Event(), threading.Event(), threading.Event()
    sync = os.fsync

    def slow(descriptor: int) -> None:
        if not begun.is_set():
            begun.set()
            assert go.wait(10)
            # Time for the studio to be left, if it does not wait for this.
            left.wait(0.5)
        sync(descriptor)

    class Listening(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            if "gave up waiting" in record.getMessage():
                go.set()

    settings = Settings.read(
        {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path), "GPT_IMAGE_2_SHUTDOWN_GRACE_S": "0.05"}
    )
    transport = SandboxTransport(build_sandbox(knobs=Knobs()))
    handler = Listening()
    logging.getLogger("gpt_image_2_mcp.jobs.runner").addHandler(handler)
    try:
        async with open_service(settings, transport=transport, working_dir=tmp_path, home=tmp_path) as service:
            monkeypatch.setattr(os, "fsync", slow)
            service.start(GenerateRequest(**FOX))
            assert await anyio.to_thread.run_sync(begun.wait, 10)
    finally:
        logging.getLogger("gpt_image_2_mcp.jobs.runner").removeHandler(handler)
        there = saved(tmp_path)
        left.set()
    assert go.is_set(), "the grace had ended"
    assert len(there) == 1


class Broken(httpx2.AsyncByteStream):
    """An answer that breaks off within its picture, long after that was begun to be looked at."""

    def __init__(self) -> None:
        self.before = set(looking())

    async def __aiter__(self) -> AsyncIterator[bytes]:
        noise = Image.frombytes("RGB", (512, 512), os.urandom(512 * 512 * 3))
        out = io.BytesIO()
        noise.save(out, "PNG")
        yield b'{"data":[{"b64_json":"' + base64.b64encode(out.getvalue())[:700_000]
        assert set(looking()) - self.before
        raise httpx2.ReadError("cut")


async def test_what_looked_at_a_picture_that_broke_off_is_gone_with_it(benches: Benches) -> None:
    """A job that failed is remembered, but not its answer's bytes or its thread."""
    broken = Broken()
    bench = await benches.open(wrap=lambda _: Canned(lambda _: httpx2.Response(200, stream=broken)))
    assert "billed" in await bench.refused("generate_image", **FOX)
    # What holds itself in a circle is the collector's.
    await anyio.to_thread.run_sync(until, lambda: gc.collect() >= 0 and set(looking()) <= broken.before)
