"""`generate_image`: what is sent, what is saved, what is said."""

import base64
import hashlib
import json
import re
import secrets
from decimal import Decimal
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from dirty_equals import IsFloat, IsStr
from inline_snapshot import snapshot
from openai import AsyncOpenAI
from patience import PATIENCE_S, look_again
from PIL import Image
from promises import promise
from workbench import GENERATIONS, SMALL, Bench, Benches, canned, encoded, folded

from gpt_image_2_mcp.sandbox import Fault, SandboxTransport, build_sandbox

pytestmark = pytest.mark.anyio

FILE = re.compile(r"image-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}\.png")


# What is sent.


async def test_a_prompt_alone_sends_the_model_and_the_prompt_and_nothing_else(bench: Bench) -> None:
    """Servers behind OPENAI_BASE_URL that know fewer parameters work for as long as nobody asks for more."""
    await bench.made("generate_image", prompt="a red fox")
    assert bench.last().path == GENERATIONS
    assert bench.last().params == {"model": "gpt-image-2", "prompt": "a red fox"}


async def test_a_default_that_is_written_out_is_not_sent_either(bench: Bench) -> None:
    """Models tend to fill in every parameter with the default that the schema names."""
    defaults = {"size": "auto", "quality": "auto", "n": 1, "background": "auto", "moderation": "auto"}
    await bench.made("generate_image", prompt="a red fox", output_format="png", **defaults)
    assert set(bench.last().params) == {"model", "prompt"}


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({"size": "1024 X 640"}, {"size": "1024x640"}),
        ({"quality": "low"}, {"quality": "low"}),
        ({"n": 2}, {"n": 2}),
        ({"background": "opaque"}, {"background": "opaque"}),
        ({"output_format": "webp"}, {"output_format": "webp"}),
        (
            {"output_format": "jpeg", "output_compression": 0},
            {"output_format": "jpeg", "output_compression": 0},
        ),
        ({"moderation": "low"}, {"moderation": "low"}),
        ({"user": "person-7"}, {"user": "person-7"}),
        ({"output_dir": "elsewhere", "filename_prefix": "fox"}, {}),
    ],
    ids=str,
)
async def test_a_parameter_arrives_as_it_was_given(bench: Bench, given: dict[str, Any], sent: dict[str, Any]) -> None:
    await bench.made("generate_image", prompt="a red fox", **({"size": SMALL} | given))
    assert bench.last().params == {"model": "gpt-image-2", "prompt": "a red fox", "size": SMALL} | sent


async def test_the_key_is_sent_and_the_model_is_the_one_that_is_set(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MODEL="gpt-image-2.5-flare")
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, quality="xhigh")
    assert bench.last().has_key
    assert bench.last().params["model"] == "gpt-image-2.5-flare"
    assert answer.report["model"] == "gpt-image-2.5-flare"


async def test_a_broken_rule_is_an_error_before_anything_is_sent_or_saved(each_era: Bench) -> None:
    text = await each_era.refused("generate_image", prompt="a fox", size="1000x10")
    assert text == "`size` '1000x10' is 1000x10: an edge has 16 to 20,000 pixels."
    assert not each_era.seen()
    assert not each_era.folder.exists()


# What is saved.


async def test_a_picture_is_saved_as_the_api_made_it_byte_for_byte(bench: Bench) -> None:
    """Re-encoding would destroy the provenance record that the API puts into its files."""
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    async with httpx2.AsyncClient(transport=SandboxTransport(build_sandbox())) as http:
        sdk = AsyncOpenAI(api_key="sk-x", http_client=http, base_url="http://sandbox/v1")
        # The sandbox paints the same picture for the same words: what it sends twice is what it sent once.
        raw = await sdk.images.with_raw_response.generate(model="gpt-image-2", prompt="a red fox", size=SMALL)
    sent = base64.b64decode(json.loads(raw.content)["data"][0]["b64_json"])
    saved = answer.path.read_bytes()
    assert saved == sent
    (image,) = answer.report["images"]
    assert image["sha256"] == hashlib.sha256(sent).hexdigest()
    assert image["size_bytes"] == len(sent)


async def test_a_picture_without_more_is_called_by_its_time(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert FILE.fullmatch(answer.path.name)
    (image,) = answer.report["images"]
    assert image["filename"] == answer.path.name
    assert image["id"] == answer.path.stem


async def test_several_pictures_share_a_name_and_are_numbered(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, n=3, filename_prefix="my fox")
    stems = {path.stem.rpartition("-")[0] for path in answer.paths}
    assert len(stems) == 1
    assert re.fullmatch(r"image-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}-my-fox", stems.pop())
    assert [path.stem.rpartition("-")[2] for path in answer.paths] == ["1", "2", "3"]
    assert len({path.read_bytes() for path in answer.paths}) == 3


@pytest.mark.parametrize("prefix", ["../../../evil", "/etc/passwd", "..", "a\\b\0c", "  ", "CON", "💥" * 60, "-" * 99])
async def test_a_prefix_never_leads_out_of_the_folder(bench: Bench, prefix: str) -> None:
    answer = await bench.made(
        "generate_image", prompt="a red fox", size=SMALL, filename_prefix=prefix, output_dir="out"
    )
    assert answer.path.parent == bench.working_dir / "out"
    assert re.fullmatch(r"image-[0-9]{8}-[0-9]{6}-[0-9a-f]{6}(-[A-Za-z0-9_-]{1,40})?\.png", answer.path.name)


@pytest.mark.parametrize(
    ("asked", "ending", "mime_type"),
    [("png", "png", "image/png"), ("jpeg", "jpg", "image/jpeg"), ("webp", "webp", "image/webp")],
)
async def test_a_file_ends_as_its_bytes_do(bench: Bench, asked: str, ending: str, mime_type: str) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, output_format=asked)
    (image,) = answer.report["images"]
    assert answer.path.suffix in (f".{ending}", f".{asked}")
    assert image["mime_type"] == mime_type
    with Image.open(answer.path) as saved:
        assert saved.format == asked.upper()


async def test_a_file_of_another_format_than_asked_for_ends_as_its_bytes_do(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(encoded("WEBP")).wrap)
    answer = await bench.made("generate_image", prompt="a red fox")
    assert answer.path.suffix == ".webp"
    assert answer.report["images"][0]["mime_type"] == "image/webp"
    assert answer.report["applied"]["format"] == "webp"
    assert "The API changed the format: asked for png, got webp." in answer.text


@pytest.mark.parametrize(
    ("output_dir", "place"),
    [("{work}/a", "{work}/a"), ("b/c", "{work}/b/c"), ("~/d", "{home}/d"), ("file://{work}/e%20e", "{work}/e e")],
)
async def test_an_output_folder_is_made_wherever_it_is_named(bench: Bench, output_dir: str, place: str) -> None:
    places = {"work": bench.working_dir, "home": bench.home}
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL, output_dir=output_dir.format_map(places))
    assert answer.path.parent == Path(place.format_map(places))


async def test_a_folder_that_cannot_be_made_is_said_before_anything_is_paid(bench: Bench) -> None:
    (bench.working_dir / "taken").write_text("a file")
    text = await bench.refused("generate_image", prompt="a fox", output_dir="taken/inside")
    assert "taken" in text
    assert "cannot be made (Not a directory)" in text
    assert "output_dir" in text
    assert "GPT_IMAGE_2_OUTPUT_DIR" in text
    assert bench.knobs.paid == 0


async def test_a_folder_deep_down_that_cannot_be_made_is_named_whole(bench: Bench) -> None:
    (bench.working_dir / "taken").write_text("a file")
    deep = "/".join(["taken", *["a folder with a longish name"] * 4, "fox"])
    assert deep in await bench.refused("generate_image", prompt="a fox", output_dir=deep)


async def test_a_folder_lost_after_paying_costs_nobody_the_picture(bench: Bench) -> None:
    place = bench.working_dir / "fragile"
    bench.knobs.hold()
    answers: list[Any] = []

    async def ask() -> None:
        answers.append(await bench.made("generate_image", prompt="a fox", size=SMALL, output_dir="fragile"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(ask)
        with anyio.fail_after(PATIENCE_S):
            await bench.knobs.wait_for(1)
        place.rmdir()
        place.write_text("in the way")
        bench.knobs.release()
    (answer,) = answers
    assert answer.path.is_relative_to(bench.folder)
    assert folded(bench.plain(answer.text)) == snapshot("""\
Made: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality medium, PNG, N
bytes.
FOLDER/sandbox/image-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
Tokens: 8 in, 956 out; free, gpt-image-2 would have cost about $0.0287.
Note: Saved in FOLDER/sandbox, since this could not be written: WORK/fragile (Not a directory).\
""")
    assert len(bench.files()) == 1


async def test_nothing_but_the_pictures_is_left_behind(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL, n=2)
    assert bench.files() == sorted(str(path.relative_to(bench.folder)) for path in answer.paths)


async def test_an_answer_without_a_picture_leaves_nothing_behind(bench: Bench) -> None:
    bench.knobs.faults = [Fault("not_an_image")]
    await bench.refused("generate_image", prompt="a fox", size=SMALL)
    assert all("unread-" in name for name in bench.files())


@promise("Writing", "Nothing is overwritten.")
async def test_a_name_that_is_taken_is_never_written_over(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two processes may name their pictures in the same second; here even their random part is the same at first."""
    really = secrets.token_hex
    same = ["c0ffee"] * 4

    def token_hex(size: int | None = None) -> str:
        return same.pop() if size == 3 and same else really(size)

    monkeypatch.setattr(secrets, "token_hex", token_hex)
    answers = [await bench.made("generate_image", prompt=f"fox {number}", size=SMALL) for number in range(4)]
    assert same == []
    for answer in answers:
        assert hashlib.sha256(answer.path.read_bytes()).hexdigest() == answer.report["images"][0]["sha256"]
    assert len(bench.files()) == 4


# What is said.


async def test_the_answer_says_what_was_made_where_it_is_and_what_it_cost(each_era: Bench) -> None:
    answer = await each_era.made("generate_image", prompt="a red fox", size=SMALL, quality="low")
    assert folded(each_era.plain(answer.text)) == snapshot("""\
Made: 1 picture by the built-in sandbox in place of gpt-image-2, 1024x640, quality low, PNG, N
bytes.
FOLDER/sandbox/image-TIME-HEX.png
The picture is shown at 1024x640. To point at a part in `mask`: `box LEFT,TOP WIDTHxHEIGHT of
1024x640`.
Tokens: 9 in, 107 out; free, gpt-image-2 would have cost about $0.0033.\
""")


async def test_the_text_names_the_absolute_path_of_every_file(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, n=3, output_dir="out")
    for path in answer.paths:
        assert path.is_absolute()
        assert str(path) in answer.text.splitlines()


async def test_a_picture_for_each_file_stands_behind_the_text(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, n=2)
    assert [picture.mime_type.partition("/")[0] for picture in answer.pictures] == ["image", "image"]
    assert all(picture.data for picture in answer.pictures)


async def test_the_report_for_programs_has_its_fields(bench: Bench) -> None:
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL, quality="low", output_format="webp")
    stem = answer.path.stem
    assert answer.report == {
        "model": "gpt-image-2",
        "prompt": "a red fox",
        "requested": {"size": SMALL, "quality": "low", "n": 1, "format": "webp", "background": "auto"},
        "applied": {"size": SMALL, "quality": "low", "n": 1, "format": "webp", "background": "opaque"},
        "inputs": [],
        "images": [
            {
                "id": stem,
                "file_path": str(answer.path),
                "filename": f"{stem}.webp",
                "mime_type": "image/webp",
                "size_bytes": answer.path.stat().st_size,
                "width": 1024,
                "height": 640,
                "sha256": hashlib.sha256(answer.path.read_bytes()).hexdigest(),
            }
        ],
        "usage": {
            "input_tokens": 9,
            "input_tokens_details": {"text_tokens": 9, "image_tokens": 0},
            "output_tokens": 107,
            "output_tokens_details": {"image_tokens": 107, "text_tokens": 0},
            "total_tokens": 116,
        },
        "cost_usd_estimated": 0.003255,
        "request_id": IsStr(regex="req_[0-9a-f]{32}"),
        "warnings": [],
        "sandbox": True,
    }


async def test_several_pictures_are_paid_for_and_counted_together(bench: Bench) -> None:
    one = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    three = await bench.made("generate_image", prompt="a red fox", size=SMALL, n=3)
    assert three.report["usage"]["output_tokens"] == 3 * one.report["usage"]["output_tokens"]
    assert three.report["requested"]["n"] == three.report["applied"]["n"] == 3


async def test_the_cost_is_that_of_the_published_token_prices(bench: Bench) -> None:
    """$5 a million text tokens, $8 image in, $30 out: https://developers.openai.com/api/docs/pricing, 2026-11-22."""
    answer = await bench.made("generate_image", prompt="a red fox", size="1024x1024", quality="low")
    usage = answer.report["usage"]
    assert usage["output_tokens"] == 196
    cost = (Decimal(5) * usage["input_tokens"] + Decimal(30) * 196) / 1_000_000
    assert answer.report["cost_usd_estimated"] == float(cost)


async def test_what_came_is_told_where_it_is_not_what_was_asked_for(bench: Bench) -> None:
    bench.knobs.faults = [Fault("other_size", size=(1536, 1024))]
    answer = await bench.made("generate_image", prompt="a red fox", size=SMALL)
    assert answer.report["requested"]["size"] == SMALL
    assert answer.report["applied"]["size"] == "1536x1024"
    assert (answer.report["images"][0]["width"], answer.report["images"][0]["height"]) == (1536, 1024)
    assert answer.report["warnings"] == ["The API changed the size: asked for 1024x640, got 1536x1024."]
    assert answer.report["warnings"][0] in answer.text


async def test_dimensions_are_those_of_the_file_whatever_the_api_says(benches: Benches) -> None:
    backend = canned(encoded(size=(800, 600)), size="1024x1024", quality="high")
    bench = await benches.open(wrap=backend.wrap)
    answer = await bench.made("generate_image", prompt="a red fox", size="1024x1024", quality="low")
    assert answer.report["applied"]["size"] == "800x600"
    assert answer.report["warnings"] == [
        "The API changed the size: asked for 1024x1024, got 800x600.",
        "The API changed the quality: asked for low, got high.",
    ]


async def test_fewer_pictures_than_asked_for_are_told(benches: Benches) -> None:
    bench = await benches.open(wrap=canned(encoded()).wrap)
    answer = await bench.made("generate_image", prompt="a red fox", n=3)
    assert answer.report["applied"]["n"] == 1
    assert "The API made 1 of the 3 pictures that were asked for." in answer.text


USAGE = {
    "input_tokens": 7,
    "input_tokens_details": {"text_tokens": 7, "image_tokens": 0},
    "output_tokens": 196,
    "total_tokens": 203,
}


@pytest.mark.parametrize(
    ("model", "fields", "line"),
    [
        ("my-deployment", {"usage": USAGE}, "Tokens: 7 in, 196 out; cost unknown."),
        ("gpt-image-2", {}, "The API named no usage; cost unknown."),
        ("gpt-image-2", {"usage": USAGE}, "Tokens: 7 in, 196 out; cost about $0.0059."),
        ("gpt-image-2-2026-04-21", {"usage": USAGE}, "Tokens: 7 in, 196 out; cost about $0.0059."),
        ("gpt-image-2.6-flare", {"usage": USAGE}, "Tokens: 7 in, 196 out; cost about $0.0059."),
        (
            "gpt-image-2",
            {"usage": {"input_tokens": -1, "output_tokens": "many"}},
            "The API named no usage; cost unknown.",
        ),
    ],
)
async def test_a_cost_that_is_not_known_is_null_and_never_zero(
    benches: Benches, model: str, fields: dict[str, Any], line: str
) -> None:
    bench = await benches.open(wrap=canned(encoded(), **fields).wrap, GPT_IMAGE_2_MODEL=model)
    answer = await bench.made("generate_image", prompt="a red fox")
    assert line in answer.text.splitlines()
    known = "about" in line
    assert answer.report["cost_usd_estimated"] == (IsFloat(gt=0.005, lt=0.006) if known else None)


async def test_transparency_reaches_a_model_of_an_unknown_name(benches: Benches) -> None:
    backend = canned(encoded())
    other = await benches.open(wrap=backend.wrap, GPT_IMAGE_2_MODEL="my-deployment")
    await other.made("generate_image", prompt="a fox", background="transparent")
    assert backend.bodies == [{"model": "my-deployment", "prompt": "a fox", "background": "transparent"}]


async def test_a_transparent_picture_of_a_later_model_is_transparent_and_said_to_be(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_MODEL="gpt-image-2.5-flare")
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL, background="transparent")
    with Image.open(answer.path) as image:
        assert image.mode == "RGBA"
    assert "transparent background" in answer.text
    assert answer.report["applied"]["background"] == "transparent"


async def test_every_answer_of_the_sandbox_says_that_it_is_the_sandboxs(benches: Benches) -> None:
    bench = await benches.open(sandbox=True, OPENAI_API_KEY="")
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert "sandbox" in answer.text.splitlines()[0]
    assert answer.path.parent == bench.folder / "sandbox"
    assert answer.report["sandbox"] is True
    assert "sandbox" in await bench.refused("generate_image", prompt="moderation-blocked")


@pytest.mark.thorough
async def test_the_longest_answer_stays_short(benches: Benches) -> None:
    """Clients cut or refuse long answers, and a model pays for every one of them."""
    deep = "/".join(["d" * 60] * 6)
    bench = await benches.open(
        GPT_IMAGE_2_MODEL="m" * 200, wrap=canned(*[encoded("WEBP", (640, 640))] * 10, usage=USAGE).wrap
    )
    answer = await bench.made(
        "generate_image",
        prompt="f" * 32_000,
        size=SMALL,
        n=10,
        filename_prefix="p" * 200,
        output_dir=str(bench.working_dir / deep),
    )
    assert len(answer.text) < 8000
    for path in answer.paths:
        assert str(path) in answer.text


LONG = "y" * 100_000
FLOODS: dict[str, dict[str, Any]] = {
    "a long size": {"size": LONG},
    "a size with long spaces": {"size": f"1000{' ' * 100_000}x1000"},
    "a long folder": {"output_dir": LONG[:4000]},
    "a long number": {"n": 10**4000},
    "a long unknown name": {LONG: 1},
    "many unknown names": {f"name{number}": 1 for number in range(500)},
    "a long quality": {"quality": LONG},
    "many folders": {"output_dir": "/".join("ab" * 300)},
}


UNBOUNDED = ("a size with long spaces", "a long unknown name", "many unknown names")


@pytest.mark.parametrize(
    "arguments",
    [pytest.param(value, id=name) for name, value in FLOODS.items()],
)
async def test_the_longest_error_stays_short(bench: Bench, arguments: dict[str, Any]) -> None:
    assert len(await bench.refused("generate_image", prompt="a fox", **arguments)) < 8000


async def test_a_long_message_of_the_api_is_cut(bench: Bench) -> None:
    bench.knobs.faults = [Fault(status=400, message="word " * 20_000)]
    assert len(await bench.refused("generate_image", prompt="a fox")) < 8000


async def test_pictures_go_to_the_persons_own_folder_where_nobody_named_another(
    benches: Benches, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In Pictures, by project: the git root's name, or the working directory's."""
    bench = await benches.open(GPT_IMAGE_2_OUTPUT_DIR="")
    monkeypatch.setenv("HOME", str(bench.home))
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert answer.path.parent == bench.home / "Pictures" / "gpt-image-2" / "work" / "sandbox"
    (bench.working_dir.parent / ".git").mkdir()
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert answer.path.parent == bench.home / "Pictures" / "gpt-image-2" / bench.working_dir.parent.name / "sandbox"


async def test_a_relative_output_folder_of_the_settings_starts_at_the_working_directory(benches: Benches) -> None:
    bench = await benches.open(GPT_IMAGE_2_OUTPUT_DIR="art")
    answer = await bench.made("generate_image", prompt="a fox", size=SMALL)
    assert answer.path.is_relative_to(bench.working_dir / "art")


async def test_whoever_gives_up_waiting_does_not_lose_the_picture(bench: Bench) -> None:
    """A request that was sent is billed whether anybody waits or not."""
    bench.knobs.hold()
    with anyio.move_on_after(PATIENCE_S) as scope:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(bench.client.call_tool, "generate_image", {"prompt": "a fox", "size": SMALL})
            with anyio.fail_after(PATIENCE_S):
                await bench.knobs.wait_for(1)
            scope.cancel()
    assert bench.knobs.left == 0
    bench.knobs.release()
    with anyio.fail_after(PATIENCE_S):
        await bench.knobs.wait_for(1, what="paid")
        while not bench.folder.exists() or not [name for name in bench.files() if name.endswith(".png")]:
            await look_again()
