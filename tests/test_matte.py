"""How well subjects are taken off plain grounds, against a truth; see `matte_truth`."""

import numpy as np
import pytest
from matte_truth import SUBJECTS, of_one_pass, of_two_passes, render
from patience import rounds

from gpt_image_2_mcp.generation.grounds import KEYS, MAX_ADDED, choose_key, keyed_text
from gpt_image_2_mcp.pixels.ground import find_ground
from gpt_image_2_mcp.pixels.matte import take_off
from gpt_image_2_mcp.pixels.matte_figures import figures
from gpt_image_2_mcp.pixels.two_passes import take_off_both

SEEDS = range(11, 11 + rounds(1, 4))


@pytest.mark.parametrize(
    ("name", "least"), [("fur", 25), ("hair", 27), ("red icon", 42), ("green icon", 42), ("glass", 22)]
)
def test_the_edge_of_one_picture_on_magenta(name: str, least: float) -> None:
    for seed in SEEDS:
        assert of_one_pass(name, "magenta", seed) > least, seed


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "least"), [("hair", 31), ("red icon", 33)])
def test_the_edge_of_two_pictures_of_which_the_second_moved(name: str, least: float) -> None:
    for seed in SEEDS:
        assert of_two_passes(name, 3.0, seed) > least, seed


@pytest.mark.thorough
@pytest.mark.parametrize(("name", "least"), [("glass", 36), ("shadow", 33)])
def test_two_pictures_keep_what_one_cannot(name: str, least: float) -> None:
    assert of_two_passes(name, 0.0, 11) > least


@pytest.mark.thorough
def test_two_pictures_of_different_subjects_are_doubted() -> None:
    one, other = SUBJECTS["hair"](11), SUBJECTS["hair"](12)
    found = take_off_both(render(one, (255, 255, 255), 11), render(other, (0, 0, 0), 12))
    assert found is None or found.doubt > 0.09


def test_the_figures_of_a_good_matte_and_of_a_poor_one_differ() -> None:
    subject = SUBJECTS["hair"](11)
    picture = render(subject, (255, 0, 255), 11)
    ground = find_ground(picture)
    assert ground is not None
    good = take_off(picture, ground)
    assert figures(good.colours, good.alpha, ground.colour)["fringe"] < 0.1
    # What a threshold leaves: the colours as they were.
    far = np.abs(picture.astype(int) - ground.model).max(-1)
    poor = figures(picture, np.clip((far - 20) / 60, 0, 1).astype(np.float32), ground.colour)
    assert poor["fringe"] > 0.15


def test_a_ground_that_darkens_is_followed_and_texture_is_none() -> None:
    across = np.linspace(0, 30, 200)[None, :, None].repeat(150, 0)
    found = find_ground(np.clip(np.array([225.0, 0, 225]) - across, 0, 255).astype(np.uint8))
    assert found is not None
    assert found.border > 0.9
    noise = np.random.default_rng(1).integers(0, 255, (150, 200, 3), dtype=np.uint8)
    assert find_ground(noise) is None


def test_the_rarest_colour_is_taken_where_all_are_spoken_of() -> None:
    prompt = "pink, turquoise, green, blue and yellow balloons"
    assert choose_key(prompt, {}).name == "magenta"
    shares = {key.name: 0.2 for key in KEYS} | {"green": 0.05}
    assert choose_key(prompt, shares).name == "green"
    assert all(len(keyed_text(key)) < min(MAX_ADDED, 300) for key in KEYS)
