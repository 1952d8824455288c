"""`edit_image`: how pictures are found, what is sent of them, and what is refused before anything is sent."""

import base64
import hashlib
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import pytest
from inline_snapshot import external_file, snapshot
from patience import PATIENCE_S
from PIL import Image
from stdio_bench import calls
from workbench import EDITS, SMALL, TOOLS, Bench, Benches, encoded, folded, picture

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


# What is sent.


async def test_one_picture_is_sent_as_image_with_brackets_and_nothing_else_beside_the_prompt(bench: Bench) -> None:
    photo = bench.photo()
    await bench.made("edit_image", prompt="make it blue", images=[str(photo)])
    (sent,) = bench.seen(EDITS)
    assert sent.params == {"model": "gpt-image-2", "prompt": "make it blue"}
    assert set(sent.fields) == {"model", "prompt", "image[]"}
    (file,) = sent.files
    assert (file.field, file.mime_type, file.sha256) == ("image[]", "image/png", sha256(photo))


async def test_several_pictures_are_sent_in_their_order(bench: Bench) -> None:
    photos = [bench.photo(f"{number}.png", size=(640 + 16 * number, 640)) for number in range(8)]
    await bench.made("edit_image", prompt="compose", images=[path.name for path in photos], size=SMALL)
    assert [(file.field, file.sha256) for file in bench.last().files] == [("image[]", sha256(path)) for path in photos]


async def test_an_answer_says_that_a_logo_among_several_pictures_is_drawn_anew(bench: Bench) -> None:
    bench.photo("mug.png")
    bench.photo("logo.png", size=(640, 640))
    bench.mask()
    both: dict[str, Any] = {"prompt": "the logo on the mug", "images": ["mug.png", "logo.png"], "size": SMALL}
    made = await bench.made("edit_image", **both)
    assert "What was taken from these pictures is drawn anew: a logo, a face or a text is never exactly the same." in (
        made.text.splitlines()
    )
    exact = await bench.made("edit_image", mask="mask.png", **{**both, "size": "auto"})
    assert "What was taken from image 2 and later ones is drawn anew:" in exact.text
    alone = await bench.made("edit_image", prompt="a pond", images=["mug.png"], mask="mask.png", size=SMALL)
    assert "drawn anew:" not in alone.text


async def test_a_mask_goes_along_as_it_is(bench: Bench) -> None:
    photo, mask = bench.photo(), bench.mask()
    await bench.made("edit_image", prompt="a pond here", images=["photo.png"], mask="mask.png", size=SMALL)
    files = {file.field: file for file in bench.last().files}
    assert files["mask"].sha256 == sha256(mask)
    assert files["mask"].mime_type == "image/png"
    assert files["image[]"].sha256 == sha256(photo)


async def test_only_the_masked_part_changes(bench: Bench) -> None:
    photo = bench.photo()
    bench.mask()
    answer = await bench.made("edit_image", prompt="a pond", images=["photo.png"], mask="mask.png", size=SMALL)
    with Image.open(photo) as before, Image.open(answer.path) as after:
        inside, outside = (100, 100), (600, 320)
        assert after.convert("RGB").getpixel(outside) == before.getpixel(outside)
        assert after.convert("RGB").getpixel(inside) != before.getpixel(inside)


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"quality": "high"}, {"quality": "high"}),
        ({"n": 2}, {"n": "2"}),
        ({"background": "opaque"}, {"background": "opaque"}),
        ({"output_format": "webp", "output_compression": 0}, {"output_format": "webp", "output_compression": "0"}),
        ({"moderation": "low"}, {"moderation": "low"}),
        ({"user": "person-7"}, {"user": "person-7"}),
        ({"quality": "auto", "n": 1, "background": "auto", "output_format": "png", "moderation": "auto"}, {}),
        ({"output_dir": "elsewhere", "filename_prefix": "fox"}, {}),
    ],
    ids=str,
)
async def test_a_parameter_arrives_as_it_was_given(bench: Bench, given: dict[str, Any], sent: dict[str, Any]) -> None:
    """A form has only texts."""
    bench.photo()
    await bench.made("edit_image", prompt="bluer", images=["photo.png"], size=SMALL, **given)
    assert bench.last().params == {"model": "gpt-image-2", "prompt": "bluer", "size": SMALL} | sent


async def test_what_was_edited_is_told_like_what_was_made(each_era: Bench) -> None:
    each_era.photo()
    answer = await each_era.made("edit_image", prompt="bluer", images=["photo.png"], size=SMALL, n=2)
    assert folded(each_era.plain(answer.text)) == snapshot("""\
Edited: 2 pictures by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes together.
FOLDER/sandbox/edit-TIME-HEX-1.png
FOLDER/sandbox/edit-TIME-HEX-2.png
The pictures are shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
Their numbers, in this order, name them in every tool. To finish number 2 as it is: edit_image with
images ["2"], like "2", quality "high".
From: WORK/photo.png
Tokens: 642 in, 1,912 out; free, gpt-image-2 would have cost about $0.0625.\
""")
    assert [path.name.partition("-")[0] for path in answer.paths] == ["edit", "edit"]


# Where pictures come from.


async def test_a_picture_is_found_however_it_is_named(bench: Bench) -> None:
    photo = bench.photo("my photo.png")
    at_home = bench.home / "home.png"
    at_home.write_bytes(photo.read_bytes())
    data_url = f"data:image/png;base64,{base64.b64encode(photo.read_bytes()).decode()}"
    named = [str(photo), "my photo.png", "./my photo.png", "~/home.png", photo.as_uri(), data_url]
    await bench.made("edit_image", prompt="compose", images=named, size=SMALL)
    assert {file.sha256 for file in bench.last().files} == {sha256(photo)}
    assert len(bench.last().files) == len(named)


@pytest.mark.parametrize("kind", ["png", "jpg", "webp"])
async def test_what_a_picture_is_goes_by_its_bytes_and_not_by_its_name(bench: Bench, kind: str) -> None:
    photo = bench.photo(f"photo.{kind}")
    renamed = photo.rename(bench.working_dir / "photo.txt")
    await bench.made("edit_image", prompt="bluer", images=["photo.txt"], size=SMALL)
    (file,) = bench.last().files
    assert file.sha256 == sha256(renamed)
    assert file.mime_type == {"png": "image/png", "jpg": "image/jpeg", "webp": "image/webp"}[kind]


async def test_the_name_of_a_persons_file_is_not_sent(bench: Bench) -> None:
    bench.photo("salary of Kim Novak.png")
    await bench.made("edit_image", prompt="bluer", images=["salary of Kim Novak.png"], size=SMALL)
    assert "Kim" not in bench.last().files[0].name


async def test_a_picture_that_the_api_would_refuse_is_made_plain_first_and_that_is_said(bench: Bench) -> None:
    photo = bench.working_dir / "cmyk.jpg"
    picture().convert("CMYK").save(photo)
    answer = await bench.made("edit_image", prompt="bluer", images=["cmyk.jpg"], size=SMALL)
    assert bench.last().files[0].sha256 != sha256(photo)
    assert answer.report["warnings"] == snapshot(
        [
            (
                "cmyk.jpg was converted from CMYK to RGB and re-encoded as JPEG: the API takes no CMYK, and without a"
                " profile its colours are a guess."
            )
        ]
    )
    assert answer.report["warnings"][0] in answer.text


@pytest.mark.thorough
async def test_a_photo_that_a_camera_turned_is_sent_upright(bench: Bench) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    bench.photo("turned.jpg", exif=exif)
    bench.mask(size=(640, 1024))
    answer = await bench.made("edit_image", prompt="a pond", images=["turned.jpg"], mask="mask.png", size="640x1024")
    assert "turned upright" in answer.text


# What is refused, with nothing sent and nothing paid.


def broken_sources(bench: Bench) -> dict[str, dict[str, Any]]:
    bench.photo()
    bench.mask("other size.png", size=(640, 1024))
    bench.photo("no mask.webp")
    (bench.working_dir / "text.png").write_text("not a picture at all")
    (bench.working_dir / "half.png").write_bytes(encoded()[:2000])
    (bench.working_dir / "empty.png").write_bytes(b"")
    (bench.working_dir / "folder.png").mkdir()
    (bench.working_dir / "brochure.pdf").write_bytes(b"%PDF-1.7\n")
    fine = ["photo.png"]
    return {
        "a file that is not there": {"images": ["gone.png"]},
        "one of several that is not there": {"images": ["photo.png", "gone.png"]},
        "a text": {"images": ["text.png"]},
        "half a picture": {"images": ["half.png"]},
        "an empty file": {"images": ["empty.png"]},
        "a folder": {"images": ["folder.png"]},
        "a PDF": {"images": ["brochure.pdf"]},
        "an attachment of the chat": {"images": ["attachment:0"]},
        "another scheme": {"images": ["ftp://example.com/a.png"]},
        "a data URL of text": {"images": ["data:text/plain,hello"]},
        "a broken data URL": {"images": ["data:image/png;base64,%%%"]},
        "a mask that is not there": {"images": fine, "mask": "gone.png"},
        "a mask of another size": {"images": fine, "mask": "other size.png"},
        "a mask that is a photo": {"images": fine, "mask": "no mask.webp"},
        "a mask of a shape that is not known": {"images": fine, "mask": "circle 10,10 20"},
        "a mask that names a thing": {"images": fine, "mask": "everything except the ball"},
        "a mask outside the picture": {"images": fine, "mask": "box 1000,600 100x20"},
    }


async def test_a_picture_that_cannot_be_sent_is_told_with_the_reason_and_nothing_is_paid(bench: Bench) -> None:
    told = {
        case: bench.plain(await bench.refused("edit_image", prompt="bluer", **arguments))
        for case, arguments in broken_sources(bench).items()
    }
    assert told == external_file("texts/sources.json")
    assert not bench.seen()


@pytest.mark.parametrize("images", [[], ["photo.png"] * 17])
async def test_an_edit_takes_one_to_sixteen_pictures(bench: Bench, images: list[str]) -> None:
    bench.photo()
    text = await bench.refused("edit_image", prompt="bluer", images=images)
    assert ("1 to 16" if images else "`images` is missing") in text
    assert not bench.seen()


async def test_a_picture_that_the_api_refuses_all_the_same_is_told(bench: Bench) -> None:
    bench.photo()
    message = "Invalid image file or mode for image 1, please check your image file."
    bench.knobs.faults = [Fault(status=400, code="invalid_image_file", message=message, param="image")]
    text = await bench.refused("edit_image", prompt="bluer", images=["photo.png"])
    assert folded(bench.plain(text)) == snapshot("""\
OpenAI could not read an input picture; the backend says: "Invalid image file or mode for image 1,
please check your image file". Save it anew as a plain PNG or JPEG and try again (request id req_ID;
said by the sandbox, not by OpenAI).\
""")


@pytest.mark.parametrize("tool", [tool for tool in TOOLS if "edit" in tool and tool.startswith(("edit", "start"))])
async def test_a_secret_file_is_not_even_looked_for(bench: Bench, tool: str) -> None:
    text = await bench.refused(tool, prompt="read it", images=[str(bench.home / ".ssh" / "id_rsa")])
    (bench.home / ".ssh").mkdir()
    (bench.home / ".ssh" / "id_rsa").write_bytes(encoded())
    assert await bench.refused(tool, prompt="read it", images=[str(bench.home / ".ssh" / "id_rsa")]) == text
    assert not bench.seen()


async def test_a_file_deep_down_that_is_not_there_is_still_named(bench: Bench) -> None:
    deep = "/".join(["a folder with a longish name"] * 4)
    assert "gone.png" in await bench.refused("edit_image", prompt="bluer", images=[f"{deep}/gone.png"])


# Inputs that are slow.


async def test_an_input_that_arrives_slowly_holds_up_no_other_call(benches: Benches) -> None:
    """A web server sends the beginning of a picture, and then nothing."""
    go_on, asked = anyio.Event(), anyio.Event()

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            await stream.receive()
            data = encoded()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(data) + data[:1000])
            asked.set()
            await go_on.wait()
            await stream.send(data[1000:])

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    host = "127.0.0.1:{}".format(listener.extra(anyio.abc.SocketAttribute.local_port))  # noqa: S610, UP032 - no Django
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_URL_HOSTS=host)
    photo = bench.photo()
    async with listener, anyio.create_task_group() as tasks, calls(bench) as ongoing:
        tasks.start_soon(listener.serve, serve)
        slow = ongoing.start("edit_image", prompt="a hat", images=[f"http://{host}/a.png"], size=SMALL)
        with anyio.fail_after(PATIENCE_S):
            await asked.wait()
        await bench.made("generate_image", prompt="a fox", size=SMALL)
        await bench.made("edit_image", prompt="a coat", images=[str(photo)], size=SMALL)
        assert not slow.done.is_set()
        go_on.set()
        await slow.answer()
        tasks.cancel_scope.cancel()


@pytest.mark.thorough
async def test_an_edit_that_enlarges_a_picture_says_that_it_was_drawn_anew(bench: Bench) -> None:
    bench.photo("old.png", size=(800, 600))
    larger = await bench.made("edit_image", images=["old.png"], prompt="sharper", size="3840x2880", quality="low")
    (told,) = [warning for warning in larger.report["warnings"] if warning.startswith("Enlarged")]
    assert told == (
        "Enlarged from 800x600: the model drew all of it anew at 3312x2496, which was brought to 3840x2880, so faces,"
        " writing and other details may differ. To enlarge the picture's own pixels instead, for nothing: export_image"
        " with `to` '3200x2400'."
    )
    exported = await bench.call("export_image", images=["old.png"], to=["3200x2400"])
    assert not exported.is_error
    for other in ({"size": "800x832"}, {"extend": "left 200"}, {"images": ["old.png", "old.png"], "size": "2048x1536"}):
        made = await bench.made("edit_image", **{"images": ["old.png"], "prompt": "go on", "quality": "low", **other})
        assert not [warning for warning in made.report["warnings"] if "Enlarged" in warning], other
