"""Output folders and names of files as people and models write them."""

import sys

import pytest
from workbench import SMALL, Bench

pytestmark = pytest.mark.anyio

FOLDERS_AS_WRITTEN = {
    "a variable": ("$HOME/pics", "has the variable $HOME in it"),
    "a variable in braces": ("${HOME}/pics", "has the variable ${HOME} in it"),
    "a variable of Windows": ("%USERPROFILE%/Pictures", "has the variable %USERPROFILE% in it"),
    "a drive": ("C:\\Users\\Ann\\Pictures", "is a path of Windows"),
    "a drive with slashes": ("c:/Users/Ann", "is a path of Windows"),
    "a file's name": ("assets/hero.png", "ends like the name of a picture"),
}


@pytest.mark.skipif(sys.platform == "win32", reason="has drives")
@pytest.mark.parametrize(("written", "reason"), FOLDERS_AS_WRITTEN.values(), ids=FOLDERS_AS_WRITTEN)
async def test_a_folder_that_is_no_path_yet_is_refused_with_the_reason(bench: Bench, written: str, reason: str) -> None:
    assert reason in await bench.refused("generate_image", prompt="x", output_dir=written)
    assert not list(bench.working_dir.iterdir())


@pytest.mark.skipif(sys.platform == "win32", reason="has drives")
async def test_a_picture_on_a_drive_of_windows_is_told_apart_from_a_missing_file(bench: Bench) -> None:
    refusal = await bench.refused("edit_image", prompt="x", images="C:\\Users\\Ann\\fox.png")
    assert "is a path of Windows, and this server runs on" in refusal


async def test_quotes_around_a_folder_are_stripped_and_a_new_folder_is_named(bench: Bench) -> None:
    made = await bench.made("generate_image", prompt="x", size=SMALL, output_dir='"~/pics"')
    assert made.path.parent == bench.home / "pics"
    assert f"Saved in {bench.home / 'pics'} (new folder)." in made.text
    again = await bench.made("generate_image", prompt="y", size=SMALL, output_dir="~/pics")
    assert "new folder" not in again.text


async def test_a_prefix_of_which_nothing_can_be_kept_is_told(bench: Bench) -> None:
    made = await bench.made("generate_image", prompt="x", size=SMALL, filename_prefix="🦊")
    assert "has no letter or digit" in made.text


async def test_a_picture_named_in_another_script_is_found_by_its_id_and_its_address(bench: Bench) -> None:
    made = await bench.made("generate_image", prompt="x", size=SMALL, filename_prefix="赤い狐")
    (image,) = made.report["images"]
    assert image["id"].endswith("-赤い狐")
    (resource,) = [found for found in (await bench.client.list_resources()).resources if "pictures" in str(found.uri)]
    assert str(resource.uri).isascii()
    for name in (image["id"], str(resource.uri), "赤い狐"):
        await bench.made("edit_image", prompt="x", size=SMALL, images=name)
    assert (await bench.client.read_resource(str(resource.uri))).contents
