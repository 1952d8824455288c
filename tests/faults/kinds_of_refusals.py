"""Answers with a status of 3xx, 4xx or 5xx."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from .exchange import Answer, Exchange
from .kind import Kind

PAGE = b"<html><body><h1>nginx</h1></body></html>"


def _refused(status: str, *, headers: Sequence[str] = (), **error: Any) -> Answer:
    """Refuse each time."""
    return lambda x: x.refuse(status, {"message": "No.", "type": "invalid_request_error", **error}, headers=headers)


def _page(status: str) -> Answer:
    """A proxy's own page."""
    return lambda x: x.answer(PAGE, "text/html", status=status)


def _first(refuse: Answer, *, times: int = 1) -> Answer:
    """Refuse the first times, then make the picture."""

    def answer(x: Exchange) -> None:
        if x.attempt <= times:
            refuse(x)
        else:
            x.charge()
            x.good()

    return answer


def _limited(*headers: str, message: str = "Rate limit reached.") -> Answer:
    error = {"message": message, "type": "input-images", "code": "rate_limit_exceeded"}
    return lambda x: x.refuse("429 Too Many Requests", error, headers=headers)


def _failed(status: str) -> Answer:
    error = {"message": "The server had an error.", "type": "server_error", "code": "server_error"}
    return lambda x: x.refuse(status, error)


def _no_edits(x: Exchange, refuse: Answer) -> None:
    """A backend without `/images/edits`, which has the Responses API."""
    if x.route == "edits":
        refuse(x)
    else:
        x.charge()
        x.good()


def _beside_the_pictures(x: Exchange, status: str) -> None:
    """An error that has the pictures in it: they are made, and another try would make them again."""
    x.answer(x.json(), status=status, headers=["retry-after-ms: 20"])


_free = partial(Kind, is_billed=False)

REFUSALS: Mapping[str, Kind] = {
    "400": _free(_refused("400 Bad Request", code="invalid_value", param="size")),
    "400 moderation": _free(_refused("400 Bad Request", code="moderation_blocked", type="image_generation_user_error")),
    "401": _free(_refused("401 Unauthorized", code="invalid_api_key")),
    "402 and a page": _free(_page("402 Payment Required")),
    "403": _free(_refused("403 Forbidden", code="unsupported_country_region_territory")),
    "404 model": _free(_refused("404 Not Found", code="model_not_found")),
    "409": _free(_refused("409 Conflict", code="conflict")),
    "413 and a page": _free(_page("413 Request Entity Too Large")),
    "422 of FastAPI": _free(
        lambda x: x.answer(b'{"detail": [{"loc": ["body"], "msg": "no"}]}', status="422 Unprocessable")
    ),
    "no edits": _free(
        partial(_no_edits, refuse=_refused("404 Not Found", message="Invalid URL (POST /v1/images/edits)")), "edits"
    ),
    "no edits, and a page": _free(partial(_no_edits, refuse=_page("404 Not Found")), "edits"),
    "429 once, milliseconds": _free(_first(_limited("retry-after-ms: 40"))),
    "429 once, seconds": _free(_first(_limited("retry-after: 0"))),
    "429 once, words": _free(_first(_limited(message="Rate limit reached. Please try again in 30ms."))),
    "429 once, no wait": _free(_first(_limited())),
    "429 once, a date": _free(_first(_limited("retry-after: Wed, 21 Oct 2015 07:28:00 GMT"))),
    "429 once, negative": _free(_first(_limited("retry-after: -5"))),
    "429 once, NaN": _free(_first(_limited("retry-after: NaN"))),
    "429 twice": _free(_first(_limited("retry-after-ms: 40"), times=2)),
    "429 always": _free(_limited("retry-after-ms: 20")),
    "429 for an hour": _free(_limited("retry-after: 3600")),
    "429 no money": _free(_refused("429 Too Many Requests", code="insufficient_quota", type="insufficient_quota")),
    "500 of the API once": _free(_first(_failed("500 Internal Server Error"))),
    "503 of the API once": _free(_first(_failed("503 Service Unavailable"))),
    "500 of the API always": _free(_failed("500 Internal Server Error")),
    "500 and a page": Kind(_page("500 Internal Server Error")),
    "502 and a page": Kind(_page("502 Bad Gateway")),
    "503 and a page": Kind(_page("503 Service Unavailable")),
    "504 and a page": Kind(_page("504 Gateway Timeout")),
    "524 and a page": Kind(_page("524 A Timeout Occurred")),
    "429 beside the pictures": Kind(partial(_beside_the_pictures, status="429 Too Many Requests"), "json"),
    "400 beside the pictures": Kind(partial(_beside_the_pictures, status="400 Bad Request"), "json"),
    "302": _free(lambda x: x.answer(b"", "text/html", status="302 Found", headers=["location: /elsewhere"])),
    "308": _free(
        lambda x: x.answer(b"", "text/html", status="308 Permanent Redirect", headers=["location: /v1/images"])
    ),
}
