"""What a kind of answer is."""

from dataclasses import dataclass
from typing import Literal

from .exchange import Answer, Exchange, Route

Group = Literal["any", "json", "images", "stream", "edits", "silent"]
"""Which requests a kind fits.

"any": every request. "json": every request, and the answer is no stream even where one was asked for. "images": as
"json", but not on the Responses route. "stream": a request for a stream. "edits": an edit on the images route.
"silent": every request; no answer comes, so it is for rounds that end with a kill.
"""


@dataclass(frozen=True)
class Kind:
    """One kind of answer."""

    answer: Answer
    group: Group = "any"
    is_billed: bool = True
    """Whether the request is billed before anything is answered; otherwise `answer` bills it, or it is free."""
    least_n: int = 1
    """How many pictures have to be asked for."""
    is_kept_raw: bool = False
    """There is nothing that can be told to be a picture: the body is kept as it came."""

    def reply(self, exchange: Exchange) -> None:
        """Answer; rightly where the request took another route than the plan foresaw."""
        is_foreign = exchange.route == "responses" and self.group in ("images", "stream")
        if is_foreign:
            exchange.good()
        else:
            self.answer(exchange)

    def fits(self, *, n: int, stream: bool, route: Route, silent: bool) -> bool:
        """Whether a request of this form can be answered so."""
        if n < self.least_n or (self.group == "silent") > silent:
            return False
        match self.group:
            case "any" | "json" | "silent":
                return True
            case "images":
                return route != "responses"
            case "stream":
                return stream and n == 1 and route != "responses"
            case "edits":
                return route == "edits"
