"""What goes wrong around the saving of a paid picture, and does not lose it."""

import hashlib
import io
import logging
import os
import threading
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from patience import MOMENT_S, PATIENCE_S
from PIL import Image
from workbench import KEY, META, SMALL, Benches, canned

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.sandbox import Knobs, SandboxTransport, build_sandbox
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

FOX: dict[str, Any] = {"prompt": "a fox", "size": SMALL}


def saved(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*.png") if not path.name.startswith(".")]


async def test_a_picture_of_which_no_preview_can_be_made_is_saved_and_reported(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture is paid for, a preview is a convenience; the record is complete without it."""
    noise = Image.effect_noise((1024, 640), 100).convert("RGB")
    file = io.BytesIO()
    noise.save(file, "PNG")

    def no_memory(*_: object, **__: object) -> None:
        raise MemoryError

    bench = await benches.open(wrap=canned(file.getvalue()).wrap)
    with monkeypatch.context() as patch:
        patch.setattr(Image.Image, "save", no_memory)
        result = await bench.call("generate_image", **FOX)
    assert not result.is_error
    assert "image" not in [block.type for block in result.content]
    (image,) = (result.meta or {})[META]["images"]
    assert [path.read_bytes() for path in saved(bench.folder)] == [file.getvalue()]
    assert image["sha256"] == hashlib.sha256(file.getvalue()).hexdigest()


async def test_what_is_being_saved_when_the_grace_ends_is_saved(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its bytes are there: a slow disk is waited for."""
    begun, go, left = threading.Event(), threading.Event(), threading.Event()
    sync = os.fsync

    def slow(descriptor: int) -> None:
        if not begun.is_set():
            begun.set()
            assert go.wait(PATIENCE_S)
            # A service that does not wait for this is left meanwhile; one that does has to be let go on.
            left.wait(MOMENT_S)
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
            assert await anyio.to_thread.run_sync(begun.wait, PATIENCE_S)
    finally:
        logging.getLogger("gpt_image_2_mcp.jobs.runner").removeHandler(handler)
        there = saved(tmp_path)
        left.set()
    assert go.is_set(), "the grace had ended"
    assert len(there) == 1
