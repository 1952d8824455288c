"""Arguments from somebody who means harm, through the whole: nothing is sent, nothing is written, nothing is told.

A model that was talked into something by a web page is the one who calls here.
"""

import base64
import http.server
import io
import json
import os
import re
import struct
import sys
import threading
import zlib
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Self

import anyio
import anyio.to_thread
import pytest
from inline_snapshot import snapshot
from mcp.shared.exceptions import MCPError
from mcp_types import BlobResourceContents, ImageContent
from patience import PATIENCE_S
from promises import promise
from workbench import KEY, SMALL, Bench, Benches, encoded, folded, said

from gpt_image_2_mcp.sandbox import Fault

pytestmark = pytest.mark.anyio

KEY_FILE = "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAABG5vbmUAAAAEbm9uZQ\n"
DRAFT = {"prompt": "a red fox", "size": SMALL, "quality": "low"}

LEAKS = ("OPENSSH", "b3Blbn", "root:", "Errno", "Traceback", " at 0x", KEY)
"""What no refusal may hold: a piece of a file, or of our code."""


@dataclass
class Watched:
    """What the process opens and connects to while it is looked at; `on_open` is called before a file is opened."""

    connected: list[object] = field(default_factory=list[object])
    resolved: list[object] = field(default_factory=list[object])
    opened: list[str] = field(default_factory=list[str])
    on_open: Callable[[str], None] | None = None


_watched: Watched | None = None


def _audit(event: str, arguments: tuple[Any, ...]) -> None:
    # An audit hook stays for good; it does nothing while nobody watches.
    if _watched is None:
        return
    if event == "socket.connect":
        _watched.connected.append(arguments[1])
    elif event == "socket.getaddrinfo":
        _watched.resolved.append(arguments[0])
    elif event == "open" and not isinstance(arguments[0], int):
        path = os.fsdecode(arguments[0] or "")
        _watched.opened.append(path)
        if _watched.on_open is not None:
            _watched.on_open(path)


_installed: list[bool] = []


@contextmanager
def watched() -> Generator[Watched]:
    """Python's own record of what is opened, resolved and connected to, by whatever library."""
    global _watched  # noqa: PLW0603 - the hook is the process's own
    if not _installed:
        sys.addaudithook(_audit)
        _installed.append(True)
    _watched = Watched()
    try:
        yield _watched
    finally:
        _watched = None


def tree(root: Path) -> set[str]:
    """Everything that exists below a folder, links not followed."""
    return {f"{folder}/{name}" for folder, folders, files in os.walk(root) for name in (*folders, *files)}


def root_of(bench: Bench) -> Path:
    return bench.home.parent


@cache
def bomb() -> bytes:
    """11 kB that decode to 89 million pixels, which Pillow by itself would let pass."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    side = 9_440
    rows = zlib.compressobj(9)
    row = bytes(1 + side // 8)
    pixels = b"".join(rows.compress(row) for _ in range(side)) + rows.flush()
    header = struct.pack(">IIBBBBB", side, side, 1, 0, 0, 0, 0)
    data = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", pixels) + chunk(b"IEND", b"")
    assert len(data) < 20_000
    return data


@pytest.fixture
async def trapped(benches: Benches) -> Bench:
    """A server on a computer where secrets lie about; links in the working directory lead to them."""
    bench = await benches.open()
    lay_traps(bench)
    return bench


def lay_traps(bench: Bench) -> None:
    """Secrets in the home, and hostile files in the working directory."""
    keys = bench.home / ".ssh"
    keys.mkdir()
    (keys / "id_rsa").write_text(KEY_FILE, encoding="utf-8")
    (keys / "photo.png").write_bytes(encoded())
    (bench.home / ".env").write_text("TOKEN=b3Blbn", encoding="utf-8")
    work = bench.working_dir
    (work / "notes.png").write_text("my b3Blbn notes", encoding="utf-8")
    (work / "key.png").write_text(KEY_FILE, encoding="utf-8")
    (work / "link.png").symlink_to(keys / "id_rsa")
    (work / "picture-of-keys.png").symlink_to(keys / "photo.png")
    (work / "keys").symlink_to(keys)
    (work / "zero.png").symlink_to("/dev/zero")
    (work / "bomb.png").write_bytes(bomb())
    (work / "cut.png").write_bytes(encoded()[:-200])
    (work / "empty.png").touch()
    os.mkfifo(work / "pipe.png")
    bench.photo()


async def refused(bench: Bench, tool: str, **arguments: Any) -> str:
    """A refusal: nothing sent, nothing written, no byte of a file in it, and words for a person."""
    before, sent = tree(root_of(bench)), len(bench.seen())
    text = await bench.refused(tool, **arguments)
    assert len(bench.seen()) == sent
    assert tree(root_of(bench)) - before <= {str(bench.folder)}
    assert not any(leak in text for leak in LEAKS), text
    assert len(text) < 1000
    assert text.isprintable()
    assert text.endswith((".", ")"))
    return bench.plain(text).replace(str(root_of(bench)), "ROOT")


# What is read.

INPUTS = {
    "a text named .png": "notes.png",
    "a private key named .png": "key.png",
    "a private key": "~/.ssh/id_rsa",
    "a picture among private keys": "~/.ssh/photo.png",
    "a key that is not there": "~/.ssh/id_ed25519",
    "a link to a key": "link.png",
    "a link to a folder of keys": "keys/photo.png",
    "out of a folder of keys again": "~/.ssh/../../work/photo.png",
    "a file of variables": "~/.env",
    "the users": "/etc/passwd",
    "the passwords": "/etc/shadow",
    "zeros without end": "/dev/zero",
    "a link to zeros": "zero.png",
    "the program's environment": "/proc/self/environ",
    "the program's memory": "/proc/self/mem",
    "the kernel": "/sys/kernel/notes",
    "a bomb": "bomb.png",
    "a picture cut short": "cut.png",
    "nothing": "empty.png",
    "a folder": ".",
    "a URL of a file": "file:///etc/passwd",
    "a URL of a key": "file://localhost/%2e%2e/root/%2essh/id_rsa",
    "a file of another host": "file://server/share/a.png",
    "another scheme": "gopher://127.0.0.1:70/x.png",
    "a chat's attachment": "attachment://1.png",
    "another user's home": "~root/a.png",
    "a NUL": "photo.png\0.txt",
    "a right-to-left mark": "photo\u202egnp.exe",
    "too long a path": "x/" * 3000,
    "text as a data URL": "data:image/png;base64," + base64.b64encode(KEY_FILE.encode()).decode(),
    "broken base64": "data:image/png;base64,iVBORw0KGgo*",
    "a bomb as a data URL": "data:image/png;base64," + base64.b64encode(bomb()).decode(),
}


@promise("Refusals", "No refusal contains a byte of a file.")
async def test_a_hostile_input_is_refused_in_words_that_tell_nothing(trapped: Bench) -> None:
    texts = {
        case: folded(await refused(trapped, "edit_image", **DRAFT, images=[source])) for case, source in INPUTS.items()
    }
    assert texts == snapshot(
        {
            "a text named .png": """\
'notes.png' is no picture, and only PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC are taken (by
their bytes, not by their name): give the file of a picture, or convert this one.\
""",
            "a private key named .png": """\
'key.png' is no picture, and only PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC are taken (by their
bytes, not by their name): give the file of a picture, or convert this one.\
""",
            "a private key": """\
'~/.ssh/id_rsa' is never read, whether it exists or not: it is or leads to a place where secrets are
kept (SSH keys). Copy the picture to another folder.\
""",
            "a picture among private keys": """\
'~/.ssh/photo.png' is never read, whether it exists or not: it is or leads to a place where secrets
are kept (SSH keys). Copy the picture to another folder.\
""",
            "a key that is not there": """\
'~/.ssh/id_ed25519' is never read, whether it exists or not: it is or leads to a place where secrets
are kept (SSH keys). Copy the picture to another folder.\
""",
            "a link to a key": """\
'link.png' is never read, whether it exists or not: it is or leads to a place where secrets are kept
(SSH keys). Copy the picture to another folder.\
""",
            "a link to a folder of keys": """\
'keys/photo.png' is never read, whether it exists or not: it is or leads to a place where secrets
are kept (SSH keys). Copy the picture to another folder.\
""",
            "out of a folder of keys again": """\
'~/.ssh/../../work/photo.png' is never read, whether it exists or not: it is or leads to a place
where secrets are kept (SSH keys). Copy the picture to another folder.\
""",
            "a file of variables": """\
'~/.env' is never read, whether it exists or not: it is or leads to a place where secrets are kept
(credentials). Copy the picture to another folder.\
""",
            "the users": """\
'/etc/passwd' is no picture, and only PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC are taken (by
their bytes, not by their name): give the file of a picture, or convert this one.\
""",
            "the passwords": """\
'/etc/shadow' is never read, whether it exists or not: it is or leads to a place where secrets are
kept (passwords). Copy the picture to another folder.\
""",
            "zeros without end": """\
'/dev/zero' is never read, whether it exists or not: it is or leads into /dev, and it holds devices.
Copy the picture to another folder.\
""",
            "a link to zeros": """\
'zero.png' is never read, whether it exists or not: it is or leads into /dev, and it holds devices.
Copy the picture to another folder.\
""",
            "the program's environment": """\
'/proc/self/environ' is never read, whether it exists or not: it is or leads into /proc, and it
shows the memory and environment of programs. Copy the picture to another folder.\
""",
            "the program's memory": """\
'/proc/self/mem' is never read, whether it exists or not: it is or leads into /proc, and it shows
the memory and environment of programs. Copy the picture to another folder.\
""",
            "the kernel": """\
'/sys/kernel/notes' is never read, whether it exists or not: it is or leads into /sys, and it is the
kernel's own. Copy the picture to another folder.\
""",
            "a bomb": """\
bomb.png is 9440x9440, and 50,000,000 pixels are the most that are decoded of a PNG of its kind:
shrink it first.\
""",
            "a picture cut short": "cut.png is cut short. Save it anew as a PNG, JPEG or WebP.",
            "nothing": "'empty.png' is empty: give a PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF or HEIC file.",
            "a folder": "'.' is a folder: give the path of a file.",
            "a URL of a file": """\
'file:///etc/passwd' is no picture, and only PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC are
taken (by their bytes, not by their name): give the file of a picture, or convert this one.\
""",
            "a URL of a key": """\
'file://localhost/%2e%2e/root/%2essh/id_rsa' is never read, whether it exists or not: it is or leads
to a place where secrets are kept (SSH keys). Copy the picture to another folder.\
""",
            "a file of another host": """\
'file://server/share/a.png' names a file of another host: only files of this computer are read.\
""",
            "another scheme": """\
'gopher://127.0.0.1:70/x.png' means nothing to this server: give a file's path, an http(s) URL or a
data URL.\
""",
            "a chat's attachment": """\
'attachment://1.png' was not sent to this server: give a file's path, an http(s) URL or a data URL.\
""",
            "another user's home": """\
'~root/a.png' would be the home of another user: only '~/' is understood. Write the path out, or
'./~root/a.png' for a file whose name begins so.\
""",
            "a NUL": "'photo.png\\x00.txt' holds a character that no path can have: remove it.",
            "a right-to-left mark": """\
There is no file 'WORK/photo\\u202egnp.exe'. Give the full path of a file on the computer that this
server runs on; what was attached or pasted into the chat does not reach it. In that folder there is
'photo.png'.\
""",
            "too long a path": "A path of 6,000 characters is too long: 4,096 are the most.",
            "text as a data URL": """\
The data URL is no picture, and only PNG, JPEG, WebP, GIF, BMP, TIFF, AVIF and HEIC are taken (by
their bytes, not by their name): give the file of a picture, or convert this one.\
""",
            "broken base64": """\
The base64 of the data URL is cut short or damaged: give the whole of it, or the path of a file.\
""",
            "a bomb as a data URL": """\
The picture of the data URL is 9440x9440, and 50,000,000 pixels are the most that are decoded of a
PNG of its kind: shrink it first.\
""",
        }
    )
    assert trapped.seen() == []


@contextmanager
def poked(pipe: Path) -> Generator[list[bool]]:
    """Whoever waits for a pipe's writer is let go after a second; tells whether somebody did."""
    waited: list[bool] = []

    def poke() -> None:
        try:
            os.close(os.open(pipe, os.O_WRONLY | os.O_NONBLOCK))
        except OSError:
            return
        waited.append(True)

    timer = threading.Timer(1, poke)
    timer.start()
    try:
        yield waited
    finally:
        timer.cancel()
        timer.join()


async def test_a_pipe_is_refused_without_waiting_for_its_writer(trapped: Bench) -> None:
    """Nobody writes to it: a server that waits has one thread less for good, and cannot end."""
    with poked(trapped.working_dir / "pipe.png") as waited:
        text = await refused(trapped, "edit_image", **DRAFT, images=["pipe.png"])
        await refused(trapped, "edit_image", **DRAFT, images=["photo.png"], mask="pipe.png")
    assert not waited
    assert text == snapshot("'pipe.png' is no regular file: give the path of a file.")


@pytest.mark.parametrize("tool", ["edit_image", "start_edit_session"])
@pytest.mark.parametrize("source", ["~/.ssh/photo.png", "key.png", "zero.png", "http://127.0.0.1/a.png"])
async def test_a_mask_is_guarded_as_an_input_is(trapped: Bench, tool: str, source: str) -> None:
    await refused(trapped, tool, **DRAFT, images=["photo.png"], mask=source)
    await refused(trapped, tool, **DRAFT, images=["photo.png", source])


@promise("Refusals", "No refusal says whether a path that is off limits exists.")
async def test_a_refused_path_reads_the_same_whether_it_exists_or_not(benches: Benches) -> None:
    """Else the server would answer what lies on the disk, one question at a time."""
    bench = await benches.open()
    lay_traps(bench)
    fenced = await benches.open(GPT_IMAGE_2_ALLOWED_DIRS=str(bench.working_dir))
    outside = root_of(bench) / "outside"
    outside.mkdir()
    (outside / "here.png").write_bytes(encoded())
    for asked, there, missing in (
        (bench, "~/.ssh/id_rsa", "~/.ssh/id_xxx"),
        (bench, "~/.ssh/photo.png", "~/.ssh/phono.png"),
        (bench, "keys/photo.png", "keys/phono.png"),
        (bench, "/etc/shadow", "/etc/gshadow"),
        (bench, "/proc/self/cmdline", "/proc/self/cmdlinx"),
        (fenced, f"{outside}/here.png", f"{outside}/gone.png"),
        (fenced, "../outside/here.png", "../outside/gone.png"),
        (fenced, f"{outside}/here.png/qqqq", f"{outside}/here.png/zzzz"),
        (fenced, "/etc/passwd", "/etc/passwx"),
    ):
        told = await refused(asked, "edit_image", **DRAFT, images=[there])
        silent = await refused(asked, "edit_image", **DRAFT, images=[missing])
        assert told.replace(Path(there).name, "") == silent.replace(Path(missing).name, "") != told


async def test_a_link_that_is_swapped_as_it_is_opened_sends_what_was_judged_or_nothing(trapped: Bench) -> None:
    """The moment between the judgement and the opening is the attacker's; here it is hit every time."""
    link = trapped.working_dir / "swapped.png"
    link.symlink_to("photo.png")
    trapped.knobs.faults = [Fault(error="moderation_blocked", times=None)]

    def swap(path: str) -> None:
        if path == str(link) and link.readlink() == Path("photo.png"):
            other = link.with_name("other")
            other.symlink_to(trapped.home / ".ssh" / "photo.png")
            other.replace(link)

    with watched() as seen:
        seen.on_open = swap
        text = await trapped.refused("edit_image", **DRAFT, images=["swapped.png"])
    assert link.readlink() == trapped.home / ".ssh" / "photo.png"
    assert trapped.seen() == []
    assert "never read" in text


# What is fetched.


class Listener:
    """A web server on loopback that counts who comes."""

    def __init__(self, answer: bytes) -> None:
        self.paths: list[str] = []
        listener = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                listener.paths.append(self.path)
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("Location", self.path.removeprefix("/to/"))
                    self.end_headers()
                    return
                self.send_response(200)
                self.send_header("Content-Length", str(len(answer)))
                self.end_headers()
                self.wfile.write(answer)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its parent's name
                """Say nothing."""

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": 0.01})

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def listener() -> Generator[Listener]:
    with Listener(encoded()) as listening:
        yield listening


NUMBERS = [
    "127.0.0.1",
    "127.1",
    "127.0.0.2",
    "0",
    "0.0.0.0",  # noqa: S104 - to be refused
    "2130706433",
    "0x7f000001",
    "0x7f.1",
    "0177.0.0.1",
    "017700000001",
    "127.0.0.1.",
    "127。0。0。1",
    "①②⑦.0.0.1",
    "[::1]",
    "[::]",
    "[::ffff:127.0.0.1]",
    "[0:0:0:0:0:ffff:7f00:1]",
    "[64:ff9b::7f00:1]",
    "[2002:7f00:1::]",
    "[fe80::1]",
    "[fc00::1]",
    "[ff02::1]",
    "169.254.169.254",
    "10.0.0.1",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "198.18.0.1",
    "224.0.0.1",
    "255.255.255.255",
]


@pytest.mark.parametrize("scheme", ["http", "https"])
async def test_an_address_that_is_not_public_is_refused_without_a_socket(
    trapped: Bench, listener: Listener, scheme: str
) -> None:
    with watched() as seen:
        for host in NUMBERS:
            for port in ("", f":{listener.port}"):
                await refused(trapped, "edit_image", **DRAFT, images=[f"{scheme}://{host}{port}/a.png"])
    assert (seen.connected, seen.resolved) == ([], [])
    assert listener.paths == []


@pytest.mark.parametrize("name", ["localhost", "LOCALHOST", "localhost.localdomain", "foo.localhost"])
async def test_a_name_that_leads_inside_is_refused_before_it_is_connected_to(trapped: Bench, name: str) -> None:
    with watched() as seen:
        await refused(trapped, "edit_image", **DRAFT, images=[f"http://{name}/a.png"])
    assert seen.connected == []


async def test_what_a_refused_address_is_told(trapped: Bench) -> None:
    forms = {
        "loopback": "http://127.0.0.1:8080/a.png",
        "a name for it": "http://localhost/a.png",
        "the cloud's own": "http://169.254.169.254/latest/meta-data/iam?key=b3Blbn",
        "an odd spelling": "http://0x7f.1/a.png",
        "a login": "http://kim:b3Blbn@10.0.0.1/a.png",
        "a trick": "https://example.com@10.0.0.1/a.png",
        "another port": "http://93.184.215.14:22/a.png",
        "a backslash": "http:\\\\10.0.0.1\\a.png",
        "no host": "http:///a.png",
    }
    texts = {case: folded(await refused(trapped, "edit_image", **DRAFT, images=[url])) for case, url in forms.items()}
    assert texts == snapshot(
        {
            "loopback": """\
'http://127.0.0.1:8080/a.png' is not fetched: '127.0.0.1' is not a public internet address, and
private networks are off limits. Give the path of a file instead; a person can allow the host in
GPT_IMAGE_2_ALLOWED_URL_HOSTS.\
""",
            "a name for it": """\
The picture is not fetched: 'localhost' is not a public internet address, and private networks are
off limits. Give the path of a file instead; a person can allow the host in
GPT_IMAGE_2_ALLOWED_URL_HOSTS.\
""",
            "the cloud's own": """\
'http://169.254.169.254/latest/meta-data/iam?…' is not fetched: '169.254.169.254' is not a public
internet address, and private networks are off limits. Give the path of a file instead; a person can
allow the host in GPT_IMAGE_2_ALLOWED_URL_HOSTS.\
""",
            "an odd spelling": """\
'http://0x7f.1/a.png' is not fetched: '0x7f.1' is not a public internet address, and private
networks are off limits. Give the path of a file instead; a person can allow the host in
GPT_IMAGE_2_ALLOWED_URL_HOSTS.\
""",
            "a login": "'http://10.0.0.1/a.png' was given with a user name or password (not shown): leave them out.",
            "a trick": "'https://10.0.0.1/a.png' was given with a user name or password (not shown): leave them out.",
            "another port": snapshot("""\
'http://93.184.215.14:22/a.png' is not fetched: only ports 80 and 443 are. A person can allow
'93.184.215.14:22' in GPT_IMAGE_2_ALLOWED_URL_HOSTS.\
"""),
            "a backslash": "'http:\\\\\\\\10.0.0.1\\\\a.png' is no valid URL: it should look like https://host/picture.png.",
            "no host": "'http:///a.png' is no valid URL: it should look like https://host/picture.png.",
        }
    )


async def test_a_host_that_a_person_allowed_is_fetched_on_its_port_only(benches: Benches, listener: Listener) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{listener.port}")
    await bench.made("edit_image", **DRAFT, images=[f"http://127.0.0.1:{listener.port}/a.png"])
    assert listener.paths == ["/a.png"]
    with Listener(encoded()) as other:
        await refused(bench, "edit_image", **DRAFT, images=[f"http://127.0.0.1:{other.port}/a.png"])
        await refused(bench, "edit_image", **DRAFT, images=[f"http://localhost:{listener.port}/a.png"])
        assert other.paths == []


async def test_a_redirect_from_an_allowed_host_is_judged_anew(benches: Benches, listener: Listener) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{listener.port}")
    with Listener(encoded()) as inside:
        for leads_to in (f"http://127.0.0.1:{inside.port}/a.png", "http://169.254.169.254/x", "file:///etc/passwd"):
            url = f"http://127.0.0.1:{listener.port}/to/{leads_to}"
            await refused(bench, "edit_image", **DRAFT, images=[url])
        assert inside.paths == []


async def test_what_is_no_picture_is_fetched_and_not_told(benches: Benches) -> None:
    with Listener(KEY_FILE.encode()) as listening:
        bench = await benches.open(GPT_IMAGE_2_ALLOWED_URL_HOSTS=f"127.0.0.1:{listening.port}")
        url = f"http://127.0.0.1:{listening.port}/latest/meta-data?token=b3Blbn"
        text = await refused(bench, "edit_image", **DRAFT, images=[url])
    assert "is no picture" in text


# Where it is written.

FOLDERS = {
    "a system folder": "/etc/pictures",
    "programs": "/usr/local/bin",
    "a timetable": "/var/spool/cron",
    "the root": "/",
    "the kernel": "/proc/self",
    "shared memory": "/dev/shm/x",  # noqa: S108 - to be refused
    "keys": "~/.ssh",
    "in the keys": "~/.ssh/new/folder",
    "what starts with the desktop": "~/.config/autostart",
    "up and over": "../../../../../../../../etc/pictures",
    "a link to keys": "keys",
    "in a link to keys": "keys/new",
    "out of a link": "photos/../keys",
    "a URL": "file:///etc/pictures",
    "another user's home": "~root/x",
    "a NUL": "photos\0/x",
    "a web address": "https://example.com/put",
}


@promise("Writing", "A folder is checked before anything is paid.")
async def test_a_hostile_folder_is_refused_before_anything_is_sent(trapped: Bench) -> None:
    texts = {
        case: folded(await refused(trapped, "generate_image", **DRAFT, output_dir=folder))
        for case, folder in FOLDERS.items()
    }
    assert texts == snapshot(
        {
            "a system folder": """\
No picture is written to '/etc/pictures': /etc is a system folder (the system's settings). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "programs": """\
No picture is written to '/usr/local/bin': /usr is a system folder (installed programs). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "a timetable": """\
No picture is written to '/var/spool/cron': /var is a system folder (the data of services). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "the root": """\
No picture is written to '/': it is the root of the disk. Choose another folder or leave output_dir
out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "the kernel": """\
No picture is written to '/proc/self': /proc is a system folder (the kernel's view of programs).
Choose another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "shared memory": """\
No picture is written to '/dev/shm/x': /dev is a system folder (devices). Choose another folder or
leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "keys": """\
No picture is written to 'HOME/.ssh': it lies where secrets are kept (SSH keys). Choose another
folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "in the keys": """\
No picture is written to 'HOME/.ssh/new/folder': it lies where secrets are kept (SSH keys). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "what starts with the desktop": """\
No picture is written to 'HOME/.config/autostart': it is a hidden folder of the home, where programs
keep their settings. Choose another folder or leave output_dir out; a person can set
GPT_IMAGE_2_OUTPUT_DIR, or GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "up and over": """\
No picture is written to 'WORK/../../../../../../../../etc/pictures': /etc is a system folder (the
system's settings). Choose another folder or leave output_dir out; a person can set
GPT_IMAGE_2_OUTPUT_DIR, or GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "a link to keys": """\
No picture is written to 'WORK/keys': it lies where secrets are kept (SSH keys). Choose another
folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "in a link to keys": """\
No picture is written to 'WORK/keys/new': it lies where secrets are kept (SSH keys). Choose another
folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "out of a link": """\
No picture is written to 'WORK/photos/../keys': it lies where secrets are kept (SSH keys). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "a URL": """\
No picture is written to '/etc/pictures': /etc is a system folder (the system's settings). Choose
another folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or
GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1.\
""",
            "another user's home": """\
'~root/x' would be the home of another user: only '~/' is understood. Write the path out, or
'./~root/x' for a file whose name begins so.\
""",
            "a NUL": "'photos\\x00/x' holds a character that no path can have: remove it.",
            "a web address": """\
`output_dir` is a folder on this computer; got the address 'https://example.com/put'.\
""",
        }
    )
    assert not any(map(os.path.lexists, ("/etc/pictures", "/dev/shm/x", "/usr/local/bin/x")))  # noqa: S108


async def test_a_folder_too_deep_to_be_named_in_an_answer_is_refused(trapped: Bench) -> None:
    assert "may have 500" in await refused(trapped, "generate_image", **DRAFT, output_dir="x/" * 2000)


@pytest.mark.parametrize("tool", ["edit_image", "start_edit_session"])
async def test_every_tool_judges_its_folder(trapped: Bench, tool: str) -> None:
    await refused(trapped, tool, **DRAFT, images=["photo.png"], output_dir="keys")


async def test_a_call_that_is_refused_for_its_input_makes_no_folder(trapped: Bench) -> None:
    await refused(trapped, "edit_image", **DRAFT, images=["key.png"], output_dir="new/deep/folder")


async def test_with_allowed_dirs_only_they_and_the_persons_own_folder_are_open(benches: Benches) -> None:
    bench = await benches.open()
    root = root_of(bench)
    for name in ("open", "closed"):
        (root / name).mkdir()
        (root / name / "a.png").write_bytes(encoded())
    (root / "open" / "way-out").symlink_to(root / "closed")
    fenced = await benches.open(GPT_IMAGE_2_ALLOWED_DIRS=f"{root / 'open'}")
    await fenced.made("edit_image", **DRAFT, images=[str(root / "open/a.png")], output_dir=str(root / "open/new"))
    made = await fenced.made("generate_image", **DRAFT)
    await fenced.made("edit_image", **DRAFT, images=[str(made.path)])
    texts = {
        case: folded(
            await refused(fenced, "edit_image", **{**DRAFT, "images": [str(root / "open/a.png")], **arguments})
        )
        for case, arguments in {
            "an input outside": {"images": [str(root / "closed/a.png")]},
            "an input through a link": {"images": [str(root / "open/way-out/a.png")]},
            "a folder outside": {"output_dir": str(root / "closed")},
            "a folder through a link": {"output_dir": str(root / "open/way-out/new")},
            "a folder up and over": {"output_dir": str(root / "open/../closed")},
        }.items()
    }
    assert texts == snapshot(
        {
            "an input outside": """\
'ROOT/closed/a.png' is outside the folders that are open to this server, whether it exists or not
('ROOT/open', 'FOLDER'): copy the picture into one of them; a person can add a folder to
GPT_IMAGE_2_ALLOWED_DIRS.\
""",
            "an input through a link": """\
'ROOT/open/way-out/a.png' is outside the folders that are open to this server, whether it exists or
not ('ROOT/open', 'FOLDER'): copy the picture into one of them; a person can add a folder to
GPT_IMAGE_2_ALLOWED_DIRS.\
""",
            "a folder outside": """\
'ROOT/closed' is outside the folders that are open to this server ('ROOT/open'): choose one of them
or leave output_dir out; a person can add a folder to GPT_IMAGE_2_ALLOWED_DIRS.\
""",
            "a folder through a link": """\
'ROOT/open/way-out/new' is outside the folders that are open to this server ('ROOT/open'): choose
one of them or leave output_dir out; a person can add a folder to GPT_IMAGE_2_ALLOWED_DIRS.\
""",
            "a folder up and over": """\
'ROOT/open/../closed' is outside the folders that are open to this server ('ROOT/open'): choose one
of them or leave output_dir out; a person can add a folder to GPT_IMAGE_2_ALLOWED_DIRS.\
""",
        }
    )


async def test_a_persons_own_folder_may_be_a_link(benches: Benches) -> None:
    """Many keep their pictures on another disk."""
    bench = await benches.open()
    disk = root_of(bench) / "disk"
    disk.mkdir()
    bench.folder.symlink_to(disk)
    photo = bench.photo()
    first = await bench.made("start_edit_session", **DRAFT, images=[str(photo)])
    turn = await bench.made("continue_edit_session", **DRAFT, session_id=first.session_id)
    there = await bench.made("generate_image", **DRAFT, output_dir=str(bench.folder))
    for answer in (first, turn, there):
        assert "Note: " not in answer.text
        assert answer.path.is_relative_to(disk) or answer.path.is_relative_to(bench.folder)
    assert len([path for path in tree(disk) if path.endswith(".png")]) == 3


async def test_what_a_person_lifts_is_lifted(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR="1")
    answer = await bench.made("generate_image", **DRAFT, output_dir="~/.config/pictures")
    assert answer.path.is_relative_to(bench.home / ".config")


async def test_lifting_that_opens_no_secret_for_reading(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR="1")
    lay_traps(bench)
    await refused(bench, "edit_image", **DRAFT, images=["~/.ssh/photo.png"])


PREFIXES = [
    "../../etc/cron.d/x",
    "/etc/passwd",
    "..\\..\\Windows\\x",
    "a\0b",
    "photo\u202egnp.exe",
    "a\u200fb\u2066c",
    "con",
    "NUL",
    "com1",
    "lpt9.png",
    "-rf",
    "$(touch pwned)",
    "`id`; rm -rf ~",
    "a\nb\r\tc",
    "x.exe",
    "….",
    "%2e%2e%2f",
    "~",
    "*",
    "a:b",
]


@pytest.mark.thorough
@promise("Writing", "No file name has a meaning to a shell or a system.")
async def test_no_prefix_makes_a_name_that_means_something_to_a_system(trapped: Bench) -> None:
    before = tree(root_of(trapped))
    for prefix in PREFIXES:
        answer = await trapped.made("generate_image", **DRAFT, filename_prefix=prefix)
        assert re.fullmatch(r"image-\d{8}-\d{6}-[0-9a-f]{6}(-[A-Za-z0-9_-]{1,40})?\.png", answer.path.name)
        assert answer.path.parent == trapped.folder / "sandbox"
    new = {path for path in tree(root_of(trapped)) - before if path.endswith(".png")}
    assert len(new) == len(PREFIXES)
    assert {Path(path).parent for path in new} == {trapped.folder / "sandbox"}


# Ids that are paths.

IDS = ["../../etc/passwd", "/etc/passwd", "session-0", "job-../../x", "a\0b", "\u202e", "%2e%2e/", "' OR 1=1 --", "*"]


@pytest.mark.parametrize("made_up", IDS)
async def test_an_id_that_is_a_path_is_an_unknown_id(trapped: Bench, made_up: str) -> None:
    with watched() as seen:
        await refused(trapped, "continue_edit_session", prompt="bluer", session_id=made_up)
        await refused(trapped, "get_image_job", job_id=made_up)
        await refused(trapped, "cancel_image_job", job_id=made_up)
        ended = await trapped.call("end_edit_session", session_id=made_up)
        assert not ended.is_error
        for uri in (f"gpt-image-2://pictures/{made_up}", f"file://{made_up}", "gpt-image-2://pictures/../../x"):
            with pytest.raises(MCPError):
                await trapped.client.read_resource(uri)
    assert not [path for path in seen.opened if "passwd" in path]


async def test_what_an_unknown_id_is_told(trapped: Bench) -> None:
    texts = {
        "a session": await refused(trapped, "continue_edit_session", prompt="bluer", session_id="../../etc/passwd"),
        "a job": await refused(trapped, "get_image_job", job_id="../../etc/passwd"),
        "ending": said(await trapped.call("end_edit_session", session_id="\u202e../x")),
    }
    assert {case: folded(text) for case, text in texts.items()} == snapshot(
        {
            "a session": """\
There is no active edit session '../../etc/passwd': it was ended, has expired after 60 minutes
without use, was replaced by newer ones, or never existed. list_edit_sessions shows the active ones;
to go on from a picture, call start_edit_session with its id or path in `images`.\
""",
            "a job": """\
There is no job '../../etc/passwd'. get_image_job without a job_id lists the recent ones, and
list_images finds every picture that was made.\
""",
            "ending": """\
There is no active session '\\u202e../x': it was ended, expired or never was, so there is nothing to
end. list_edit_sessions shows the active ones.\
""",
        }
    )


# What changes between the check and the write.


async def swapped(bench: Bench, output_dir: str, swap: Callable[[], None], **arguments: Any) -> str:
    """Make a picture, and do something to the disk while the backend makes it."""
    answers: list[str] = []

    async def call() -> None:
        answers.append((await bench.made("generate_image", **{**DRAFT, "output_dir": output_dir, **arguments})).text)

    bench.knobs.hold()
    async with anyio.create_task_group() as calls:
        calls.start_soon(call)
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(1)
        await anyio.to_thread.run_sync(swap)
        bench.knobs.release()
    return answers[0]


def replaced_by_a_link(folder: Path, to: Path) -> Callable[[], None]:
    """Move a folder away and put a link into its place."""

    def swap() -> None:
        folder.rename(folder.with_name(f"{folder.name}-as-it-was"))
        folder.symlink_to(to)

    return swap


async def test_a_folder_swapped_for_a_link_to_secrets_gets_no_picture_and_none_is_lost(trapped: Bench) -> None:
    keys = trapped.home / ".ssh"
    before = tree(keys)
    text = await swapped(trapped, "out", replaced_by_a_link(trapped.working_dir / "out", keys))
    assert tree(keys) == before
    assert len(trapped.files()) == 1
    assert folded(trapped.plain(text)) == snapshot("""\
Made: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality low, PNG, N
bytes.
FOLDER/sandbox/image-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
Tokens: 9 in, 107 out; free, gpt-image-2 would have cost about $0.0033.
Note: Saved in FOLDER/sandbox, since this could not be written: WORK/out (it leads to another place
than when the call was checked).\
""")


async def test_a_folder_swapped_for_a_link_out_of_the_fence_gets_no_picture(benches: Benches) -> None:
    bench = await benches.open()
    bench = await benches.open(GPT_IMAGE_2_ALLOWED_DIRS=str(bench.working_dir))
    outside = root_of(bench) / "outside"
    outside.mkdir()
    await swapped(bench, "out", replaced_by_a_link(bench.working_dir / "out", outside))
    assert tree(outside) == set()
    assert len(bench.files()) == 1


async def test_a_folder_swapped_for_a_link_to_anywhere_gets_no_picture(trapped: Bench) -> None:
    elsewhere = root_of(trapped) / "elsewhere"
    elsewhere.mkdir()
    await swapped(trapped, "out", replaced_by_a_link(trapped.working_dir / "out", elsewhere))
    assert tree(elsewhere) == set()


async def test_a_parent_swapped_for_a_link_to_secrets_gets_no_folder_either(trapped: Bench) -> None:
    keys = trapped.home / ".ssh"
    before = tree(keys)
    await swapped(trapped, "a/b", replaced_by_a_link(trapped.working_dir / "a", keys))
    assert tree(keys) == before


async def test_unfinished_pictures_leave_nothing_behind_a_link(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_PARTIAL_IMAGES="2")
    lay_traps(bench)
    keys = bench.home / ".ssh"
    before = tree(keys)
    await swapped(bench, "out", replaced_by_a_link(bench.working_dir / "out", keys))
    assert tree(keys) == before


async def test_a_folder_that_became_a_file_loses_no_picture(trapped: Bench) -> None:
    out = trapped.working_dir / "out"

    def swap() -> None:
        out.rmdir()
        out.write_text("I am a file now", encoding="utf-8")

    await swapped(trapped, "out", swap)
    assert out.read_text(encoding="utf-8") == "I am a file now"
    assert len(trapped.files()) == 1


# What becomes of a picture after it was saved.


def becomes(path: Path, what: str, bench: Bench) -> None:
    """A saved picture is not a picture any more."""
    path.unlink()
    if what == "a pipe":
        os.mkfifo(path)
    else:
        path.symlink_to(bench.home / ".ssh" / "id_rsa")


async def test_a_turn_swapped_for_a_link_to_a_key_is_not_sent(trapped: Bench) -> None:
    first = await trapped.made("start_edit_session", **DRAFT, images=["photo.png"])
    becomes(first.path, "a link to a key", trapped)
    await refused(trapped, "continue_edit_session", **DRAFT, session_id=first.session_id)


async def test_a_turn_swapped_for_a_pipe_does_not_hang_the_server(trapped: Bench) -> None:
    first = await trapped.made("start_edit_session", **DRAFT, images=["photo.png"])
    becomes(first.path, "a pipe", trapped)
    with poked(first.path) as waited:
        await trapped.refused("continue_edit_session", **DRAFT, session_id=first.session_id)
    assert not waited


async def test_a_resource_swapped_for_a_link_to_a_key_is_not_given(trapped: Bench) -> None:
    made = await trapped.made("generate_image", **DRAFT)
    becomes(made.path, "a link to a key", trapped)
    try:
        answer = await trapped.client.read_resource(f"gpt-image-2://pictures/{made.path.stem}")
    except MCPError:
        return
    (content,) = answer.contents
    assert isinstance(content, BlobResourceContents)
    assert b"OPENSSH" not in base64.b64decode(content.blob)


async def test_a_finished_job_whose_file_is_a_link_to_a_key_now_does_not_show_the_key(trapped: Bench) -> None:
    made = await trapped.made("generate_image", **DRAFT)
    (job,) = re.findall(r"job-[0-9a-f]{12}", said(await trapped.call("get_image_job")))
    becomes(made.path, "a link to a key", trapped)
    answer = await trapped.call("get_image_job", job_id=job)
    for block in answer.content:
        if isinstance(block, ImageContent):
            assert b"OPENSSH" not in base64.b64decode(block.data)


# All the rest of what a model can put into an argument.

WRONG: Mapping[str, Any] = {
    "prompt": ["", " ", 7, ["a", "b"], {"a": 1}, "x" * 32_001],
    "size": ["1x1", "99999x99999", -1, "1024×1024; rm", "\u202e", [1, 2]],
    "quality": ["best", 3, "low\0"],
    "n": [0, 11, -1, 1e9, "many", 1.5, "1e9"],
    "images": [[], ["a"] * 9, [""], [7], "", {"path": "a"}],
    "output_dir": [7, "\ud800", ["a", "b"]],
    "filename_prefix": [7, "x" * 201],
    "user": [7, "x" * 129],
    "no_such_parameter": ["x"],
}


@pytest.mark.parametrize("name", WRONG)
async def test_an_argument_of_the_wrong_shape_is_refused_in_a_sentence(trapped: Bench, name: str) -> None:
    for value in WRONG[name]:
        text = await refused(trapped, "edit_image", **{**DRAFT, "images": ["photo.png"], name: value})
        assert name in text or "path" in text, text
        assert "pydantic" not in text


async def test_a_surrogate_in_any_text_is_no_crash(trapped: Bench) -> None:
    """JSON can hold half of a character, which no file name and no request can."""
    half = json.loads('"a\\ud800b"')
    for tool, arguments in (
        ("generate_image", {**DRAFT, "output_dir": half}),
        ("edit_image", {**DRAFT, "images": [half]}),
        ("edit_image", {**DRAFT, "images": [f"http://{half}/a.png"]}),
        ("edit_image", {**DRAFT, "images": [f"data:image/png,{half}"]}),
        ("get_image_job", {"job_id": half}),
        ("continue_edit_session", {"prompt": "x", "session_id": half}),
    ):
        await refused(trapped, tool, **arguments)


@pytest.mark.parametrize("name", ["prompt", "user"])
async def test_a_surrogate_that_would_be_sent_is_refused_in_a_sentence(trapped: Bench, name: str) -> None:
    text = await refused(trapped, "generate_image", **{**DRAFT, name: json.loads('"a\\ud800b"')})
    assert "Error executing tool" not in text


async def test_no_unknown_name_is_repeated_at_length(trapped: Bench) -> None:
    name = "q" * 3_000_000
    assert said(await trapped.call(name)).startswith("There is no tool 'qqqq")
    texts = [said(await trapped.call(name))]
    for ask in (trapped.client.get_prompt, trapped.client.read_resource):
        with pytest.raises(MCPError) as error:
            await ask(name)
        texts.append(str(error.value))
    assert all(len(text) < 1000 for text in texts)


def test_the_bomb_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else a guard that is gone would not be missed."""
    from PIL import Image

    # What runs in a child process sets its own limit, and a test may have called it in this one.
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with Image.open(io.BytesIO(bomb())) as image:
        assert image.width * image.height > 89_000_000
        image.load()
