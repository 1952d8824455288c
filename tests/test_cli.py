"""The command line: the same operations as the tools, paths on stdout and everything else on stderr."""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx2
import pytest
from click.testing import CliRunner, Result
from openai import OpenAI
from patience import PATIENCE_S
from PIL import Image
from workbench import KEY, SMALL, encoded, picture

import gpt_image_2_mcp
from gpt_image_2_mcp.cli.commands import commands


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the pictures go."""
    monkeypatch.setenv("GPT_IMAGE_2_OUTPUT_DIR", str(tmp_path / "pictures"))
    return tmp_path / "pictures" / "sandbox"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(commands, arguments)


def made(*arguments: str) -> Result:
    result = run(*arguments)
    assert result.exit_code == 0, (result.output, result.exception)
    return result


def program(*arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "gpt_image_2_mcp", *arguments]
    return subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **environ}, timeout=PATIENCE_S, check=False
    )


def test_help_answers_at_once_and_names_the_commands() -> None:
    """At once: none of the heavy packages is loaded for it."""
    probe = "import sys; sys.argv = ['gpt-image-2-mcp', '--help']\nfrom gpt_image_2_mcp.cli.main import main\n"
    probe += "try:\n main()\nfinally:\n print(sorted({'openai', 'mcp', 'PIL', 'pydantic', 'tomlkit', 'ruamel'}"
    probe += " & set(sys.modules)))"
    shown = subprocess.run(
        [sys.executable, "-c", probe], capture_output=True, text=True, check=True, timeout=PATIENCE_S
    )
    for command in ("generate", "edit", "sandbox", "demo", "install", "doctor", "--version"):
        assert command in shown.stdout
    assert shown.stdout.endswith("[]\n")


def test_the_version_is_the_packages() -> None:
    assert made("--version").output == f"gpt-image-2-mcp, version {gpt_image_2_mcp.__version__}\n"


@pytest.mark.parametrize("command", ["generate", "edit", "sandbox", "demo", "install", "doctor"])
def test_every_command_has_its_help(command: str) -> None:
    assert made(command, "--help").stdout.startswith("Usage:")


def test_a_picture_is_made_and_its_path_is_all_of_stdout(folder: Path) -> None:
    """`$(gpt-image-2-mcp generate …)` is a picture's path."""
    result = made("generate", "a red fox", "--size", SMALL, "--sandbox")
    path = Path(result.stdout.rstrip("\n"))
    assert path.parent == folder
    assert path.read_bytes()
    assert "sandbox" in result.stderr


def test_a_picture_is_made_again_like_an_earlier_one(folder: Path) -> None:
    first = made("generate", "a red fox", "--size", SMALL, "--quality", "low", "--sandbox")
    result = made("generate", "--like", Path(first.stdout.strip()).stem, "--json", "--sandbox")
    report = json.loads(result.stdout)
    assert (report["prompt"], report["requested"]["size"], report["requested"]["quality"]) == (
        "a red fox",
        SMALL,
        "low",
    )
    assert len(list(folder.glob("*.png"))) == 2


def test_several_pictures_are_a_path_a_line(folder: Path) -> None:
    result = made("generate", "a red fox", "--size", SMALL, "-n", "2", "--sandbox")
    paths = [Path(line) for line in result.stdout.splitlines()]
    assert len(paths) == 2
    assert sorted(paths) == sorted(folder.glob("*.png"))


def test_the_sandbox_may_be_asked_for_before_the_command(folder: Path) -> None:
    result = made("--sandbox", "generate", "a red fox", "--size", SMALL)
    assert Path(result.stdout.rstrip("\n")).parent == folder


def test_every_parameter_of_the_tool_is_an_option(folder: Path, tmp_path: Path) -> None:
    del folder
    arguments = ["--size", "1024 X 640", "--quality", "low", "-n", "1", "--background", "opaque"]
    arguments += ["--output-format", "webp", "--output-compression", "60", "--moderation", "low"]
    arguments += ["--output-dir", str(tmp_path / "out"), "--filename-prefix", "my fox", "--user", "kim", "--json"]
    report = json.loads(made("generate", "a red fox", "--sandbox", *arguments).stdout)
    assert report["requested"] == {
        "size": SMALL,
        "quality": "low",
        "n": 1,
        "format": "webp",
        "background": "opaque",
    }
    (image,) = report["images"]
    assert Path(image["file_path"]).parent == tmp_path / "out"
    assert image["filename"].endswith("-my-fox.webp")
    assert report["sandbox"] is True


@pytest.mark.thorough
def test_pictures_are_edited_with_a_mask(folder: Path) -> None:
    picture().save("photo.png")
    mask = Image.new("RGBA", (1024, 640), (0, 0, 0, 255))
    mask.paste((0, 0, 0, 0), (0, 0, 512, 320))
    mask.save("mask.png")
    result = made(
        "edit", "a pond", "-i", "photo.png", "-i", "photo.png", "-m", "mask.png", "--size", SMALL, "--sandbox"
    )
    path = Path(result.stdout.rstrip("\n"))
    assert path.parent == folder
    with Image.open(path) as after:
        assert after.convert("RGB").getpixel((900, 500)) == picture().getpixel((900, 500))


def test_a_mask_in_words_is_drawn_over_a_picture(folder: Path) -> None:
    del folder
    picture().save("photo.png")
    result = made("show", "photo.png", "--mask", "box 10,10 300x200", "-o", "seen.png", "--sandbox")
    assert result.stdout == "seen.jpg\n"
    assert "within `box 10,10 300x200 of 1024x640`" in result.stderr
    with Image.open("seen.jpg") as seen:
        assert seen.size == (1024, 640)
    again = run("show", "photo.png", "-o", "seen.jpg", "--sandbox")
    assert again.exit_code == 0, "a PNG that is shown as it is gets another name"
    assert "File exists" in run("show", "photo.png", "-o", "seen.png", "--sandbox").stderr


def test_the_report_is_all_of_stdout_where_json_is_asked_for(folder: Path) -> None:
    del folder
    result = made("generate", "ein roter Fuchs im Nebel, ä", "--size", SMALL, "--sandbox", "--json")
    report: dict[str, Any] = json.loads(result.stdout)
    assert report["prompt"] == "ein roter Fuchs im Nebel, ä"
    assert "ä" in result.stdout


# Errors: one line on stderr, nothing on stdout, not 0.

BROKEN_RULES = {
    "a wrong size": ["generate", "a fox", "--size", "8x8", "--sandbox"],
    "too many": ["generate", "a fox", "-n", "11", "--sandbox"],
    "an empty prompt": ["generate", "", "--sandbox"],
    "compression beyond its range": ["generate", "a fox", "--output-compression", "101", "--sandbox"],
}
FAILURES = {
    "no key": ["generate", "a fox"],
    "a file that is not there": ["edit", "bluer", "-i", "gone.png", "--sandbox"],
    "moderation": ["generate", "moderation-blocked", "--sandbox"],
    "no credit": ["generate", "sandbox-quota", "--sandbox"],
    "a model without the best quality": ["generate", "a fox", "--quality", "max", "--sandbox"],
}


def one_line(result: Result) -> str:
    assert result.exit_code not in (0, None)
    assert isinstance(result.exception, SystemExit), result.exception
    assert result.stdout == ""
    assert result.stderr.count("\n") == 1
    return result.stderr


@pytest.mark.parametrize("arguments", BROKEN_RULES.values(), ids=BROKEN_RULES)
def test_a_broken_rule_is_one_line(arguments: Sequence[str], folder: Path) -> None:
    del folder
    assert one_line(run(*arguments)).startswith("Error: `")


@pytest.mark.parametrize("arguments", FAILURES.values(), ids=FAILURES)
def test_an_error_of_the_operation_is_one_line(arguments: Sequence[str], folder: Path) -> None:
    del folder
    assert one_line(run(*arguments)).startswith("Error: ")


def test_several_broken_rules_are_one_line_too(folder: Path) -> None:
    del folder
    one_line(run("generate", "a fox", "--size", "1x1", "-n", "99", "--sandbox"))


def test_a_wrong_setting_is_one_line(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del folder
    monkeypatch.setenv("GPT_IMAGE_2_SESSION_MAX", "many")
    assert "GPT_IMAGE_2_SESSION_MAX" in one_line(run("generate", "a fox", "--sandbox"))


def test_the_program_itself_exits_with_one_line(folder: Path) -> None:
    del folder
    done = program("generate", "moderation-blocked", "--sandbox")
    assert done.returncode != 0
    assert done.stdout == ""
    assert "Traceback" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.skipif(sys.platform != "linux", reason="/dev/full is Linux's")
@pytest.mark.parametrize("full", ["stdout", "stderr"])
def test_a_picture_that_was_made_is_told_where_one_output_cannot_be_written(folder: Path, full: str) -> None:
    """A script must not take it for a failure, and pay for it again."""
    outputs: dict[str, Any] = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    with Path("/dev/full").open("w") as device:
        outputs[full] = device
        command = [sys.executable, "-m", "gpt_image_2_mcp", "generate", "a fox", "--size", SMALL, "--sandbox"]
        done = subprocess.run(command, text=True, check=False, timeout=PATIENCE_S, **outputs)
    (path,) = folder.glob("*.png")
    if full == "stderr":
        assert (done.returncode, done.stdout) == (0, f"{path}\n")
    else:
        assert done.returncode == 1
        assert done.stderr == (
            f"Error: Made, paid for and saved, but stdout cannot be written (No space left on device): {path}\n"
        )


def test_an_unknown_option_is_a_failure() -> None:
    assert run("generate", "a fox", "--colour", "red").exit_code == 2


@pytest.mark.parametrize("host", ["0.0.0.0", "192.168.1.5", "example.com"])  # noqa: S104 - it is refused
def test_the_sandbox_serves_this_machine_alone(host: str) -> None:
    assert one_line(run("sandbox", "--host", host, "--port", "0")).startswith("Error: ")


# Against a backend that is another process.


def test_the_openai_sdks_own_client_works_with_the_sandbox_as_a_server(sandbox_url: str) -> None:
    client = OpenAI(api_key="sk-anything", base_url=sandbox_url, max_retries=0)
    try:
        answer = client.images.generate(model="gpt-image-2", prompt="a red fox", size="1024x1024", quality="low")
        assert answer.data is not None
        assert answer.data[0].b64_json
        assert answer.usage is not None
        assert answer.usage.output_tokens == 196
        edited = client.images.edit(model="gpt-image-2", prompt="bluer", image=("photo.png", encoded(), "image/png"))
        assert edited.data
        assert any(model.id == "gpt-image-2" for model in client.models.list())
    finally:
        client.close()


def turn_knobs(sandbox_url: str, **knobs: Any) -> None:
    root = sandbox_url.removesuffix("/v1")
    httpx2.post(f"{root}/_sandbox/knobs", json=knobs).raise_for_status()


def test_a_backend_reached_by_http_is_recognised_as_a_sandbox(
    folder: Path, sandbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    result = made("generate", "a red fox", "--size", SMALL)
    assert Path(result.stdout.rstrip("\n")).parent == folder
    assert "sandbox" in result.stderr


def test_a_picture_that_the_backend_gives_by_address_is_fetched_and_saved(
    folder: Path, sandbox_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The backend's own host may be on this machine, where nothing else is fetched from."""
    monkeypatch.setenv("OPENAI_BASE_URL", sandbox_url)
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    turn_knobs(sandbox_url, faults=[{"kind": "url"}])
    by_address = made("generate", "a red fox", "--size", SMALL)
    inline = made("generate", "a red fox", "--size", SMALL)
    paths = [Path(result.stdout.rstrip("\n")) for result in (by_address, inline)]
    assert paths[0].read_bytes() == paths[1].read_bytes()
    assert paths[0].parent == folder
