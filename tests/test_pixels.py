"""Exact edits on edits of which the truth is known: how close they come to it, and what they say of themselves."""

from dataclasses import replace
from statistics import fmean

import cv2
import numpy as np
import pytest
from pixel_truth import SCENES, Level, Picture, Values, band_of, drifted, edit_truth, psnr, scene

from gpt_image_2_mcp.pixels import composite
from gpt_image_2_mcp.pixels.softness import SHARP

SIZE = (768, 640)


@pytest.mark.thorough
@pytest.mark.parametrize("seed", [3, 101, 102, 103])
@pytest.mark.parametrize(("level", "mean", "least"), [("mild", 55, 45), ("strong", 32, 25)])
def test_the_band_inside_the_mask_is_close_to_the_truth(level: Level, mean: float, least: float, seed: int) -> None:
    found: list[float] = []
    for number, kind in enumerate(SCENES):
        edit = edit_truth(kind, SIZE, seed)
        model = drifted(edit.wanted, level, 100 * seed + number)
        looked = composite.look(edit.original, model, edit.mask)
        made = composite.put_back(edit.original, model, edit.mask, looked)
        assert not (made != edit.original)[~edit.mask].any(), kind
        assert not looked.bleeding.is_larger, kind
        found.append(psnr(made, edit.wanted, band_of(edit.mask)))
    assert fmean(found) >= mean, found
    assert min(found) >= least, found


@pytest.mark.thorough
@pytest.mark.parametrize(
    ("seed", "kind", "level", "least"),
    [
        (1013, "text", "mild", 45),
        (1016, "hills", "mild", 45),
        (3010, "lattice", "mild", 45),
        (1002, "lattice", "strong", 32),
    ],
)
def test_fine_lines_and_writing_come_close_to_the_truth(seed: int, kind: str, level: Level, least: float) -> None:
    edit = edit_truth(kind, SIZE, seed)
    model = drifted(edit.wanted, level, 100 * seed + SCENES.index(kind))
    made = composite.put_back(edit.original, model, edit.mask, composite.look(edit.original, model, edit.mask))
    assert psnr(made, edit.wanted, band_of(edit.mask)) >= least


def test_beyond_the_edge_of_the_model_s_picture_what_is_new_goes_on_and_the_rest_stays() -> None:
    original = scene("noise", (320, 256), 5)
    original[-2:] = 0
    wanted = original.copy()
    wanted[200:, 100:160] = (250, 20, 20)
    # All is twenty pixels lower, so that the lowest rows are not in the model's picture.
    model = np.vstack([wanted[:20][::-1], wanted[:-20]])
    mask = np.zeros((256, 320), dtype=np.float32)
    mask[150:, 60:260] = 1
    found = composite.look(original, model, mask)
    assert found.shift == pytest.approx((0, 20), abs=0.3)
    made = composite.put_back(original, model, mask, found)
    assert (made[-2:, 180:] == original[-2:, 180:]).all()
    assert np.abs(made[-2:, 110:150].astype(int) - (250, 20, 20)).max() < 30


@pytest.mark.thorough
@pytest.mark.parametrize("level", ["mild", "strong"])
def test_what_is_larger_than_the_mask_is_told(level: Level) -> None:
    for number, kind in enumerate(SCENES):
        edit = edit_truth(kind, SIZE, 4, bleeds=True)
        looked = composite.look(edit.original, drifted(edit.wanted, level, 400 + number), edit.mask)
        assert looked.bleeding.is_larger, kind


@pytest.mark.thorough
def test_a_fine_pattern_that_the_model_blurs_is_no_larger_object() -> None:
    edit = edit_truth("stripes", SIZE, 102)
    looked = composite.look(
        edit.original, drifted(edit.wanted, "strong", 10_200 + list(SCENES).index("stripes")), edit.mask
    )
    assert looked.bleeding.share < 0.01
    assert not looked.bleeding.is_larger


def test_one_edit_comes_close_to_the_truth() -> None:
    edit = edit_truth("hills", (480, 400), 5)
    model = drifted(edit.wanted, "mild", 5)
    looked = composite.look(edit.original, model, edit.mask)
    made = composite.put_back(edit.original, model, edit.mask, looked)
    pasted = np.where(edit.mask[..., None], model, edit.original)
    band = band_of(edit.mask)
    assert psnr(made, edit.wanted, band) > psnr(pasted, edit.wanted, band) + 15


def test_what_is_new_is_sharpened_by_what_it_lost_where_it_was_moved() -> None:
    edit = edit_truth("hills", (480, 400), 1016)
    model = drifted(edit.wanted, "mild", 101_600)
    looked = composite.look(edit.original, model, edit.mask)
    soft = composite.put_back(edit.original, model, edit.mask, replace(looked, softness=SHARP))
    made = composite.put_back(edit.original, model, edit.mask, looked)
    assert psnr(made, edit.wanted, edit.changed) > psnr(soft, edit.wanted, edit.changed) + 1
    assert not (made != edit.original)[~edit.mask].any()


@pytest.mark.parametrize("kind", ["text", "lattice"])
def test_a_picture_that_is_moved_and_drawn_as_sharply_is_not_sharpened(kind: str) -> None:
    fine = edit_truth(kind, (968, 808), 5)

    def halved(picture: Values, right: int, down: int) -> Picture:
        part = np.ascontiguousarray(picture[down : down + 800, right : right + 960]).astype(np.float32)
        return np.rint(cv2.resize(part, (480, 400), interpolation=cv2.INTER_AREA)).astype(np.uint8)

    original, model = halved(fine.original, 0, 0), halved(fine.wanted, 3, 1)
    mask = fine.mask[:800:2, :960:2]
    looked = composite.look(original, model, mask)
    assert looked.shift == pytest.approx((-1.5, -0.5), abs=0.2)
    assert looked.softness.share < 0.25
