"""The parts of a call, each alone and in one thread: base64, the disk, the preview by its share of an answer."""

import base64
import os
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from gpt_image_2_mcp.images import facts
from gpt_image_2_mcp.images.preview import make_preview, share_of

from .figures import NotMeasured
from .workspace import Workspace

SHARES = (1, 4, 10)


def measure_parts(workspace: Workspace) -> None:
    """Do each part by itself in this process."""
    for size, data in workspace.pictures.items():
        workspace.figures.section = f"Parts of a call alone, one thread, {size}"
        encoded = base64.b64encode(data).decode("ascii")
        file = workspace.folder / "output" / f"{size}.png"
        _time(workspace, "base64 decoded, standard library", lambda encoded=encoded: base64.b64decode(encoded))
        _time(workspace, "file written", partial(file.write_bytes, data))
        _time(workspace, "file written and synced, its folder synced", partial(_write_synced, file, data))
        for count in SHARES:
            make = partial(make_preview, data, facts(data), share=share_of(count))
            name = f"preview, {count} in the answer"
            with workspace.figures.attempt(name):
                made = make()
                if made is None:
                    raise NotMeasured("it could not be made")
                _time(workspace, f"{name} ({len(made.base64) / 1000:.0f} kB of base64)", make)


def _time(workspace: Workspace, name: str, part: Callable[[], object]) -> None:
    samples: list[float] = []
    for _ in workspace.rounds(5, 3, seconds=3):
        began = time.perf_counter()
        part()
        samples.append((time.perf_counter() - began) * 1000)
    workspace.figures.add(name, "ms", samples)


def _write_synced(file: Path, data: bytes) -> None:
    with file.open("wb") as out:
        out.write(data)
        out.flush()
        os.fsync(out.fileno())
    folder = os.open(file.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
