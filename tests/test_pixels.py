"""Exact edits on edits of which the truth is known: how close they come to it, and what they say of themselves."""

from statistics import fmean

import numpy as np
import pytest
from pixel_truth import SCENES, Level, band_of, drifted, edit_truth, psnr

from gpt_image_2_mcp.pixels import composite

SIZE = (768, 640)


@pytest.mark.thorough
@pytest.mark.parametrize(("level", "mean", "least"), [("mild", 55, 45), ("strong", 32, 25)])
def test_the_band_inside_the_mask_is_close_to_the_truth(level: Level, mean: float, least: float) -> None:
    found: list[float] = []
    for number, kind in enumerate(SCENES):
        edit = edit_truth(kind, SIZE, 3)
        model = drifted(edit.wanted, level, 300 + number)
        looked = composite.look(edit.original, model, edit.mask)
        made = composite.put_back(edit.original, model, edit.mask, looked)
        assert not (made != edit.original)[~edit.mask].any(), kind
        assert not looked.bleeding.is_larger, kind
        found.append(psnr(made, edit.wanted, band_of(edit.mask)))
    assert fmean(found) >= mean, found
    assert min(found) >= least, found


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
    assert looked.bleeding.share
    assert not looked.bleeding.is_larger


def test_one_edit_comes_close_to_the_truth() -> None:
    edit = edit_truth("hills", (480, 400), 5)
    model = drifted(edit.wanted, "mild", 5)
    looked = composite.look(edit.original, model, edit.mask)
    made = composite.put_back(edit.original, model, edit.mask, looked)
    pasted = np.where(edit.mask[..., None], model, edit.original)
    band = band_of(edit.mask)
    assert psnr(made, edit.wanted, band) > psnr(pasted, edit.wanted, band) + 15
