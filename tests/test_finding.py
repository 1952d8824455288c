"""Finding what was made and looking at it: lists, contact sheets, regions, and words for pictures as inputs."""

import base64
import hashlib
import io
import json
import re
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import anyio
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from mcp_types import ImageContent
from PIL import Image
from promises import promise
from workbench import SMALL, Answer, Bench, Benches, folded, said, sent_sha256

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.library import sheet_files
from gpt_image_2_mcp.parameters.times import parse_time

pytestmark = pytest.mark.anyio

LIST = "gpt-image-2/pictures"
LOW = {"size": SMALL, "quality": "low"}


async def make(bench: Bench, prompt: str = "a red fox", **arguments: object) -> Answer:
    return await bench.made("generate_image", **(LOW | {"prompt": prompt} | arguments))


async def found(bench: Bench, **arguments: object) -> list[str]:
    """The prompts of a page, in its order."""
    result = await bench.call("list_images", **arguments)
    assert not result.is_error, said(result)
    return [row["prompt"] for row in (result.meta or {})[LIST]]


def id_of(answer: Answer, place: int = 0) -> str:
    return answer.report["images"][place]["id"]


# Lists.


async def test_the_newest_is_first_and_every_word_has_to_be_there(bench: Bench) -> None:
    for prompt in ("a red fox in the snow", "a blue whale", "Ein Fuchs im Grünen"):
        await make(bench, prompt)
    assert await found(bench) == ["Ein Fuchs im Grünen", "a blue whale", "a red fox in the snow"]
    assert await found(bench, query="FOX snow") == ["a red fox in the snow"]
    assert await found(bench, query="fox whale") == []
    assert await found(bench, query="gru") == ["Ein Fuchs im Grünen"]


async def test_scripts_without_spaces_are_found_by_their_letters(bench: Bench) -> None:
    await make(bench, "雪の中の赤い狐")
    assert await found(bench, query="赤い狐") == ["雪の中の赤い狐"]


async def test_signs_alone_are_found_where_they_stand(bench: Bench) -> None:
    for prompt in ("a 🦊 in the snow", "100% *whale*", "an owl"):
        await make(bench, prompt)
    assert await found(bench, query="🦊") == ["a 🦊 in the snow"]
    assert await found(bench, query="* %") == ["100% *whale*"]
    assert await found(bench, query="_") == []
    assert await found(bench, query=" ") == ["an owl", "100% *whale*", "a 🦊 in the snow"]


@pytest.mark.parametrize(
    "query", ['"', "fox OR whale", "NEAR(fox)", "prompt:fox", "fox*", "'; DROP TABLE pictures", "%", "( ? " * 250]
)
async def test_a_query_is_words_and_never_a_language(bench: Bench, query: str) -> None:
    await make(bench, "a whale")
    await found(bench, query=query)
    assert await found(bench) == ["a whale"]


@pytest.mark.thorough
async def test_pages_hold_twenty_and_say_whether_there_are_more(bench: Bench) -> None:
    for _ in range(2):
        await make(bench, "many", n=10)
    await make(bench, "the last one")
    first = await bench.call("list_images")
    assert "page 2 has older ones" in said(first)
    assert len(await found(bench)) == 20
    assert await found(bench, page=2) == ["many"]
    assert said(await bench.call("list_images", page=3)) == "There is no page 3. Leave out `page` to see the newest."


async def test_an_empty_catalogue_says_so_and_a_filter_that_fits_nothing_says_that(bench: Bench) -> None:
    assert folded(said(await bench.call("list_images"))) == snapshot("""\
Nothing was made yet, or the catalogue is new: `gpt-image-2-mcp library rebuild FOLDER` takes in
earlier pictures.\
""")
    assert said(await bench.call("list_images", query="fox")).endswith("or in the file's name.")


async def test_a_search_without_a_hit_says_what_there_is(bench: Bench) -> None:
    await make(bench, "a whale")
    text = said(await bench.call("list_images", project="other"))
    assert text.startswith("No picture matches. Use fewer filters.")
    assert f" Projects: work. Pictures were made on {datetime.now().astimezone():%Y-%m-%d}." in text


@pytest.mark.parametrize(
    ("prompt", "query"),
    [
        ("eine Straße in Zürich", "strasse zurich"),
        ("k\u0131rm\u0131z\u0131 tilki", "KIRMIZI"),
        ("ثَعْلَب", "ثعلب"),
        ("שׁוּעָל", "שועל"),
        ("Ёлка в снегу", "ЕЛКА"),
        ("Ἀλώπηξ", "αλωπηξ"),
        ("smørrebrød", "smorrebrod"),
        ("\uff26\uff2f\uff38", "fox"),
    ],
)
async def test_case_and_diacritics_do_not_count_in_any_script(bench: Bench, prompt: str, query: str) -> None:
    await make(bench, prompt)
    await make(bench, "a whale")
    assert await found(bench, query=query) == [prompt]
    assert await found(bench, query=prompt) == [prompt]


async def test_words_of_the_files_name_are_found(bench: Bench) -> None:
    made = await make(bench, "a whale", filename_prefix="Füchse im_Schnee")
    await make(bench, "an owl")
    for query in ("fuchse", "schnee whale", made.path.stem.split("-")[3]):
        assert await found(bench, query=query) == ["a whale"]
    assert await found(bench, query="image") == []


async def test_pictures_of_one_call_stand_in_their_order_and_the_newest_call_first(bench: Bench) -> None:
    first, second = await make(bench, n=3), await make(bench, n=2)
    rows = ((await bench.call("list_images", contact_sheet=True)).meta or {})[LIST]
    assert [row["id"] for row in rows] == [id_of(second, 0), id_of(second, 1), *(id_of(first, n) for n in range(3))]
    assert [row["number"] for row in rows] == [1, 2, 3, 4, 5]


async def test_a_list_and_its_sheet_have_each_picture_once(bench: Bench) -> None:
    drafts = await bench.made("generate_image", prompt="a logo", n=3, size="square")
    listed = await bench.call("list_images", contact_sheet=True)
    rows = (listed.meta or {})["gpt-image-2/pictures"]
    assert [row["id"] for row in rows] == [path.stem for path in drafts.paths]
    assert [row["number"] for row in rows] == [1, 2, 3]
    assert "no cost of its own" not in said(listed)
    assert "3.png and 2 more" not in said(await bench.call("get_image_job"))
    assert "-1080x1080.png and 2 more" in said(await bench.call("get_image_job"))


@pytest.mark.thorough
async def test_a_page_with_nothing_but_what_the_model_made_on_the_way_leads_to_the_next(bench: Bench) -> None:
    await bench.made("generate_image", prompt="the first")
    # Ten of these are thirty files: the model's, what was cut out of them, and that in the size that was asked for.
    await bench.made("generate_image", prompt="a logo", n=10, size="square", background="transparent")
    await bench.made("generate_image", prompt="ten more", n=10)
    first, second, third = [said(await bench.call("list_images", page=page)) for page in (1, 2, 3)]
    assert first.startswith("20 pictures, newest first, page 1; page 2 has older ones.")
    assert second == "Page 2 has no picture that you asked for; page 3 has older ones."
    assert third.startswith("1 picture, ")


async def test_a_list_marks_the_pictures_whose_files_are_gone(bench: Bench) -> None:
    (await make(bench, "a whale")).path.unlink()
    await make(bench, "a fox")
    fox, whale = said(await bench.call("list_images")).splitlines()[1:]
    assert whale.endswith(", file missing")
    assert not fox.endswith("missing")


async def test_a_session_is_listed_in_the_order_of_its_turns_and_numbered_by_them(bench: Bench) -> None:
    await make(bench, "alone")
    begun = await bench.made("start_edit_session", **LOW, prompt="first", images=["last"])
    for prompt in ("second", "third"):
        await bench.made("continue_edit_session", **LOW, session_id=begun.session_id, prompt=prompt)
    result = await bench.call("list_images", session_id=begun.session_id, contact_sheet=True)
    rows = (result.meta or {})[LIST]
    assert [(row["number"], row["turn"], row["prompt"]) for row in rows] == [
        (1, 1, "first"),
        (2, 2, "second"),
        (3, 3, "third"),
    ]
    head, first, *_ = said(result).splitlines()
    assert head.startswith("3 pictures, in the order of the turns, page 1")
    assert ", turn 1, " in first
    assert "second" in said(await bench.call("show_image", image=2))


async def test_filters_are_told_apart(benches: Benches) -> None:
    bench = await benches.open()
    await make(bench, "alone")
    begun = await bench.made("start_edit_session", **LOW, prompt="a turn", images=["last"])
    assert await found(bench, session_id=begun.session_id) == ["a turn"]
    assert await found(bench, project="work") == ["a turn", "alone"]
    assert await found(bench, project="other") == []
    assert await found(bench, model="gpt-image-2") == ["a turn", "alone"]
    assert await found(bench, model="gpt-image-3") == []
    assert await found(bench, since="today") == ["a turn", "alone"]
    assert await found(bench, until="yesterday") == []


async def test_a_time_that_is_none_is_told(bench: Bench) -> None:
    assert folded(await bench.refused("list_images", since="the blue one")) == snapshot("""\
'the blue one' cannot be read as a time: give a date such as 2026-11-22, a date and time such as
2026-11-22T14:30, or words such as today, yesterday 9:00, last week, 2h or 3 days ago.\
""")


@pytest.mark.parametrize("span", ["2h", "3d", "1w", "3d ago", "2H Ago"])
async def test_a_span_is_taken_as_its_description_says_it(bench: Bench, span: str) -> None:
    await make(bench, "a whale")
    assert await found(bench, since=span) == ["a whale"]
    assert await found(bench, until=span) == []


async def test_no_file_to_show_is_told_without_advice_that_would_be_refused(bench: Bench) -> None:
    text = await bench.refused("show_image", image="gone.png")
    assert text.startswith("There is no file ")
    assert "URL" not in text


@pytest.mark.thorough
async def test_a_list_of_long_prompts_fits_and_names_every_id(bench: Bench) -> None:
    answers = [await make(bench, "wyvern " * 4000, n=10, filename_prefix="p" * 60) for _ in range(2)]
    result = await bench.call("list_images", contact_sheet=True)
    text = said(result)
    assert len(text) < 8_000
    for answer in answers:
        for image in answer.report["images"]:
            assert image["id"] in text
    assert len(json.dumps([block.model_dump(mode="json") for block in result.content])) < 1_000_000


# Contact sheets, and what numbers mean.


async def test_a_sheet_shows_its_numbers_and_the_text_maps_them_to_ids(bench: Bench) -> None:
    whale, fox = await make(bench, "a blue whale"), await make(bench, "a red fox")
    result = await bench.call("list_images", contact_sheet=True)
    text, picture = result.content
    assert isinstance(picture, ImageContent)
    with Image.open(io.BytesIO(base64.b64decode(picture.data))) as sheet:
        assert sheet.format == "JPEG"
        sheet.load()
    lines = text.text.splitlines()[1:] if text.type == "text" else []
    assert [line.partition(",")[0] for line in lines] == [f"1. {id_of(fox)}", f"2. {id_of(whale)}"]
    edit = await bench.made("edit_image", **LOW, prompt="bluer", images=["2"])
    assert bench.last().files[0].sha256 == sent_sha256(whale.path)
    assert edit.path.exists()


async def test_a_sheet_is_a_file_too_for_clients_that_show_no_pictures(
    benches: Benches, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sheet_files, "MAX_SHEETS", 2)
    bench = await benches.open(data_dir=tmp_path / "data")

    async def sheet() -> Path:
        result = await bench.call("list_images", contact_sheet=True)
        (path,) = (Path(line) for line in re.findall(r"The sheet as a file: (.+)", said(result)))
        (picture,) = (block for block in result.content if isinstance(block, ImageContent))
        assert path.read_bytes() == base64.b64decode(picture.data)
        return path

    await make(bench, "a fox")
    first = await sheet()
    assert await sheet() == first, "the same pictures give the same file"
    await make(bench)
    await sheet()
    await make(bench)
    newest = await sheet()
    kept = list((tmp_path / "data" / "contact-sheets").iterdir())
    assert len(kept) == 2
    assert newest in kept
    assert all(path.stat().st_mode & 0o777 == 0o600 for path in kept)


@pytest.mark.thorough
async def test_numbers_go_on_from_page_to_page(bench: Bench) -> None:
    for _ in range(3):
        await make(bench, n=7)
    result = await bench.call("list_images", contact_sheet=True, page=2)
    assert said(result).splitlines()[1].startswith("21. ")
    await bench.made("edit_image", **LOW, prompt="bluer", images=["21"])
    assert "the last contact sheet has 21 to 21" in await bench.refused("edit_image", prompt="bluer", images=["7"])


async def test_words_for_pictures_that_there_are_not_say_the_way_out(bench: Bench) -> None:
    texts = {
        word: folded(await bench.refused("edit_image", prompt="bluer", images=[word]))
        for word in ("last", "7", "image-20261122-101112-abcdef")
    }
    assert bench.seen() == []
    assert texts == snapshot(
        {
            "last": """\
No picture was made in this chat yet, so there is no `last`. list_images, or `gpt-image-2-mcp
library list`, finds earlier ones: give an id. A file called last is './last'.\
""",
            "7": """\
There is no picture number 7: it would be one on a contact sheet, and none was shown in this chat.
Call list_images with contact_sheet first. For a file named 7, write './7'.\
""",
            "image-20261122-101112-abcdef": """\
There is no picture 'image-20261122-101112-abcdef' in the catalogue. list_images, or
`gpt-image-2-mcp library list`, finds pictures; for a file, give its path.\
""",
        }
    )


async def test_words_win_over_files_of_that_name(bench: Bench) -> None:
    made = await make(bench)
    photo = bench.photo("last.png")
    photo.rename(bench.working_dir / "last")
    for word, sent in (("last", made.path), ("./last", bench.working_dir / "last")):
        await bench.made("edit_image", **LOW, prompt="bluer", images=[word, str(made.path)])
        assert bench.last().files[0].sha256 == sent_sha256(sent)
        made = await make(bench)


async def test_last_is_the_newest_of_this_process_alone(benches: Benches) -> None:
    one, other = await benches.open(), await benches.open()
    mine = await make(one)
    await make(other, "a blue whale")
    await one.made("edit_image", **LOW, prompt="bluer", images=["last"])
    assert one.last().files[0].sha256 == sent_sha256(mine.path)


@promise(
    "Inputs",
    "A picture that was made here is used again only while its file is byte for byte the one that was saved.",
)
async def test_a_picture_that_was_changed_or_is_gone_is_not_an_input(bench: Bench) -> None:
    made = await make(bench)
    made.path.write_bytes(bench.photo().read_bytes())
    assert "was changed since it was made" in await bench.refused("edit_image", prompt="bluer", images=["last"])
    made.path.unlink()
    assert "library rebuild" in await bench.refused("edit_image", prompt="bluer", images=[id_of(made)])
    assert len(bench.seen()) == 1


async def test_a_picture_that_was_changed_into_one_that_needs_conversion_is_not_an_input(bench: Bench) -> None:
    """What is sent of it is made anew and differs in any case: the file's own bytes tell."""
    made = await make(bench)
    bench.photo().rename(made.path)
    with Image.open(made.path) as picture:
        picture.convert("CMYK").save(made.path.with_suffix(".jpg"))
    made.path.with_suffix(".jpg").rename(made.path)
    assert "was changed since it was made" in await bench.refused("edit_image", prompt="bluer", images=["last"])
    assert len(bench.seen()) == 1


@pytest.mark.thorough
@promise("Inputs", "A mask that was made here is used again only while its file is unchanged, too.")
async def test_a_saved_picture_as_a_mask_is_known_by_its_id_and_has_to_be_the_same_still(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MODEL="gpt-image-2.5-flare")
    made = await make(bench, background="transparent")
    with Image.open(made.path) as picture:
        size = picture.size
    asked = {"prompt": "bluer", "images": [str(bench.photo(size=size))], "mask": id_of(made)}
    edited = await bench.made("edit_image", **asked, **LOW)
    shown = await bench.call("show_image", image=id_of(edited))
    parents = (shown.meta or {})["gpt-image-2/picture"]["parents"]
    # The third one is the model's own answer, of which the exact edit was made.
    assert [(parent["role"], parent.get("id")) for parent in parents[:2]] == [("image", None), ("mask", id_of(made))]
    bench.mask(size=size).rename(made.path)
    assert "was changed since it was made" in await bench.refused("edit_image", **asked)
    made.path.unlink()
    assert "library rebuild" in await bench.refused("edit_image", **asked)
    assert bench.knobs.paid == 2


async def test_what_may_not_be_read_is_not_shown_either(bench: Bench) -> None:
    made = await make(bench, output_dir=str(bench.working_dir / "elsewhere"))
    record = await bench.call("show_image", image=id_of(made))
    assert not record.is_error
    assert "is never read" in await bench.refused("show_image", image="/etc/shadow")


# Looking closely.


async def test_a_picture_is_shown_with_its_record(bench: Bench) -> None:
    made = await make(bench, "a red fox")
    edit = await bench.made("edit_image", **LOW, prompt="bluer", images=["last"])
    result = await bench.call("show_image", image=id_of(edit))
    text = said(result)
    assert [block.type for block in result.content] == ["text", "image"]
    for part in ("prompt: bluer", f"made from: {id_of(made)}", str(edit.path), "quality low", "tokens: "):
        assert part in text
    record = (result.meta or {})["gpt-image-2/picture"]
    assert record["sha256"] == hashlib.sha256(edit.path.read_bytes()).hexdigest()


async def test_a_region_is_the_picture_s_own_pixels(bench: Bench) -> None:
    made = await make(bench)
    result = await bench.call("show_image", image=str(made.path), region="100,50,64,32")
    (shown,) = [block for block in result.content if isinstance(block, ImageContent)]
    with Image.open(io.BytesIO(base64.b64decode(shown.data))) as crop, Image.open(made.path) as whole:
        assert crop.size == (64, 32)
        assert crop.convert("RGB").tobytes() == whole.convert("RGB").crop((100, 50, 164, 82)).tobytes()
    assert f"id: {id_of(made)}" in said(result), "a path is known by its bytes"


async def test_a_region_outside_and_an_address_are_refused(bench: Bench) -> None:
    await make(bench)
    assert "1024x640" in await bench.refused("show_image", image="last", region="1000,600,100,100")
    assert "got the address" in await bench.refused("show_image", image="https://example.com/a.png")


async def test_a_file_that_was_not_made_here_is_shown_without_a_record(bench: Bench) -> None:
    result = await bench.call("show_image", image=str(bench.photo()))
    assert "The catalogue does not know this file" in said(result)
    assert [block.type for block in result.content] == ["text", "image"]


# Like an earlier one.


async def test_like_takes_what_was_left_out_from_an_earlier_picture(bench: Bench) -> None:
    made = await make(bench, "a red fox", output_format="jpeg", output_compression=60, n=2)
    again = await bench.made("generate_image", like=id_of(made))
    assert again.report["prompt"] == "a red fox"
    assert again.report["requested"] == made.report["requested"] | {"n": 1}
    assert bench.last().params["output_compression"] == 60
    other = await bench.made("generate_image", like="last", prompt="a blue fox", output_format="png")
    assert (other.report["prompt"], other.report["requested"]["format"]) == ("a blue fox", "png")
    assert other.report["requested"]["size"] == SMALL
    assert "output_compression" not in bench.last().params


async def test_like_nothing_is_refused_before_anything_is_sent(bench: Bench) -> None:
    assert "takes the id of a picture" in await bench.refused("generate_image", like="photo.png")
    assert "There is no picture" in await bench.refused("generate_image", like="image-20261122-101112-abcdef")
    assert "`prompt` is missing" in await bench.refused("generate_image", size=SMALL)
    assert bench.seen() == []


# Times.

NOW = datetime(2026, 11, 22, 15, 30, tzinfo=timezone(timedelta(hours=2)))


@pytest.mark.parametrize(
    ("text", "since", "until"),
    [
        ("2026-11-20", "2026-11-20T00:00:00+02:00", "2026-11-21T00:00:00+02:00"),
        (" Today ", "2026-11-22T00:00:00+02:00", "2026-11-23T00:00:00+02:00"),
        ("yesterday", "2026-11-21T00:00:00+02:00", "2026-11-22T00:00:00+02:00"),
        ("2026-11-20T14:30", "2026-11-20T14:30:00+02:00", "2026-11-20T14:30:00+02:00"),
        ("2026-11-20 14:30Z", "2026-11-20T14:30:00+00:00", "2026-11-20T14:30:00+00:00"),
        ("2h", "2026-11-22T13:30:00+02:00", "2026-11-22T13:30:00+02:00"),
        ("3d", "2026-11-19T15:30:00+02:00", "2026-11-19T15:30:00+02:00"),
    ],
)
def test_times_as_people_write_them(text: str, since: str, until: str) -> None:
    assert parse_time(text, now=NOW) == datetime.fromisoformat(since)
    assert parse_time(text, end=True, now=NOW) == datetime.fromisoformat(until)


@given(st.text(max_size=40) | st.dates().map(str) | st.datetimes().map(str) | st.from_regex(r"[0-9]{1,4}[hdw]"))
@example("9999-12-31")
@example("9999w")
def test_any_text_is_a_time_or_a_readable_error(text: str) -> None:
    for end in (False, True):
        try:
            found = parse_time(text, end=end, now=NOW.astimezone(UTC))
        except BadRequest:
            continue
        assert found.tzinfo is not None


@pytest.mark.thorough
async def test_a_page_shows_what_was_asked_for_and_links_what_the_model_made_of_it(bench: Bench) -> None:
    bench.photo(size=(1024, 640))
    exact = await bench.made("edit_image", images=["photo.png"], prompt="a boat", mask="box 400,100 300x200")
    sized = await bench.made("generate_image", prompt="a fox", size="1000x700", quality="low")
    begun = await bench.made("start_edit_session", images=["photo.png"], prompt="a fog", size="1000x625")
    answers = (exact, sized, begun)
    asked = [answer.report["images"][0] for answer in answers]
    behind = [image for answer in answers for image in answer.report["images"] if image["role"] == "model"]
    assert len(behind) == 3
    page = (await bench.call("list_images", as_page=True)).meta or {}
    assert page["gpt-image-2/page"]["pictures"] == 3
    html = await anyio.Path(page["gpt-image-2/page"]["file_path"]).read_text(encoding="utf-8")
    for image in asked:
        assert f'<li class="card" id="{image["id"]}">' in html
    for image in behind:
        assert f'id="{image["id"]}"' not in html
        assert f'">{Path(image["file_path"]).name}</a>' in html
    assert html.count("The model's own: ") == 3
    # The session's turn is the picture that was delivered, and an export of it stands beside it.
    assert html.index('<section class="session">') < html.index(f'id="{asked[2]["id"]}"')
    turn = await bench.made("continue_edit_session", session_id=begun.report["session_id"], prompt="more fog")
    page = (await bench.call("list_images", as_page=True)).meta or {}
    html = await anyio.Path(page["gpt-image-2/page"]["file_path"]).read_text(encoding="utf-8")
    card = html[html.index(f'id="{turn.report["images"][0]["id"]}"') :]
    assert f'href="#{asked[2]["id"]}"' in card[: card.index("</li>")]


async def test_what_was_found_is_written_as_one_page(bench: Bench) -> None:
    for prompt in ("a red fox", "a blue fox", "a car"):
        await bench.made("generate_image", prompt=prompt, size=SMALL, output_dir="elsewhere")
    result = await bench.call("list_images", query="fox", as_page=True)
    page = (result.meta or {})["gpt-image-2/page"]
    assert page["pictures"] == 2
    assert f"All 2 found, on one page for a browser: {page['file_path']}" in said(result)
    path = anyio.Path(page["file_path"])
    assert path == bench.folder / "gallery-fox.html"
    html = await path.read_text(encoding="utf-8")
    assert "a red fox" in html
    assert "a car" not in html
    # Only an older page is replaced.
    await path.write_text("mine", encoding="utf-8")
    for _ in range(2):
        again = await bench.call("list_images", query="fox", as_page=True)
        assert "gallery-fox-2.html" in said(again)
    assert await path.read_text(encoding="utf-8") == "mine"
    nothing = await bench.call("list_images", query="horse", as_page=True)
    assert "page for a browser" not in said(nothing)
