"""A contact sheet: numbered thumbnails that a person can name, of any pictures and any prompts."""

import os
import stat
import sys
from pathlib import Path

import pytest
from album import colour_at, file_of, flat, near, opened, read, saved
from hypothesis import example, given, settings
from hypothesis import strategies as st
from PIL import Image, ImageChops
from workbench import encoded, picture

from gpt_image_2_mcp.catalogue.picture_record import Picture
from gpt_image_2_mcp.images.thumbnail import EDGE, make_thumbnail
from gpt_image_2_mcp.library.captions import caption, drawable
from gpt_image_2_mcp.library.contact_sheet import MAX_BYTES, MAX_CELLS, Cell, draw_sheet, make_cells
from gpt_image_2_mcp.library.thumbnails import MAX_CACHED, SLACK, SUFFIX, thumbnail

RED, CLEAR = (200, 30, 30), (0, 0, 0, 0)


def shades(image: Image.Image) -> bytes:
    return image.convert("L").tobytes()


def never_read(picture: Picture) -> bytes:
    raise AssertionError(picture.path)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
@pytest.mark.parametrize("size", [(1024, 640), (300, 1200), (3000, 20), (20, 20)])
def test_a_thumbnail_fits_its_tile_and_keeps_its_shape(kind: str, size: tuple[int, int]) -> None:
    small = opened(make_thumbnail(encoded(kind, size)))
    ratio = min(1, EDGE / max(size))
    assert small.size == tuple(max(1, round(edge * ratio)) for edge in size)


def test_a_thumbnail_is_the_picture() -> None:
    whole = picture((1024, 640))
    small = opened(make_thumbnail(file_of(whole)))
    for x, y in ((0.1, 0.9), (0.25, 0.25), (0.9, 0.5)):
        there = colour_at(whole, int(whole.width * x), int(whole.height * y))
        assert near(colour_at(small, int(small.width * x), int(small.height * y)), there)


def test_a_transparent_picture_keeps_its_transparency() -> None:
    image = Image.new("RGBA", (600, 600), CLEAR)
    image.paste((*RED, 255), (0, 0, 300, 600))
    small = opened(make_thumbnail(file_of(image)))
    assert small.format == "WEBP"
    assert near(colour_at(small, 5, 100), (*RED, 255))
    assert colour_at(small, small.width - 5, 100)[3] == 0


@given(st.binary(max_size=200), st.sampled_from(["PNG", "JPEG", "WEBP"]), st.integers(0, 400))
@example(b"\x01", "JPEG", 163)
@settings(max_examples=150)
def test_no_bytes_break_the_making_of_a_thumbnail(noise: bytes, kind: str, at: int) -> None:
    good = encoded(kind, (64, 40))
    for data in (noise, good[:at], good[:at] + noise + good[at + len(noise) :]):
        small = make_thumbnail(data)
        # A header of which a byte was changed may claim more than there was.
        assert small is None or max(opened(small).size) <= EDGE


def test_a_picture_of_too_many_pixels_is_not_decoded() -> None:
    bomb = file_of(Image.new("1", (8000, 7000)))
    assert len(bomb) < 100_000
    assert make_thumbnail(bomb) is None
    assert make_thumbnail(file_of(Image.new("1", (800, 700)))) is not None


def test_a_kept_thumbnail_is_used_without_reading_the_picture(tmp_path: Path) -> None:
    fox = saved(tmp_path, encoded())
    made = thumbnail(fox, read=read, cache=tmp_path / "cache")
    assert made is not None
    assert thumbnail(fox, read=never_read, cache=tmp_path / "cache") == made


def test_what_is_kept_is_for_its_owner_alone(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    thumbnail(saved(tmp_path, encoded()), read=read, cache=folder)
    (kept,) = folder.iterdir()
    if sys.platform != "win32":
        assert [stat.S_IMODE(path.stat().st_mode) for path in (folder, kept)] == [0o700, 0o600]


@pytest.mark.parametrize("broken", [b"", b"\xff\xd8\xff broken", encoded("JPEG", (2000, 20)), encoded("PNG", (20, 20))])
def test_a_broken_kept_thumbnail_is_made_again(tmp_path: Path, broken: bytes) -> None:
    fox = saved(tmp_path, encoded())
    made = thumbnail(fox, read=read, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    kept.write_bytes(broken)
    assert thumbnail(fox, read=read, cache=tmp_path / "cache") == made
    assert kept.read_bytes() == made


@pytest.mark.skipif(sys.platform == "win32", reason="a link needs rights there that a person may not have")
def test_a_link_among_the_kept_is_not_followed(tmp_path: Path) -> None:
    fox, other = saved(tmp_path, encoded()), tmp_path / "other.jpg"
    made = thumbnail(fox, read=read, cache=tmp_path / "cache")
    other.write_bytes(encoded("JPEG", (20, 20)))
    (kept,) = (tmp_path / "cache").iterdir()
    kept.unlink()
    kept.symlink_to(other)
    assert thumbnail(fox, read=read, cache=tmp_path / "cache") == made
    assert not kept.is_symlink()
    assert other.read_bytes() == encoded("JPEG", (20, 20))


def test_a_picture_that_is_gone_or_changed_has_no_thumbnail_though_one_is_kept(tmp_path: Path) -> None:
    fox = saved(tmp_path, encoded())
    assert thumbnail(fox, read=read, cache=tmp_path / "cache")
    fox.path.write_bytes(b"another")
    assert thumbnail(fox, read=read, cache=tmp_path / "cache") is None
    fox.path.unlink()
    assert thumbnail(fox, read=read, cache=tmp_path / "cache") is None


def test_a_folder_that_cannot_be_used_costs_nothing_but_time(tmp_path: Path) -> None:
    fox, nowhere = saved(tmp_path, encoded()), tmp_path / "file"
    nowhere.write_text("not a folder", encoding="utf-8")
    assert thumbnail(fox, read=read, cache=nowhere) == thumbnail(fox, read=read)


def test_the_oldest_thumbnails_make_room(tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    for number in range(MAX_CACHED + SLACK):
        path = folder / f"{number:064x}{SUFFIX}"
        path.touch()
        os.utime(path, ns=(number, number))
    (folder / "somebody else's").touch()
    thumbnail(saved(tmp_path, encoded()), read=read, cache=folder)
    left = {path.name for path in folder.iterdir()}
    assert len(left) == MAX_CACHED + 1
    assert "somebody else's" in left
    assert f"{SLACK:064x}{SUFFIX}" not in left
    assert f"{SLACK + 1:064x}{SUFFIX}" in left


def test_the_numbers_are_the_callers(tmp_path: Path) -> None:
    fox = saved(tmp_path, encoded())
    gone = fox.model_copy(update={"path": tmp_path / "gone.png"})
    made = make_cells([(21, fox), (22, gone)], read=read)
    assert [(cell.number, cell.caption, cell.thumbnail is None) for cell in made] == [
        (21, "A fox", False),
        (22, "A fox", True),
    ]


def tile(image: Image.Image, column: int, row: int) -> Image.Image:
    """A tile of a sheet with tiles of 288x288."""
    gap, line = 17, 29
    left, top = gap + column * (288 + gap), gap + row * (288 + line + gap)
    return image.crop((left, top, left + 288, top + 288))


def test_each_picture_stands_in_its_place_and_a_missing_one_is_said_to_be() -> None:
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    small = [*map(flat, colours), None, b"broken"]
    drawn = opened(draw_sheet([Cell(number, "", data) for number, data in enumerate(small, start=1)]))
    assert drawn.format == "JPEG"
    for index, colour in enumerate(colours):
        assert near(colour_at(tile(drawn, index % 3, index // 3), 200, 250), colour)
    # They differ in their numbers only.
    missing, broken = (tile(drawn, column, 1).crop((0, 60, 288, 288)) for column in (0, 1))
    assert max(shades(ImageChops.difference(missing, broken))) < 40
    assert min(shades(missing)) < 90, "nothing is written on it"


def test_the_number_is_read_on_any_picture() -> None:
    for shade in (0, 128, 255):
        small = flat((shade, shade, shade))
        seven, eight = (opened(draw_sheet([Cell(number, "", small)])).crop((266, 26, 294, 50)) for number in (7, 8))
        values = sorted(shades(seven))
        assert values[len(values) // 20] < 60, "no dark ground"
        assert values[-len(values) // 20] > 200, "no light figure"
        assert max(shades(ImageChops.difference(seven, eight))) > 100


def test_transparency_is_shown_as_a_checkerboard() -> None:
    drawn = tile(opened(draw_sheet([Cell(1, "", flat(CLEAR))])), 0, 0)
    assert near(colour_at(drawn, 162, 150), (255, 255, 255))
    assert near(colour_at(drawn, 150, 150), (216, 216, 216))


@pytest.mark.thorough
@given(st.lists(st.tuples(st.integers(-(10**9), 10**9), st.text(st.characters(exclude_categories=()))), min_size=1))
@settings(max_examples=60)
def test_any_caption_gives_a_sheet_and_always_the_same(numbered: list[tuple[int, str]]) -> None:
    page = [Cell(number, text, None) for number, text in numbered[:MAX_CELLS]]
    drawn = draw_sheet(page)
    assert drawn == draw_sheet(page)
    assert len(drawn) <= MAX_BYTES


@given(st.text(st.characters(exclude_categories=()), max_size=300))
@settings(max_examples=300)
def test_what_is_drawable_is_one_line_without_controls(text: str) -> None:
    line = drawable(text)
    assert line == drawable(line)
    assert line.isprintable()
    assert "\ufffd" not in line


@pytest.mark.parametrize(
    ("prompt", "said"),
    [
        ("A red fox,\n in the snow", "A red fox, in the snow"),
        ("crème brûlée, Zażółć", "creme brulee, Zazolc"),
        ("10×20 – “quoted”", "10x20 - “quoted”"),
        ("狐 fox 雪雪", "… fox …"),
        ("\u202eturned\u202c", "turned"),
        ("雪の中の狐", "2026-11-22 14:03"),
        ("", "2026-11-22 14:03"),
    ],
)
def test_a_caption_is_the_prompts_first_words_in_letters_that_can_be_drawn(
    tmp_path: Path, prompt: str, said: str
) -> None:
    assert caption(saved(tmp_path, encoded(size=(64, 64)), prompt=prompt)) == said


def test_a_full_sheet_of_noise_is_small_enough() -> None:
    noise = file_of(Image.merge("RGB", [Image.effect_noise((288, 288), 120) for _ in "RGB"]))
    full = [Cell(number, "noise " * 20, noise) for number in range(1, MAX_CELLS + 1)]
    assert len(draw_sheet(full)) <= MAX_BYTES
    assert len(draw_sheet(full, max_bytes=20_000)) <= 20_000


@pytest.mark.parametrize("count", [0, MAX_CELLS + 1])
def test_a_sheet_of_none_or_too_many_is_a_mistake(count: int) -> None:
    with pytest.raises(ValueError, match=f"1 to 20 pictures, not {count}"):
        draw_sheet([Cell(1, "", None)] * count)
