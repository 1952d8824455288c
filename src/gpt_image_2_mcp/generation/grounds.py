"""The plain grounds that subjects are drawn on to be cut out of: their colours, and words that ask for them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True, slots=True)
class Key:
    """A colour for a ground that the subject should not have."""

    name: str
    code: str
    words: re.Pattern[str]
    """Words in a prompt that make such a colour likely in the subject, in a few languages."""


def _words(text: str) -> re.Pattern[str]:
    return re.compile("|".join(rf"\b{word}" for word in text.split()), re.IGNORECASE)


KEYS: Final = (
    Key(
        "magenta",
        "#FF00FF",
        _words(
            "magenta pink rosa rose rosy fuchsia purple violet violett lila lilac lavender mauve plum crimson"
            " raspberr berry berries beet lips? lipstick mouth blush flamingo piglet orchid peon cherry unicorn neon"
            " skin portrait face selfie morado púrpura viola 粉 紫 ピンク"
        ),
    ),
    Key(
        "cyan",
        "#00FFFF",
        _words(
            "cyan turquoise türkis teal aqua sky ocean sea water wave ice glacier glass blue blau bleu azul blu"
            " meer himmel mer ciel mar cielo mare peacock mermaid dolphin neon iceberg diamond 青 蓝 水"
        ),
    ),
    Key(
        "green",
        "#00FF00",
        _words(
            "green grün grüne vert verte verde lime leaf leaves plant tree grass moss fern frog lizard cactus"
            " avocado apple dragon parrot olive emerald jungle forest salad clover 绿 緑"
        ),
    ),
    Key(
        "blue",
        "#0000FF",
        _words(
            "blue blau bleu azul blu meer himmel mer ciel mar cielo mare navy sky ocean sea water denim jeans"
            " sapphire 蓝 青"
        ),
    ),
    Key(
        "yellow",
        "#FFFF00",
        _words("yellow gelb jaune amarillo giallo gold sun lemon banana bee sunflower blond lion 黄"),
    ),
)
"""In the order in which they are taken. Green first would be a habit: on a green subject it is a catastrophe."""
MAX_SHARE: Final = 0.01
"""The share of an input picture that a colour may take and still be a ground's."""

_IN_PLACE = "In place of any transparency or scenery, the background is one perfectly flat, even colour, pure"
_KEYED = (
    _IN_PLACE
    + " {name} {code}, up to every edge: no gradient, texture, floor, shadow, glow or reflection, and nothing of that"
    " colour on the subject. Leave room round the whole subject."
)
FIRST: Final = _IN_PLACE + " white #FFFFFF, up to every edge: no gradient, texture or scenery."
"""The first of two passes; a shadow of the subject may fall on it."""
SECOND: Final = (
    "Change only the background, from plain white to a plain pure black background #000000. Keep the subject exactly as"
    " it is and where it is: same place, size, outline, colours, light and transparency. Add no glow or reflection."
)
"""The whole prompt of the second pass."""
MAX_ADDED: Final = 400
"""Characters of what is added to a prompt, at the most."""


def choose_key(prompt: str, shares: Mapping[str, float]) -> Key:
    """The ground's colour for a prompt; `shares` says how much of an input picture has each colour, by its name.

    A colour that the prompt speaks of, or that the input has, is passed over; where all are, the rarest is taken.
    """
    free = [key for key in KEYS if not key.words.search(prompt)]
    for key in free:
        if shares.get(key.name, 0.0) <= MAX_SHARE:
            return key
    return min(free or KEYS, key=lambda key: (shares.get(key.name, 0.0), KEYS.index(key)))


def keyed_text(key: Key) -> str:
    """What is added to the prompt for a ground of a colour."""
    return _KEYED.format(name=key.name, code=key.code)
