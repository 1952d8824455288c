"""The arguments of each prompt, which the user types into a form of the client. Few are required.

A `Literal` is a closed choice; `examples` are values that completion offers where any text is allowed.
"""

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, BeforeValidator, Field

from ...errors import shown
from ...parameters.size_names import NAMED_SIZES
from ...parameters.sizes import read_size
from .prompt import Arguments

SIZES = {
    "square": "1024x1024",
    "portrait": "1024x1536",
    "landscape": "1536x1024",
    "wide": "1536x864",
    "tall": "864x1536",
    "a4": "1120x1584",
}
"""The size in pixels behind each shape: 1:1, 2:3, 3:2, 16:9, 9:16, and 1:√2 upright as paper has it."""

MAX_TEXTS = 20
"""Exact texts in one argument."""
MAX_TEXT = 300
"""Characters of an exact text: a model spells a line, not a page."""


def _split_texts(typed: str) -> list[str]:
    texts = [text.strip() for text in re.split(r"[|\n]", typed) if text.strip()]
    if not 1 <= len(texts) <= MAX_TEXTS:
        raise ValueError(f"`texts` must be 1 to {MAX_TEXTS} texts separated by |; got {len(texts)}")
    longest = max(texts, key=len)
    if len(longest) > MAX_TEXT:
        raise ValueError(f"Each of `texts` must have at most {MAX_TEXT} characters; got {shown(longest)}")
    return texts


def size_of(shape: str) -> str:
    """What `size` is given for a shape."""
    return SIZES.get(shape, shape)


def _check_shape(typed: str) -> str:
    shape = typed.lower()
    if shape not in SIZES:
        read_size(shape, what="`shape`")
    return shape


Words = Annotated[str, Field(min_length=1, max_length=2000)]
ExactText = Annotated[str, Field(min_length=1, max_length=MAX_TEXT)]
ExactTexts = Annotated[list[str], BeforeValidator(_split_texts)]
Picture = Annotated[str, Field(min_length=1, max_length=4096)]
Shape = Annotated[
    str, AfterValidator(_check_shape), Field(examples=[*SIZES, *(name for name in NAMED_SIZES if name not in SIZES)])
]
Finish = Annotated[Literal["medium", "high"], BeforeValidator(str.lower)]
Scenes = Literal["2", "3", "4", "5", "6", "7", "8"]

SHAPES = "square, portrait, landscape, wide (16:9), tall (9:16), a4, or any size"
FINISHES = "of the finished picture: medium or high"


class ProductPhoto(Arguments):
    """What `product_photo` takes."""

    product: Annotated[Words, Field(description="what it is: kind, material, colours")]
    picture: Annotated[Picture | None, Field(description="photo of the product to go by: path, URL or picture id")] = (
        None
    )
    background: Annotated[
        Words,
        Field(
            description="what it stands on or before; default plain white",
            examples=["plain white", "light grey studio", "marble top", "wooden table", "outdoors in the sun"],
        ),
    ] = "plain white"
    text: Annotated[ExactText | None, Field(description="exact text on the product; default none")] = None
    style: Annotated[
        Words,
        Field(
            description="the look; default clean catalogue photo",
            examples=["clean catalogue photo", "dramatic side light", "lifestyle photo", "flat lay from above"],
        ),
    ] = "clean catalogue photo"
    shape: Annotated[Shape, Field(description=f"{SHAPES}; default square")] = "square"
    quality: Annotated[Finish, Field(description=f"{FINISHES} (default medium)")] = "medium"


class Infographic(Arguments):
    """What `infographic` takes."""

    topic: Annotated[Words, Field(description="what it explains")]
    texts: Annotated[ExactTexts, Field(description="every exact text, title first, separated by |")]
    style: Annotated[
        Words,
        Field(
            description="the look; default flat icons",
            examples=["flat icons", "hand-drawn sketch", "isometric", "scientific diagram", "bold colour blocks"],
        ),
    ] = "flat icons"
    shape: Annotated[Shape, Field(description=f"{SHAPES}; default portrait")] = "portrait"
    quality: Annotated[Finish, Field(description=f"{FINISHES} (default high, for small text)")] = "high"


class ConsistentCharacter(Arguments):
    """What `consistent_character` takes."""

    character: Annotated[Words, Field(description="face, hair, build, clothes, colours")]
    story: Annotated[Words, Field(description="what happens, or what each scene shows")]
    scenes: Annotated[Scenes, Field(description="how many, 2 to 8; default 4")] = "4"
    picture: Annotated[
        Picture | None, Field(description="picture of the character: path, URL or picture id; default: make one")
    ] = None
    style: Annotated[
        Words,
        Field(
            description="the look; default picture book watercolour",
            examples=["picture book watercolour", "comic with ink lines", "3D animation", "anime", "cinematic photo"],
        ),
    ] = "picture book watercolour"
    shape: Annotated[Shape, Field(description=f"{SHAPES}; default landscape")] = "landscape"
    quality: Annotated[Finish, Field(description="of the finished pictures: medium or high (default medium)")] = (
        "medium"
    )


class CarefulEdit(Arguments):
    """What `careful_edit` takes."""

    picture: Annotated[Picture, Field(description="the picture to edit: path, URL or picture id")]
    change: Annotated[Words, Field(description="what is to change")]
    keep: Annotated[Words, Field(description="what matters most to stay; default everything else")] = "everything else"
    text: Annotated[ExactText | None, Field(description="exact text that the change writes; default none")] = None
    reference: Annotated[
        Picture | None, Field(description="second picture that the change takes from: path, URL or picture id")
    ] = None
    mask: Annotated[
        Picture | None, Field(description="where to change: a shape like `box 120,40 300x200`, or a path or URL")
    ] = None
    quality: Annotated[Finish, Field(description=f"{FINISHES} (default medium)")] = "medium"


class Poster(Arguments):
    """What `poster` takes."""

    subject: Annotated[Words, Field(description="what it is for and shows")]
    headline: Annotated[ExactText, Field(description="the exact headline")]
    texts: Annotated[
        ExactTexts | None, Field(description="further exact texts (date, place), separated by |; default none")
    ] = None
    style: Annotated[
        Words,
        Field(
            description="the look; default modern graphic design",
            examples=["modern graphic design", "Bauhaus", "vintage travel", "screen print", "film poster", "minimal"],
        ),
    ] = "modern graphic design"
    shape: Annotated[Shape, Field(description=f"{SHAPES}; default portrait")] = "portrait"
    quality: Annotated[Finish, Field(description=f"{FINISHES} (default high, for small text)")] = "high"
