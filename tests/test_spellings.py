"""The ways in which clients and models write a call: each of them means the call that the schema describes."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from patience import rounds
from valid_calls import SCHEMAS, arguments_of, parsed
from workbench import TOOLS, Bench

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.parameters.base import Request
from gpt_image_2_mcp.parameters.models import (
    ContinueSessionRequest,
    CostsRequest,
    EditRequest,
    ExportRequest,
    GenerateRequest,
    GetJobRequest,
    ListImagesRequest,
    ShowImageRequest,
    parse,
)
from gpt_image_2_mcp.parameters.normalize import OTHER_NAMES, similar_name

pytestmark = pytest.mark.anyio

NOTHING: list[object] = [None, "", " ", "null", "None", " NULL ", "undefined", [], [""], ["null"]]

IMAGES: list[tuple[object, list[str]]] = [
    ("a.png", ["a.png"]),
    ('["a.png"]', ["a.png"]),
    (' ["a.png", "b.png"] ', ["a.png", "b.png"]),
    ("['a.png', 'b.png']", ["a.png", "b.png"]),
    ([["a.png", "b.png"]], ["a.png", "b.png"]),
    (['["a.png", "b.png"]'], ["a.png", "b.png"]),
    (["a.png", "", None, "null"], ["a.png"]),
    ([{"path": "a.png"}, {"url": "https://example.com/b.png"}], ["a.png", "https://example.com/b.png"]),
    ([{"type": "image_url", "image_url": {"url": "data:image/png;base64,AAAA"}}], ["data:image/png;base64,AAAA"]),
    ({"file": "a.png"}, ["a.png"]),
    ('{"path": "a.png"}', ["a.png"]),
    ([{"id": "image-20261128-101500-0a1b2c"}], ["image-20261128-101500-0a1b2c"]),
    ([{"type": "resource_link", "uri": "gpt-image-2://pictures/x", "name": "x"}], ["gpt-image-2://pictures/x"]),
    ([{"type": "image", "data": "iVBORw0KGgo", "mimeType": "image/png"}], ["iVBORw0KGgo"]),
    (3, ["3"]),
    (3.0, ["3"]),
    ([3, "#4"], ["3", "#4"]),
    ("1, 2", ["1", "2"]),
    ("[draft] fox.png", ["[draft] fox.png"]),
    ("a.png, dir/b 2.JPG", ["a.png", "dir/b 2.JPG"]),
    ("a.png\nb.heic; last", ["a.png", "b.heic", "last"]),
    ('"a.png", "b.png",', ['"a.png"', '"b.png"']),
    ("Paris, 2024.png", ["Paris, 2024.png"]),
    (",", [","]),
    (["a.png,b.png"], ["a.png,b.png"]),
    ("data:image/png;base64,AAAA", ["data:image/png;base64,AAAA"]),
    ("https://example.com/a.png,b.png", ["https://example.com/a.png,b.png"]),
]


@pytest.mark.parametrize(("written", "meant"), IMAGES, ids=[str(written) for written, _ in IMAGES])
def test_a_list_of_pictures_is_understood_however_it_is_written(written: object, meant: list[str]) -> None:
    assert parse(EditRequest, {"prompt": "x", "images": written}).images == meant


@pytest.mark.parametrize("written", [7, "7", ["7"], {"id": "7"}, {"id": 7}, '{"id": "7"}'])
def test_one_picture_is_understood_however_it_is_written(written: object) -> None:
    assert parse(ShowImageRequest, {"image": written}).image == "7"
    assert parse(GenerateRequest, {"like": written}).like == "7"


NAMES: list[tuple[type[Request], dict[str, Any], dict[str, Any]]] = [
    (EditRequest, {"image": "a.png"}, {"images": ["a.png"]}),
    (EditRequest, {"image_path": "a.png", "images": []}, {"images": ["a.png"]}),
    (EditRequest, {"imageUrls": ["a.png"], "instruction": "x"}, {"images": ["a.png"], "prompt": "x"}),
    (EditRequest, {"image": "a.png", "images": ["a.png"]}, {"images": ["a.png"]}),
    (GenerateRequest, {"format": "webp", "name": "hero"}, {"output_format": "webp", "filename_prefix": "hero"}),
    (GenerateRequest, {"outputFormat": "webp", "Output-Dir": "x"}, {"output_format": "webp", "output_dir": "x"}),
    (GenerateRequest, {"num_images": 2}, {"n": 2}),
    (ShowImageRequest, {"path": "a.png"}, {"image": "a.png"}),
    (ShowImageRequest, {"images": ["last"]}, {"image": "last"}),
    (ShowImageRequest, {"image": "1,2"}, {"image": "1", "against": ["2"]}),
    (ShowImageRequest, {"images": ["a.png", "last", 3]}, {"image": "a.png", "against": ["last", "3"]}),
    (ContinueSessionRequest, {"id": "s", "turn": 2}, {"session_id": "s", "from_turn": 2}),
    (GetJobRequest, {"id": "job-1"}, {"job_id": "job-1"}),
    (ListImagesRequest, {"search": "fox", "after": "today"}, {"query": "fox", "since": "today"}),
]


@pytest.mark.parametrize(("request_type", "written", "meant"), NAMES, ids=[str(written) for _, written, _ in NAMES])
def test_other_usual_names_are_understood(
    request_type: type[Request], written: dict[str, Any], meant: dict[str, Any]
) -> None:
    needed = {"prompt": "a fox", "images": ["z.png"], "image": "z.png", "session_id": "s"}
    rest = {name: value for name, value in needed.items() if name in request_type.model_fields}
    rest = {name: value for name, value in rest.items() if name not in meant and name not in written}
    assert parse(request_type, rest | written) == parse(request_type, rest | meant)


def test_no_parameter_is_also_another_name_that_would_hide_it() -> None:
    for name, others in OTHER_NAMES.items():
        assert name not in others
        for schema in SCHEMAS.values():
            assert not {name} & set(schema["properties"]) or similar_name(name, schema["properties"]) == name


@pytest.mark.parametrize("nothing", NOTHING, ids=map(repr, NOTHING))
def test_a_value_that_says_nothing_counts_as_left_out(nothing: object) -> None:
    """Clients that make every parameter required can only make a call so."""
    for tool, schema in SCHEMAS.items():
        required: dict[str, object] = dict.fromkeys(schema.get("required", []), "x")
        if tool == "make_batch":
            required["items"] = ["x"]
        if "prompt" in schema["properties"]:
            required["prompt"] = "x"
        rest = {name: nothing for name in schema["properties"] if name not in {*required, "query"}}
        assert parsed(tool, required | rest) == parsed(tool, required)


def test_words_that_may_be_meant_are_not_taken_for_nothing() -> None:
    assert parse(GenerateRequest, {"prompt": "none"}).prompt == "none"
    assert parse(ListImagesRequest, {"query": "null"}).query == "null"


async def test_a_call_with_every_parameter_filled_in_makes_its_picture(bench: Bench) -> None:
    """What a client with strict schemas sends: `output_compression` cannot be left out there."""
    full: dict[str, Any] = dict.fromkeys(SCHEMAS["generate_image"]["properties"], "")
    full |= {"prompt": "a fox", "size": "1024x640", "n": 1, "output_format": "png", "output_compression": 0}
    made = await bench.made("generate_image", **full)
    assert "`output_compression` was ignored" in made.text
    assert "output_compression" not in bench.last().params


async def test_compression_counts_for_the_format_of_the_picture_in_like(bench: Bench) -> None:
    first = await bench.made("generate_image", prompt="a fox", size="1024x640", output_format="webp")
    (image,) = first.report["images"]
    again = await bench.made("generate_image", like=image["id"], output_compression=40)
    assert "ignored" not in again.text
    assert bench.last().params["output_compression"] == 40


def respell_name(draw: st.DrawFn, tool: str, name: str) -> str:
    """Another spelling of a parameter's name that means no other parameter of the tool."""
    properties = SCHEMAS[tool]["properties"]
    taken = {*properties, *(other for field in properties if field != name for other in OTHER_NAMES.get(field, ()))}
    others = [other for other in OTHER_NAMES.get(name, ()) if other not in taken]
    first, *rest = name.split("_")
    return draw(
        st.sampled_from([name, name.upper(), name.replace("_", "-"), first + "".join(map(str.title, rest)), *others])
    )


PICTURE_FORMS: list[Callable[[str], object]] = [
    lambda text: text,
    lambda text: f" {text}\n",
    lambda text: {"path": text},
    lambda text: {"type": "image_url", "image_url": {"url": text}},
    lambda text: json.dumps({"file": text}),
    lambda text: [text],
]
LIST_FORMS: list[Callable[[list[object]], object]] = [
    lambda items: items,
    lambda items: [items],
    json.dumps,
    lambda items: [json.dumps(items)],
    lambda items: [*items, ""],
    lambda items: items[0] if len(items) == 1 else items,
]


@pytest.mark.parametrize("tool", TOOLS)
@settings(max_examples=rounds(15, 40))
@given(data=st.data())
def test_a_valid_call_in_any_of_these_spellings_means_the_same_call(tool: str, data: st.DataObject) -> None:
    arguments = data.draw(arguments_of(tool))
    spelled: dict[str, Any] = {}
    for name, value in arguments.items():
        respelled = value
        if name == "images" or (tool, name) == ("export_image", "image"):
            items = [data.draw(st.sampled_from(PICTURE_FORMS[:5]))(item) for item in value]
            respelled = data.draw(st.sampled_from(LIST_FORMS))(items)
        elif name in {"image", "mask", "like"}:
            respelled = data.draw(st.sampled_from(PICTURE_FORMS))(value)
        spelled[data.draw(st.composite(respell_name)(tool, name))] = respelled
    for name in set(SCHEMAS[tool]["properties"]) - set(arguments):
        if data.draw(st.booleans()):
            nothing = NOTHING[:3] if name in {"prompt", "query"} else NOTHING
            spelled.setdefault(name, data.draw(st.sampled_from(nothing)))
    assert parsed(tool, spelled) == parsed(tool, arguments)


@pytest.mark.parametrize(
    ("request_type", "written", "meant"),
    [
        (GenerateRequest, {"prompt": ["a fox"]}, {"prompt": "a fox"}),
        (GenerateRequest, {"prompt": {"type": "text", "text": "a fox"}}, {"prompt": "a fox"}),
        (GenerateRequest, {"prompt": "x", "n": [2], "size": ["1024x640"]}, {"prompt": "x", "n": 2, "size": "1024x640"}),
        (GenerateRequest, {"prompt": "x", "model": "default"}, {"prompt": "x"}),
        (GenerateRequest, {"prompt": "x", "aspect": "4:5"}, {"prompt": "x", "size": "1024x1280"}),
        (ExportRequest, {"images": "last", "targets": "story; og"}, {"image": ["last"], "to": ["story", "og"]}),
        (ExportRequest, {"image": ["1", 2], "to": '["a4"]'}, {"image": ["1", "2"], "to": ["a4"]}),
        (ExportRequest, {"image": "7", "to": "story jpeg, og"}, {"image": ["7"], "to": ["story jpeg", "og"]}),
        (
            ExportRequest,
            {"image": "7", "to": "crop 1,2,3,4 100x100", "fit": "center"},
            {"image": ["7"], "to": ["crop 1,2,3,4 100x100"], "fit": "centre"},
        ),
        (GenerateRequest, {"prompt": "x", "model": " Auto "}, {"prompt": "x"}),
        (ContinueSessionRequest, {"session_id": "s", "back_to": "turn 2"}, {"session_id": "s", "from_turn": 2}),
        (ContinueSessionRequest, {"session_id": "s", "from_turn": "#2"}, {"session_id": "s", "from_turn": 2}),
        (
            ContinueSessionRequest,
            {"session": "gpt-image-2://sessions/s", "prompt": "x"},
            {"session_id": "s", "prompt": "x"},
        ),
        (ListImagesRequest, {"page": "page 3"}, {"page": 3}),
        (CostsRequest, {"images": ["a.png", "b.png"]}, {"inputs": 2}),
        (ShowImageRequest, {"image": "![fox](my fox.png)"}, {"image": "my fox.png"}),
        (ShowImageRequest, {"image": "<https://example.com/a.png>"}, {"image": "https://example.com/a.png"}),
        (ShowImageRequest, {"image": "a", "region": [0, 0, 9, 9]}, {"image": "a", "region": "0,0,9,9"}),
        (ShowImageRequest, {"image": "a", "region": "box 0,0 9x9"}, {"image": "a", "region": "0,0,9,9"}),
        (ShowImageRequest, {"image": {"name": "a.png"}}, {"image": "a.png"}),
        (GenerateRequest, {"prompt": "x", "output_format": "image/webp"}, {"prompt": "x", "output_format": "webp"}),
        (GenerateRequest, {"prompt": "x", "output_format": ".JPG"}, {"prompt": "x", "output_format": "jpeg"}),
        (GenerateRequest, {"prompt": "x", "file_name": "hero.webp"}, {"prompt": "x", "filename_prefix": "hero"}),
        (ShowImageRequest, {"image": "[draft](1).png"}, {"image": "[draft](1).png"}),
        (
            EditRequest,
            {"prompt": "x", "images": [{"type": "image", "source": {"type": "base64", "data": "iVBORw0KGgo"}}]},
            {"prompt": "x", "images": ["iVBORw0KGgo"]},
        ),
        (
            EditRequest,
            {"prompt": "x", "images": [{"inlineData": {"mimeType": "image/png", "data": "iVBORw0KGgo"}}]},
            {"prompt": "x", "images": ["iVBORw0KGgo"]},
        ),
        (
            EditRequest,
            {"prompt": "x", "images": {"file_data": {"file_uri": "file:///a.png"}}},
            {"prompt": "x", "images": ["file:///a.png"]},
        ),
    ],
    ids=str,
)
def test_what_a_careless_model_writes_is_understood(
    request_type: type[Request], written: dict[str, Any], meant: dict[str, Any]
) -> None:
    assert parse(request_type, written) == parse(request_type, meant)


@pytest.mark.parametrize("prompt", [["a", "b"], {"text": "a", "size": "b"}, {"text": 3}], ids=str)
def test_what_could_mean_several_things_is_refused(prompt: object) -> None:
    with pytest.raises(BadRequest, match="`prompt` must be a text"):
        parse(GenerateRequest, {"prompt": prompt})
