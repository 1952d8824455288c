"""The gallery: one page of all pictures, which shows what is known of them and obeys nothing that they say."""

import base64
import hashlib
import re
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Generator, Iterable, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta, timezone
from functools import partial
from html.parser import HTMLParser
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any, Literal, cast, get_origin

import pytest
from album import MADE, file_of, flat, read, saved
from hypothesis import given, settings
from hypothesis import strategies as st
from inline_snapshot import snapshot
from installed import folder_of
from jinja2 import UndefinedError, nodes
from patience import PATIENCE_S
from pydantic import BaseModel
from workbench import encoded, picture

from gpt_image_2_mcp.catalogue.picture_record import Picture
from gpt_image_2_mcp.library.contact_sheet import make_cells
from gpt_image_2_mcp.library.gallery.renderer import environment, gallery_html
from gpt_image_2_mcp.library.gallery.session_tree import lines
from gpt_image_2_mcp.library.given import given_of
from gpt_image_2_mcp.library.thumbnails import thumbnail

SESSION = "session-" + "ab" * 12
SMALL = flat((200, 30, 30), (4, 4))
HOSTILE = (
    "<script>document.documentElement.dataset.owned = 1</script>",
    "</style><script>document.documentElement.dataset.owned = 1</script>",
    "</p></main><img src=x onerror='document.documentElement.dataset.owned = 1'>",
    '"><svg onload=document.documentElement.dataset.owned=1>',
    "' autofocus onfocus='document.documentElement.dataset.owned=1",
    "<!-- <title>owned</title>",
    "&lt;script&gt; &amp; &#0; &nosuch;",
    "\u202egnp.exe \u2066 isolated",
    "nul \x00, bell \x07, escape \x1b[31m, lone \ud800, none \uffff",
    "W" * 30_000,
    "javascript:document.documentElement.dataset.owned=1",
    "]]> <![CDATA[ <?php ?>",
)
ANYTHING = st.text(st.characters(exclude_categories=()), max_size=60) | st.sampled_from(HOSTILE).map(lambda t: t[:200])


class Read(HTMLParser):
    """What a page is made of."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == [], "not all is closed"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        attributes = {name: value or "" for name, value in attrs}
        self.tags.append((tag, attributes))
        if tag not in {"meta", "img", "input", "br"}:
            name = f"{tag}.{attributes['class']}" if "class" in attributes else tag
            self._open.append(name)
            self.texts.setdefault(name, []).append("")

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop().partition(".")[0] == tag

    def handle_data(self, data: str) -> None:
        for name in self._open:
            self.texts[name][-1] += data

    def handle_comment(self, data: str) -> None:
        raise AssertionError(f"a comment: {data}")

    def all(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]


def page(pictures: Iterable[Picture], **options: Any) -> str:
    given: dict[str, Any] = {"thumbnail": always(SMALL), "zone": UTC, **options}
    return "".join(gallery_html(given_of(list(pictures)), **given))


def always(small: bytes | None) -> Callable[[Picture], bytes | None]:
    def thumbnail(_: Picture) -> bytes | None:
        return small and bytes(bytearray(small))

    return thumbnail


def turn(folder: Path, number: int, parent: int, *, late: bool = False, minute: int | None = None) -> Picture:
    return saved(
        folder,
        None,
        name=f"session-20261122-140300-{number:06x}",
        kind="session",
        prompt=f"turn {number}",
        made=MADE + timedelta(minutes=number if minute is None else minute),
        place={"session_id": SESSION, "turn": number, "parent": parent, "late": late},
    )


def looks_like(html: str) -> str:
    """What a person reads, a line for each element of interest."""
    html = re.sub(r"<(style|script)>.*?</\1>", "", html, flags=re.DOTALL).partition("<body>")[2]
    blocks = re.sub(r"<(?:h1|h2|p|li|dt|summary|div)\b[^>]*>", "\n", html)
    return "\n".join(filter(None, (" ".join(re.sub(r"<[^>]*>", " ", line).split()) for line in blocks.splitlines())))


def test_it_shows_what_is_known_and_adds_it_up(tmp_path: Path) -> None:
    fox = saved(
        tmp_path,
        encoded(),
        prompt="A red fox & a “sign”",
        size_bytes=1_570_000,
        cost_usd="0.042",
        client="Claude Code 2.1",
        project="website",
        usage={"input_tokens": 1200, "output_tokens": 4160},
        parameters={"quality": "auto", "background": "auto"},
        applied={"quality": "high"},
        request_id="req_1",
    )
    older = MADE - timedelta(days=40)
    edit = saved(
        tmp_path,
        None,
        name="edit-20261013-140300-00000b",
        kind="edit",
        prompt="",
        made=older,
        sandbox=True,
        parents=[
            {"source": "fox.png", "sha256": "0" * 64, "id": fox.id},
            {"source": "a data URL (12 bytes)", "sha256": "0" * 64, "role": "mask"},
        ],
    )
    cheap = saved(tmp_path, None, name="image-20261013-140300-00000c", made=older - timedelta(minutes=1))
    html = page([edit, fox, cheap], title="Pictures of <me>", thumbnail=partial(thumbnail, read=read), beside=tmp_path)
    assert looks_like(html).replace(str(tmp_path), "FOLDER") == snapshot("""\
Pictures of &lt;me&gt;
pictures 3
spent on them $0.0420
edit sessions 0
the first of them 13 October 2026
Of 1 picture nobody knows the cost; 1 picture of the sandbox cost nothing.
22 November 2026
Generated
A red fox &amp; a “sign”
1024×640 · $0.0420 · 14:03
Details
Made 2026-11-22 14:03:00 +0000
Model gpt-image-2
Quality high
Background auto
File PNG, 1,570,000 bytes
Client Claude Code 2.1
Project website
Tokens 1,200 in, 4,160 out
Path FOLDER/image-20261122-140300-00000a.png
Id image-20261122-140300-00000a
Request req_1
13 October 2026
File missing
Edit sandbox
(no prompt)
size unknown · cost unknown · 14:03
Details
Made 2026-10-13 14:03:00 +0000
Model gpt-image-2
File PNG, 0 bytes
Made from image-20261122-140300-00000a mask: a data URL (12 bytes)
Path FOLDER/edit-20261013-140300-00000b.png
Id edit-20261013-140300-00000b
File missing
Generated
A fox
size unknown · cost unknown · 14:02
Details
Made 2026-10-13 14:02:00 +0000
Model gpt-image-2
File PNG, 0 bytes
Path FOLDER/image-20261013-140300-00000c.png
Id image-20261013-140300-00000c
No picture matches.\
""")


def test_a_page_without_pictures_says_so() -> None:
    assert looks_like(page([])) == snapshot("""\
Pictures
pictures 0
spent on them $0.0000
edit sessions 0
No pictures yet.\
""")


def test_a_session_is_shown_as_its_tree(tmp_path: Path) -> None:
    turns = [(1, 0, False), (2, 1, False), (3, 2, False), (4, 2, True), (5, 4, False), (6, 3, False), (7, 4, True)]
    pictures = [turn(tmp_path, number, parent, late=late) for number, parent, late in turns]
    found = [
        (
            line.depth,
            line.parent.record.prompt if line.parent else None,
            [each.record.prompt[5:] for each in line.pictures],
        )
        for line in lines(reversed(pictures))
    ]
    assert found == [
        (0, None, ["1", "2", "3", "6"]),
        (1, "turn 2", ["4", "5"]),
        (2, "turn 4", ["7"]),
    ]
    read_page = Read(page(pictures))
    assert read_page.texts["p.branch indent-1"] == ["Branch from turn 2"]
    assert read_page.texts["p.branch indent-2"] == ["Branch from turn 4"]
    assert [text.count("Details") for text in read_page.texts["ol.line indent-0"]] == [4]
    assert f"#{pictures[1].id}" in [link["href"] for link in read_page.all("a")]


@given(st.lists(st.tuples(st.integers(1, 8), st.integers(0, 8), st.booleans()), max_size=14))
def test_every_picture_stands_on_one_line_whatever_the_places_say(places: list[tuple[int, int, bool]]) -> None:
    pictures = [
        turn(Path("/nowhere"), number, parent, late=late, minute=minute).model_copy(update={"path": Path(f"/{minute}")})
        for minute, (number, parent, late) in enumerate(places)
    ]
    found = lines(pictures)
    assert sorted(str(each.path) for line in found for each in line.pictures) == sorted(str(p.path) for p in pictures)
    for line in found:
        places_of = [each.record.position for each in line.pictures]
        for before, after in pairwise(places_of):
            assert before
            assert after
            assert after.parent == before.turn
        if line.parent:
            assert line.depth > 0
            assert line.parent.record.position
            assert places_of[0]
            assert places_of[0].parent == line.parent.record.position.turn


def test_a_session_of_many_branches_does_not_nest_without_end(tmp_path: Path) -> None:
    """A record can say what it likes, and browsers flatten what is nested deeper than 512."""
    deep = [turn(tmp_path, number, max(0, number - 2 + number % 2), late=number % 2 == 0) for number in range(1, 3000)]
    deepest = level = 0
    for closing in re.findall(r"<(/?)(?:ol|ul|li|div|section|p|dl|details)\b", page(deep, thumbnail=always(None))):
        level += -1 if closing else 1
        deepest = max(deepest, level)
    assert deepest < 12


def test_a_session_stands_at_the_day_of_its_last_turn(tmp_path: Path) -> None:
    day = 24 * 60
    pictures = [
        turn(tmp_path, 1, 0, minute=-2 * day),
        turn(tmp_path, 2, 1, minute=0),
        saved(tmp_path, None, made=MADE - timedelta(days=1), prompt="alone"),
    ]
    days = Read(page(pictures)).texts["section.day"]
    assert [("turn 1" in text, "turn 2" in text, "alone" in text) for text in days] == [
        (True, True, False),
        (False, False, True),
    ]


def test_days_are_those_of_the_zone(tmp_path: Path) -> None:
    late = saved(tmp_path, None, made=datetime(2026, 11, 22, 23, 30, tzinfo=UTC))
    assert Read(page([late])).texts["h2"] == ["22 November 2026"]
    assert Read(page([late], zone=timezone(timedelta(hours=2)))).texts["h2"] == ["23 November 2026"]


@pytest.mark.parametrize("made", ["1971-01-01T00:00:00Z", "2199-12-31T23:59:59Z"])
def test_no_time_is_too_early_or_too_late(tmp_path: Path, made: str) -> None:
    far = saved(tmp_path, None, made=made)
    for hours in (-14, 14):
        assert "A fox" in page([far], zone=timezone(timedelta(hours=hours)))


def test_a_missing_picture_is_said_to_be(tmp_path: Path) -> None:
    there, gone = saved(tmp_path, encoded()), saved(tmp_path, None, name="image-20261122-140300-00000b")
    found = Read(page([there, gone], thumbnail=partial(thumbnail, read=read)))
    assert len(found.all("img")) == 1
    assert found.texts["div.shot missing"] == ["File missing"]


@pytest.mark.parametrize(
    ("fields", "note"), [({"format": "gif"}, "Not shown: GIF"), ({"applied": {"broken": True}}, "Damaged")]
)
def test_a_picture_that_cannot_be_shown_is_not_called_missing(
    tmp_path: Path, fields: dict[str, Any], note: str
) -> None:
    picture = saved(tmp_path, None, **fields)
    found = Read(page([picture], thumbnail=partial(thumbnail, read=read)))
    assert found.texts["div.shot missing"] == [note]
    assert make_cells([(1, picture)], read=read)[0].note == note.replace("Not", "not").replace("Dam", "dam")


def test_what_is_no_picture_is_not_embedded(tmp_path: Path) -> None:
    found = Read(page([saved(tmp_path, None)], thumbnail=always(b"<svg onload=alert(1)></svg>")))
    assert found.all("img") == []


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_thumbnails_are_in_the_page_itself(tmp_path: Path, kind: str) -> None:
    small = file_of(picture((64, 40)), kind)
    (image,) = Read(page([saved(tmp_path, None, prompt="A “fox”\nand more")], thumbnail=always(small))).all("img")
    assert image["src"] == f"data:image/{kind.lower()};base64,{base64.b64encode(small).decode()}"
    assert image["alt"] == "A “fox” and more"


@pytest.mark.parametrize(
    ("path", "link"),
    [
        ("/pictures/a b#c?.png", "./a%20b%23c%3F.png"),
        ("/pictures/javascript:alert(1).png", "./javascript%3Aalert%281%29.png"),
        ("/pictures/deep/er.png", "./deep/er.png"),
        ('/elsewhere/"><script>.png', "file:///elsewhere/%22%3E%3Cscript%3E.png"),
        ("/pictures/../etc/passwd", "file:///pictures/../etc/passwd"),
        ("javascript:alert(1)", None),
        ("//host/share/a.png", "file:////host/share/a.png"),
        ("/elsewhere/\ud800.png", None),
    ],
)
@pytest.mark.skipif(Path("/").drive != Path("/pictures").drive or "\\" in str(Path("/a/b")), reason="POSIX paths")
def test_a_picture_links_to_its_file_and_to_nothing_else(tmp_path: Path, path: str, link: str | None) -> None:
    fox = saved(tmp_path, None).model_copy(update={"path": Path(path)})
    found = [a["href"] for a in Read(page([fox], beside=Path("/pictures"))).all("a")]
    assert found == ([link] if link else [])


TAGS = {
    "head",
    "div",
    "dt",
    "span",
    "dd",
    "time",
    "p",
    "h1",
    "output",
    "body",
    "section",
    "style",
    "ul",
    "h2",
    "img",
    "li",
    "details",
    "title",
    "a",
    "h3",
    "meta",
    "code",
    "input",
    "summary",
    "main",
    "dl",
    "br",
    "ol",
    "script",
    "header",
    "html",
}
ATTRIBUTES = {
    "type",
    "placeholder",
    "aria-label",
    "src",
    "alt",
    "autocomplete",
    "charset",
    "name",
    "datetime",
    "content",
    "dir",
    "decoding",
    "class",
    "for",
    "http-equiv",
    "aria-live",
    "href",
    "loading",
    "role",
    "lang",
    "id",
    "hidden",
}


@settings(max_examples=200)
@given(
    texts=st.lists(ANYTHING, min_size=9, max_size=9), in_session=st.booleans(), role=st.sampled_from(["image", "mask"])
)
def test_no_text_of_a_record_becomes_anything_but_text(texts: list[str], in_session: bool, role: str) -> None:
    prompt, client, project, model, request, quality, source, name, title = texts
    hostile = saved(
        Path("/nowhere"),
        None,
        prompt="",
        place={"session_id": SESSION, "turn": 1, "parent": 0} if in_session else None,
    )
    # What is read from a file is no text with lone surrogates, but `model_copy` checks nothing: so much the better.
    origin = {"role": role, "source": "x", "sha256": "0" * 64}
    record = saved(Path("/nowhere"), None, parents=[origin]).record
    hostile = hostile.model_copy(
        update={
            "path": Path("/pictures") / name.replace("\0", ""),
            "record": hostile.record.model_copy(
                update={
                    "prompt": prompt,
                    "client": client,
                    "project": project,
                    "model": model,
                    "request_id": request,
                    "applied": {"quality": quality, "background": [quality]},
                    "parents": (record.parents[0].model_copy(update={"source": source}),),
                }
            ),
        }
    )
    html = page([hostile], title=title, beside=Path("/pictures"))
    html.encode()
    found = Read(html)
    assert {tag for tag, _ in found.tags} <= TAGS
    assert {name for _, attributes in found.tags for name in attributes} <= ATTRIBUTES
    assert len(found.all("script")) == len(found.all("style")) == len(found.all("h1")) == len(found.all("li")) == 1
    assert all(re.match(r"\./|file:///|#", link["href"]) for link in found.all("a"))
    assert all(image["src"].startswith("data:image/png;base64,") for image in found.all("img"))
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", html)
    if prompt.isprintable() and prompt == " ".join(prompt.split()):
        assert found.texts["p.prompt"] == [prompt or "(no prompt)"]


def complete() -> Picture:
    """A turn of a session of which every field is filled in, each text with another one but for the id in `parents`."""
    origins = [
        {"source": "its mask", "sha256": "1" * 64, "role": "mask"},
        {"source": "its source", "sha256": "1" * 64, "path": "its origin"},
        {"source": "its own source", "sha256": "1" * 64, "id": "session-20261122-140300-00000a"},
    ]
    return saved(
        Path("/pictures"),
        None,
        name="session-20261122-140300-00000a",
        kind="session",
        model="its model",
        prompt="its prompt",
        parameters={"quality": "its quality"},
        applied={"background": "its background"},
        usage={"input_tokens": 1, "output_tokens": 1},
        cost_usd="0.01",
        parents=origins,
        client="its client",
        project="its project",
        place={"session_id": SESSION, "turn": 1, "parent": 0},
        job_id="its job",
        request_id="its request",
    )


HIDDEN = {complete().record.sha256, "1" * 64, "its job", "its source", "its own source"}
"""The texts of `complete()` that a gallery does not show."""


def texts_of(value: Any) -> set[str]:
    """All texts in a value but the names of kinds, formats and roles, which are checked when a record is read."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields.items()
        value = {name: getattr(value, name) for name, field in fields if get_origin(field.annotation) is not Literal}
    if isinstance(value, Mapping):
        value = tuple(cast("Mapping[str, Any]", value).values())
    if isinstance(value, tuple):
        return {text for each in cast("tuple[Any, ...]", value) for text in texts_of(each)}
    return {str(value)} if isinstance(value, str | Path) else set()


def replaced(value: Any, old: str, new: str) -> Any:
    """The value with one text for another."""
    if isinstance(value, BaseModel):
        fields = type(value).model_fields
        return value.model_copy(update={name: replaced(getattr(value, name), old, new) for name in fields})
    if isinstance(value, Mapping):
        return {key: replaced(each, old, new) for key, each in cast("Mapping[str, Any]", value).items()}
    if isinstance(value, tuple):
        return tuple(replaced(each, old, new) for each in cast("tuple[Any, ...]", value))
    if isinstance(value, Path):
        return Path("/", new) if str(value) == old else value
    return new if value == old else value


@pytest.mark.parametrize("hostile", ["<b title=x>", "</style><script>", "\"onload='x'", '\'onload="x"', "&lt;b&amp;"])
@pytest.mark.parametrize("text", sorted(texts_of(complete())))
def test_every_text_of_a_record_is_shown_as_it_is(text: str, hostile: str) -> None:
    """The markup stays the same whatever a field says, and its text comes out of a parser as it went in."""
    html = page([replaced(complete(), text, f"{hostile} mark")])
    found, harmless = Read(html), Read(page([complete()]))
    assert [(tag, list(attributes)) for tag, attributes in found.tags] == [
        (tag, list(attributes)) for tag, attributes in harmless.tags
    ]
    shown = f"{hostile} mark" in found.texts["body"][0]
    assert shown == (text not in HIDDEN)
    assert ("mark" in html) == shown


def test_an_id_is_shown_as_it_is_where_it_names_an_element() -> None:
    hostile = "\"><b id='x'>&amp;"
    found = Read(page([replaced(complete(), complete().id, hostile)]))
    assert [card["id"] for card in found.all("li")] == [hostile]
    assert [link["href"] for link in found.all("a")][-1] == f"#{hostile}"


def test_every_template_escapes_and_names_only_what_there_is() -> None:
    templates = environment()
    assert templates.autoescape is True
    for name in templates.list_templates(extensions=["jinja"]):
        assert templates.loader
        tree = templates.parse(templates.loader.get_source(templates, name)[0])
        assert {found.name for found in tree.find_all(nodes.Filter)}.isdisjoint({"safe", "forceescape"}), name
        assert list(tree.find_all(nodes.EvalContextModifier)) == [], name
    with pytest.raises(UndefinedError):
        templates.from_string("{{ gallery.no_such_thing }}").render(gallery=object())
    with pytest.raises(UndefinedError):
        templates.from_string("{% if no_such_thing %}{% endif %}").render()


@pytest.mark.thorough
def test_jinja2_is_imported_for_a_gallery_alone() -> None:
    """It is a tenth of a second, which neither a server nor another command has to spend."""
    probe = "import sys, gpt_image_2_mcp.app, gpt_image_2_mcp.cli.library, gpt_image_2_mcp.server.tools\n"
    probe += "import gpt_image_2_mcp.library.library\nprint('jinja2' in sys.modules)\n"
    probe += "import gpt_image_2_mcp.library.gallery.renderer\nprint('jinja2' in sys.modules)"
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    assert shown.stdout.split() == ["False", "True"]


def test_the_page_has_the_colours_of_the_studio_light_and_dark() -> None:
    root = Path(__file__).parent.parent
    studio = (root / "app" / "src" / "style.css").read_text(encoding="utf-8")
    known = {colour for pair in re.findall(r"light-dark\((#\w+), (#\w+)\)", studio) for colour in pair}
    style = (root / "src/gpt_image_2_mcp/library/gallery/templates/gallery.css").read_text(encoding="utf-8")
    used = re.findall(r"--\w+: (#\w+);", style)
    assert len(used) == 18
    assert set(used) <= known


def test_the_pages_policy_allows_its_own_style_and_script_only(tmp_path: Path) -> None:
    found = Read(page([saved(tmp_path, None)]))
    (policy,) = (meta["content"] for meta in found.all("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    hashes = {
        tag: f"'sha256-{base64.b64encode(hashlib.sha256(found.texts[tag][0].encode()).digest()).decode()}'"
        for tag in ("style", "script")
    }
    assert policy.split("; ") == [
        "default-src 'none'",
        "img-src data:",
        f"style-src {hashes['style']}",
        f"script-src {hashes['script']}",
        "base-uri 'none'",
        "form-action 'none'",
    ]
    assert "url(" not in found.texts["style"][0]


def test_thumbnails_are_made_as_the_page_is_written_and_not_held(tmp_path: Path) -> None:
    large = SMALL + bytes(500_000)
    pictures = [saved(tmp_path, None, name=f"image-20261122-140300-{number:06x}") for number in range(100)]
    tracemalloc.start()
    try:
        written = sum(map(len, gallery_html(given_of(pictures), thumbnail=always(large))))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written > 100 * len(large)
    assert peak < 10 * len(large)


@contextmanager
def served(folder: Path) -> Generator[str]:
    """The address of a folder, on loopback."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the base class's name
            """Say nothing on stderr."""

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(folder))) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


def browsed(html: str, folder: Path) -> Read:
    """What a page is once a browser has read it, and run what it takes for a script."""
    (folder / "page.html").write_text(html, encoding="utf-8")
    with served(folder) as url:
        done = subprocess.run(
            [folder_of("lightpanda") / "lightpanda", "fetch", "--dump", "html", f"{url}/page.html"],
            env={"HOME": str(folder), "LIGHTPANDA_DISABLE_TELEMETRY": "true"},
            capture_output=True,
            encoding="utf-8",
            timeout=PATIENCE_S,
            check=True,
        )
    return Read(done.stdout.strip().removeprefix("<!DOCTYPE html>"))


@pytest.mark.skipif(sys.platform == "win32", reason="this browser has no build for Windows")
def test_the_browser_of_the_tests_does_what_a_text_says_that_is_not_escaped(tmp_path: Path) -> None:
    """Or else the next test would be true of any page."""
    found = browsed(f"<!DOCTYPE html><html lang=en><title>Pictures</title>{HOSTILE[0]}{HOSTILE[2]}</html>", tmp_path)
    assert found.all("html") == [{"lang": "en", "data-owned": "1"}]


@pytest.mark.skipif(sys.platform == "win32", reason="this browser has no build for Windows")
def test_a_browser_does_nothing_that_a_prompt_says(tmp_path: Path) -> None:
    pictures = [
        saved(tmp_path, None, name=f"image-20261122-140300-{number:06x}").record.model_copy(update={"prompt": text})
        for number, text in enumerate(HOSTILE)
    ]
    html = page([Picture.model_construct(path=tmp_path / f"{each.id}.png", record=each) for each in pictures])
    found = browsed(html, tmp_path)
    assert found.all("html") == [{"lang": "en"}], "a prompt ran"
    assert found.texts["title"] == ["Pictures"]
    assert len(found.all("li")) == len(found.all("img")) == len(HOSTILE)
    assert len(found.all("script")) == 1
    (search,) = (div for div in found.all("div") if div.get("class") == "search")
    assert "hidden" not in search, "the page's own script did not run"
