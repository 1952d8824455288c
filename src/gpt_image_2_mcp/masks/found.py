"""Masks that name what they mark: `find the red car`, which a model with eyes turns into a box."""

import re
from collections.abc import Awaitable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from ..errors import BadRequest, shown

MAX_WORDS: Final = 300
_BEGINNING: Final = re.compile(r"\s*(?:everything\s+but\s+)?find\s", re.IGNORECASE)
_FIND: Final = re.compile(
    r"\s*(?P<inverted>everything\s+but\s+)?find\s+(?P<words>\S.*?)"
    r"(?P<tail>(?:\s+(?:grow|feather)\s+\d+(?:\.\d+)?\s*%?(?:\s*px)?)*)\s*",
    re.IGNORECASE | re.DOTALL,
)
_ALL_BUT: Final = re.compile(
    r"\s*(?:everything|all|anything)\s+(?:but|except(?:\s+for)?|besides|apart\s+from|other\s+than)\s+", re.IGNORECASE
)
_FILE: Final = re.compile(r"\.[a-z]{3,4}\s*\Z", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a mask names."""

    words: str
    is_inverted: bool
    tail: str
    """What stands behind: `grow` and `feather`."""

    def shape(self, box: str) -> str:
        """The mask in words, with the `box` in which the thing was found."""
        return f"{'everything but ' if self.is_inverted else ''}{box}{self.tail}"


@dataclass(frozen=True, slots=True)
class Place:
    """Where something was found."""

    label: str
    """The host model's words, in quotes."""
    box: str
    """In the words of a mask, in a frame of 1000."""
    sure: float
    """0 to 1."""


@dataclass(frozen=True, slots=True)
class Search:
    """What a search has found, and who looked."""

    places: Sequence[Place]
    by: str
    """The model that looked, and what that cost, to stand behind "found by"."""


class Locator(Protocol):
    """Looks for something in a picture, for money."""

    def __call__(self, words: str, picture: bytes, sha256: str) -> Awaitable[Search]:
        """Look for `words` in the bytes of a picture that has this hash.

        Raises:
            GptImageError: nobody could look: a budget or the settings forbid it, or the request failed.
        """
        ...


def parse_find(text: str) -> Wanted | None:
    """What a mask of the form `find …` names; None for any other.

    Raises:
        BadRequest: it has too many words.

    """
    if not _BEGINNING.match(text) or _FILE.search(text):
        return None
    # First: the time that `_FIND` takes grows with the square of the length.
    if len(text) > MAX_WORDS:
        raise BadRequest(f"`find` in the mask takes at most {MAX_WORDS} characters; got {len(text):,}.")
    found = _FIND.fullmatch(text)
    if found is None:
        return None
    return Wanted(" ".join(found["words"].split()), bool(found["inverted"]), found["tail"])


def suggest_find(text: str) -> str:
    """How to have a model look for what a text names that is neither a shape nor a picture."""
    if re.fullmatch(r"(?:the\s+)?background", text.strip(), re.IGNORECASE):
        return "everything but find the main subject"
    inverted, words = _ALL_BUT.match(text), _ALL_BUT.sub("", " ".join(text.split()))
    if words.lower() == "find":
        words = "the red car"
    return f"{'everything but ' if inverted else ''}find {words}"


def found_note(place: Place, shape: str) -> str:
    """A sentence on what was found, with the words that mark it again for nothing."""
    return f" Found {place.label}, {place.sure:.0%} sure; the same mask without looking again: `{shape}`."


def choose(wanted: Wanted, search: Search) -> Place:
    """The one place that was found.

    Raises:
        BadRequest: there is none, or there are several; they are listed with their boxes.

    """
    what = shown(wanted.words)
    if not search.places:
        raise BadRequest(
            f"{what} was not found in the picture by {search.by}. Look at it with show_image, and name what is there,"
            " or give the part as a shape, such as `box 120,40 300x200`."
        )
    if len(search.places) > 1:
        listed = "; ".join(f"{place.label}: `{place.box}` ({place.sure:.0%} sure)" for place in search.places)
        raise BadRequest(
            f"{what} was found {len(search.places)} times in the picture by {search.by}: {listed}. Give the box that is"
            " meant as `mask`, or several joined with ` + `, or say which one, such as `find the left one …`."
        )
    return search.places[0]
