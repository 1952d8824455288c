"""Answers with a status of 2xx whose body is not what OpenAI sends: wrappings, formats, token counts."""

import base64
import json
import os
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from .exchange import Answer, Exchange
from .kind import Kind
from .pictures import picture, vector


def _plain(data: bytes) -> str:
    return base64.b64encode(data).decode()


def _encoded(encode: Callable[[bytes], str]) -> Answer:
    """The base64 written in another way."""
    return lambda x: x.answer(x.json(encode))


def _lines(data: bytes, *, end: str) -> str:
    text = _plain(data)
    return end.join(text[place : place + 76] for place in range(0, len(text), 76))


def _around(before: bytes = b"", after: bytes = b"") -> Answer:
    """Bytes that do not belong there before or after the JSON."""
    return lambda x: x.answer(before + x.json() + after)


def _typed(kind: str | None) -> Answer:
    """Another content type."""
    return lambda x: x.answer(x.json(), kind)


def _wrapped(wrap: Callable[[Exchange, list[str]], Any]) -> Answer:
    """Another JSON: `wrap` gets the pictures' base64."""
    return lambda x: x.answer(json.dumps(wrap(x, [_plain(data) for data in x.pictures])).encode())


def _data(rows: Callable[[list[str]], Any]) -> Answer:
    """Another `data`."""
    return _wrapped(lambda x, texts: {"created": 1, "data": rows(texts), "usage": x.usage()})


def _rows(texts: list[str]) -> list[dict[str, Any]]:
    return [{"b64_json": text} for text in texts]


def _usage(usage: Any) -> Answer:
    """Another `usage`."""
    return lambda x: x.answer(
        x.json(usage=usage) if x.route != "responses" else x.json(tool_usage={"image_gen": usage})
    )


def _tokens(**counts: Any) -> Answer:
    def answer(x: Exchange) -> None:
        _usage(x.usage() | counts)(x)

    return answer


def _of(make: Callable[[str], bytes]) -> Answer:
    """Other pictures than were asked for."""

    def answer(x: Exchange) -> None:
        x.pictures = [make(f"{x.label} {number}") for number in range(x.n)]
        x.answer(x.json())

    return answer


def _cut_picture(label: str, *, kind: str) -> bytes:
    return picture(label, kind)[:-40]


def _escaped(x: Exchange) -> None:
    x.answer(x.json().replace(b"/", b"\\/"))


def _doubled(x: Exchange) -> None:
    x.answer(x.json().replace(b"{", b'{"created": 1, "created": 2, ', 1))


def _not_a_number(x: Exchange) -> None:
    x.answer(x.json().replace(b"{", b'{"speed": NaN, "most": Infinity, ', 1))


def _bare(x: Exchange) -> None:
    x.pictures = x.pictures[:1]
    x.answer(x.pictures[0], "image/png")


def _unasked_stream(x: Exchange) -> None:
    x.pictures = x.pictures[:1]
    x.answer(b"".join(x.events()), "text/event-stream")


def _linked(x: Exchange, *, base: str) -> None:
    """The pictures by address; they count as sent when they were fetched."""
    rows: list[dict[str, str]] = []
    for number, data in enumerate(x.pictures):
        path = f"/pictures/{x.label.replace(' ', '-')}-{number}.png"
        x.links[path] = (x.bill, data)
        rows.append({"url": base.format(address=x.address) + path})
    x.answer(json.dumps({"data": rows, "usage": x.usage()}).encode())


def _fewer(x: Exchange) -> None:
    x.pictures = x.pictures[:-1]
    x.answer(x.json())


def _more(x: Exchange) -> None:
    x.pictures = [*x.pictures, picture(f"{x.label} more")]
    x.answer(x.json())


def _equal(x: Exchange) -> None:
    x.pictures = x.pictures[:1] * x.n
    x.answer(x.json())


def _one_broken(x: Exchange) -> None:
    texts = [_plain(data) for data in x.pictures]
    x.pictures = x.pictures[:-1]
    x.answer(
        json.dumps({"data": [*_rows(texts[:-1]), {"b64_json": texts[-1][:101] + "!"}], "usage": x.usage()}).encode()
    )


def _said(content: Any, kind: str = "application/json", status: str = "200 OK") -> Answer:
    """An answer without a picture."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    return lambda x: x.answer(body, kind, status=status)


BODIES: Mapping[str, Kind] = {
    # Base64, written otherwise.
    "base64 in lines": Kind(_encoded(partial(_lines, end="\n")), "json"),
    "base64 in lines of Windows": Kind(_encoded(partial(_lines, end="\r\n")), "json"),
    "base64 with blanks": Kind(_encoded(partial(_lines, end=" ")), "json"),
    "base64 without padding": Kind(_encoded(lambda data: _plain(data).rstrip("=")), "json"),
    "base64 for URLs": Kind(_encoded(lambda data: base64.urlsafe_b64encode(data).decode()), "json"),
    "base64 for URLs without padding": Kind(
        _encoded(lambda data: base64.urlsafe_b64encode(data).decode().rstrip("=")), "json"
    ),
    "data URL": Kind(_encoded(lambda data: f"data:image/png;base64,{_plain(data)}"), "json"),
    "data URL with a charset": Kind(
        _encoded(lambda data: f"data:image/png;charset=utf-8;base64,{_plain(data)}"), "json"
    ),
    "escaped slashes": Kind(_escaped, "json"),
    # Around the JSON.
    "300 blanks before": Kind(_around(b" " * 300), "json"),
    "300 line ends before": Kind(_around(b"\r\n" * 150), "json"),
    "300,000 blanks before": Kind(_around(b" " * 300_000), "json"),
    "byte order mark before": Kind(_around(b"\xef\xbb\xbf"), "json"),
    "boundary after": Kind(_around(after=b"\n\n--x--\r\n"), "json"),
    "second JSON after": Kind(_around(after=b'\n{"ok": true}'), "json"),
    "NaN and Infinity": Kind(_not_a_number, "json"),
    "keys twice": Kind(_doubled, "json"),
    "text/plain": Kind(_typed("text/plain; charset=utf-8"), "json"),
    "octet-stream": Kind(_typed("application/octet-stream"), "json"),
    "no content type": Kind(_typed(None), "json"),
    # Another JSON.
    "images instead of data": Kind(_wrapped(lambda _, texts: {"images": _rows(texts)}), "images"),
    "output instead of data": Kind(
        _wrapped(lambda _, texts: {"output": [{"image": text} for text in texts]}), "images"
    ),
    "artifacts": Kind(_wrapped(lambda _, texts: {"artifacts": [{"base64": text} for text in texts]}), "images"),
    "a list at the top": Kind(_wrapped(lambda _, texts: _rows(texts)), "images"),
    "wrapped in a result": Kind(
        _wrapped(lambda _, texts: {"result": {"data": _rows(texts)}, "success": True}), "images"
    ),
    "data is an object": Kind(
        _data(
            lambda texts: _rows(texts)[0] if len(texts) == 1 else {str(at): row for at, row in enumerate(_rows(texts))}
        ),
        "images",
    ),
    "data is a list of texts": Kind(_data(lambda texts: texts), "images"),
    "image_url with a data URL": Kind(
        _data(lambda texts: [{"image_url": {"url": f"data:image/png;base64,{text}"}} for text in texts]), "images"
    ),
    "url with a data URL": Kind(
        _data(lambda texts: [{"b64_json": "", "url": f"data:image/png;base64,{text}"} for text in texts]), "images"
    ),
    "nulls between": Kind(_data(lambda texts: [None, *_rows(texts), None]), "images"),
    "error beside the pictures": Kind(
        _wrapped(lambda _, texts: {"error": {"message": "slow", "code": "slow"}, "data": _rows(texts)}), "images"
    ),
    "error is a text beside": Kind(_wrapped(lambda _, texts: {"error": "none", "data": _rows(texts)}), "images"),
    "the picture itself": Kind(_bare, "json"),
    "a stream that was not asked for": Kind(_unasked_stream, "images"),
    "links": Kind(partial(_linked, base="{address}"), "images"),
    "relative links": Kind(partial(_linked, base=""), "images"),
    # How many.
    "one picture less": Kind(_fewer, "images", least_n=2),
    "one picture more": Kind(_more, "images"),
    "equal pictures": Kind(_equal, "images", least_n=2),
    "the last one broken": Kind(_one_broken, "images", least_n=2),
    # What they are.
    "JPEG unasked": Kind(_of(partial(picture, kind="JPEG")), "json"),
    "WebP unasked": Kind(_of(partial(picture, kind="WEBP")), "json"),
    "GIF": Kind(_of(partial(picture, kind="GIF")), "json"),
    "AVIF": Kind(_of(partial(picture, kind="AVIF")), "json"),
    "TIFF": Kind(_of(partial(picture, kind="TIFF")), "json"),
    "BMP": Kind(_of(partial(picture, kind="BMP")), "json"),
    "SVG": Kind(_of(vector), "json"),
    "cut PNG": Kind(_of(partial(_cut_picture, kind="PNG")), "json"),
    "cut JPEG": Kind(_of(partial(_cut_picture, kind="JPEG")), "json"),
    "cut WebP": Kind(_of(partial(_cut_picture, kind="WEBP")), "json"),
    "no picture at all": Kind(_of(lambda _: os.urandom(900)), "json", is_kept_raw=True),
    # Token counts.
    "usage missing": Kind(_usage(None), "json"),
    "usage negative": Kind(_tokens(output_tokens=-5), "json"),
    "usage a fraction": Kind(_tokens(output_tokens=120.5), "json"),
    "usage a text": Kind(_usage("120"), "json"),
    "usage a list": Kind(_usage([120]), "json"),
    "usage of 10^15": Kind(_tokens(output_tokens=10**15), "json"),
    "usage of 10^30": Kind(_tokens(output_tokens=10**30), "json"),
    "usage without details": Kind(_tokens(input_tokens_details=None), "json"),
    # No picture.
    "200 and a web page": Kind(_said(b"<html><body>Sign in</body></html>", "text/html")),
    "200 and an error": Kind(_said({"error": {"message": "model overloaded", "code": "overloaded"}})),
    "200 and an error in words": Kind(_said({"error": "model overloaded"})),
    "200 and nothing": Kind(_said(b"")),
    "200 and no data": Kind(_said({"created": 1, "data": []})),
    "200 and null": Kind(_said(None)),
    "200 and a code": Kind(_said({"code": 500, "msg": "insufficient balance", "data": None})),
    "202 and a task": Kind(_said({"id": "task_1", "status": "pending"}, status="202 Accepted")),
    "204": Kind(lambda x: x.send(b"HTTP/1.1 204 No Content\r\n\r\n")),
    "empty base64": Kind(_encoded(lambda _: ""), "json"),
    "half a base64": Kind(_encoded(lambda data: _plain(data)[:101]), "json", is_kept_raw=True),
}
