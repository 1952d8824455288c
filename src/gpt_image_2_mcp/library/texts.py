"""Says which texts stand in a picture: what was read in it, against what should stand there.

Case, spaces and punctuation do not count. Where letters differ only by their accents, or the reader does not know a
letter, it cannot be told: accents are what readers get wrong most.
"""

import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from itertools import accumulate
from typing import Any, Final

from ..errors import BadRequest, ChildFailed, UnreadableSource, shorten_line
from ..images.ocr_extra import HOW_TO_GET, is_installed, read_in_child

MAX_TEXTS: Final = 20
MAX_JOINED: Final = 4
"""Lines that follow one another and may hold one text."""
MAX_SHOWN: Final = 80
"""Characters of a text in a sentence."""
MAX_OTHERS: Final = 8
_ALIKE: Final = 0.6
"""How much a reading has in common with a text, 0 to 1, to be taken for it."""


@dataclass(frozen=True, slots=True)
class Reading:
    """A line, or a few that follow one another, and where it stands: left, upper, width and height in pixels."""

    text: str
    box: tuple[int, int, int, int]
    lines: frozenset[int]

    @property
    def where(self) -> str:
        """The place, as a mask names it."""
        left, top, width, height = self.box
        return f"`box {max(left, 0)},{max(top, 0)} {width}x{height}`"


def check_texts(data: bytes, wanted: str) -> str:
    """Sentences about each of the texts in `wanted`, which "|" divides: whether it stands in a picture. Blocks.

    Raises:
        BadRequest: there is no text, there are too many, or the extra is not installed.
        UnreadableSource: the picture cannot be read.

    """
    texts = [text.strip() for text in wanted.split("|") if _plain(text)]
    if not texts or len(texts) > MAX_TEXTS:
        raise BadRequest(
            f"`text` names 1 to {MAX_TEXTS} texts that should stand in the picture, with | between: 'OPEN|SUMMER SALE'"
        )
    if not is_installed():
        raise BadRequest(
            f"Reading texts needs the extra `ocr`: {HOW_TO_GET}. A model that sees pictures reads them too."
        )
    try:
        found = read_in_child(data, texts)
    except (ValueError, ChildFailed) as error:
        raise UnreadableSource(f"The texts of the picture cannot be read: {error}.") from None
    return told(texts, found["lines"], frozenset(found["unknown"]))


def told(texts: Sequence[str], lines: Sequence[Mapping[str, Any]], unknown: frozenset[str]) -> str:
    """Say of each text whether it stands in the lines that were read; no letter of `unknown` is known to the reader."""
    readings = list(_readings(lines))
    used: set[int] = set()
    said: list[str] = []
    for text in texts:
        sentence, lines_of_it = _verdict(text, readings, unknown)
        said.append(sentence)
        used |= lines_of_it
    others = [_quoted(line["text"]) for number, line in enumerate(lines) if number not in used]
    if others:
        more = f" and {len(others) - MAX_OTHERS} more" if len(others) > MAX_OTHERS else ""
        said.append(f"Other text: {', '.join(others[:MAX_OTHERS])}{more}.")
    elif not lines:
        said.append("No text was found in the picture.")
    return " ".join(said)


def _verdict(text: str, readings: Sequence[Reading], unknown: frozenset[str]) -> tuple[str, frozenset[int]]:
    """The sentence about one text, and the numbers of the lines that it was found in."""
    name, plain = _quoted(text), _plain(text)
    for reading in readings:
        if _holds(reading.text, plain, _same):
            return f"{name}: stands there, at {reading.where}.", reading.lines
    for reading in readings:
        if _holds(reading.text, plain, _without_accents):
            sentence = f"{name}: could not tell, it reads {_quoted(reading.text)} at {reading.where}, which differs in"
            return f"{sentence} accents only.", reading.lines
    letters = "".join(letter for letter in dict.fromkeys(text) if letter in unknown)
    if any(map(str.isalpha, letters)):
        return f"{name}: could not tell, the reader does not know {shorten_line(letters, 20)}.", frozenset()
    near = max(readings, key=lambda reading: _likeness(plain, _plain(reading.text)), default=None)
    if near is not None and _likeness(plain, _plain(near.text)) >= _ALIKE:
        return f"{name}: does not stand there, it reads {_quoted(near.text)} at {near.where}.", near.lines
    return f"{name}: does not stand there.", frozenset()


def _readings(lines: Sequence[Mapping[str, Any]]) -> Iterator[Reading]:
    """Each line, then two that follow one another together, then three, and so on."""
    for count in range(1, MAX_JOINED + 1):
        for start in range(len(lines) - count + 1):
            part = lines[start : start + count]
            boxes = [line["box"] for line in part]
            left, top = (min(box[edge] for box in boxes) for edge in (0, 1))
            right, bottom = (max(box[edge] + box[edge + 2] for box in boxes) for edge in (0, 1))
            text = " ".join(line["text"] for line in part)
            yield Reading(text, (left, top, right - left, bottom - top), frozenset(range(start, start + count)))


def _holds(reading: str, plain: str, fold: Callable[[str], str]) -> bool:
    """Whether a text stands in a reading, from the beginning of a word to the end of one."""
    words = [fold(_plain(word)) for word in reading.split()]
    whole, wanted = "".join(words), fold(plain)
    edges = set(accumulate(map(len, words), initial=0))
    # In scripts without spaces every letter may begin a word.
    edges |= {at for at, letter in enumerate(whole) if unicodedata.category(letter) == "Lo"}
    edges |= {at + 1 for at, letter in enumerate(whole) if unicodedata.category(letter) == "Lo"}
    start = whole.find(wanted)
    while start >= 0:
        if start in edges and start + len(wanted) in edges:
            return True
        start = whole.find(wanted, start + 1)
    return False


def _same(text: str) -> str:
    return text


def _plain(text: str) -> str:
    """The letters and digits of a text, in one case, with their marks."""
    folded = unicodedata.normalize("NFC", unicodedata.normalize("NFKC", text).casefold())
    return "".join(letter for letter in folded if unicodedata.category(letter)[0] in "LNM")


def _without_accents(plain: str) -> str:
    return "".join(letter for letter in unicodedata.normalize("NFD", plain) if not unicodedata.combining(letter))


def _likeness(one: str, other: str) -> float:
    if not len(one) / 2 <= len(other) <= 2 * len(one):
        return 0.0
    return SequenceMatcher(None, one, other, autojunk=False).ratio()


def _quoted(text: str) -> str:
    return f"'{shorten_line(text, MAX_SHOWN)}'"
