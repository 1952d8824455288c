"""From an argument to checked bytes: what is read, what is refused, and that a refusal tells nothing."""

import base64
import hashlib
import io
import os
import socket
import sys
import threading
import zlib
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote_from_bytes

import anyio
import anyio.abc
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from patience import PATIENCE_S
from PIL import Image
from promises import promise

from gpt_image_2_mcp.errors import BadRequest, GptImageError, UnreadableSource, shown
from gpt_image_2_mcp.images.validate import validate
from gpt_image_2_mcp.inputs import data_url
from gpt_image_2_mcp.inputs import local_file as local_files
from gpt_image_2_mcp.inputs.input_image import InputImage
from gpt_image_2_mcp.inputs.mask import mask_preparer
from gpt_image_2_mcp.inputs.sources import Sources
from gpt_image_2_mcp.paths import denylist

pytestmark = pytest.mark.anyio
SECRET = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmU\n"


def picture(mode: str = "RGB", size: tuple[int, int] = (8, 6), kind: str = "PNG", **options: Any) -> bytes:
    into = io.BytesIO()
    Image.new(mode, size).save(into, kind, **options)
    return into.getvalue()


@pytest.fixture
def work(tmp_path: Path) -> Path:
    """A working directory with a picture in it; the home is beside it."""
    folder = tmp_path.resolve() / "work"
    folder.mkdir()
    (folder / "a.png").write_bytes(picture())
    keys = tmp_path / "home" / ".ssh"
    keys.mkdir(parents=True)
    (keys / "id_rsa").write_text(SECRET, encoding="utf-8")
    (keys / "photo.png").write_bytes(picture())
    return folder


def reading(work: Path, **options: Any) -> Sources:
    return Sources(working_dir=work, home=work.parent / "home", **options)


async def refusal(sources_: Sources, reference: str) -> str:
    with anyio.fail_after(PATIENCE_S):
        with pytest.raises((UnreadableSource, BadRequest)) as caught:
            await sources_.image(reference)
    message = str(caught.value)
    message.encode()
    assert len(message) < 800
    assert not any(leak in message for leak in ("OPENSSH", "b3Blbn", "Errno", "Traceback"))
    return message


def unchanged(data: bytes, **options: Any) -> bytes:
    raise NotImplementedError(data, options)


# Paths.


async def test_a_picture_is_read_whole(work: Path) -> None:
    image = await reading(work).image("a.png")
    assert image == InputImage(
        data=picture(),
        format="png",
        width=8,
        height=6,
        sha256=image.sha256,
        file_sha256=image.sha256,
        name=f"image-{image.sha256[:8]}.png",
        source="a.png",
        path=work / "a.png",
        change=None,
    )


WAYS: list[Callable[[Path], str]] = [
    lambda work: str(work / "a.png"),
    lambda _: "a.png",
    lambda _: " a.png\n",
    lambda _: "./../work/a.png",
    lambda _: "~/../work/a.png",
    lambda work: (work / "a.png").as_uri(),
    lambda work: f"/{work}/a.png",
]


@pytest.mark.parametrize("write", WAYS)
async def test_a_picture_is_found_however_it_is_named(work: Path, write: Callable[[Path], str]) -> None:
    assert (await reading(work).image(write(work))).data == picture()


async def test_a_link_to_a_picture_is_followed_and_its_real_path_told(work: Path) -> None:
    (work / "link.txt").symlink_to(work / "a.png")
    image = await reading(work).image("link.txt")
    assert (image.path, image.source) == (work / "a.png", "link.txt")


async def test_a_change_is_told_with_the_name_of_the_file(work: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    (work / "portrait.jpg").write_bytes(picture(kind="JPEG", exif=tags))
    image = await reading(work).image("portrait.jpg")
    assert image.change == snapshot(
        "portrait.jpg was turned upright and re-encoded as JPEG: its EXIF orientation would have been ignored."
    )
    assert (image.width, image.height, image.format, image.name[-4:]) == (6, 8, "jpeg", ".jpg")


async def test_a_name_cannot_disguise_itself_in_a_sentence(work: Path) -> None:
    (work / "a\u202egnp\n.png").write_bytes(picture("CMYK", kind="JPEG"))
    image = await reading(work).image("a\u202egnp\n.png")
    assert image.change is not None
    assert image.change.startswith("a?gnp?.png was ")


async def test_reading_and_decoding_leave_the_event_loop(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    threads: list[threading.Thread] = []
    real_open, real_judge = os.open, validate

    def open_(*given_: Any) -> int:
        threads.append(threading.current_thread())
        return real_open(*given_)

    def judge(data: bytes, **options: Any) -> Any:
        threads.append(threading.current_thread())
        return real_judge(data, **options)

    monkeypatch.setattr(local_files.os, "open", open_)
    await reading(work).image("a.png", prepare=judge)
    assert len(threads) >= 2
    assert threading.main_thread() not in threads


async def test_a_file_that_is_not_there_is_explained(work: Path) -> None:
    message = await refusal(reading(work), "photos/cat.png")
    assert message.replace(str(work), "/work") == snapshot(
        "There is no file '/work/photos/cat.png'. Give the full path of a file on the computer that this server runs "
        "on; what was attached or pasted into the chat does not reach it."
    )


@pytest.mark.parametrize(
    "reference",
    [
        "",
        "a\0.png",
        "x" * 300,
        "/".join(["x"] * 4000),
        "x" * 100_000,
        "~root/a.png",
        "file://server/a.png",
        "file:///a%00b",
        "a.png/b.png",
        f"{chr(0xDCFF)}.png",
        f"{chr(0xD800)}.png",
        "ftp://example.com/a.png",
        "s3://bucket/a.png",
        "sandbox:/mnt/data/a.png",
        "blob:https://chat.example/1234",
        "attachment:1",
        "javascript:alert(1)",
        "iVBORw0KGgoAAAANSUhEUgAA",
        ".",
        "/",
        "..",
    ],
)
async def test_what_is_no_picture_file_is_refused(work: Path, reference: str) -> None:
    await refusal(reading(work), reference)


@promise(
    "Reading",
    "Only whole PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC files are sent, by their bytes and not by their name.",
)
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"hello, I am a text", "is no picture"),
        (SECRET.encode(), "is no picture"),
        (b"", "is empty"),
        (b"\x89PNG\r\n\x1a\n", "is no picture"),
        (b"%PDF-1.7" + b"\0" * 20, "is a PDF"),
        (b"<svg xmlns='x'/>", "is an SVG drawing"),
        (picture()[:60], "cut short"),
    ],
)
async def test_a_file_is_judged_by_its_bytes_and_not_by_its_name(work: Path, content: bytes, words: str) -> None:
    (work / "b.png").write_bytes(content)
    assert words in await refusal(reading(work), "b.png")


async def test_pipes_sockets_and_folders_are_refused_without_waiting(work: Path) -> None:
    os.mkfifo(work / "pipe.png")
    assert "is no regular file" in await refusal(reading(work), "pipe.png")
    assert "is a folder" in await refusal(reading(work), str(work))
    with socket.socket(socket.AF_UNIX) as listening:
        here = Path.cwd()
        os.chdir(work)  # the path of a socket may have 100 characters
        try:
            listening.bind("socket.png")
        finally:
            os.chdir(here)
        assert "no path of a regular file" in await refusal(reading(work), "socket.png")


@pytest.fixture
def unopened(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fails the test when anything is opened."""

    def open_(*given_: object) -> None:
        pytest.fail(f"{given_[0]} was opened")

    monkeypatch.setattr(local_files.os, "open", open_)


@promise("Reading", "Secrets, devices and `/proc` are never opened.")
@pytest.mark.usefixtures("unopened")
@pytest.mark.parametrize(
    "reference",
    [
        "/dev/zero",
        "/dev/tty",
        "/dev/../dev/zero",
        "/dev/../etc/hosts",
        "/proc/self/environ",
        "/proc/self/fd/0",
        "/sys/power/state",
        "//dev//zero",
        "file:///dev/zero",
        "/tmp/../dev/zero",  # noqa: S108 - to be refused
        "~/.ssh/id_rsa",
        "~/.ssh/photo.png",
        "~/.ssh",
        "~/.ssh/../a.png",
        "~/.SSH/id_rsa",
        "~/.aws/credentials",
        "~/.config/gcloud/x.png",
        "~/.config/./gcloud/x.png",
        "~/.config/x/../gcloud/x.png",
        "~/.netrc",
        "~/.env",
        "~/.env.local",
        "/root/.gnupg/a.png",
        "/etc/shadow",
        "file:///home/x/%2essh/id_rsa",
        "~/.mozilla/firefox/a.png",
    ],
)
async def test_secrets_and_devices_are_refused_unopened(work: Path, reference: str) -> None:
    message = await refusal(reading(work), reference)
    assert "is never read, whether it exists or not" in message


@promise("Reading", "A link to a secret or a device is refused unopened, too.")
@pytest.mark.usefixtures("unopened")
async def test_a_link_to_a_secret_or_a_device_is_refused_unopened(work: Path) -> None:
    for name, target in (("key", work.parent / "home/.ssh/photo.png"), ("zero", Path("/dev/zero"))):
        (work / f"{name}.png").symlink_to(target)
        (work / f"{name}-folder").symlink_to(target.parent)
        assert "never read" in await refusal(reading(work), f"{name}.png")
        assert "never read" in await refusal(reading(work), f"{name}-folder/{target.name}")


async def test_a_refusal_does_not_tell_what_exists(work: Path) -> None:
    """The same words for a secret that is there and for one that is not, by whatever way it is asked for."""
    outside = work.parent / "outside"
    outside.mkdir()
    (outside / "here.png").write_bytes(picture())
    (outside / "here.txt").write_text("text", encoding="utf-8")
    (work / "to-keys").symlink_to(work.parent / "home/.ssh")
    (work / "to-outside").symlink_to(outside)
    fenced = reading(work, allowed_dirs=(work,))
    for asked, there, missing in (
        (reading(work), "~/.ssh/id_rsa", "~/.ssh/id_xyz"),
        (reading(work), "to-keys/photo.png", "to-keys/gone.png"),
        (fenced, f"{outside}/here.png", f"{outside}/gone.png"),
        (fenced, f"{outside}/here.txt", f"{outside}/gone.txt"),
        (fenced, f"{outside}/here.txt/x", f"{outside}/gone.txt/x"),
        (fenced, "to-outside/here.png", "to-outside/gone.png"),
        (fenced, "../outside/here.png", "../outside/gone.png"),
        (fenced, "/etc/passwd", "/etc/no-such-file"),
    ):
        told, silent = await refusal(asked, there), await refusal(asked, missing)
        assert told.replace(shown(there), "") == silent.replace(shown(missing), "")
        assert "whether it exists or not" in told


@promise(
    "Reading",
    "A file is checked through the descriptor from which it is read, so swapping a link gains nothing.",
)
async def test_a_link_that_is_swapped_while_it_is_opened_is_judged_by_what_was_opened(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    link, real_open = work / "swapped.png", os.open
    link.symlink_to(work / "a.png")

    def swap(path: Path, flags: int) -> int:
        link.unlink()
        link.symlink_to(work.parent / "home/.ssh/photo.png")
        return real_open(path, flags)

    monkeypatch.setattr(local_files.os, "open", swap)
    assert "never read" in await refusal(reading(work), "swapped.png")
    link.unlink()
    link.symlink_to(work / "a.png")
    (work.parent / "home/.ssh").rename(work.parent / "home/.shadowed")
    assert "outside the folders" in await refusal_after(
        reading(work, allowed_dirs=(work,)), monkeypatch, link, work.parent / "home/.shadowed/photo.png"
    )


async def refusal_after(sources_: Sources, monkeypatch: pytest.MonkeyPatch, link: Path, target: Path) -> str:
    """Refusal of a link that leads elsewhere by the time that it is opened."""
    monkeypatch.undo()
    real_open = os.open

    def swap(path: Path, flags: int) -> int:
        link.unlink()
        link.symlink_to(target)
        return real_open(path, flags)

    monkeypatch.setattr(local_files.os, "open", swap)
    return await refusal(sources_, str(link))


async def test_a_file_that_is_replaced_while_it_is_opened_is_refused(
    work: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real_open = os.open

    def remove(path: Path, flags: int) -> int:
        opened = real_open(path, flags)
        path.unlink()
        return opened

    monkeypatch.setattr(local_files.os, "open", remove)
    assert "was replaced while it was being opened" in await refusal(reading(work), "a.png")


@pytest.mark.parametrize("elsewhere", ["no /proc", "another system"])
async def test_without_a_way_to_ask_the_descriptor_the_path_is_compared_with_it(
    work: Path, monkeypatch: pytest.MonkeyPatch, elsewhere: str
) -> None:
    if elsewhere == "no /proc":

        def no_proc(_: Path) -> Path:
            raise FileNotFoundError

        monkeypatch.setattr(Path, "readlink", no_proc)
    else:
        monkeypatch.setattr(sys, "platform", "win32")
    assert (await reading(work).image("a.png")).path == work / "a.png"
    (work / "b.png").write_bytes(picture())
    real_open = os.open

    def other_file(_: Path, flags: int) -> int:
        return real_open(work / "b.png", flags)

    monkeypatch.setattr(local_files.os, "open", other_file)
    assert "was replaced" in await refusal(reading(work), "a.png")

    def gone(path: Path, flags: int) -> int:
        opened = real_open(path, flags)
        path.unlink()
        return opened

    monkeypatch.setattr(local_files.os, "open", gone)
    assert "was replaced" in await refusal(reading(work), "a.png")


async def test_what_opens_is_never_waited_for_and_never_inherited(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []
    real_open = os.open

    def open_(path: Path, flags: int) -> int:
        seen.append(flags)
        return real_open(path, flags)

    monkeypatch.setattr(local_files.os, "open", open_)
    await reading(work).image("a.png")
    assert seen == [os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY]


def descriptors() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


async def test_no_descriptor_stays_open(work: Path) -> None:
    (work / "b.png").write_bytes(b"no picture at all")
    await reading(work).image("a.png")
    before = descriptors()
    await reading(work).image("a.png")
    for name in ("b.png", str(work), "gone.png"):
        await refusal(reading(work), name)
    assert descriptors() == before


@promise("Reading", "A file of more than 50 MB is not read.")
async def test_a_large_file_is_refused_by_its_size_unread(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with (work / "large.png").open("wb") as file:
        file.write(picture())
        file.truncate(50_000_001)

    def read(*_: object) -> None:
        pytest.fail("it was read")

    monkeypatch.setattr(local_files.os, "read", read)
    assert "has over 50,000,000 bytes" in await refusal(reading(work), "large.png")


async def test_a_file_that_grows_while_it_is_read_is_cut_off(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read: list[int] = []
    real_read = os.read

    def endless(descriptor: int, most: int) -> bytes:
        read.append(most)
        return real_read(descriptor, most) or b"\0" * most

    monkeypatch.setattr(local_files, "MAX_BYTES", 100_000)
    monkeypatch.setattr(local_files.os, "read", endless)
    assert "has over 100,000 bytes" in await refusal(reading(work), "a.png")
    assert len(read) < 5


async def test_a_file_in_pieces_is_read_to_its_end(work: Path) -> None:
    small = picture(size=(300, 300))
    large = small + b"\0" * 3_000_000
    (work / "large.png").write_bytes(large)
    found = await reading(work).image("large.png")
    assert found.file_sha256 == hashlib.sha256(large).hexdigest()
    assert found.data == small


@pytest.mark.parametrize("error", [PermissionError(13, "x"), OSError(5, "x"), OSError(40, "x")])
async def test_a_file_that_cannot_be_opened_or_read_is_told_plainly(
    work: Path, monkeypatch: pytest.MonkeyPatch, error: OSError
) -> None:
    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patched:
        patched.setattr(local_files.os, "open", fail)
        assert "cannot be opened" in await refusal(reading(work), "a.png")
    monkeypatch.setattr(local_files.os, "read", fail)
    assert "cannot be read" in await refusal(reading(work), "a.png")


@promise("Reading", "With `GPT_IMAGE_2_ALLOWED_DIRS`, only these folders and your own output folder are read.")
async def test_with_allowed_dirs_only_they_and_the_output_folder_are_read(work: Path) -> None:
    other, output = work.parent / "other", work.parent / "output"
    for folder in (other, output):
        folder.mkdir()
        (folder / "a.png").write_bytes(picture())
    (work / "link.png").symlink_to(other / "a.png")
    (work.parent / "alias").symlink_to(work)
    fenced = reading(work, allowed_dirs=(work.parent / "alias",), output_dirs=lambda: [output])
    for name in ("a.png", f"{output}/a.png", f"{work.parent}/alias/a.png"):
        assert (await fenced.image(name)).data == picture()
    for name in (f"{other}/a.png", "../other/a.png", "link.png", "~/a.png", f"{work}x/a.png"):
        assert "outside the folders that are open" in await refusal(fenced, name)
    assert "(none)" in await refusal(reading(work, allowed_dirs=()), "a.png")


async def test_allowed_dirs_open_no_folder_of_secrets(work: Path) -> None:
    home = work.parent / "home"
    assert "secrets" in await refusal(reading(work, allowed_dirs=(home, home / ".ssh")), "~/.ssh/photo.png")
    assert "secrets" in await refusal(reading(home / ".ssh"), "photo.png")


@settings(max_examples=200)
@given(
    reference=st.text(max_size=60)
    | st.lists(
        st.sampled_from([*"./~:%", "..", "~/", ".ssh", "dev", "zero", "file://", "http:", "\0"]), max_size=8
    ).map("".join)
)
def test_every_argument_is_a_picture_or_an_error_for_its_reader(reference: str) -> None:
    """Nothing but our own errors comes out, whatever goes in; no name is ever resolved."""

    async def nobody(_: str, __: int) -> Sequence[str]:
        raise socket.gaierror

    async def ask() -> None:
        with pytest.raises(GptImageError) as caught:
            await Sources(working_dir=Path("/nowhere"), home=Path("/nowhere"), resolve=nobody).image(reference)
        str(caught.value).encode()

    anyio.run(ask)


# Data URLs.


DATA_URLS: list[Callable[[bytes], str]] = [
    lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
    lambda data: "DATA:;BASE64," + base64.b64encode(data).decode(),
    lambda data: "data:text/plain;charset=x;base64," + base64.urlsafe_b64encode(data).decode().rstrip("="),
    lambda data: "data:image/gif;base64,\n" + base64.encodebytes(data).decode(),
    lambda data: "data:image/png;base64," + quote_from_bytes(base64.b64encode(data), safe=""),
    lambda data: "data:image/png," + quote_from_bytes(data),
    lambda data: "data:," + quote_from_bytes(data),
]


@pytest.mark.parametrize("write", DATA_URLS)
async def test_a_data_url_is_read_by_its_bytes(work: Path, write: Callable[[bytes], str]) -> None:
    image = await reading(work).image(write(picture()))
    assert (image.data, image.path) == (picture(), None)
    assert image.source == f"a data URL ({len(picture())} bytes)"


@pytest.mark.parametrize(
    ("reference", "words"),
    [
        ("data:image/png;base64", "no comma"),
        ("data:" + "x" * 300 + ",", "no comma"),
        ("data:image/png;base64,", "is empty"),
        ("data:image/png;base64,!!!!", "cut short or damaged"),
        ("data:image/png;base64,AAAAA", "cut short or damaged"),
        ("data:image/png;base64,…", "cut short or damaged"),
        ("data:image/png;base64,aGVsbG8gd29ybGQsIGhlbGxv", "is no picture"),
        ("data:image/svg+xml,<svg xmlns='x'/>", "is an SVG drawing"),
        ("data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAA", "broken PNG header"),
    ],
)
async def test_a_data_url_that_is_no_picture_is_refused(work: Path, reference: str, words: str) -> None:
    assert words in await refusal(reading(work), reference)


async def test_base64_without_the_beginning_of_a_data_url_is_read(work: Path) -> None:
    noise = Image.frombytes("RGB", (64, 64), os.urandom(64 * 64 * 3))
    out = io.BytesIO()
    noise.save(out, "PNG")
    image = await Sources(working_dir=work, home=work).image(base64.b64encode(out.getvalue()).decode())
    assert image.data == out.getvalue()


async def test_a_data_url_is_weighed_before_it_is_decoded(work: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(data_url, "MAX_BYTES", 30)
    for text in ("data:;base64," + "A" * 60, "data:," + "A" * 200):
        with monkeypatch.context() as patched:
            patched.setattr(data_url, "unquote_to_bytes", unchanged)
            assert "holds over 30 bytes" in await refusal(reading(work), text)
    for text in ("data:;base64," + "A" * 44, "data:," + "A" * 31):
        assert "holds over 30 bytes" in await refusal(reading(work), text)


# Masks.


def mask(mode: str = "RGBA", size: tuple[int, int] = (8, 6), kind: str = "PNG", **options: Any) -> bytes:
    """A mask whose left half is black, and transparent where that is a level of alpha or the `transparency`."""
    into = io.BytesIO()
    image = Image.new("RGBA", size, "white")
    image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1]))
    if mode == "P":
        image = Image.new("P", size, 1)
        image.putpalette([0, 0, 0, 255, 255, 255])
        image.paste(0, (0, 0, size[0] // 2, size[1]))
    image.convert(mode).save(into, kind, **options)
    return into.getvalue()


def mask_of(size: int) -> bytes:
    """A mask of so many bytes: behind its pixels stands more of the chunk that has them."""
    plain = mask()
    more = b"IDAT" + b"\0" * (size - len(plain) - 12)
    chunk = (len(more) - 4).to_bytes(4) + more + zlib.crc32(more).to_bytes(4)
    return plain[:-12] + chunk + plain[-12:]


def opaque() -> bytes:
    """A grey picture of which no pixel is more transparent than not."""
    with Image.open(io.BytesIO(mask())) as image:
        image.paste("grey", (0, 0, *image.size))
        image.putalpha(200)
        into = io.BytesIO()
        image.save(into, "PNG")
    return into.getvalue()


async def judged_mask(work: Path, data: bytes, first: bytes = b"") -> InputImage:
    (work / "mask.png").write_bytes(data)
    (work / "first.png").write_bytes(first or picture())
    reader = reading(work)
    sent = await reader.image("first.png")
    return await reader.image("mask.png", prepare=mask_preparer((sent.width, sent.height)))


async def test_a_mask_with_alpha_goes_byte_for_byte(work: Path) -> None:
    judged = await judged_mask(work, mask())
    assert judged.data == mask()
    assert judged.change == (
        "The mask mask.png marks 50.0% of the picture to change (transparent means change), within"
        " `box 0,0 4x6 of 8x6`."
    )


@pytest.mark.parametrize(
    "data",
    [
        mask("LA"),
        mask("P", transparency=0),
        mask("L", transparency=0),
        mask("RGB", transparency=(0, 0, 0)),
        mask(kind="WEBP", lossless=True),
    ],
    ids=["LA", "palette", "grey", "rgb", "WebP"],
)
async def test_a_mask_with_alpha_of_another_kind_becomes_rgba(work: Path, data: bytes) -> None:
    judged = await judged_mask(work, data)
    with Image.open(io.BytesIO(judged.data)) as image:
        assert (image.mode, image.getpixel((0, 0)), image.getpixel((7, 0))) == ("RGBA", (0,) * 4, (0, 0, 0, 255))


async def test_a_mask_is_compared_with_the_first_picture_as_it_is_sent(work: Path) -> None:
    tags = Image.Exif()
    tags[0x0112] = 6
    lying = picture(size=(6, 8), kind="JPEG", exif=tags)
    assert (await judged_mask(work, mask(), lying)).width == 8
    with pytest.raises(UnreadableSource, match="is 6x8 and the first picture 8x6"):
        await judged_mask(work, mask(size=(6, 8)), lying)


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (opaque(), "looks like a photo and not like a mask"),
        (picture("L"), "marks nothing to change"),
        (picture("RGBA"), "marks 100.0% of the picture"),
        (mask(size=(8, 7)), "is 8x7 and the first picture 8x6"),
        (b"hello, world!", "is no picture"),
    ],
)
async def test_what_is_no_mask_is_refused(work: Path, data: bytes, words: str) -> None:
    with pytest.raises(UnreadableSource, match=words):
        await judged_mask(work, data)


async def test_a_mask_of_4_mb_is_encoded_anew(work: Path) -> None:
    data = mask_of(3_999_999)
    assert (await judged_mask(work, data)).data == data
    assert len((await judged_mask(work, mask_of(4_000_000))).data) < 200


# The web.


@asynccontextmanager
async def serving(body: bytes) -> AsyncGenerator[str]:
    """`host:port` of a server on loopback that answers everything with `body`."""

    async def handle(stream: anyio.abc.ByteStream) -> None:
        async with stream:
            await stream.receive()
            await stream.send(b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n" % len(body) + body)

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    async with listener, anyio.create_task_group() as tasks:
        tasks.start_soon(listener.serve, handle)
        yield f"127.0.0.1:{listener.extra(anyio.abc.SocketAttribute.local_port)}"  # noqa: S610 - of anyio
        tasks.cancel_scope.cancel()


async def test_a_picture_is_fetched_from_a_host_that_a_person_allowed(work: Path) -> None:
    async with serving(picture()) as where:
        image = await reading(work, allowed_url_hosts=frozenset({where})).image(f"http://{where}/a.png?key=secret")
        assert "private networks are off limits" in await refusal(reading(work), f"http://{where}/a.png")
    assert (image.data, image.path, image.source) == (picture(), None, f"http://{where}/a.png?…")


async def test_a_fetch_keeps_to_the_deadline_and_the_name_server_that_it_was_given(work: Path) -> None:
    async def silent(_: str, __: int) -> Sequence[str]:
        await anyio.sleep_forever()
        return []

    reader = reading(work, deadline=0.05, resolve=silent)
    assert "within 0.05 seconds" in await refusal(reader, "https://pictures.example/a.png")


async def test_a_fetched_picture_is_judged_whole_and_called_by_its_url(work: Path) -> None:
    async with serving(picture()[:60]) as where:
        message = await refusal(reading(work, allowed_url_hosts=frozenset({where})), f"http://{where}/a.png")
    assert message.startswith(f"The picture 'http://{where}/a.png' is cut short")


async def test_a_picture_that_the_api_answers_with_may_lie_on_the_host_of_the_api(work: Path) -> None:
    async with serving(picture()) as where:
        reader = reading(work)
        assert await reader.fetch_picture(f"http://{where}/a.png", also_allowed=where) == picture()
        for other in (None, "127.0.0.1", f"{where}0", "example.com"):
            with pytest.raises(UnreadableSource):
                await reader.fetch_picture(f"http://{where}/a.png", also_allowed=other)
    url = "data:image/png;base64," + base64.b64encode(picture()).decode()
    assert await reader.fetch_picture(url) == picture()
    with pytest.raises(UnreadableSource):
        await reader.fetch_picture(str(work / "a.png"))


def test_importing_the_module_loads_nothing_heavy() -> None:
    """A server answers its first message before it has read any picture."""
    import subprocess

    script = """
import sys
import gpt_image_2_mcp.inputs
print([m for m in ("PIL", "httpx2", "httpcore2") if m in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_never_read_is_a_list_of_what_holds_no_pictures() -> None:
    assert {folder for folder, _ in denylist.NEVER_READ} == {"/proc", "/sys", "/dev"}
