"""Folders are judged by what they are and not by how they are spelt: names, hidden folders, homes, second paths."""

import os
import subprocess
import tempfile
import unicodedata
from pathlib import Path
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st
from inline_snapshot import snapshot
from promises import promise
from workbench import SMALL, Bench, Benches, folded

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.paths import denylist
from gpt_image_2_mcp.paths import policy as policies
from gpt_image_2_mcp.paths.plain_names import is_plain, suggest_plain
from gpt_image_2_mcp.paths.policy import WritePolicy, expand_path

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": SMALL}


def judged(folder: str | Path, *, home: str | Path = "/home/kim", work: str | Path = "/home/kim/project") -> Path:
    return WritePolicy(Path(work), Path(home)).resolve_writable(Path(folder))


# Names of new folders.

ODD_NAMES = (
    "-rf",
    "--checkpoint-action=exec=sh x.sh",
    "$(touch PWNED)",
    "x; rm -rf ~",
    "`id`",
    "a|b",
    "a&b",
    "a>b",
    "it's",
    'a"b',
    "*",
    "a?b",
    "[ab]",
    "{a,b}",
    "#a",
    "!x",
    "~root",
    "@args",
    "=ls",
    "CON",
    "con.txt",
    "COM¹",
    "LPT².png",
    "nul ",
    "a\x1b]0;title\x07b",
    "line1\nline2",
    "a\tb",
    "gpj\u202egnp",
    "a\u200bb",
    "a\u2028b",
    "a\u00a0b",
    "a\uff1bb",
    "\u0301a",
    "dot.",
    "space ",
    " space",
    ".hidden",
    "\uff0egit",
    "\uff0drf",
    "dot\uff0e",
    "a\\b",
    "C:x",
    "\udcff",
)


@promise("Writing", "A new folder gets a name that means nothing to a shell or a system.")
@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_new_folder_with_a_name_that_means_something_is_refused_and_a_plain_name_suggested(
    name: str, tmp_path: Path
) -> None:
    assert not is_plain(name)
    assert is_plain(suggest_plain(name))
    for text in (name, f"{name}/inside", f"outside/{name}"):
        with pytest.raises(BadRequest, match=r"new folder cannot be called|hidden folder"):
            judged(tmp_path / text, work=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "name",
    [
        "art",
        "Kim",
        "Bilder für Oma",
        "絵画",
        "हिन्दी",
        "🦊",
        "2026-11",
        "a (2)",
        "C++",
        "kim@home",
        "v1.2",
        "_x",
        "a~b",
    ],
)
def test_an_ordinary_name_is_plain(name: str, tmp_path: Path) -> None:
    assert suggest_plain(name) == name
    assert judged(name, work=tmp_path) == tmp_path / name


@given(name=st.text(min_size=1, max_size=60) | st.text(alphabet="-. $;¹conmu1\u202e", min_size=1))
def test_every_suggestion_is_plain_and_shows_what_it_is(name: str) -> None:
    plain = suggest_plain(name)
    assert is_plain(plain)
    assert suggest_plain(plain) == plain
    assert plain.isprintable()
    assert not set(unicodedata.normalize("NFKC", plain)) & set("$`;|&<>*?[]{}\\'\"!#/:%^\n")


def test_the_refusal_says_the_rule_the_name_and_the_way_out() -> None:
    with pytest.raises(BadRequest) as caught:
        judged("$(id)/x")
    assert folded(str(caught.value)) == snapshot("""\
No picture is written to '$(id)/x': a new folder cannot be called '$(id)', since its name is to be
plain (letters, digits, spaces and . , _ ( ) + @ = ~ -, beginning with a letter, a digit or _; no
device of Windows, as CON). Call it 'id', or name a folder that exists.\
""")


def test_a_folder_that_exists_may_have_any_name(tmp_path: Path) -> None:
    """A person made it."""
    (tmp_path / "it's mine; really").mkdir()
    assert judged("it's mine; really/new", work=tmp_path) == tmp_path / "it's mine; really" / "new"


def test_the_folder_that_a_person_set_may_have_any_name_and_not_what_is_made_in_it(tmp_path: Path) -> None:
    own = tmp_path / "it's mine"
    policy = WritePolicy(tmp_path, tmp_path / "home", None, (own,))
    assert policy.resolve_writable(own / "new") == own / "new"
    with pytest.raises(BadRequest, match="new folder"):
        policy.resolve_writable(own / "$(id)")


# Hidden folders of projects.


@promise(
    "Writing",
    "Nothing is written into `.git` and other hidden folders of a project but this program's `.gpt-image-2`.",
)
@pytest.mark.parametrize(
    "folder",
    [
        ".git/index.lock",
        ".git/refs/heads",
        ".git",
        ".GIT/hooks",
        "sub/.git/hooks",
        ".github/workflows",
        ".claude/commands",
        ".vscode",
        ".venv/bin",
        ".gpt-image-2",
        ".gpt-image-2/x",
        "../.git",
    ],
)
@pytest.mark.parametrize("exists", [True, False])
def test_nothing_is_written_in_hidden_folders_of_a_project(folder: str, exists: bool, tmp_path: Path) -> None:
    work = tmp_path / "work"
    work.mkdir()
    if exists:
        (work / folder).mkdir(parents=True)
    with pytest.raises(BadRequest, match="hidden folder"):
        judged(folder, work=work)


def test_a_project_in_a_hidden_folder_is_open_but_for_its_own_hidden_folders(tmp_path: Path) -> None:
    """Agents work in `.worktrees/…`; git itself starts programs in `.git`."""
    work = tmp_path / ".worktrees" / "one"
    work.mkdir(parents=True)
    assert judged("art", work=work) == work / "art"
    for folder in (".git/x", "../../.git/x"):
        with pytest.raises(BadRequest, match="hidden folder"):
            judged(folder, work=work)
    with pytest.raises(BadRequest, match="hidden folder"):
        judged("x", work=tmp_path / ".git")


async def git(command: str, folder: Path) -> bytes:
    """Run git, and give all that it says."""
    ran = await anyio.run_process(["git", *command.split()], cwd=folder, stderr=subprocess.STDOUT)
    return ran.stdout


async def test_a_repository_is_whole_after_calls_that_name_its_parts(bench: Bench) -> None:
    for command in ("init -q .", "-c user.name=k -c user.email=k@k commit -q --allow-empty -m x"):
        await git(command, bench.working_dir)
    for folder in (".git/index.lock", ".git/refs/heads", ".git/hooks", "--upload-pack=x"):
        await bench.refused("generate_image", **FOX, output_dir=folder)
    assert await git("status --porcelain", bench.working_dir) == b""
    assert bench.seen() == []


@promise("Writing", "No folder is made for a call that a budget refuses.")
async def test_no_folder_is_made_for_a_call_that_a_budget_refuses(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_BUDGET_PER_CALL_USD="0.0001")
    assert "budget" in (await bench.refused("generate_image", **FOX, output_dir="new/art")).lower()
    assert list(bench.working_dir.iterdir()) == []
    assert not bench.folder.exists()


# Second paths to one folder, as values of systems that are not here.

MAC, LINUX, WINDOWS, WSL = "/Users/me", "/home/kim", "/C:/Users/kim", "/home/kim"

CLOSED = [
    (MAC, "/Users/me/Library/LaunchAgents"),
    (MAC, "/users/me/Library/LaunchAgents"),
    (MAC, "/USERS/ME/.config/autostart"),
    (MAC, "/System/Volumes/Data/Users/me/Library/LaunchAgents"),
    (MAC, "/System/Volumes/Data/Users/me/.config/x"),
    (MAC, "/system/volumes/data/users/ME/library/x"),
    (MAC, "/System/Volumes/Data"),
    (MAC, "/System/Volumes/Data/Library/LaunchDaemons"),
    (MAC, "/System/Volumes/Data/private/etc"),
    (MAC, "/private/etc"),
    (MAC, "/Private/Var/db"),
    (MAC, "/Users/other/Library/LaunchAgents"),
    (MAC, "/Users/me/.s\u200csh"),
    (MAC, "/Volumes/Backup/Users/me/Library/Mail"),
    (LINUX, "/root/.config/autostart"),
    (LINUX, "/home/other/.config/autostart"),
    (LINUX, "/home/other/snap/firefox/common"),
    (LINUX, "/HOME/kim/.config/autostart"),
    (WSL, "/mnt/c/Windows/System32"),
    (WSL, "/mnt/c"),
    (WSL, "/mnt/C/users/kim/appdata/Roaming/x"),
    (WSL, "/mnt/d/Program Files/x"),
    (WINDOWS, r"/\\?\C:\Windows\System32"),
    (WINDOWS, r"/\??\C:\Windows\System32"),
    (WINDOWS, r"/\\.\C:\Users\other\AppData\Local\x"),
    (WINDOWS, "/c:/users/KIM/APPDATA/roaming/x"),
]


@promise(
    "Writing",
    "A second path to a closed folder is closed too: another letter case, `/System/Volumes/Data`, `/mnt/c`, `\\\\?\\`.",
)
@pytest.mark.parametrize(("home", "folder"), CLOSED)
def test_a_second_path_to_a_closed_folder_is_closed_too(home: str, folder: str) -> None:
    with pytest.raises(BadRequest, match="No picture is written"):
        judged(folder, home=home, work=f"{home}/project")


@pytest.mark.parametrize(
    ("home", "folder"),
    [
        (MAC, "/System/Volumes/Data/Users/me/Pictures"),
        (MAC, "/Volumes/Backup/art"),
        (MAC, "/private/tmp/art"),
        (WSL, "/mnt/c/Users/kim/Pictures"),
        (WSL, "/mnt/c/dev/art"),
        (WINDOWS, "/C:/dev/art"),
        (LINUX, "/srv/art"),
    ],
)
def test_an_ordinary_folder_stays_open_under_its_second_path(home: str, folder: str) -> None:
    judged(folder, home=home, work=f"{home}/project")


def show_again(folder: Path, second: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the system say that `second` is `folder`, as it does of a second mount."""
    stat = os.stat

    def same(path: Any, *more: Any, **options: Any) -> os.stat_result:
        return stat(folder if str(path) == str(second) else path, *more, **options)

    monkeypatch.setattr(os, "stat", same)


def test_a_home_is_known_by_what_it_leads_to(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second mount of a folder has other names all the way; `stat` says that it is the same."""
    home, second = tmp_path / "home", tmp_path / "second"
    for place in (home, second):
        (place / "Library").mkdir(parents=True)
    judged(second / "Library", home=home)
    show_again(home, second, monkeypatch)
    with pytest.raises(BadRequest, match="hidden folder of the home"):
        judged(second / "Library", home=home)


def test_what_a_person_allows_is_open_under_its_other_spelling_only_if_that_is_the_same_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upper, lower = tmp_path / "Open", tmp_path / "open"
    upper.mkdir()
    policy = WritePolicy(tmp_path, tmp_path / "home", (upper,))
    with pytest.raises(BadRequest, match="outside"):
        policy.resolve_writable(lower)
    lower.mkdir(exist_ok=True)
    if not upper.samefile(lower):
        with pytest.raises(BadRequest, match="outside"):
            policy.resolve_writable(lower)
        show_again(upper, lower, monkeypatch)
    assert policy.resolve_writable(lower / "new") == lower / "new"


@pytest.mark.parametrize(
    "text",
    [
        r"\??\UNC\server\share\a.png",
        r"\??\C:\a.png",
        r"C:\a\COM¹.png",
        r"C:\LPT²\a.png",
        r"C:\a\com³",
        r"C:\a?.png",
        r"\\?\UNC\server\share\a.png",
        r"\\.\pipe\x",
    ],
)
def test_the_kernels_own_paths_and_devices_of_windows_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(policies, "_IS_WINDOWS", True)
    with pytest.raises(BadRequest, match="network share, a device"):
        expand_path(text, working_dir=Path("/w"), home=Path("/h"))


def test_a_folder_of_a_drive_is_not_taken_for_one_of_unix() -> None:
    """People keep projects in `C:\\dev` and `D:\\lib`."""
    assert not denylist.is_below(r"C:\dev\a.png", "/dev")
    assert denylist.is_below("d:/windows/x", "C:/Windows")
    assert not denylist.is_below("/windows/x", "C:/Windows")


@promise("Writing", "Nothing is written into a bare repository of git.")
def test_a_bare_repository_is_not_written_to(tmp_path: Path) -> None:
    for name in ("refs/heads", "other.git"):
        (tmp_path / "team.git" / name).mkdir(parents=True)
    (tmp_path / "team.git" / "HEAD").write_text("ref: refs/heads/main", encoding="ascii")
    # One of another name is known by what is in it.
    (tmp_path / "team" / "objects").mkdir(parents=True)
    (tmp_path / "team" / "HEAD").write_text("ref: refs/heads/main", encoding="ascii")
    for folder in ("team.git", "team.git/refs/heads", "TEAM.git", "team", "team/objects"):
        if (tmp_path / folder).exists():
            with pytest.raises(BadRequest, match="git keeps a repository"):
                judged(folder, work=tmp_path)
    assert judged("art.git", work=tmp_path) == tmp_path / "art.git"


@promise(
    "Writing", "Nothing is written into folders that programs fill, such as `node_modules` and Python environments."
)
def test_nothing_is_written_where_programs_keep_packages_and_caches(tmp_path: Path) -> None:
    for name, mark in (("env", "pyvenv.cfg"), ("target", "CACHEDIR.TAG")):
        (tmp_path / name / "lib").mkdir(parents=True)
        (tmp_path / name / mark).touch()
    for folder in ("node_modules", "Node_Modules/x/art", "lib/site-packages/x", "a/__pycache__", "env", "env/lib/new"):
        with pytest.raises(BadRequest, match="filled and emptied by a program"):
            judged(folder, work=tmp_path)
    with pytest.raises(BadRequest, match="filled and emptied by a program"):
        judged("target/art", work=tmp_path)
    # A person who works in one, or sets one, wants it.
    assert judged("art", work=tmp_path / "env" / "lib") == tmp_path / "env" / "lib" / "art"
    allowed = tmp_path / "node_modules" / "own"
    assert WritePolicy(tmp_path, tmp_path / "home", (allowed,)).resolve_writable(allowed) == allowed


def test_a_hidden_folder_of_a_project_is_open_if_a_person_allows_it(tmp_path: Path) -> None:
    allowed = tmp_path / ".assets"
    policy = WritePolicy(tmp_path, tmp_path / "home", (allowed, tmp_path))
    assert policy.resolve_writable(allowed / "new") == allowed / "new"
    for folder in (".other", ".assets/.git", ".assets/$(id)"):
        with pytest.raises(BadRequest, match=r"hidden folder|new folder"):
            policy.resolve_writable(tmp_path / folder)


def test_a_temporary_folder_in_a_hidden_one_opens_itself_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    temporary = tmp_path / "home" / ".agent" / "tmp"
    temporary.mkdir(parents=True)
    monkeypatch.setattr(tempfile, "tempdir", str(temporary))
    assert judged(temporary / "art", home=tmp_path / "home") == temporary / "art"
    with pytest.raises(BadRequest, match="hidden folder"):
        judged(temporary.parent / "art", home=tmp_path / "home")
