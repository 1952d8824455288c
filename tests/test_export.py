"""Exports: files of pictures for use elsewhere, in other sizes and formats, under exact names."""

import errno
import hashlib
import json
import os
import re
import stat
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import pytest
from crop_truth import KEPT, RATIOS, SHARE, measure
from PIL import Image, ImageDraw
from promises import promise
from workbench import Bench, Benches, said

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.library.export_record import FORMAT
from gpt_image_2_mcp.library.targets import read_target

pytestmark = pytest.mark.anyio


@pytest.fixture
def trash(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The system's trash, in the folder of the test."""
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    if sys.platform == "linux":
        monkeypatch.setattr("send2trash.plat_other.HOMETRASH", str(tmp_path / "data" / "Trash"))
        monkeypatch.setattr("send2trash.plat_other.HOMETRASH_B", os.fsencode(tmp_path / "data" / "Trash"))
    return tmp_path / "data" / "Trash" / "files"


def contents(folder: Path) -> list[bytes]:
    return [path.read_bytes() for path in folder.iterdir() if path.is_file()] if folder.is_dir() else []


def where(file: dict[str, Any]) -> Path:
    return Path(file["file_path"])


def mode_of(folder: Path) -> int:
    return stat.S_IMODE(folder.stat().st_mode)


async def exported(bench: Bench, to: object, **given: Any) -> tuple[list[dict[str, Any]], str]:
    arguments = {"image": "photo.png", "output_dir": "public/img", "to": to, **given}
    result = await bench.call("export_image", **arguments)
    assert not result.is_error, said(result)
    return (result.meta or {})["gpt-image-2/result"]["files"], said(result)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("1080x1080", {"size": "1080x1080"}),
        ("story jpeg", {"size": "1080x1920", "kind": "jpeg"}),
        ("og webp 200kB", {"size": "1200x630", "kind": "webp", "limit": 200_000}),
        ("a WebP file at 1920x1080, under 1.5 MB", {"size": "1920x1080", "kind": "webp", "limit": 1_500_000}),
        ("a4@300 pdf", {"size": "2480x3508@300", "kind": "pdf"}),
        ("50x70 cm @ 100 tiff", {"size": "1969x2756@100", "kind": "tiff"}),
        ("hero.webp", {"kind": "webp", "name": "hero.webp"}),
        (
            "public/img/hero.JPG 16:9 4k",
            {"size": "3840x2160", "kind": "jpeg", "name": "hero.JPG", "folder": "public/img"},
        ),
        ("'my hero.png' thumbnail", {"size": "1280x720", "kind": "png", "name": "my hero.png"}),
        ("App Icon", {"icon_set": "app icon"}),
        ("favicon", {"icon_set": "favicon"}),
        ("favicon png", {"size": "512x512", "kind": "png"}),
        ("appicon", {"icon_set": "app icon"}),
        ("rotate 90 left webp", {"kind": "webp", "steps": (("rotate", -90),)}),
        ("rotated left by 90 degrees", {"steps": (("rotate", -90),)}),
        ("rotate right png", {"kind": "png", "steps": (("rotate", 90),)}),
        ("rotate 90° clockwise", {"steps": (("rotate", 90),)}),
        ("rotate 90 flip square", {"size": "1080x1080", "steps": (("rotate", 90), ("flip", "horizontal"))}),
        ("flip vertically rotate 180", {"steps": (("flip", "vertical"), ("rotate", 180))}),
        ("crop 10,20,300,400 of 1024x683 png", {"kind": "png", "steps": (("crop", 10, 20, 300, 400, [1024, 683]),)}),
        ("crop 10% 0% 90% 50%", {"steps": (("crop", 0.1, 0, 0.9, 0.5, [1, 1]),)}),
    ],
)
def test_a_target_is_said_as_people_say_it(text: str, found: dict[str, Any]) -> None:
    target = read_target(text)
    seen = {name: getattr(target, name) for name in ("icon_set", "kind", "limit", "name", "folder", "steps")}
    seen["size"] = target.size.text if target.size else None
    assert {name: value for name, value in seen.items() if value} == found


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("large", "its size is auto"),
        ("20x20 \u0131co", "its size is auto"),
        ("x.icn\u017f 20x20", "its size is auto"),
        ("hero.webp png", "names a webp file and the format png"),
        ("hero.gif story", "the formats are png, jpeg"),
        ("hero.webp 800x600 in public/img", "the folder 'public/img': that goes into `output_dir`"),
        ("og into dist", "the folder 'dist': that goes into `output_dir`"),
        ("-rf.png", "cannot be called '-rf.png'"),
        ("con.png", "Call it '_con.png'"),
        ("crop 9,9,3,3 square", "LEFT,TOP,RIGHT,BOTTOM"),
        ("crop left half png", "a crop is said as `crop LEFT,TOP,RIGHT,BOTTOM of 1024x683`"),
        ("rotate 45", "turned by 90, 180 or 270 degrees"),
        ("40000x40000", "16 to 20,000 pixels"),
        (f"64x64 {'9' * 290}kB", "its size"),
        (f"64x64{' ' * 100_000}png", "300 are the most"),
    ],
)
def test_a_target_that_is_none_is_refused_with_the_rule(text: str, why: str) -> None:
    with pytest.raises(BadRequest, match=re.escape(why)):
        read_target(text)


@pytest.mark.parametrize("by_path", [False, True])
async def test_a_hero_is_exactly_the_file_that_was_asked_for(bench: Bench, by_path: bool) -> None:
    answer = await bench.made("generate_image", prompt="a lighthouse", size="1536x1024")
    before = answer.path.read_bytes()
    files, text = await exported(
        bench, "hero.webp under 40kB at 1920x1080", image=str(answer.path) if by_path else "last"
    )
    (file,) = files
    path = bench.working_dir / "public" / "img" / "hero.webp"
    assert file["file_path"] == str(path)
    assert (file["width"], file["height"], file["mime_type"]) == (1920, 1080, "image/webp")
    assert file["size_bytes"] == path.stat().st_size <= 40_000
    with Image.open(path) as image:
        assert (image.size, image.format) == ((1920, 1080), "WEBP")
        assert answer.report["images"][0]["sha256"] in image.info["xmp"].decode()
    assert "15.6% cut off" in text
    assert "scaled up 1.25 times" in text
    assert "Content Credentials" in text
    # Nothing but the file is left there, and the picture that it was made of is untouched.
    assert [found.name for found in path.parent.iterdir()] == ["hero.webp"]
    assert answer.path.read_bytes() == before
    assert not bench.seen()[1:]
    shown = said(await bench.call("show_image", image=str(path)))
    assert f"exported from {answer.report['images'][0]['id']}" in shown
    assert "prompt: a lighthouse" in shown


@pytest.mark.thorough
async def test_an_answer_says_a_size_once_and_what_to_do_where_much_is_cut_off(bench: Bench) -> None:
    bench.photo(size=(1600, 400))
    files, text = await exported(bench, ["108 × 108", "og", "9:16 jpeg", "1600x420"])
    squares, banner, *_ = text.splitlines()[1:]
    assert f"- 108 × 108: {where(files[0])}, {files[0]['size_bytes']:,} bytes, of 1600x400" in squares
    assert ", 1200x630, " in banner
    (note,) = [line for line in text.splitlines() if line.startswith("Note: much is cut off.")]
    assert "edit_image with `size` '108x108' or '1200x630' or '9:16'" in note
    _, text = await exported(bench, ["1600x420", "800x200"])
    assert "much is cut off" not in text
    _, text = await exported(bench, ["og jpeg"], fit="pad")
    assert "much is cut off" not in text


@pytest.mark.parametrize(
    ("to", "told"),
    [
        (
            "a3@300",
            [
                "At most 1697x2400 (145 dpi) can be made of it.",
                "edit_image with the picture and `size` '3508x4961@300'",
            ],
        ),
        ("4000x3000", ["At most 3200x2400 can be made of it.", "`size` '4000x3000', which costs money"]),
        ("crop 0,0,50,50 of 800x600 app icon", ["can be made of it. To have more", "`size` '1:1'"]),
        # The model makes nothing so large either.
        ("20000x400", ["At most 3200x64 can be made of it."]),
    ],
)
async def test_a_picture_that_is_too_small_for_a_target_has_a_way_out(bench: Bench, to: str, told: list[str]) -> None:
    bench.photo(size=(800, 600))
    text = await bench.refused("export_image", image="photo.png", to=to)
    for words in told:
        assert words in text, text
    assert ("edit_image" in text) == (len(told) > 1)


@pytest.mark.thorough
async def test_every_format_is_written_as_it_is_called(bench: Bench) -> None:
    bench.photo()
    targets = ["story jpeg", "200x200 avif", "64x48 png", "a6@72 pdf", "a6@150 jpeg", "300x200 tiff", "48x48 ico"]
    targets.append("512x512 icns")
    files, _ = await exported(bench, targets)
    assert [file["target"] for file in files] == targets
    for file in files:
        path = where(file)
        assert path.stat().st_size == file["size_bytes"]
        if path.suffix == ".pdf":
            # 105x148 mm in points.
            box = re.search(rb"MediaBox \[ ?0 0 ([0-9.]+) ([0-9.]+)", path.read_bytes())
            assert box is not None
            assert (round(float(box[1])), round(float(box[2]))) == (298, 420)
            continue
        with Image.open(path) as image:
            assert image.size[0] in {file["width"], 1024}
            if "@150" in file["target"]:
                assert tuple(map(round, image.info["dpi"])) == (150, 150)


@pytest.mark.thorough
async def test_an_icon_set_has_every_file_and_the_lists_name_them(bench: Bench) -> None:
    picture = Image.new("RGBA", (600, 600), (0, 0, 0, 0))
    ImageDraw.Draw(picture).ellipse((20, 20, 580, 580), fill=(200, 30, 60, 255))
    picture.save(bench.working_dir / "photo.png")
    files, text = await exported(bench, ["favicon", "app icon"], output_dir="icons")
    folder = bench.working_dir / "icons"
    listed = json.loads((folder / "AppIcon.appiconset" / "Contents.json").read_text())["images"]
    for entry in listed:
        with Image.open(folder / "AppIcon.appiconset" / entry["filename"]) as image:
            assert image.mode == "RGB"
            assert image.width == round(float(entry["size"].split("x")[0]) * int(entry["scale"][0]))
    for icon in json.loads((folder / "site.webmanifest").read_text())["icons"]:
        with Image.open(folder / icon["src"]) as image:
            assert f"{image.width}x{image.height}" == icon["sizes"]
            assert image.mode == "RGBA"
    with Image.open(folder / "favicon.ico") as image:
        assert {16, 32, 48, 256} <= {width for width, _ in image.info["sizes"]}
    with Image.open(folder / "AppIcon.icns") as image:
        assert (512, 512, 2) in image.info["sizes"]
    assert {where(file) for file in files} == {path for path in folder.rglob("*") if path.is_file()}
    assert "transparency on white" in text


async def test_a_small_picture_in_a_large_file_is_exported(bench: Bench) -> None:
    mine = bench.photo()
    start, rest = (data := mine.read_bytes())[:33], data[33:]
    body = b"prVt" + bytes(47_000_000)
    mine.write_bytes(start + struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body)) + rest)
    (file,), _ = await exported(bench, "20x20 png")
    assert file["size_bytes"] < 5000


@promise(
    "Quantity",
    "What makes files of pictures (exports, and sizes that the model does not make) has a process of its own, of at"
    " most 1,400 MiB, one at a time (on Linux); what would take more is refused before it is made.",
)
async def test_a_file_that_would_take_too_much_memory_is_refused_before_it_is_made(bench: Bench) -> None:
    Image.new("RGBA", (2600, 2600), (255, 0, 0, 90)).save(bench.working_dir / "photo.png")
    text = await bench.refused("export_image", image="photo.png", to="10000x10000 webp", output_dir="out")
    assert "a webp of 10000x10000 of it would take 3," in text
    assert "1,468 MB are the most: take png or jpeg, or a smaller size" in text


async def test_one_target_that_fails_takes_no_other_with_it(bench: Bench) -> None:
    bench.photo()
    files, text = await exported(bench, ["20x20 png 10b", "20x20 png", "crop 0,0,5000,20 50x50", "9000x9000"])
    assert [file["target"] for file in files] == ["20x20 png"]
    assert text.count("Not made: ") == 3
    refused = await bench.refused("export_image", image="photo.png", to="20x20 webp 3b", output_dir="public/img")
    assert "cannot be a webp of 3 bytes at 20x20: it has" in refused


@promise("Writing", "An export replaces no file.")
async def test_no_file_is_replaced_without_the_word(bench: Bench) -> None:
    bench.photo()
    there = bench.working_dir / "public" / "img" / "hero.png"
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    for replace in ({}, {"replace": True}):
        text = await bench.refused(
            "export_image", image="photo.png", to="hero.png 64x64", output_dir="public/img", **replace
        )
        assert "is there already" in text
        assert there.read_bytes() == b"mine"
    there.unlink()
    there.symlink_to(bench.working_dir / "photo.png")
    await bench.refused("export_image", image="photo.png", to="hero.png 64x64", output_dir="public/img", replace=True)
    assert there.is_symlink()


@promise(
    "Writing", "With `replace`, an export replaces a file whose bytes an export wrote; the old one is in the trash."
)
async def test_what_an_export_wrote_is_replaced_if_it_was_not_changed(bench: Bench, trash: Path) -> None:
    bench.photo()
    (file,), _ = await exported(bench, "hero.png 64x64")
    path = where(file)
    first = path.read_bytes()
    _, again = await exported(bench, "hero.png 64x64")
    assert "there already with the same bytes" in again
    text = await bench.refused("export_image", image="photo.png", to="hero.png 80x80", output_dir="public/img")
    assert "With `replace`" in text
    _, text = await exported(bench, "hero.png 80x80", replace=True)
    assert "the old file is in the trash" in text
    assert contents(trash) == [first]
    with Image.open(path) as image:
        assert image.size == (80, 80)
    path.write_bytes(path.read_bytes() + b"edited by hand")
    text = await bench.refused(
        "export_image", image="photo.png", to="hero.png 96x96", output_dir="public/img", replace=True
    )
    assert "was changed since: it stays" in text
    assert path.read_bytes().endswith(b"edited by hand")


async def test_a_full_disk_while_a_file_is_replaced_is_told_with_where_the_old_one_is(
    bench: Bench, trash: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.photo()
    (before,), _ = await exported(bench, "hero.webp 640x400")
    content = where(before).read_bytes()

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("os.fsync", full)
    again = {"image": "photo.png", "to": "hero.webp 320x200", "output_dir": "public/img", "replace": True}
    text = await bench.refused("export_image", **again)
    assert "No space left on device" in text
    assert "The file that was there is in the trash: a person can put it back." in text
    assert contents(trash) == [content]


async def test_of_an_icon_set_that_is_not_whole_the_answer_says_what_is_there(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.photo()
    folder = bench.working_dir / "icons"
    write = os.fsync

    def full(descriptor: int) -> None:
        if (folder / "apple-touch-icon.png").exists():
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        write(descriptor)

    monkeypatch.setattr("os.fsync", full)
    text = await bench.refused("export_image", image="photo.png", to="favicon", output_dir="icons")
    monkeypatch.undo()
    there = [path.name for path in folder.iterdir()]
    assert f" {len(there)} of its 5 files are there: the first is {folder / 'favicon.ico'}." in text
    assert 0 < len(there) < 5


@promise("Writing", "A record that lies in a folder of pictures makes no file an export's.")
@pytest.mark.usefixtures("trash")
async def test_a_forged_record_gets_no_file_replaced(bench: Bench) -> None:
    """Whether it has the name of a record in the data folder, or that of a record beside pictures."""
    mine = bench.photo()
    sha256 = hashlib.sha256(data := mine.read_bytes()).hexdigest()
    body = {"record": FORMAT, "version": 1, "sha256": sha256, "file": str(mine), "parent": {"id": None}}
    for folder in (bench.folder, bench.working_dir, bench.folder / "exports"):
        (folder / ".gpt-image-2").mkdir(parents=True)
        for name in (f"export-{sha256[:40]}.json", f"{sha256}.json"):
            (folder / ".gpt-image-2" / name).write_text(json.dumps(body))
            (folder / name).write_text(json.dumps(body))
    text = await bench.refused("export_image", image="photo.png", to="photo.png 64x64", output_dir=".", replace=True)
    assert "is no file that an export from this computer wrote" in text
    assert mine.exists()
    assert contents(mine.parent).count(data) == 1


async def test_what_was_exported_is_known_at_the_next_start_and_not_with_another_data_folder(
    benches: Benches, tmp_path: Path, trash: Path
) -> None:
    first = await benches.open(data_dir=tmp_path / "one")
    first.photo()
    await exported(first, "hero.png 64x64")
    again = await benches.open(data_dir=tmp_path / "one")
    await exported(again, "hero.png 80x80", replace=True)
    assert len(contents(trash)) == 1
    assert mode_of(tmp_path / "one" / "exports") == 0o700
    elsewhere = await benches.open(data_dir=tmp_path / "two")
    text = await elsewhere.refused(
        "export_image", image="photo.png", to="hero.png 96x96", output_dir="public/img", replace=True
    )
    assert "an export from this computer" in text


async def test_a_file_at_the_target_that_is_larger_than_any_export_is_not_read(bench: Bench) -> None:
    bench.photo()
    large = bench.working_dir / "public" / "img" / "hero.png"
    large.parent.mkdir(parents=True)
    with large.open("wb") as file:
        file.truncate(100 << 30)
    text = await bench.refused("export_image", image="photo.png", to="hero.png", output_dir="public/img", replace=True)
    assert "is no file that an export from this computer wrote" in text


@promise("Writing", "An export goes only to folders that pictures may be written to.")
@pytest.mark.parametrize("to", [".git/hooks/x.png", "../../../etc/x.png", "~/.ssh/x.png", "/etc/x.png"])
async def test_a_folder_in_a_name_is_guarded_as_every_output_folder(bench: Bench, to: str) -> None:
    bench.photo()
    text = await bench.refused("export_image", image="photo.png", to=f"{to} 20x20", output_dir=".")
    assert "No picture is written to" in text


@promise("Writing", "No file of an icon set goes through a link, and no answer tells what is behind one.")
@pytest.mark.parametrize("inner", ["AppIcon.appiconset", "android", "android/mipmap-hdpi"])
async def test_a_link_in_an_icon_set_tells_nothing_of_where_it_leads(bench: Bench, inner: str) -> None:
    bench.photo()
    secret = bench.home / ".ssh"
    secret.mkdir()
    link = bench.working_dir / "icons" / inner
    link.parent.mkdir(parents=True)
    texts = list[str]()
    for target in (secret, Path("/etc"), bench.home / ".config"):
        link.symlink_to(target)
        texts.append(
            await bench.refused("export_image", image="photo.png", to="app icon", output_dir="icons", replace=True)
        )
        link.unlink()
    link.symlink_to(secret)
    for name in ("Contents.json", "icon-1024.png", "ic_launcher.png", "mipmap-hdpi"):
        (secret / name).write_text("key")
    texts.append(await bench.refused("export_image", image="photo.png", to="app icon", output_dir="icons"))
    assert all("No picture is written to" in text for text in texts)
    assert texts[0] == texts[-1]
    assert len(list(secret.iterdir())) == 4


async def test_a_file_of_a_format_of_icons_is_a_square_that_the_format_takes(bench: Bench) -> None:
    bench.photo()
    Image.new("RGB", (40, 30), "red").save(bench.working_dir / "small.png")
    files, _ = await exported(bench, ["favicon.ico", "icns"])
    assert [(file["width"], file["height"]) for file in files] == [(256, 256), (640, 640)]
    files, _ = await exported(bench, "tiny.ico", image="small.png")
    assert (files[0]["width"], files[0]["height"]) == (30, 30)


async def test_what_is_said_twice_is_made_once(bench: Bench) -> None:
    bench.photo()
    files, _ = await exported(bench, ["og", "og"], image=["photo.png", "./photo.png"])
    assert len(files) == 1


async def test_several_pictures_for_one_file_name_are_refused_with_the_way_out(bench: Bench) -> None:
    bench.photo()
    bench.photo("other.png", size=(640, 640))
    for to, told in (
        ("logo.png", "'logo.png' names one file, and there are several pictures: leave the name out"),
        ("favicon", "The files of 'favicon' have fixed names: export one picture a call"),
    ):
        assert told in await bench.refused("export_image", image=["photo.png", "other.png"], to=to, output_dir="out")


async def test_of_a_picture_that_moves_only_the_first_frame_is_exported_and_the_answer_says_so(bench: Bench) -> None:
    frames = [Image.new("RGB", (64, 64), colour) for colour in ("red", "green")]
    for name in ("moving.gif", "moving.webp", "moving.png"):
        frames[0].save(bench.working_dir / name, save_all=True, append_images=frames[1:])
        files, text = await exported(bench, f"{name.partition('.')[0]}.jpg", image=name, output_dir=name[-3:])
        assert "only its first frame" in text
        assert files[0]["how"].endswith("only its first frame")


async def test_a_picture_that_cannot_be_read_is_told_once_for_all_targets(bench: Bench) -> None:
    photo = bench.photo()
    photo.write_bytes(photo.read_bytes()[:900])
    text = await bench.refused("export_image", image="photo.png", to=["og", "story jpeg"], output_dir="out")
    assert text.startswith("Nothing was exported. og, story jpeg: photo cannot be decoded")
    assert "\n" not in text


@pytest.mark.parametrize("second", ["x.png", "X.png", "o/../x.png"])
async def test_two_files_of_one_name_are_refused_before_anything_is_made(bench: Bench, second: str) -> None:
    bench.photo()
    to = ["x.png 20x20", f"{second} 30x30"]
    text = await bench.refused("export_image", image="photo.png", to=to, output_dir="out")
    assert "would both be" in text
    assert not (bench.working_dir / "out").exists()


@pytest.mark.parametrize(
    ("to", "rule"),
    [
        ("18000x1000 webp", "would be 18000x1000, and webp takes edges of at most 16,383 pixels: take png or jpeg"),
        ("9000x9000 avif", "avif takes at most 35,651,584 pixels: take jpeg or webp"),
        ("18000x1000 avif", "avif takes edges of at most 16,384 pixels"),
        ("300x200 ico", "ico takes edges of at most 256 pixels: take png"),
        ("1200x1200 icns", "icns takes edges of at most 1,024 pixels: take png"),
        ("18000x1000 pdf", "pdf takes edges of at most 14,400 pixels at 72 dpi: take a higher dpi"),
        ("crop 0,0,20,20 100x100 png", "has 20x20 pixels: it would be scaled up 5.0 times, and 4 times is the limit"),
        ("crop 0,0,9000,20 png", "lies outside of it"),
    ],
)
async def test_what_a_format_does_not_take_is_refused_by_its_rule_before_work_begins(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, to: str, rule: str
) -> None:
    Image.new("RGB", (5000, 4500), "red").save(bench.working_dir / "photo.png")
    monkeypatch.setattr("gpt_image_2_mcp.library.exporter.derive_in_child", None)
    assert rule in await bench.refused("export_image", image="photo.png", to=to, output_dir="out")


@pytest.mark.parametrize(
    ("fit", "corner", "middle"),
    [("pad", (0, 0, 255), (255, 0, 0)), ("stretch", (0, 0, 255), (255, 0, 0)), ("centre", (255, 0, 0), (255, 0, 0))],
)
async def test_a_picture_is_fitted_as_it_is_said(
    bench: Bench, fit: str, corner: tuple[int, ...], middle: tuple[int, ...]
) -> None:
    picture = Image.new("RGB", (300, 100), "blue")
    picture.paste("red", (60, 5, 240, 95) if fit == "pad" else (60, 0, 240, 100))
    if fit == "pad":
        picture.paste("blue", (0, 0, 300, 12))
        picture.paste("blue", (0, 88, 300, 100))
    picture.save(bench.working_dir / "photo.png")
    (file,), _ = await exported(bench, "100x100", fit=fit)
    with Image.open(file["file_path"]) as image:
        assert image.getpixel((1, 50 if fit != "pad" else 1)) == corner
        assert image.getpixel((50, 50)) == middle


@pytest.mark.thorough
def test_a_smart_crop_keeps_the_subject() -> None:
    """Subjects at one side, on grounds of all kinds: the middle would cut them off. docs/exports.md has the figures."""
    found = list(measure(2))
    for ratio in RATIOS:
        shares = [share for _, each, share in found if each == ratio]
        assert sum(share >= KEPT for share in shares) >= SHARE * len(shares), (ratio, shares)


async def test_all_targets_that_are_wrong_are_told_in_one_answer(bench: Bench) -> None:
    bench.photo()
    text = await bench.refused("export_image", image="photo.png", to=["banana", "20x20", "crop 9,9 of 3 story"])
    assert "'banana'" in text
    assert "a crop is said as" in text
    many = await bench.refused("export_image", image="photo.png", to=["banana", "cherry", "9x9"])
    assert [line.partition(":")[0] for line in many.split("\n")] == [
        "The target 'banana'",
        "The target 'cherry'",
        "The target '9x9'",
        many[many.index("The names are") :].partition(":")[0],
    ]
    assert "'crop 9,9 of 3 story'" in text
