"""The rules for arguments: held against the sandbox's own statement of OpenAI's rules, and what a broken one says."""

from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from inline_snapshot import external_file, snapshot
from workbench import folded

from gpt_image_2_mcp.errors import BadRequest
from gpt_image_2_mcp.parameters.capabilities import check_model
from gpt_image_2_mcp.parameters.models import (
    ContinueSessionRequest,
    EditRequest,
    GenerateRequest,
    ListSessionsRequest,
    Request,
    parse,
)
from gpt_image_2_mcp.parameters.size_plan import nearest_size
from gpt_image_2_mcp.parameters.sizes import made_size
from gpt_image_2_mcp.sandbox.errors import ApiRefusal
from gpt_image_2_mcp.sandbox.rules import GENERATION, check_params, check_size


def our_size(text: str) -> str | None:
    """The size as our parameters read it, None where they refuse it."""
    try:
        return parse(GenerateRequest, {"prompt": "a fox", "size": text}).size
    except BadRequest:
        return None


def openai_takes(text: str) -> bool:
    try:
        check_size(text)
    except ApiRefusal:
        return False
    return True


def complaint(request: type[Request], arguments: dict[str, Any]) -> str:
    with pytest.raises(BadRequest) as refusal:
        parse(request, arguments)
    return str(refusal.value)


# Sizes that keep most rules, so that both sides of every rule come up.
edge = st.integers(0, 5000) | st.integers(0, 260).map(lambda steps: 16 * steps)
ALLOWED = [(w, h) for w in range(16, 3856, 16) for h in range(16, 3856, 16) if openai_takes(f"{w}x{h}")]


@settings(max_examples=400)
@given(width=edge, height=edge)
@example(1024, 640)  # exactly the fewest pixels
@example(3840, 2160)  # exactly the most
@example(3840, 1280)  # exactly 3:1
@example(1280, 3840)
@example(3856, 2144)
@example(1008, 640)
@example(0, 0)
def test_a_size_is_made_as_it_is_exactly_where_openai_makes_it(width: int, height: int) -> None:
    text = f"{width}x{height}"
    asked = our_size(text)
    assert (asked is not None and made_size(asked) == text) == openai_takes(text)
    assert asked is None or openai_takes(made_size(asked))


@settings(max_examples=100)
@given(size=st.sampled_from(ALLOWED), space=st.sampled_from(["", " ", "\t"]), cross=st.sampled_from("xX×*"))
def test_spaces_and_capitals_in_a_size_are_forgiven(size: tuple[int, int], space: str, cross: str) -> None:
    width, height = size
    assert our_size(f"{space}{width}{space}{cross}{space}{height}{space}") == f"{width}x{height}"


@pytest.mark.parametrize("written", ["auto", "AUTO", " Auto "])
def test_auto_is_a_size_however_it_is_written(written: str) -> None:
    assert our_size(written) == "auto"


@settings(max_examples=60)
@given(width=st.integers(0, 9999), height=st.integers(0, 9999))
@example(999_999, 1)
@example(0, 0)
@example(1000, 1000)
@example(4096, 4096)
@example(3508, 4961)
def test_the_size_nearest_to_another_is_allowed_and_has_the_asked_ratio(width: int, height: int) -> None:
    offered = nearest_size(width, height)
    assert offered in ALLOWED
    asked = min(max(max(width, 1) / max(height, 1), 1 / 3), 3)
    assert abs(offered[0] / offered[1] / asked - 1) < 0.04


@pytest.mark.parametrize(
    ("asked", "offered"),
    [
        ((3508, 4961), (2416, 3424)),
        ((2480, 3508), (2416, 3424)),
        ((6000, 4000), (3520, 2352)),
        ((3840, 2880), (3312, 2496)),
        ((1920, 1080), (1920, 1088)),
        ((180, 180), (816, 816)),
        ((4096, 4096), (2880, 2880)),
    ],
)
def test_a_size_beyond_the_limits_is_answered_with_one_of_its_shape(
    asked: tuple[int, int], offered: tuple[int, int]
) -> None:
    assert nearest_size(*asked) == offered


@settings(max_examples=100)
@given(size=st.sampled_from(ALLOWED))
def test_an_allowed_size_is_the_nearest_to_itself(size: tuple[int, int]) -> None:
    assert nearest_size(*size) == size


options = st.fixed_dictionaries(
    {"prompt": st.sampled_from(["a fox", "x", "f" * 32_000, "f" * 32_001])},
    optional={
        "n": st.integers(-1, 12),
        "size": st.sampled_from(["auto", "1024x640", "1000x1000", "3840x2160", "4000x2000"]),
        "quality": st.sampled_from(["auto", "low", "medium", "high", "xhigh", "max", "best"]),
        "background": st.sampled_from(["auto", "opaque", "transparent", "transparent-fine", "white"]),
        "output_format": st.sampled_from(["png", "jpeg", "webp", "gif"]),
        "output_compression": st.integers(-1, 101),
        "moderation": st.sampled_from(["auto", "low", "off"]),
    },
)


@settings(max_examples=300)
@given(arguments=options, model=st.sampled_from(["gpt-image-2", "gpt-image-2-2026-04-21", "gpt-image-2.5-flare"]))
def test_a_request_is_refused_here_exactly_where_openai_would_refuse_it(arguments: dict[str, Any], model: str) -> None:
    """Nothing is sent that would come back with an error, and nothing is withheld that OpenAI would make."""
    try:
        request = parse(GenerateRequest, arguments)
        check_model(model, request)
        ours = "taken"
        # The compression of a PNG is ignored.
        arguments = {**arguments, "output_compression": request.output_compression}
        arguments = {name: value for name, value in arguments.items() if value is not None}
        # A transparent background that the model does not make is cut out of a plain one.
        if request.background == "transparent-fine" or (request.background == "transparent" and "2.5" not in model):
            arguments.pop("background")
        # A size that the model does not make is cut out of one that it makes.
        if "size" in arguments:
            arguments["size"] = made_size(request.size)
    except BadRequest as error:
        ours = str(error)
    try:
        check_params({"model": model, **arguments}, known=GENERATION)
        theirs = "taken"
    except ApiRefusal as error:
        theirs = error.message
    assert (ours == "taken") == (theirs == "taken"), (ours, theirs)


def test_an_argument_that_is_null_counts_as_left_out() -> None:
    """Models fill in every parameter that they are shown, with null where they have nothing to say."""
    given = {"prompt": "a fox", "size": None, "n": None, "output_dir": None, "output_compression": None}
    assert parse(GenerateRequest, given) == parse(GenerateRequest, {"prompt": "a fox"})


@pytest.mark.parametrize(
    ("name", "written", "meant"),
    [
        ("quality", " HIGH ", "high"),
        ("output_format", "JPG", "jpeg"),
        ("background", "Opaque", "opaque"),
        ("moderation", "Low", "low"),
        ("n", "3", 3),
    ],
)
def test_what_a_model_writes_a_little_differently_is_understood(name: str, written: str, meant: object) -> None:
    assert getattr(parse(GenerateRequest, {"prompt": "a fox", name: written}), name) == meant


FOX = {"prompt": "a fox"}
BROKEN: dict[str, tuple[type[Request], dict[str, Any]]] = {
    "no prompt": (GenerateRequest, {}),
    "no prompt for a fine cut-out": (EditRequest, {"images": ["a.png"], "background": "transparent-fine"}),
    "an empty prompt": (GenerateRequest, {"prompt": ""}),
    "a blank prompt": (GenerateRequest, {"prompt": " \n "}),
    "a long prompt": (GenerateRequest, {"prompt": "f" * 32_001}),
    "a prompt that is a number": (GenerateRequest, {"prompt": 7}),
    "n of none": (GenerateRequest, {**FOX, "n": 0}),
    "n of many": (GenerateRequest, {**FOX, "n": 11}),
    "n in words": (GenerateRequest, {**FOX, "n": "three"}),
    "n and a half": (GenerateRequest, {**FOX, "n": 1.5}),
    "a size in words": (GenerateRequest, {**FOX, "size": "large"}),
    "a size that is misspelt": (GenerateRequest, {**FOX, "size": "stroy"}),
    "a size too large": (GenerateRequest, {**FOX, "size": "14000x12000"}),
    "a size too long": (GenerateRequest, {**FOX, "size": "20000x500"}),
    "paper too large": (GenerateRequest, {**FOX, "size": "a0@300"}),
    "a size of nothing": (GenerateRequest, {**FOX, "size": "0x0"}),
    "an unknown quality": (GenerateRequest, {**FOX, "quality": "ultra"}),
    "an unknown format": (GenerateRequest, {**FOX, "output_format": "gif"}),
    "an unknown background": (GenerateRequest, {**FOX, "background": "white"}),
    "an unknown moderation": (GenerateRequest, {**FOX, "moderation": "off"}),
    "compression beyond its range": (GenerateRequest, {**FOX, "output_format": "webp", "output_compression": 101}),
    "transparency in a JPEG": (GenerateRequest, {**FOX, "background": "transparent", "output_format": "jpeg"}),
    "no images": (EditRequest, FOX),
    "a list of no images": (EditRequest, {**FOX, "images": []}),
    "too many images": (EditRequest, {**FOX, "images": ["a.png"] * 17}),
    "an image that is empty": (EditRequest, {**FOX, "images": [""]}),
    "images that are an object": (EditRequest, {**FOX, "images": {"path": "a.png", "url": "b.png"}}),
    "a name that is nearly right": (GenerateRequest, {**FOX, "ouput_format": "webp"}),
    "another name beside the right one": (GenerateRequest, {**FOX, "output_format": "png", "format": "webp"}),
    "a long prefix": (GenerateRequest, {**FOX, "filename_prefix": "f" * 201}),
    "a long user": (GenerateRequest, {**FOX, "user": "u" * 129}),
    "no session": (ContinueSessionRequest, FOX),
    "n where there is one picture": (ContinueSessionRequest, {**FOX, "session_id": "session-1", "n": 2}),
    "an argument where there are none": (ListSessionsRequest, {"all": True}),
    "several at once": (GenerateRequest, {"size": "1x1", "n": 99, "quality": "best", "colour": "red"}),
}


def test_each_broken_rule_is_told_with_its_value_and_the_way_out() -> None:
    assert {case: complaint(*broken) for case, broken in BROKEN.items()} == external_file("texts/arguments.json")


def test_what_a_model_does_not_do_is_told_with_the_models_that_do() -> None:
    def told(model: str, **options: str) -> str:
        with pytest.raises(BadRequest) as refusal:
            check_model(model, parse(GenerateRequest, FOX | options))
        return str(refusal.value)

    assert folded(told("gpt-image-2", quality="max")) == snapshot("""\
`quality` 'max' is not available with gpt-image-2, which has low, medium and high.
gpt-image-2.5-sunburst and gpt-image-2.5-flare have xhigh and max: use 'high', or name one of them
in `model`.\
""")


@pytest.mark.parametrize(
    "model", ["gpt-image-2.5-flare", "gpt-image-2.6-sunburst", "my-azure-deployment", "gpt-image-9"]
)
@pytest.mark.parametrize("options", [{"background": "transparent"}, {"quality": "xhigh"}])
def test_a_model_that_does_it_or_that_nobody_knows_is_not_held_back(model: str, options: dict[str, str]) -> None:
    check_model(model, parse(GenerateRequest, FOX | options))


@settings(max_examples=50)
@given(
    arguments=st.dictionaries(
        st.sampled_from(["prompt", "size", "quality", "n", "output_dir", "user", "filename_prefix"]),
        st.integers(1000, 60_000).map(lambda length: "y" * length),
    )
)
def test_an_error_does_not_flood_the_chat_with_the_value_that_it_is_about(arguments: dict[str, Any]) -> None:
    text = ""
    try:
        parse(GenerateRequest, arguments)
    except BadRequest as error:
        text = str(error)
    assert len(text) < 8000
