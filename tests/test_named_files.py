"""Files and pictures by the names that people and models write for them."""

import base64
import os
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from workbench import SMALL, Bench, Benches, encoded, said

from gpt_image_2_mcp.inputs.similar_names import folded_name

pytestmark = pytest.mark.anyio

DRAFT = {"prompt": "x", "size": SMALL, "quality": "low"}

SIMILAR = {
    "a narrow no-break space": ("Shot 4.42\u202fPM.png", "Shot 4.42 PM.png"),
    "a no-break space": ("Snímek\u00a012.30.png", "Snímek 12.30.png"),
    "decomposed letters": (unicodedata.normalize("NFD", "Müller.png"), "Müller.png"),
    "composed letters": ("Müller.png", unicodedata.normalize("NFD", "Müller.png")),
    "an apostrophe": ("Ann\u2019s fox.png", "Ann's fox.png"),
    "quotation marks": ("the \u201cred\u201d fox.png", 'the "red" fox.png'),
    "an acute accent": ("Ann's fox.png", "Ann\u00b4s fox.png"),
    "a dash": ("a \u2013 b.png", "a - b.png"),
    "capitals": ("Fox.PNG", "fox.png"),
    "full width": ("\uff26\uff4f\uff58.png", "Fox.png"),
    "a mark of direction": ("fox.png", "\u202afox.png"),
    "two blanks": ("a  fox.png", "a fox.png"),
}
STRIPPED = {
    "double quotes": '"my fox.png"',
    "single quotes": "'my fox.png'",
    "curly quotes": "\u201cmy fox.png\u201d",
    "an at sign": "@my fox.png",
    "an at sign and quotes": "@'my fox.png'",
    "blanks": "  my fox.png\n",
}


@pytest.mark.parametrize(("on_disk", "written"), SIMILAR.values(), ids=SIMILAR)
async def test_a_file_whose_name_is_written_a_little_differently_is_taken_with_a_note(
    bench: Bench, on_disk: str, written: str
) -> None:
    bench.photo(on_disk)
    bench.photo("other.png")
    made = await bench.made("edit_image", images=[written], **DRAFT)
    assert "in that folder was taken instead" in made.text
    shown = await bench.call("show_image", image=str(bench.working_dir / written))
    assert not shown.is_error


@pytest.mark.parametrize("written", STRIPPED.values(), ids=STRIPPED)
async def test_what_a_shell_or_a_chat_puts_around_a_name_is_stripped(bench: Bench, written: str) -> None:
    bench.photo("my fox.png")
    assert "taken instead" not in (await bench.made("edit_image", images=written, **DRAFT)).text


@pytest.mark.skipif(os.name == "nt", reason="a backslash is a part of every path there")
async def test_the_escapes_of_a_shell_are_stripped(bench: Bench) -> None:
    bench.photo("my photo (1).png")
    await bench.made("edit_image", images=r"my\ photo\ \(1\).png", **DRAFT)


@pytest.mark.skipif(os.name == "nt", reason="no two names there differ in case alone")
async def test_the_exact_name_comes_first_and_of_several_similar_ones_none_is_taken(bench: Bench) -> None:
    bench.photo("fox.png")
    bench.photo("Fox.png")
    assert "taken instead" not in (await bench.made("edit_image", images="fox.png", **DRAFT)).text
    refusal = await bench.refused("edit_image", images="FOX.png", **DRAFT)
    assert "'Fox.png', 'fox.png'" in refusal


async def test_where_no_name_fits_up_to_three_near_ones_are_named(bench: Bench) -> None:
    for name in ("hero-1.png", "hero-2.png", "hero-3.png", "hero-4.png", "hero.txt"):
        bench.photo(name) if name.endswith("png") else (bench.working_dir / name).touch()
    refusal = await bench.refused("edit_image", images="hero-5.png", **DRAFT)
    assert "In that folder there is 'hero-1.png', 'hero-2.png', 'hero-3.png'." in refusal
    assert "hero-4" not in refusal
    assert "hero.txt" not in refusal


async def test_no_name_is_told_of_a_folder_that_is_closed_or_of_a_file_that_is_never_read(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_DIRS="open")
    (bench.working_dir / "open").mkdir()
    bench.photo("closed/fox-1.png")
    refusal = await bench.refused("edit_image", images="closed/fox.png", **DRAFT)
    assert "fox-1" not in refusal
    outside = bench.photo("closed/Fox 2.png")
    (bench.working_dir / "open" / "Fox 2.png").symlink_to(outside)
    refusal = await bench.refused("edit_image", images="open/fox 2.png", **DRAFT)
    assert "Fox 2" not in refusal


async def test_a_catalogued_picture_is_read_under_its_exact_name_only(bench: Bench) -> None:
    made = await bench.made("generate_image", filename_prefix="fox", **DRAFT)
    made.path.rename(made.path.with_name(made.path.name.upper()))
    # With its own bytes it would be the same picture, under another name.
    made.path.with_name(made.path.name.upper()).write_bytes(encoded())
    (image,) = made.report["images"]
    assert "is gone or cannot be read" in await bench.refused("edit_image", images=image["id"], **DRAFT)


@given(name=st.text(min_size=1, max_size=20))
def test_folding_twice_changes_nothing_more(name: str) -> None:
    assert folded_name(folded_name(name)) == folded_name(name)


async def test_a_picture_is_found_by_every_form_of_its_id(bench: Bench) -> None:
    first = await bench.made("generate_image", filename_prefix="mila-sheet", **DRAFT)
    await bench.made("generate_image", filename_prefix="other", **{**DRAFT, "prompt": "y"})
    (image,) = first.report["images"]
    forms = [
        image["id"],
        f"{image['id']}.png",
        f"gpt-image-2://pictures/{image['id']}",
        f"gpt-image-2://pictures/{image['id'][6:]}",
        first.path.as_uri(),
        "mila-sheet",
        "MILA",
    ]
    for form in forms:
        shown = await bench.call("show_image", image=form)
        assert (shown.meta or {})["gpt-image-2/picture"]["id"] == image["id"], form
        await bench.made("edit_image", images=form, **DRAFT)


async def test_a_part_of_several_ids_is_answered_with_them(bench: Bench) -> None:
    for _ in range(2):
        await bench.made("generate_image", filename_prefix="mila", **DRAFT)
    for form in ("mila", "gpt-image-2://pictures/mila"):
        assert (await bench.refused("edit_image", images=form, **DRAFT)).count("-mila") == 2
    unknown = await bench.refused("edit_image", images="gpt-image-2://pictures/other", **DRAFT)
    assert unknown == ("There is no picture with the id 'other'. list_images finds those that were made here.")


@pytest.mark.parametrize(
    "form", [2, "2", "#2", "# 2", "number 2", "Number 2", "No. 2", "nr 2", "№ 2", "Image 2", "picture #2", "draft 2"]
)
async def test_a_number_of_the_contact_sheet_is_understood(bench: Bench, form: object) -> None:
    for word in ("one", "two"):
        await bench.made("generate_image", filename_prefix=word, **{**DRAFT, "prompt": word})
    await bench.call("list_images", contact_sheet=True)
    shown = await bench.call("show_image", image=form)
    assert (shown.meta or {})["gpt-image-2/picture"]["id"].endswith("-one")


async def test_the_pictures_of_an_answer_have_numbers_until_a_sheet_is_shown(bench: Bench) -> None:
    drafts = await bench.made("generate_image", n=3, **DRAFT)
    await bench.made("generate_image", **{**DRAFT, "prompt": "one more"})
    ids = [image["id"] for image in drafts.report["images"]]
    edited = await bench.made("edit_image", images="2", **DRAFT)
    assert f"From: {ids[1]}" in edited.text
    assert "the last answer with several pictures has 1 to 3" in await bench.refused("show_image", image=4)
    await bench.call("list_images", contact_sheet=True)
    assert f"From: {edited.report['images'][0]['id']}" in (await bench.made("edit_image", images="1", **DRAFT)).text


async def test_a_number_is_one_of_the_last_sheet_that_was_shown(bench: Bench) -> None:
    for prompt in ("w", "x", "y"):
        await bench.made("generate_image", **{**DRAFT, "prompt": prompt})
    await bench.call("list_images", contact_sheet=True)
    drafts = await bench.made("generate_image", n=2, **{**DRAFT, "prompt": "z"})
    edited = await bench.made("edit_image", images="number 2", **DRAFT)
    assert f"From: {drafts.report['images'][1]['id']}" in edited.text
    # Number 3 of the older sheet would be another picture than the one that a person sees now.
    assert "the last answer with several pictures has 1 to 2" in await bench.refused("show_image", image=3)


async def test_bare_base64_of_any_length_is_a_picture(bench: Bench) -> None:
    for data in (encoded("PNG", (16, 16)), encoded("JPEG", (16, 16)), encoded("WEBP", (16, 16)), encoded()):
        text = base64.b64encode(data).decode()
        await bench.made("edit_image", images=text, **DRAFT)
        await bench.made("edit_image", images=[{"type": "image", "data": text, "mimeType": "image/png"}], **DRAFT)


@pytest.mark.parametrize("word", ["nothing", "one-two", "2100 1300"])
async def test_a_word_that_is_no_picture_is_not_called_a_missing_attachment_only(bench: Bench, word: str) -> None:
    refusal = await bench.refused("show_image", image=word)
    assert f"There is no picture with the id '{word}', and no file of that name" in refusal


@pytest.mark.parametrize("word", ["last", "Latest", "the newest", "most recent", "the last one", "last picture"])
async def test_the_newest_picture_of_the_chat_is_found_however_it_is_called(bench: Bench, word: str) -> None:
    made = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert made.path.stem in said(await bench.call("show_image", image=word))
