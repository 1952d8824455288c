"""Files that lie where programs keep pictures: read only with the person's yes, by file."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest
from fault_proxy import paying
from inline_snapshot import snapshot
from mcp.client.session import ClientRequestContext
from mcp_types import ElicitRequestFormParams, ElicitRequestParams, ElicitResult
from promises import promise
from workbench import SMALL, Bench, Benches, encoded, folded, said

from gpt_image_2_mcp.paths.read_policy import ReadPolicy

pytestmark = pytest.mark.anyio

FOX = {"prompt": "a fox", "size": SMALL}
MAC, LINUX, WINDOWS = "/Users/me", "/home/kim", "/C:/Users/kim"

PRIVATE = [
    (LINUX, "/home/kim/.cache/mozilla/firefox/p/cache2/entries/AB12"),
    (LINUX, "/home/kim/.claude/image-cache/1.png"),
    (LINUX, "/home/kim/.config/Signal/attachments.noindex/a.png"),
    (LINUX, "/home/kim/.local/share/TelegramDesktop/tdata/a"),
    (LINUX, "/home/kim/.var/app/org.x/cache/a.png"),
    (LINUX, "/home/kim/snap/firefox/common/a.png"),
    (LINUX, "/HOME/KIM/.Cache/a.png"),
    (LINUX, "/home/kim/apps/chrome/Default/Cache/Cache_Data/f_0001"),
    (LINUX, "/srv/profile/IndexedDB/a.png"),
    (LINUX, "/home/other/Pictures/a.png"),
    (LINUX, "/home/other/.cache/a.png"),
    (LINUX, "/root/a.png"),
    (LINUX, "/root/.cache/a.png"),
    (LINUX, "/Users/other/a.png"),
    (LINUX, "/mnt/c/Users/kim/AppData/Local/Packages/a.png"),
    (LINUX, "/media/kim/disk/home/kim/.cache/a.png"),
    (MAC, "/Users/me/Library/Application Support/Slack/a.png"),
    (MAC, "/users/ME/library/Containers/a.png"),
    (MAC, "/System/Volumes/Data/Users/me/Library/a.png"),
    (MAC, "/System/Volumes/Data/Users/other/a.png"),
    (MAC, "/Volumes/Backup/Users/me/Library/a.png"),
    (MAC, "/private/var/root/a.png"),
    (WINDOWS, "/c:/users/KIM/AppData/Roaming/Discord/Cache/a.png"),
    (WINDOWS, "/C:/Users/other/Pictures/a.png"),
    (WINDOWS, r"/\\?\C:\Users\kim\AppData\Local\a.png"),
]

ORDINARY = [
    (LINUX, "/home/kim/Pictures/a.png"),
    (LINUX, "/home/kim/a.png"),
    (LINUX, "/home/kim/project/.assets/a.png"),
    (LINUX, "/srv/art/a.png"),
    (LINUX, "/var/folders/a.png"),
    (LINUX, "/mnt/c/Users/kim/Pictures/a.png"),
    (LINUX, "/media/kim/disk/DCIM/a.png"),
    (LINUX, "/media/kim/disk/home/kim/Pictures/a.png"),
    (LINUX, "/home/kim/cache/a.png"),
    (MAC, "/Users/me/Library/Mobile Documents/com~apple~CloudDocs/a.png"),
    (MAC, "/Users/Shared/a.png"),
    (MAC, "/System/Volumes/Data/Users/me/Desktop/a.png"),
    (MAC, "/Volumes/Photos/a.png"),
    (WINDOWS, "/C:/Users/Public/Pictures/a.png"),
    (WINDOWS, "/C:/Users/kim/AppData/Local/Temp/a.png"),
    (WINDOWS, "/D:/home/a.png"),
]


def private(path: str, home: str, work: str = "/srv/work", own: tuple[str, ...] = ()) -> bool:
    policy = ReadPolicy(Path(work), Path(home), None, lambda: [Path(folder) for folder in own])
    return policy.find_private(Path(path)) is not None


@promise(
    "Reading",
    "In the hidden folders of any home, in other users' homes, and in the caches of browsers and chats, no file "
    "is read unasked, however the path is spelt.",
)
@pytest.mark.parametrize(("home", "path"), PRIVATE)
def test_where_programs_keep_pictures_the_person_is_asked(home: str, path: str) -> None:
    assert private(path, home)
    for work in ("/", home, f"{home}/project"):
        assert private(path, home, work)
    # The fence of GPT_IMAGE_2_ALLOWED_DIRS is the only rule where it is set.
    assert ReadPolicy(Path("/w"), Path(home), (Path("/"),)).find_private(Path(path)) is None


@pytest.mark.parametrize(("home", "path"), ORDINARY)
def test_where_people_keep_pictures_they_are_read(home: str, path: str) -> None:
    assert not private(path, home)


@pytest.mark.parametrize(
    ("path", "work", "is_open"),
    [
        ("/home/kim/.agent/art/a.png", "/home/kim/.agent/work", True),
        ("/home/kim/.other/a.png", "/home/kim/.agent/work", False),
        ("/home/kim/.config/app/a.png", "/home/kim/.config/app", True),
        ("/home/kim/.config/other/a.png", "/home/kim/.config/app", False),
        ("/home/kim/.cache/app/a.png", "/home/kim/.cache/app/work", True),
        ("/home/kim/.cache/other/a.png", "/home/kim/.cache/app/work", False),
        ("/home/kim/Library/Caches/Chrome/a.png", "/home/kim/Library/Application Support/Claude", False),
        ("/home/other/project/a.png", "/home/other/project", True),
        ("/home/other/.cache/x/a.png", "/home/other/project", False),
    ],
)
def test_a_private_folder_is_open_to_an_agent_that_works_in_that_very_one(path: str, work: str, is_open: bool) -> None:
    assert private(path, LINUX, work) is not is_open


def test_a_home_around_the_own_one_is_not_another_users() -> None:
    """Snap starts programs with a home inside the user's."""
    assert not private("/home/kim/Pictures/a.png", "/home/kim/snap/code/1")
    assert private("/home/kim/.cache/a.png", "/home/kim/snap/code/1")
    assert private("/home/other/Pictures/a.png", "/home/kim/snap/code/1")


def test_what_the_person_set_is_open() -> None:
    for own in ("/home/kim/.cache/art", "/home/kim/.cache", "/home/other/art"):
        assert not private(f"{own}/a.png", LINUX, own=(own,))
    for own in ("/home/kim", "/"):
        assert private("/home/kim/.cache/a.png", LINUX, own=(own,))


# Asking.


class Person:
    """Answers each question with the next of `answers`, and keeps what was asked."""

    def __init__(self, *answers: tuple[Literal["accept", "decline", "cancel"], dict[str, Any] | None]) -> None:
        self.asked: list[str] = []
        self._answers = list(answers)

    async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
        del context
        assert isinstance(params, ElicitRequestFormParams)
        self.asked.append(params.message)
        action, content = self._answers.pop(0)
        return ElicitResult(action=action, content=content)


YES: tuple[Literal["accept"], dict[str, Any]] = ("accept", {"read": True})

Open = Callable[..., Any]


@pytest.fixture(params=["2026-07-28", "initialize"])
def opened(request: pytest.FixtureRequest, tmp_path: Path) -> Open:
    """Opens a server for a client of each protocol."""

    def open_(person: Person | None, **environ: str) -> Any:
        return paying(tmp_path, environ, ask=person, legacy=request.param == "initialize")

    return open_


def hidden(bench: Bench, name: str = ".cache/browser/AB12") -> str:
    path = bench.home / name
    path.parent.mkdir(parents=True)
    path.write_bytes(encoded())
    return str(path)


async def test_a_yes_reads_the_file_and_is_remembered_for_it_alone(opened: Open) -> None:
    person = Person(YES, YES)
    async with opened(person) as bench:
        path = hidden(bench)
        await bench.made("edit_image", **FOX, images=[path])
        assert not (await bench.call("show_image", image=path)).is_error
        assert [folded(bench.plain(asked)) for asked in person.asked] == snapshot(
            [
                """\
The assistant asks for a picture from a place where programs keep theirs:
'HOME/.cache/browser/AB12', which is in a folder of a home where programs keep their data. May this
server read it, and send it to the API or show it?\
"""
            ]
        )
        other = hidden(bench, ".thumbs/b.png")
        assert not (await bench.call("show_image", image=other)).is_error
        assert len(person.asked) == 2


@promise("Reading", "Where you are asked about a file, only an explicit yes counts.")
@pytest.mark.parametrize(
    "answer",
    [
        ("decline", None),
        ("cancel", None),
        *(("accept", content) for content in ({"read": False}, {"read": "true"}, {"read": 1}, {}, None)),
    ],
)
async def test_without_an_explicit_yes_nothing_is_read(answer: Any, opened: Open) -> None:
    person = Person(answer, answer)
    async with opened(person) as bench:
        path = hidden(bench)
        for tool, given in (("edit_image", {**FOX, "images": [path]}), ("show_image", {"image": path})):
            result = await bench.call(tool, **given)
            assert result.is_error
            assert "Nothing was sent" in said(result)
        assert bench.seen() == []
        assert len(person.asked) == 2


async def test_both_questions_are_asked_and_the_file_comes_first(opened: Open) -> None:
    person = Person(YES, ("accept", {"go_ahead": True}))
    async with opened(person, GPT_IMAGE_2_CONFIRM_OVER_USD="0.0001") as bench:
        await bench.made("edit_image", **FOX, images=[hidden(bench)])
    assert [("May this server read it" in asked, "Go ahead?" in asked) for asked in person.asked] == [
        (True, False),
        (False, True),
    ]


async def test_no_question_is_asked_about_secrets_ordinary_files_and_pictures_made_here(opened: Open) -> None:
    person = Person()
    async with opened(person) as bench:
        made = await bench.made("generate_image", **FOX)
        for reference in ("last", str(made.path), str(bench.photo())):
            assert not (await bench.call("show_image", image=reference)).is_error
        for reference in (hidden(bench, ".ssh/a.png"), "/proc/self/environ", "data:,x", "https://a.invalid/.cache/x"):
            await bench.refused("show_image", image=reference)


async def test_a_client_that_cannot_ask_reads_what_was_pasted_and_nothing_else(benches: Benches) -> None:
    bench = await benches.open()
    pasted, cached = hidden(bench, ".claude/image-cache/1.png"), hidden(bench)
    await bench.made("edit_image", **FOX, images=[pasted])
    assert folded(bench.plain(await bench.refused("edit_image", **FOX, images=[cached]))) == snapshot("""\
'HOME/.cache/browser/AB12' is not read without the person's yes, whether it exists or not: it is in
a folder of a home where programs keep their data. Copy the picture to another folder; a person can
also start this server in that folder, or name it in GPT_IMAGE_2_ALLOWED_DIRS.\
""")
    assert "whether it exists or not" in await bench.refused("show_image", image=f"{cached}-missing")


async def test_a_private_file_in_quotes_is_asked_about_too(opened: Open) -> None:
    person = Person(YES)
    async with opened(person) as bench:
        path = hidden(bench)
        result = await bench.call("show_image", image=f'"{path}"')
        assert not result.is_error, (said(result), person.asked)
        assert len(person.asked) == 1


async def test_a_link_to_a_private_file_is_asked_about_by_where_it_leads(opened: Open) -> None:
    person = Person(("decline", None))
    async with opened(person) as bench:
        link = bench.working_dir / "photo.png"
        link.symlink_to(hidden(bench))
        await bench.refused("edit_image", **FOX, images=["photo.png"])
        assert ".cache/browser/AB12" in person.asked[0]


@promise("Reading", "A yes is to the file that the question named, whatever a link is exchanged for meanwhile.")
async def test_a_file_that_is_exchanged_after_the_yes_is_not_read(opened: Open) -> None:
    """The yes is to the file that the question named."""
    async with opened(None) as bench:
        one, other = hidden(bench), hidden(bench, ".mail/b.png")
    link = bench.working_dir / "photo.png"
    link.symlink_to(one)

    class Swapped(Person):
        async def __call__(self, context: ClientRequestContext, params: ElicitRequestParams) -> ElicitResult:
            link.unlink()
            link.symlink_to(other)
            return await super().__call__(context, params)

    person = Swapped(YES, ("decline", None))
    async with opened(person) as bench:
        await bench.refused("edit_image", **FOX, images=[str(link)])
        assert bench.seen() == []


async def test_a_picture_made_in_a_private_folder_stays_of_use(tmp_path: Path) -> None:
    """It was made by an agent that worked there; its hash is known."""
    async with paying(tmp_path) as bench:
        own = bench.home / ".agent" / "art"
    async with paying(tmp_path, {"GPT_IMAGE_2_OUTPUT_DIR": str(own)}) as bench:
        made = await bench.made("generate_image", **FOX)
        assert own in made.path.parents
    async with paying(tmp_path) as bench:
        await bench.made("edit_image", **FOX, images=[made.path.stem])
        assert not (await bench.call("show_image", image=made.path.stem)).is_error
