"""`Knobs` over HTTP, for a sandbox in a process of its own: for callers on the same machine only, without a key.

- `GET /_sandbox/state`: the controls and counters of `Knobs`.
- `GET /_sandbox/requests`: the recorded requests, newest last, without keys; of a file its size and SHA-256.
- `POST /_sandbox/knobs`: any of `{"delay_s": 0.5, "hold": true, "drift": "mild", "ground": "impure", "batch_s": 60,
  "batch_shuffled": false, "uncompressed": true, "advance_s": 3600, "faults": [{"kind": "error", "error":
  "server_error"}]}`; `faults` replaces the queue, each with the fields of `Fault`, and `advance_s` moves the clock
  forward. Answers the state.
- `POST /_sandbox/release`: lets the held requests go on. Answers the state.
"""

import ipaddress
import math

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response

from .drift import DRIFTS, Drift
from .errors import ApiRefusal, Json, JsonObject, no_such_url, unknown
from .faults import Fault, fault_from_json
from .grounds import GROUND_KINDS, GroundKind
from .http import REFUSED_KEY, JsonAnswer
from .knobs import Knobs, recorded_json
from .rules import is_object, parse_json, refuse_type
from .state import state_of
from .triggers import TRIGGERS

_KNOBS = ("delay_s", "hold", "faults", "drift", "ground", "batch_s", "batch_shuffled", "uncompressed", "advance_s")


async def about(request: Request) -> Response:
    """`GET /`: explain the sandbox to a person who opens its URL in a browser."""
    words = "\n".join(f"  {word:28}{trigger.meaning}" for word, trigger in TRIGGERS.items())
    origin = request.url.replace(path="")
    return PlainTextResponse(
        f"The sandbox of gpt-image-2-mcp: OpenAI's image API without OpenAI.\n\n"
        f"OPENAI_BASE_URL={request.url.replace(path='/v1')}\n"
        f"OPENAI_API_KEY=anything ({REFUSED_KEY} is refused)\n"
        f"In Azure's shapes: {request.url.replace(path='/openai/v1')}, or AZURE_OPENAI_ENDPOINT={origin}\n\n"
        f"It makes and edits pictures, also through the Responses and the Batch API. It has no chat completions or "
        f"variations.\n\n"
        f"A prompt with one of these words fails:\n{words}\n\n"
        f"Knobs: GET /_sandbox/state, GET /_sandbox/requests, POST /_sandbox/knobs, POST /_sandbox/release\n"
    )


async def get_state(request: Request) -> Response:
    """`GET /_sandbox/state`."""
    return JsonAnswer(_knobs(request).state())


async def get_requests(request: Request) -> Response:
    """`GET /_sandbox/requests`."""
    return JsonAnswer([recorded_json(recorded) for recorded in _knobs(request).requests])


async def set_knobs(request: Request) -> Response:
    """`POST /_sandbox/knobs`."""
    knobs = _knobs(request)
    if not request.headers.get("content-type", "").startswith("application/json"):
        # A web page can send every other type without being asked what it is.
        raise ApiRefusal(415, "The knobs are set with a body of the type application/json.", code=None)
    try:
        body = parse_json(await request.body())
    except ValueError as exc:
        raise ApiRefusal(400, f"No JSON: {exc}", code=None) from exc
    if not is_object(body):
        raise refuse_type("body", body, expected="an object")
    for name in body:
        if name not in _KNOBS:
            raise unknown(name)
    delay = _seconds(body, "delay_s", knobs.delay_s)
    batch_s = _seconds(body, "batch_s", knobs.batch_s)
    advance_s = _seconds(body, "advance_s", 0)
    batch_shuffled = _switch(body, "batch_shuffled", default=knobs.batch_shuffled)
    uncompressed = _switch(body, "uncompressed", default=knobs.uncompressed)
    faults = _faults(body["faults"]) if "faults" in body else knobs.faults
    named = body.get("drift", knobs.drift)
    drift: Drift | None = next((known for known in DRIFTS if known == named), None)
    if drift is None and named is not None:
        raise refuse_type("drift", named, expected=f"null or one of {', '.join(DRIFTS)}")
    wanted = body.get("ground", knobs.ground)
    ground: GroundKind | None = next((known for known in GROUND_KINDS if known == wanted), None)
    if ground is None:
        raise refuse_type("ground", wanted, expected=f"one of {', '.join(GROUND_KINDS)}")
    knobs.ground = ground
    knobs.delay_s = delay
    knobs.batch_s = batch_s
    knobs.batch_shuffled = batch_shuffled
    knobs.uncompressed = uncompressed
    knobs.advance(advance_s)
    knobs.faults = faults
    knobs.drift = drift
    if "hold" in body:
        (knobs.hold if body["hold"] else knobs.release)()
    return JsonAnswer(knobs.state())


async def release_held(request: Request) -> Response:
    """`POST /_sandbox/release`."""
    knobs = _knobs(request)
    knobs.release()
    return JsonAnswer(knobs.state())


def _seconds(body: JsonObject, name: str, default: float) -> float:
    value = body.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < math.inf:
        raise refuse_type(name, value, expected="a number of seconds")
    return float(value)


def _switch(body: JsonObject, name: str, *, default: bool) -> bool:
    value = body.get(name, default)
    if not isinstance(value, bool):
        raise refuse_type(name, value, expected="a boolean")
    return value


def _faults(value: Json) -> list[Fault]:
    if not isinstance(value, list):
        raise refuse_type("faults", value, expected="an array")
    faults: list[Fault] = []
    for index, item in enumerate(value):
        if not is_object(item):
            raise refuse_type(f"faults[{index}]", item, expected="an object")
        try:
            faults.append(fault_from_json(item))
        except (TypeError, ValueError) as exc:
            raise ApiRefusal(400, f"faults[{index}]: {exc}", code="invalid_value", param="faults") from exc
    return faults


def _knobs(request: Request) -> Knobs:
    """Return the knobs to a caller on this machine; for any other caller, raise the 404 of an unknown route."""
    host = request.client.host if request.client else ""
    if not (host and ipaddress.ip_address(host).is_loopback):
        raise no_such_url(request.method, request.url.path)
    return state_of(request).knobs
