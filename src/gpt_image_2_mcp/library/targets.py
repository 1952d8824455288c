"""The targets of an export, as people say them: `1080x1080`, `story jpeg`, `og webp 200kB`, `favicon`, `hero.webp`.

`read_target` takes the parts out of a text in any order: what is done to the picture first, the file's name, the most
bytes, the format, and what is left is the size.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, get_args

from ..errors import BadRequest, shown
from ..images.written_formats import WrittenFormat
from ..parameters.sizes import SizeWish, read_size
from ..parameters.validation import MAX_SENTENCES
from ..paths.plain_names import ALLOWED, is_plain, suggest_plain

FORMATS: Final[Sequence[str]] = get_args(WrittenFormat)
ICON_SETS: Final = {
    **dict.fromkeys(("favicon", "favicons"), "favicon"),
    **dict.fromkeys(("app icon", "app icons", "appicon", "appicons", "icon", "icons"), "app icon"),
}
_LARGEST: Final = {"ico": 256, "icns": 1024}
"""The edge of what is square, and no larger, where no size is said: a program asks for icons so."""
MAX_TARGET_TEXT: Final = 300
"""Characters of a target."""
EXAMPLES: Final = "1080x1080, story jpeg, og webp 200kB, favicon, app icon, a4@300 pdf, hero.webp 1920x1080"

_WORDS: Final = "(?a:png|jpe?g|webp|avif|tiff?|pdf|ico|icns)"
"""In ASCII: without regard to case, other scripts have letters that are equal to i, k and s."""
_ENDING: Final = rf"\.({_WORDS})"
_QUOTED: Final = re.compile(rf"[\"'`]([^\"'`]+{_ENDING})[\"'`]", re.IGNORECASE)
_FILE: Final = re.compile(rf"(?:^|(?<=\s))((?:\S*/)?[^\s/]+{_ENDING})(?=[\s,]|$)", re.IGNORECASE)
_LIMIT: Final = re.compile(
    r"(?:\b(?:under|below|max(?:imum)?|at most|up to|within)|[<≤]=?)?\s*\b([0-9]{1,12}(?:\.[0-9]{1,12})?)\s*(k|m)?i?"
    r"(?:b|bytes?)\b",
    re.IGNORECASE,
)
_NUMBER: Final = r"\s*([0-9]{1,6}(?:\.[0-9]+)?%?)\s*"
_CROP: Final = re.compile(
    rf"\bcrop\b{_NUMBER}[,\s]{_NUMBER}[,\s]{_NUMBER}[,\s]{_NUMBER}(?:\bof\s+([0-9]{{1,6}})(?:\s*[x×]\s*([0-9]{{1,6}}))?)?",
    re.IGNORECASE,
)
_SIDE: Final = r"(?:to\s+the\s+)?(left|ccw|counterclockwise|anticlockwise|right|cw|clockwise)\b"
_DEGREES: Final = r"(-?(?:90|180|270))\b(?:\s*(?:°|degrees?\b))?"
_ROTATE: Final = re.compile(
    rf"\brotated?\s+(?:by\s+)?(?:{_SIDE}\s+(?:by\s+)?)?{_DEGREES}(?:\s+{_SIDE})?"
    rf"|\brotated?\s+{_SIDE}",
    re.IGNORECASE,
)
_FLIP: Final = re.compile(r"\b(?:flip|mirror)(?:ped|ed)?(?:\s+(horizontal|vertical)(?:ly)?)?\b", re.IGNORECASE)
_STEP_WORD: Final = re.compile(r"\b(crop|rotate)", re.IGNORECASE)
_STEP_RULES: Final = {
    "crop": "a crop is said as `crop LEFT,TOP,RIGHT,BOTTOM of 1024x683`, in the size at which you saw the picture, or"
    " in shares such as `crop 0%,0%,50%,100%`",
    "rotate": "a picture is turned by 90, 180 or 270 degrees to the right, or `left`, as in `rotate 90 left`",
}
_RULES: Final = re.compile(r" (?:The names are|Examples of targets:) [^\n]*\Z")
"""What the refusals of a size all end with."""
_FORMAT: Final = re.compile(rf"(?:^|(?<=[\s.]))({_WORDS})(?=[\s,]|$)", re.IGNORECASE)
_OTHER_FORMAT: Final = re.compile(r"(?:\.|\b)(gif|bmp|svg|heic|heif|psd|eps|ai|jxl|jp2)\b", re.IGNORECASE)
_FILLERS: Final = re.compile(r"\b(?:as|at|to|a|an|the|size|file|format|named|called)\b|[,;]")
_FOLDER: Final = re.compile(
    r"(?<!\S)([^\s/\\]*[^\W\d][^\s/\\]*[/\\]\S*|[/~.]\S*[/\\]\S*)|\b(?:in|into|inside|under)\s+(?:the\s+)?(?:folder\s+)?([^\W\d]\S*)"
)
_WHOLE: Final = frozenset({"", "original", "full size", "same", "own"})


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to make of a picture."""

    text: str
    """As it was said."""
    size: SizeWish | None = None
    """None keeps the picture's own size."""
    icon_set: str | None = None
    kind: str | None = None
    """The format; None keeps the picture's own."""
    limit: int | None = None
    """The most bytes."""
    name: str | None = None
    """The exact name of the file."""
    folder: str = ""
    """The folder before that name, within the output folder."""
    steps: tuple[tuple[Any, ...], ...] = field(default_factory=tuple)
    """What is done first: ("crop", left, top, right, bottom, frame), ("rotate", degrees), ("flip", how)."""

    @property
    def shape(self) -> str:
        """What `size` of a new picture has its shape; empty if it keeps the picture's own."""
        size = self.size
        if size is None:
            return "1:1" if self.icon_set else ""
        return "{:g}:{:g}".format(*size.ratio) if size.ratio else size.text

    def as_dict(self) -> dict[str, Any]:
        """What the child process needs to know, as JSON."""
        size = self.size
        return {
            "size": [size.width, size.height] if size and not size.ratio else None,
            "ratio": list(size.ratio) if size and size.ratio else None,
            "dpi": size.dpi if size else None,
            "icon_set": self.icon_set,
            "most": _LARGEST.get(self.kind or "") if size is None else None,
            "limit": self.limit,
            "steps": [list(step) for step in self.steps],
        }


def read_targets(texts: Iterable[str]) -> list[Target]:
    """Read a list of targets; raises BadRequest with a line for each that `read_target` refuses, and the rules once."""
    targets: list[Target] = []
    wrong: list[str] = []
    rules = ""
    for text in dict.fromkeys(texts):
        try:
            targets.append(read_target(text))
        except BadRequest as error:
            found = _RULES.search(told := str(error))
            rules = max(rules, found[0].strip() if found else "", key=len)
            wrong.append(told[: found.start()] if found else told)
    if wrong:
        more = [f"… and {len(wrong) - MAX_SENTENCES} more."] if len(wrong) > MAX_SENTENCES else []
        raise BadRequest("\n".join([*wrong[:MAX_SENTENCES], *more, *([rules] if rules else [])]))
    return targets


def read_target(text: str) -> Target:
    """Read one target.

    Raises:
        BadRequest: it is none, or contradicts itself, or its file name is not plain.

    """
    what = f"The target {shown(text)}"
    if len(text) > MAX_TARGET_TEXT:
        raise BadRequest(f"{what} has {len(text):,} characters, and {MAX_TARGET_TEXT} are the most.")
    path, rest = _take_path(text.strip())
    steps, rest = _take_steps(rest, what)
    limit, rest = _take_limit(rest)
    kind = None
    if found := _FORMAT.search(rest):
        kind, rest = _format_of(found[1]), _without(rest, found)
    folder, _, name = path.replace("\\", "/").rpartition("/")
    if name:
        _check_name(name, what)
        ending = _format_of(name.rpartition(".")[2])
        if kind and kind != ending:
            raise BadRequest(f"{what} names a {ending} file and the format {kind}: leave one of them out.")
        kind = ending
    words = " ".join(_FILLERS.sub(" ", rest).split())
    is_plain_set = not (kind or limit or name) and words.lower() in ICON_SETS
    if is_plain_set:
        return Target(text, icon_set=ICON_SETS[words.lower()], steps=steps)
    if other := _OTHER_FORMAT.search(words):
        raise BadRequest(f"{what} asks for {shown(other[1])}; the formats are {', '.join(FORMATS)}.")
    size = None
    if words.lower() not in _WHOLE:
        try:
            size = read_size(words, what=f"{what}: its size")
        except ValueError as error:
            if folder := _FOLDER.search(rest):
                raise BadRequest(
                    f"{what} names the folder {shown(folder[1] or folder[2])}: that goes into `output_dir`, and `to`"
                    " says only what is made."
                ) from None
            raise BadRequest(f"{error}. Examples of targets: {EXAMPLES}.") from None
    return Target(text, size, None, kind, limit, name or None, folder, steps)


def says_edges(text: str, edges: str) -> bool:
    """Whether a target says its width and height itself."""
    return re.search(rf"(?<![0-9]){edges}(?![0-9])", re.sub(r"\s*[x×]\s*", "x", text.lower())) is not None


def same_name_text(first: str, second: Target, name: str) -> str:
    """Why nothing is made where a target, said as `first`, would write the same file as `second`, by its name."""
    said = shown(first)
    if first != second.text:
        return f"{said} and {shown(second.text)} would both be {name}: give each a file name of its own."
    if second.name:
        return f"{said} names one file, and there are several pictures: leave the name out, or export one a call."
    if second.icon_set:
        return f"The files of {said} have fixed names: export one picture a call, each into its own `output_dir`."
    return f"Two of the pictures would be {name}: export one a call, under a file name of its own."


def _without(text: str, found: re.Match[str]) -> str:
    return f"{text[: found.start()]} {text[found.end() :]}"


def _take_path(text: str) -> tuple[str, str]:
    """The file's name with the folders before it, which may be quoted, and the rest."""
    found = _QUOTED.search(text) or _FILE.search(text)
    return (found[1], _without(text, found)) if found else ("", text)


def _take_steps(text: str, what: str) -> tuple[tuple[tuple[Any, ...], ...], str]:
    """What is done to the picture first, in the order in which it is said."""
    steps: list[tuple[int, tuple[Any, ...]]] = []
    for pattern, step_of in ((_CROP, _crop), (_ROTATE, _rotate), (_FLIP, _flip)):
        while found := pattern.search(text):
            steps.append((found.start(), step_of(found, what)))
            # The places of the others stay.
            text = text[: found.start()] + " " * (found.end() - found.start()) + text[found.end() :]
    if wrong := _STEP_WORD.search(text):
        raise BadRequest(f"{what}: {_STEP_RULES[wrong[1].lower()]}.")
    return tuple(step for _, step in sorted(steps, key=lambda step: step[0])), text


def _take_limit(text: str) -> tuple[int | None, str]:
    """The most bytes: a kB has 1,000 of them."""
    found = _LIMIT.search(text)
    if found is None:
        return None, text
    each = {"": 1, "k": 1000, "m": 1_000_000}[(found[2] or "").lower()]
    return round(float(found[1]) * each), _without(text, found)


def _format_of(word: str) -> str:
    return {"jpg": "jpeg", "tif": "tiff"}.get(word.lower(), word.lower())


def _check_name(name: str, what: str) -> None:
    if not is_plain(name):
        raise BadRequest(
            f"{what}: a file cannot be called {shown(name)}, since its name is to be plain ({ALLOWED}). Call it"
            f" {shown(suggest_plain(name))}."
        )


def _crop(found: re.Match[str], what: str) -> tuple[Any, ...]:
    frame = [int(found[5]), int(found[6] or found[5])] if found[5] else None
    if frame and not all(frame):
        raise BadRequest(f"{what}: the frame of a crop has a width and a height.")
    numbers = [float(number[:-1]) / 100 if number.endswith("%") else float(number) for number in found.groups()[:4]]
    if any(number.endswith("%") for number in found.groups()[:4]):
        frame = [1, 1]
    if not (numbers[0] < numbers[2] and numbers[1] < numbers[3]):
        raise BadRequest(f"{what}: a crop is LEFT,TOP,RIGHT,BOTTOM, so that the third number is above the first.")
    return ("crop", *numbers, frame)


def _rotate(found: re.Match[str], _: str) -> tuple[Any, ...]:
    side = (found[1] or found[3] or found[4] or "right").lower()
    is_left = side not in {"right", "cw", "clockwise"}
    return ("rotate", int(found[2] or 90) * (-1 if is_left else 1))


def _flip(found: re.Match[str], _: str) -> tuple[Any, ...]:
    return ("flip", (found[1] or "horizontal").lower())
