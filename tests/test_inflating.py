"""A PNG that is inflated while it arrives is the picture that Pillow makes of the whole file."""

import io

from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from gpt_image_2_mcp.inflating import Inflating


@settings(max_examples=60, deadline=None)
@given(
    mode=st.sampled_from(["L", "RGB", "RGBA"]),
    size=st.tuples(st.integers(1, 40), st.integers(1, 40)),
    level=st.integers(0, 9),
    seed=st.binary(min_size=1, max_size=64),
    step=st.integers(1, 500),
)
def test_pieces_of_any_length_give_the_same_picture(
    mode: str, size: tuple[int, int], level: int, seed: bytes, step: int
) -> None:
    length = size[0] * size[1] * len(mode)
    pixels = (seed * (length // len(seed) + 1))[:length]
    file = io.BytesIO()
    Image.frombytes(mode, size, pixels).save(file, "PNG", compress_level=level)
    data = file.getvalue()
    inflating = Inflating()
    for start in range(0, len(data), step):
        inflating.feed(data[start : start + step])
    stored = inflating.png()
    assert stored is not None
    with Image.open(stored) as image:
        assert (image.mode, image.size, image.tobytes()) == (mode, size, pixels)


@given(st.binary(max_size=300))
def test_what_is_no_png_is_left_to_pillow(data: bytes) -> None:
    assert Inflating.of(data).png() is None
