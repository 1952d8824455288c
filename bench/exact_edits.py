"""Exact edits on edits of which the truth is known: how close they come to it, what they tell, and what they take."""

import io
import resource
from collections.abc import Callable
from statistics import fmean
from typing import Any, Final

import numpy as np
from PIL import Image

from gpt_image_2_mcp.child_process import run_in_child
from gpt_image_2_mcp.generation.exact_edits import MAX_DATA, MEMORY, SECONDS
from gpt_image_2_mcp.pixels import composite
from tests.pixel_truth import SCENES, Level, band_of, drifted, edit_truth, psnr, scene

from .figures import Goal
from .workspace import Workspace

SIZE: Final = (768, 640)
SEEDS: Final = (101, 102, 103)
"""Seeds that nothing was tuned on."""
BOUNDS: Final[dict[Level, tuple[float, float]]] = {"mild": (55, 45), "strong": (32, 25)}
"""The mean and the least that the PSNR of the band inside a mask's edge is to have."""
SMALL, PHOTO = (1024, 1024), (6000, 4000)
WINDOW: Final = (2200, 1400, 3224, 2168)
"""What is sent of the photo: left, upper, right and lower edge."""


def measure_exact_edits(workspace: Workspace) -> None:
    """Measure how close exact edits come to the truth, and the processor time that one takes."""
    figures = workspace.figures
    figures.section = "Exact edits: the band inside the mask, against the edit without drift"
    outside = 0
    for level, (mean, least) in BOUNDS.items():
        found: list[float] = []
        for seed, number, kind in _each(workspace):
            edit = edit_truth(kind, SIZE, seed)
            model, mask = drifted(edit.wanted, level, 100 * seed + number), edit.mask.astype(np.float32)
            made = composite.put_back(edit.original, model, mask, composite.look(edit.original, model, mask))
            outside += int((made != edit.original).any(-1)[~edit.mask].sum())
            found.append(psnr(made, edit.wanted, band_of(edit.mask)))
        figures.add(
            f"{level} drift, {len(found)} edits: the mean", "dB", [fmean(found)], goal=Goal(mean, is_least=True)
        )
        figures.add(f"{level} drift: the worst", "dB", [min(found)], goal=Goal(least, is_least=True))
    figures.add("pixels outside of all masks that differ", "px", [outside], goal=Goal(0))
    figures.section = "Exact edits: an object that is larger than its mask"
    for name, bleeds, goal in (("is told", True, Goal(95, is_least=True)), ("is told of honest edits", False, Goal(0))):
        told = [
            _is_told(seed, number, kind, level, bleeds=bleeds)
            for seed, number, kind in _each(workspace)
            for level in BOUNDS
        ]
        figures.add(name, "%", [100 * fmean(told)], goal=goal)
    figures.section = "Exact edits: processor time that one adds"
    figures.add("1024x1024", "ms", _times(workspace, _small()), goal=Goal(2000))
    figures.add("24 megapixels, a JPEG, a part of it", "ms", _times(workspace, _photo()), goal=Goal(8000))


def _each(workspace: Workspace) -> list[tuple[int, int, str]]:
    seeds = SEEDS[:1] if workspace.quick else SEEDS
    return [(seed, number, kind) for seed in seeds for number, kind in enumerate(SCENES)]


def _is_told(seed: int, number: int, kind: str, level: Level, *, bleeds: bool) -> bool:
    edit = edit_truth(kind, SIZE, seed, bleeds=bleeds)
    model = drifted(edit.wanted, level, 100 * seed + number)
    return composite.look(edit.original, model, edit.mask.astype(np.float32)).bleeding.is_larger


def _small() -> Callable[[], None]:
    edit = edit_truth("noise", SMALL, 101)
    original, model = _encoded(edit.original), _encoded(drifted(edit.wanted, "mild", 1))
    mask = _mask(~edit.mask)
    return lambda: _exact(original, model, mask, size=SMALL)


def _photo() -> Callable[[], None]:
    whole = Image.fromarray(scene("noise", (1500, 1000), 101)).resize(PHOTO)
    original = _encoded(np.asarray(whole), "JPEG")
    left, upper, right, lower = WINDOW
    part = np.asarray(whole.crop(WINDOW)).astype(np.float32)
    stays = np.ones((lower - upper, right - left), dtype=bool)
    stays[200:500, 300:700] = False
    part[~stays] = 255 - part[~stays]
    model, mask = _encoded(drifted(part, "mild", 1)), _mask(stays)
    all_of_it = np.ones((PHOTO[1], PHOTO[0]), dtype=bool)
    all_of_it[upper + 200 : upper + 500, left + 300 : left + 700] = False
    whole_mask = _mask(all_of_it)

    def edit() -> None:
        for data in (original, whole_mask):
            _child("gpt_image_2_mcp.images.tasks:part", data, box=list(WINDOW), added=None)
        _exact(original, model, mask, size=PHOTO, box=WINDOW)

    return edit


def _exact(original: bytes, model: bytes, mask: bytes, **arguments: Any) -> None:
    _child("gpt_image_2_mcp.pixels.task:exact_edit", original, model, mask, **arguments)


def _child(function: str, *data: bytes, **arguments: Any) -> None:
    run_in_child(function, *data, memory=MEMORY, seconds=SECONDS, max_data=MAX_DATA, **arguments)


def _times(workspace: Workspace, edit: Callable[[], None]) -> list[float]:
    """The processor time of the child processes of some edits, in ms."""
    found: list[float] = []
    for _ in range(1 if workspace.quick else 3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        edit()
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        found.append(1000 * (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime))
    return found


def _encoded(pixels: Any, kind: str = "PNG") -> bytes:
    out = io.BytesIO()
    Image.fromarray(pixels).save(out, kind)
    return out.getvalue()


def _mask(stays: Any) -> bytes:
    """A mask that is transparent where nothing stays."""
    alpha = Image.fromarray((stays * 255).astype(np.uint8))
    picture = Image.new("RGBA", alpha.size)
    picture.putalpha(alpha)
    out = io.BytesIO()
    picture.save(out, "PNG")
    return out.getvalue()
