"""Draws a mixture of wishes from a seed: which tool, which answer, what the client does, how its server ends."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeVar

from .exchange import Route
from .kinds import KINDS

Tool = Literal["generate_image", "edit_image", "start_edit_session", "continue_edit_session"]

Action = Literal[
    "wait", "cancel", "cancel and repeat", "cancel as the answer comes", "repeat with a blank", "cancel the job"
]
"""What the client does with a call.

"wait": read its answer. "cancel": cancel it, and ask the next server again. "cancel and repeat": ask again at once.
"cancel as the answer comes": cancel while the answer is in the client's pipe, unread, and ask again. "repeat with a
blank": as "cancel and repeat", with a blank at the end of the prompt. "cancel the job": where the answer is a job's id,
`cancel_image_job`, and then fetch what came of it.
"""

Ending = Literal["idle", "stdin closed", "SIGTERM", "SIGHUP", "SIGKILL", "engine killed"]
"""How the server of a round ends. "idle": stdin is closed when every answer was read. The others come amid calls.

"engine killed": only the engine ends, the front starts another one, and the round goes on to its end in good order.
"""

Setting = Literal["plain", "partial images", "Responses", "budget", "short wait"]

SETTINGS: Mapping[Setting, Mapping[str, str]] = {
    "plain": {},
    "partial images": {"GPT_IMAGE_2_PARTIAL_IMAGES": "1"},
    "Responses": {"OPENAI_FORCE_RESPONSES_EDITS": "1"},
    "budget": {"GPT_IMAGE_2_BUDGET_PER_DAY_USD": "100000", "GPT_IMAGE_2_BUDGET_PER_CALL_USD": "50"},
    "short wait": {"GPT_IMAGE_2_MAX_WAIT_S": "0.3"},
}

WISHES = 25
"""In one round, side by side."""
CHATS = 2
"""Clients at the same time, each with one server after another; all of them share folders and database."""

NameT = TypeVar("NameT", bound=str)

_TOOLS: Mapping[Tool, int] = {
    "generate_image": 6,
    "edit_image": 2,
    "start_edit_session": 1,
    "continue_edit_session": 1,
}
_ACTIONS: Mapping[Action, int] = {
    "wait": 12,
    "cancel": 2,
    "cancel and repeat": 3,
    "cancel as the answer comes": 2,
    "repeat with a blank": 1,
    "cancel the job": 1,
}
_SETTINGS: Mapping[Setting, int] = {"plain": 3, "partial images": 3, "Responses": 1, "budget": 1, "short wait": 1}
_ENDINGS: Mapping[Ending, int] = {
    "idle": 4,
    "stdin closed": 2,
    "SIGTERM": 2,
    "SIGHUP": 2,
    "SIGKILL": 3,
    "engine killed": 3,
}


@dataclass(frozen=True)
class Wish:
    """One picture, or a few, that a person wants: paid at most once, however often the client asks."""

    id: str
    tool: Tool
    kind: str
    """The name of the answer's kind."""
    n: int = 1
    output_format: str = "png"
    action: Action = "wait"
    delay_s: float = 0.0
    """When the client gives up."""
    is_elsewhere: bool = False
    """The pictures go into another folder."""

    @property
    def prompt(self) -> str:
        """The prompt, by which the backend knows the wish."""
        return f"A small picture for wish-{self.id}"


@dataclass(frozen=True)
class Round:
    """The life of one server."""

    number: int
    setting: Setting
    ending: Ending
    after: int
    """After how many answers the ending comes, unless it is "idle"."""
    has_engine: bool
    """Whether the work is done in a process that outlives the one that the client has started."""
    wishes: Sequence[Wish]

    @property
    def kills_work(self) -> bool:
        """Whether the work under way ends with the server."""
        return self.ending == "engine killed" or (self.ending == "SIGKILL" and not self.has_engine)

    @property
    def variables(self) -> Mapping[str, str]:
        """The environment variables of the server."""
        return {**SETTINGS[self.setting], "GPT_IMAGE_2_ENGINE": "on" if self.has_engine else "off"}


@dataclass
class _Deck:
    """Deals the kinds of answers so that each comes up before one comes up again."""

    chance: random.Random
    kinds: list[str] = field(default_factory=list[str])

    def deal(self, *, n: int, stream: bool, route: Route, silent: bool) -> str:
        """The next kind that fits the request."""
        for _ in range(2):
            for name in self.kinds:
                if KINDS[name].fits(n=n, stream=stream, route=route, silent=silent):
                    self.kinds.remove(name)
                    return name
            self.kinds += self.chance.sample(sorted(KINDS), len(KINDS))
        raise AssertionError("no kind fits")


@dataclass(frozen=True)
class Plan:
    """What one chat does: its session's first turn, whose answer is right, and its rounds."""

    session: Wish
    rounds: Sequence[Round]

    @property
    def wishes(self) -> Sequence[Wish]:
        """All wishes."""
        return [self.session, *(wish for one in self.rounds for wish in one.wishes)]


def mixture(seed: int, calls: int) -> Sequence[Plan]:
    """The plans of the chats, with so many wishes in all their rounds."""
    chance = random.Random(seed)  # noqa: S311 - a test's mixture keeps no secret
    deck = _Deck(chance)
    # Each setting and each way to end comes up early, so that a short run meets them all.
    settings, endings = _spread(chance, _SETTINGS), _spread(chance, _ENDINGS)
    rounds: list[Round] = []
    for number in range(-(-calls // WISHES)):
        setting, ending = settings[number % len(settings)], endings[number % len(endings)]
        size = min(WISHES, calls - number * WISHES)
        wishes = [
            _wish(chance, deck, f"s{seed}r{number}k{at}", setting=setting, silent=ending == "SIGKILL" and at % 5 == 0)
            for at in range(size)
        ]
        heard = sum(wish.action == "wait" and KINDS[wish.kind].group != "silent" for wish in wishes)
        after = chance.randint(0, heard * 2 // 3)
        has_engine = bool(chance.getrandbits(1)) or ending == "engine killed"
        rounds.append(Round(number, setting, ending, after, has_engine, wishes))
    return [Plan(Wish(f"s{seed}c{chat}", "start_edit_session", "good"), rounds[chat::CHATS]) for chat in range(CHATS)]


def _spread(chance: random.Random, weights: Mapping[NameT, int]) -> list[NameT]:
    """All names in a random order, then the rest of them as often as their weights say."""
    rest = [name for name, weight in weights.items() for _ in range(weight - 1)]
    return [*chance.sample(sorted(weights), len(weights)), *chance.sample(rest, len(rest))]


def _wish(chance: random.Random, deck: _Deck, name: str, *, setting: Setting, silent: bool) -> Wish:
    tool = _drawn(chance, _TOOLS)
    several = tool in ("generate_image", "edit_image")
    n = chance.choice((1, 1, 1, 2, 3)) if several else 1
    route: Route = "generations"
    if tool != "generate_image":
        route = "responses" if setting == "Responses" else "edits"
    return Wish(
        name,
        tool,
        deck.deal(n=n, stream=setting == "partial images", route=route, silent=silent),
        n=n,
        output_format=chance.choice(("png", "png", "png", "jpeg", "webp")),
        action=_drawn(chance, _ACTIONS),
        delay_s=chance.uniform(0, 0.5),
        is_elsewhere=several and chance.random() < 0.15,
    )


def _drawn(chance: random.Random, weights: Mapping[NameT, int]) -> NameT:
    return chance.choices(list(weights), list(weights.values()))[0]
