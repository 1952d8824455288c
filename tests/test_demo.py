"""`gpt-image-2-mcp demo`: the main job, done once by a real client with the real server."""

import os
import re
import signal
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from fault_proxy import until
from patience import PATIENCE_S
from PIL import Image, ImageChops, ImageStat

from gpt_image_2_mcp.install.clients import CLIENTS


@dataclass(frozen=True)
class Demo:
    folder: Path
    said: str
    complained: str


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Demo:
    """It runs once for all the tests here."""
    place = tmp_path_factory.mktemp("demo")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GPT_IMAGE_2_"))}
    done = subprocess.run(
        [sys.executable, "-m", "gpt_image_2_mcp", "demo", "--output", "demo-output"],
        capture_output=True,
        text=True,
        cwd=place,
        env=environ | {"HOME": str(place)},
        timeout=PATIENCE_S,
        check=True,
    )
    return Demo(place / "demo-output", done.stdout, done.stderr)


def test_it_makes_a_picture_edits_it_with_a_mask_and_takes_four_turns(demo: Demo) -> None:
    pictures = sorted(path.name.partition("-")[0] for path in (demo.folder / "sandbox").glob("*.png"))
    assert pictures == [*["edit"] * 3, *["image"] * 5, *["session"] * 4]
    assert "Kept to the pixel: 0 of" in demo.said


def test_it_shows_drafts_a_choice_a_final_and_its_exports(demo: Demo) -> None:
    assert "The draft's layout is kept" in demo.said
    assert "The 4 drafts and this final together" in demo.said
    (exports,) = demo.folder.glob("exports-*")
    assert {"foxglove.webp", "story.jpg", "header.png", "favicon.ico"} <= {path.name for path in exports.iterdir()}
    with Image.open(demo.folder / "drafts.jpg") as sheet:
        sheet.load()


def test_it_names_every_file_and_puts_them_on_one_sheet(demo: Demo) -> None:
    for path in (demo.folder / "sandbox").glob("*.png"):
        assert str(path) in demo.said
    sheet = demo.folder / "contact-sheet.jpg"
    assert str(sheet) in demo.said
    with Image.open(sheet) as image:
        image.load()
    assert demo.complained == ""


def test_the_documents_show_what_the_demo_makes(demo: Demo) -> None:
    """After a change to what the sandbox draws or the demo does: `make docs`."""
    docs = Path(__file__).parent.parent / "docs"
    with Image.open(demo.folder / "contact-sheet.jpg") as made, Image.open(docs / "contact-sheet.jpg") as shown:
        assert (shown.format, shown.size) == ("JPEG", made.size)
        # Another build of the JPEG library may round differently.
        assert max(ImageStat.Stat(ImageChops.difference(made, shown)).mean) < 1
    trees = [(folder / "session-tree.txt").read_text(encoding="utf-8") for folder in (demo.folder, docs)]
    assert len({re.sub(r"edit-[0-9a-f-]+", "edit", tree) for tree in trees}) == 1


def test_it_ends_with_how_to_set_the_clients_up(demo: Demo) -> None:
    assert "\ngpt-image-2-mcp install\n" in demo.said
    assert all(client.name in demo.said for client in CLIENTS.values())


def test_it_leaves_nothing_outside_its_folder(demo: Demo) -> None:
    assert [path.name for path in demo.folder.parent.iterdir()] == ["demo-output"]


@pytest.mark.skipif(sys.platform == "win32", reason="it has no such signals")
@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM", "SIGHUP"])
def test_a_signal_ends_it_and_its_server(number: str, tmp_path: Path) -> None:
    """SIGHUP is what a closed terminal sends."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("OPENAI_", "GPT_IMAGE_2_"))}
    with subprocess.Popen(
        [sys.executable, "-u", "-m", "gpt_image_2_mcp", "demo", "-o", str(tmp_path)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ | {"HOME": str(tmp_path)},
    ) as process:
        assert process.stdout is not None
        while "1 generate" not in (line := process.stdout.readline()):
            assert line, "it has ended"
        process.send_signal(signal.Signals[number])
        _, complained = process.communicate(timeout=PATIENCE_S)
    assert process.returncode == 130
    assert "Traceback" not in complained
    # Its folder is the server's working directory. An engine that is at a picture has that to finish.
    until(lambda: not any(leads_to(link, tmp_path) for link in Path("/proc").glob("[0-9]*/cwd")))
    assert list(tmp_path.rglob("*.part")) == []


def leads_to(link: Path, folder: Path) -> bool:
    try:
        return link.readlink() == folder
    except OSError:
        return False
