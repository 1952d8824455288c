"""The knobs over HTTP, for a sandbox in a process of its own. Loopback callers only, no key.

- `GET /_sandbox/state`: the counters of `Knobs`.
- `GET /_sandbox/requests`: what came in, newest last; without keys, files as size and SHA-256.
- `POST /_sandbox/knobs`: `{"delay_s": 0.5, "hold": true, "faults": [{"kind": "error", "error": "server_error"}]}`, any
  of them; `faults` replaces those that wait, with the fields of `Fault`. Answers the state.
- `POST /_sandbox/release`: lets the held requests go. Answers the state.
"""

import ipaddress
import json

from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response

from .errors import ApiRefusal, Json, no_such_url, unknown
from .faults import Fault, fault_from_json
from .http import REFUSED_KEY
from .knobs import Knobs, recorded_json
from .pipeline import TRIGGERS
from .rules import is_object, refuse_type
from .state import state_of


async def about(request: Request) -> Response:
    """`GET /`: what this is, for a person who looks."""
    words = "\n".join(f"  {word:24}{name}" for word, name in TRIGGERS.items())
    return PlainTextResponse(
        f"The sandbox of gpt-image-2-mcp: OpenAI's image API without OpenAI.\n\n"
        f"OPENAI_BASE_URL={request.url.replace(path='/v1')}\n"
        f"OPENAI_API_KEY=anything ({REFUSED_KEY} is refused)\n\n"
        f"A prompt with one of these words brings an error:\n{words}\n\n"
        f"Knobs: GET /_sandbox/state, GET /_sandbox/requests, POST /_sandbox/knobs, POST /_sandbox/release\n"
    )


async def get_state(request: Request) -> Response:
    """`GET /_sandbox/state`."""
    return JSONResponse(_knobs(request).state())


async def get_requests(request: Request) -> Response:
    """`GET /_sandbox/requests`."""
    return JSONResponse([recorded_json(seen) for seen in _knobs(request).requests])


async def set_knobs(request: Request) -> Response:
    """`POST /_sandbox/knobs`."""
    knobs = _knobs(request)
    try:
        wish: Json = json.loads(await request.body())
    except ValueError as exc:
        raise ApiRefusal(400, f"No JSON: {exc}", code=None) from exc
    if not is_object(wish):
        raise refuse_type("body", wish, expected="an object")
    for name in wish:
        if name not in ("delay_s", "hold", "faults"):
            raise unknown(name)
    delay = wish.get("delay_s", knobs.delay_s)
    if isinstance(delay, bool) or not isinstance(delay, int | float) or delay < 0:
        raise refuse_type("delay_s", delay, expected="a number of seconds")
    faults = _faults(wish["faults"]) if "faults" in wish else knobs.faults
    knobs.delay_s = float(delay)
    knobs.faults = faults
    if "hold" in wish:
        (knobs.hold if wish["hold"] else knobs.release)()
    return JSONResponse(knobs.state())


async def release_held(request: Request) -> Response:
    """`POST /_sandbox/release`."""
    knobs = _knobs(request)
    knobs.release()
    return JSONResponse(knobs.state())


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
    """The knobs, for callers on this machine; for others the routes are not there."""
    host = request.client.host if request.client else ""
    if not (host and ipaddress.ip_address(host).is_loopback):
        raise no_such_url(request.method, request.url.path)
    return state_of(request).knobs
