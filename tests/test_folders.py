"""Where a path leads, where a picture may be written, and what a caller may put into a file's name."""

import errno
import re
import sys
import tempfile
import unicodedata
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from promises import promise
from pydantic import TypeAdapter
from workbench import SMALL, Bench

from gpt_image_2_mcp.catalogue.picture_record import PICTURE_ID, PictureId
from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.paths import denylist
from gpt_image_2_mcp.paths import policy as folders
from gpt_image_2_mcp.paths.policy import WritePolicy, expand_path
from gpt_image_2_mcp.paths.prefix import safe_prefix

HOME = Path("/home/kim")
WORK = HOME / "project"


def judged(
    folder: str | Path,
    *,
    working_dir: Path = WORK,
    home: Path = HOME,
    allowed_dirs: tuple[Path, ...] | None = None,
    own_dirs: tuple[Path, ...] = (),
    allow_unsafe: bool = False,
) -> Path:
    policy = WritePolicy(working_dir, home, allowed_dirs, own_dirs, allow_unsafe)
    return policy.resolve_writable(Path(folder))


# Reading a path.


@pytest.mark.parametrize(
    ("text", "path"),
    [
        ("/srv/a.png", "/srv/a.png"),
        ("a.png", "/home/kim/project/a.png"),
        ("../a.png", "/home/kim/project/../a.png"),
        ("~", "/home/kim"),
        ("~/a.png", "/home/kim/a.png"),
        ("~//etc/passwd", "/home/kim/etc/passwd"),
        ("./~a.png", "/home/kim/project/~a.png"),
        ("//etc/passwd", "/etc/passwd"),
        ("file:///srv/a%20b.png", "/srv/a b.png"),
        ("FILE://localhost/srv/a.png", "/srv/a.png"),
        ("file:/srv/a.png", "/srv/a.png"),
        ("file:///srv/a#1?.png", "/srv/a#1?.png"),
        ("file:////etc/passwd", "/etc/passwd"),
        ("note:1.png", "/home/kim/project/note:1.png"),
        ("a\nb.png", "/home/kim/project/a\nb.png"),
        ("file:///%FF.png", "/\udcff.png"),
        ("file:///", "/"),
    ],
)
def test_a_path_is_made_absolute(text: str, path: str) -> None:
    assert str(expand_path(text, working_dir=WORK, home=HOME)) == path


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "a\0.png",
        "file:///a%00.png",
        "\ud800.png",
        "~root/a.png",
        "~a.png",
        "file://server/share/a.png",
        "file://",
        "file:a.png",
    ],
)
def test_what_is_no_path_of_this_computer_is_refused(text: str) -> None:
    with pytest.raises(BadRequest) as caught:
        expand_path(text, working_dir=WORK, home=HOME)
    str(caught.value).encode()


def test_a_path_that_no_system_takes_is_not_even_looked_at() -> None:
    with pytest.raises(BadRequest) as caught:
        expand_path("a/" * 50_000, working_dir=WORK, home=HOME)
    assert str(caught.value) == snapshot("A path of 100,000 characters is too long: 4,096 are the most.")


def test_another_users_home_is_explained() -> None:
    with pytest.raises(BadRequest) as caught:
        expand_path("~root/a.png", working_dir=WORK, home=HOME)
    assert str(caught.value) == snapshot(
        "'~root/a.png' would be the home of another user: only '~/' is understood. Write the path out, or "
        "'./~root/a.png' for a file whose name begins so."
    )


@pytest.mark.parametrize(
    "text",
    [
        r"\\server\share\a.png",
        "//server/share/a.png",
        r"\\.\COM1",
        r"\\?\C:\a.png",
        "C:a.png",
        r"C:\folder\nul.png",
        r"C:\folder\CON",
        "aux",
        r"C:\a.png:stream",
        "a.png::$DATA",
        r"C:\folder\nul .png",
    ],
)
def test_shares_devices_and_streams_of_windows_are_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """Asking for a file of another machine hands it this user's login."""
    monkeypatch.setattr(folders, "_IS_WINDOWS", True)
    with pytest.raises(BadRequest, match="network share"):
        expand_path(text, working_dir=WORK, home=HOME)


@pytest.mark.parametrize("text", [r"C:\pictures\a.png", "C:/pictures/a.png", r"sub\a.png", "file:///C:/pictures/a.png"])
def test_plain_paths_of_windows_are_understood(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(folders, "_IS_WINDOWS", True)
    assert expand_path(text, working_dir=WORK, home=HOME) == WORK / text.removeprefix("file:///")


# Where a picture may be written.


@pytest.mark.parametrize(
    "folder",
    [
        "out",
        "/home/kim/Pictures",
        "/home/kim",
        "/srv/pictures",
        "/mnt/c/Users/kim/Pictures",
        "/run/media/kim/stick",
        "/var/home/kim/Pictures",
        "/Users/kim/Pictures",
        "/home/kim/Library/Mobile Documents/com~apple~CloudDocs",
        "/Volumes/disk/pictures",
        tempfile.gettempdir(),
        "/usr/home/kim/pictures",
        "/etcetera",
        "/home/kim/etc",
    ],
)
def test_ordinary_folders_are_open(folder: str) -> None:
    assert judged(folder) == (WORK / folder).resolve()


@promise("Writing", "System folders, hidden folders of a home and folders of secrets are not written to.")
@pytest.mark.parametrize(
    "folder",
    [
        "/",
        "/etc",
        "/etc/cron.d",
        "/private/etc",
        "/usr/bin",
        "/usr/local/bin",
        "/bin",
        "/boot",
        "/dev/shm/x",  # noqa: S108 - to be refused
        "/proc/self",
        "/sys",
        "/var/www",
        "/var/spool/cron",
        "/run/user/1000",
        "/System",
        "/Library/LaunchAgents",
        "C:/Windows/System32",
        "c:\\windows",
        "D:/Program Files/x",
        "/home/kim/.ssh",
        "/home/kim/.SSH/x",
        "/home/kim/project/.aws",
        "/root/.gnupg",
        "/home/kim/.config",
        "/home/kim/.config/autostart",
        "/home/kim/.config/gcloud",
        "/home/kim/.local/bin",
        "/home/kim/Library/LaunchAgents",
        "/home/kim/AppData/Roaming/x",
        "../../../etc",
        "/home/kim/Pictures/../.ssh",
    ],
)
def test_system_secret_and_hidden_folders_are_refused(folder: str) -> None:
    absolute = Path("/" + folder) if folder[1:2] == ":" else Path(folder)
    with pytest.raises(BadRequest, match="GPT_IMAGE_2_OUTPUT_DIR"):
        judged(absolute)
    assert judged(absolute, allow_unsafe=True) == (WORK / absolute).resolve()


def test_a_refusal_names_the_rule_the_value_and_the_way_out() -> None:
    with pytest.raises(BadRequest) as caught:
        judged("/etc/cron.d")
    assert str(caught.value) == snapshot(
        "No picture is written to '/etc/cron.d': /etc is a system folder (the system's settings). Choose another "
        "folder or leave output_dir out; a person can set GPT_IMAGE_2_OUTPUT_DIR, or "
        "GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR=1."
    )


def test_a_link_is_judged_by_where_it_leads(tmp_path: Path) -> None:
    home = tmp_path / "home"
    (home / ".ssh").mkdir(parents=True)
    (home / "Pictures").symlink_to(home / ".ssh")
    with pytest.raises(BadRequest, match="secrets"):
        judged(home / "Pictures", home=home)
    (home / "good").mkdir()
    (home / "link").symlink_to(home / "good")
    assert judged(home / "link" / "new", home=home) == home.resolve() / "good" / "new"


def test_links_in_a_circle_are_no_crash(tmp_path: Path) -> None:
    (tmp_path / "a").symlink_to(tmp_path / "b")
    (tmp_path / "b").symlink_to(tmp_path / "a")
    judged(tmp_path / "a" / "x")


def test_a_hidden_folder_is_open_to_an_agent_that_works_in_it() -> None:
    work = HOME / ".agent/workspace"
    assert judged(HOME / ".agent/pictures", working_dir=work) == HOME / ".agent/pictures"
    with pytest.raises(BadRequest, match="hidden"):
        judged(HOME / ".other", working_dir=work)


@pytest.mark.parametrize("work", [HOME / ".ssh", HOME / ".config/gcloud/x", HOME / "project/.docker"])
def test_a_folder_of_secrets_is_never_open_to_whoever_works_in_it(work: Path) -> None:
    with pytest.raises(BadRequest, match="secrets"):
        judged("out", working_dir=work)


def test_a_project_in_a_system_folder_is_open_within_itself() -> None:
    """Containers work in /usr/src/app, build agents in /var/lib."""
    assert judged("out", working_dir=Path("/usr/src/app")) == Path("/usr/src/app/out")
    with pytest.raises(BadRequest, match="/usr"):
        judged("/usr/src/other", working_dir=Path("/usr/src/app"))
    assert judged("/var/lib/kim/out", home=Path("/var/lib/kim")) == Path("/var/lib/kim/out")


@pytest.mark.parametrize("work", ["/", "/usr", "/usr/bin", "/etc/x", "/C:/Windows/System32", "/home/kim"])
def test_a_working_dir_that_a_client_chose_for_want_of_a_better_opens_nothing(work: str) -> None:
    """Clients start servers in /, or in System32 on Windows."""
    for folder in ("/etc/x/y", "/usr/x", "/usr/bin/x", "/C:/Windows/System32/out", "/home/kim/.config"):
        with pytest.raises(BadRequest):
            judged(folder, working_dir=Path(work))


@pytest.mark.parametrize("own", ["/etc/pictures", "/home/kim/.ssh", "/home/kim/.cache", "/var/pictures", "/"])
def test_a_persons_own_folder_is_always_open(own: str) -> None:
    assert judged(own, own_dirs=(Path(own),), allowed_dirs=()) == Path(own)


@pytest.mark.parametrize("own", ["/etc/pictures", "/home/kim/.cache", "/home/kim/.ssh", "/var"])
def test_what_lies_in_a_persons_own_folder_is_open_too(own: str) -> None:
    assert judged(f"{own}/trip", own_dirs=(Path(own),), allowed_dirs=()) == Path(own) / "trip"


@pytest.mark.parametrize("folder", ["/home/kim/.ssh", "/home/kim/.config", "/etc"])
def test_a_persons_own_folder_does_not_open_what_is_off_limits_within_it(folder: str) -> None:
    with pytest.raises(BadRequest):
        judged(folder, own_dirs=(HOME, Path("/")))


def test_with_allowed_dirs_a_folder_must_lie_in_one_of_them(tmp_path: Path) -> None:
    inside, outside = tmp_path / "in", tmp_path / "out"
    inside.mkdir()
    outside.mkdir()
    (inside / "link").symlink_to(outside)
    assert judged(inside / "new", allowed_dirs=(inside,)) == inside.resolve() / "new"
    for folder in (outside, inside / "link", inside / ".." / "out", tmp_path / "in2"):
        with pytest.raises(BadRequest, match="GPT_IMAGE_2_ALLOWED_DIRS"):
            judged(folder, allowed_dirs=(inside,))
        assert judged(folder, allowed_dirs=(inside,), allow_unsafe=True) == folder.resolve()
    with pytest.raises(BadRequest, match="none"):
        judged(outside, allowed_dirs=())


def test_allowed_dirs_open_no_folder_of_secrets() -> None:
    with pytest.raises(BadRequest, match="secrets"):
        judged(HOME / ".ssh", allowed_dirs=(HOME,))


def test_many_folders_are_not_all_listed() -> None:
    assert denylist.describe_folders([Path("/a"), Path("/b"), Path("/c"), Path("/d")]) == "'/a', '/b', '/c', and 1 more"


@pytest.mark.parametrize("path", [path for path, _ in denylist.SECRET_FOLDERS])
def test_every_folder_of_secrets_is_found_at_any_depth_and_in_any_case(path: str) -> None:
    for form in (path, path.upper(), f"/a/b/{path}/c/d.png", f"C:\\Users\\kim\\{path}\\x"):
        assert denylist.find_secret(form) is not None
    assert denylist.find_secret(f"/a/{path}x") is None
    # Windows drops what stands behind these names.
    assert denylist.find_secret(f"/a/{path}. /b.png") is not None


@pytest.mark.parametrize("name", denylist.SECRET_FILES)
def test_every_secret_file_is_found(name: str) -> None:
    assert denylist.find_secret(f"/home/kim/{name}") is not None
    assert denylist.find_secret(f"/home/kim/{name}/a.png") is None


# What a caller may put into a file's name.


@pytest.mark.parametrize(
    ("text", "prefix"),
    [
        ("Café à la crème", "Café-à-la-crème"),
        ("Müller Straße Größe", "Müller-Straße-Größe"),
        ("k\u0131rm\u0131z\u0131", "k\u0131rm\u0131z\u0131"),
        ("雪の中の赤い狐", "雪の中の赤い狐"),
        ("שועל", "שועל"),
        ("नमस्ते दुनिया", "नमस्ते-दुनिया"),
        ("🦊", ""),
        ("🦊 fox", "fox"),
        ("x" * 39 + "b\u0301", "x" * 39),
        ("\u0301x", "x"),
        ("狐" * 40, "狐" * 33),
        ("../../etc/passwd", "etc-passwd"),
        ("a__b--c", "a__b-c"),
        ("--rf", "rf"),
        ("ﬁne ①", "fine-1"),
        ("絵画", "絵画"),
        ("...", ""),
        ("con", "con_"),
        ("LPT1", "LPT1_"),
        ("com¹", "com1_"),
        ("console", "console"),
        ("a\u202egnp.exe", "a-gnp-exe"),
        ("a\u200bb", "a-b"),
        ("x" * 60, "x" * 40),
        ("x" * 39 + " y", "x" * 39),
    ],
)
def test_a_prefix_is_reduced_to_safe_characters(text: str, prefix: str) -> None:
    assert safe_prefix(text) == prefix


@given(text=st.text() | st.text(alphabet="conauxlpt1_-. ¹é\u202e\u200d/\\\0"))
@example(text="\ufdfa" * 400)
def test_a_prefix_is_safe_whatever_it_is_made_from(text: str) -> None:
    prefix = safe_prefix(text)
    assert len(prefix) <= 41
    assert len(prefix.encode()) <= 101
    assert re.fullmatch(PICTURE_ID, f"image-20261128-101500-0a1b2c-{prefix}".rstrip("-"))
    TypeAdapter(PictureId).validate_python(f"image-20261128-101500-0a1b2c-{prefix}".rstrip("-"))
    assert safe_prefix(prefix) == prefix
    assert prefix.lower() not in {"con", "prn", "aux", "nul", "com1", "lpt1", "conin", "conout", "clock"}
    assert not prefix.startswith("-")
    assert unicodedata.is_normalized("NFKC", prefix)


@given(text=st.text(max_size=300))
def test_every_text_is_a_path_or_a_bad_request(text: str) -> None:
    try:
        path = expand_path(text, working_dir=WORK, home=HOME)
    except BadRequest:
        return
    assert path.is_absolute()
    assert "\0" not in str(path)


@given(names=st.lists(st.sampled_from(["..", ".", "a", ".ssh", "etc", "home", "kim", ".config", "proc"]), max_size=8))
def test_no_way_of_writing_a_path_leads_to_a_place_that_is_off_limits(names: list[str]) -> None:
    text = "/" + "/".join(names)
    try:
        real = judged(expand_path(text, working_dir=WORK, home=HOME))
    except BadRequest:
        return
    assert ".ssh" not in real.parts
    assert not real.is_relative_to(HOME / ".config")
    assert real.parts[1] not in {"etc", "proc"}


@pytest.mark.skipif(sys.platform == "win32", reason="Windows locks otherwise")
@pytest.mark.anyio
async def test_a_file_system_without_locks_takes_pictures_all_the_same(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Some network shares have none; a picture is not to land in the temp folder for that."""

    def flock(*_: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", flock)
    made = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert made.path.parent == bench.folder / "sandbox"
