"""Pictures with a subject of which the place is known, far from the middle: how much of it a smart crop keeps."""

from collections.abc import Iterator

import numpy as np
from PIL import Image, ImageDraw, ImageFilter
from pixel_truth import SCENES, scene

from gpt_image_2_mcp.images.attention import look_at

SIZE = (640, 360)
RATIOS = {"1:1": 1.0, "9:16": 9 / 16, "4:5": 4 / 5}
"""The crops, as width to height; all of the height is kept."""
KEPT, SHARE = 0.9, 0.85
"""At least so much of the subject is kept, in at least so many of the pictures."""


def subject_and_ground(kind: str, seed: int) -> tuple[Image.Image, tuple[int, int]]:
    """A picture on a softened ground of a `kind`, and where its subject begins and ends from left to right."""
    rng = np.random.default_rng([seed, sum(kind.encode())])
    ground = Image.fromarray(scene(kind, SIZE, seed)).filter(ImageFilter.GaussianBlur(6))
    # A ground is calmer than what stands on it.
    picture = Image.blend(ground, Image.new("RGB", SIZE, (128, 128, 128)), 0.5)
    wide, high = int(rng.integers(90, 150)), int(rng.integers(110, 200))
    left = int(rng.integers(4, 60)) if rng.integers(2) else SIZE[0] - wide - int(rng.integers(4, 60))
    top = int(rng.integers(20, SIZE[1] - high - 20))
    pen = ImageDraw.Draw(picture)
    body, face = (tuple(int(level) for level in rng.integers(0, 256, 3)) for _ in range(2))
    pen.ellipse((left, top, left + wide, top + high), fill=body)
    for row in range(3):
        y = top + high * (row + 1) // 4
        pen.rectangle((left + wide // 4, y, left + 3 * wide // 4, y + high // 12), fill=face)
    return picture, (left, left + wide)


def measure(seeds: int) -> Iterator[tuple[str, str, float]]:
    """The ground, the ratio, and the share of the subject that the smart crop keeps, of the best that any could."""
    for kind in SCENES:
        for seed in range(seeds):
            picture, (left, right) = subject_and_ground(kind, seed)
            for ratio, shape in RATIOS.items():
                width = round(SIZE[1] * shape)
                x, _ = look_at(picture, (width, SIZE[1]))
                start = min(max(x * SIZE[0] - width / 2, 0), SIZE[0] - width)
                kept = max(min(right, start + width) - max(left, start), 0)
                yield kind, ratio, kept / min(right - left, width)


if __name__ == "__main__":
    found = list(measure(12))
    for name in RATIOS:
        shares = [share for _, ratio, share in found if ratio == name]
        good = sum(share >= KEPT for share in shares) / len(shares)
        print(f"{name}: {good:.1%} of {len(shares)} keep {KEPT:.0%}; the mean is {sum(shares) / len(shares):.3f}")  # noqa: T201
    for kind in SCENES:
        shares = [share for scene_kind, _, share in found if scene_kind == kind]
        print(kind, f"{sum(share >= KEPT for share in shares) / len(shares):.1%}")  # noqa: T201
