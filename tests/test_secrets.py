"""The key and the prompt stay where they belong: not in a log, an error, a repr, a traceback, a report or a file."""

import base64
import logging
import re
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
import workbench
from fault_proxy import paying
from patience import PATIENCE_S
from promises import promise
from stdio_bench import Box, running
from workbench import SMALL, TOOLS, Bench, Benches, Canned, encoded, plain_arguments, said

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.errors import MAX_VALUE_SHOWN, GptImageError
from gpt_image_2_mcp.openai_api.backend import Backend
from gpt_image_2_mcp.openai_api.lazy_backend import LazyBackend
from gpt_image_2_mcp.openai_api.picture_pace import PicturePace
from gpt_image_2_mcp.openai_api.rate_limiter import RateLimiter
from gpt_image_2_mcp.openai_api.sanitize import MAX_SANITIZED
from gpt_image_2_mcp.parameters.models import GenerateRequest
from gpt_image_2_mcp.paths import denylist
from gpt_image_2_mcp.sandbox import Fault
from gpt_image_2_mcp.sandbox.errors import Json
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

pytestmark = pytest.mark.anyio

KEY = "sk-proj-Zq73hDpVt0LmXw9BsecretNotToBeShown"
PROMPT = "a heliotrope wyvern over Valparaiso"
DRAFT = {"prompt": PROMPT, "size": SMALL, "quality": "low"}

KEYS = {
    "OpenAI's": KEY,
    "Azure's": "0f1e2d3c4b5a69788796a5b4c3d2e1f0",
    "with dots": "sk-or.v1.9c2f.77aa.secret",
}
"""Whatever a person's backend calls a key."""


def hidden(text: str | bytes, key: str = KEY) -> bool:
    """Whether neither the key nor a long piece of it, plain or in base64, is in a text."""
    text = text.encode() if isinstance(text, str) else text
    pieces = {key[start : start + 12] for start in range(0, len(key) - 11, 4)}
    pieces |= {base64.b64encode(key.encode()).decode()[:12], key}
    return not any(piece.encode() in text for piece in pieces)


def everything_below(folder: Path) -> bytes:
    return b"".join(
        str(path).encode() + (path.read_bytes() if path.is_file() else b"") for path in sorted(folder.rglob("*"))
    )


# What the program says and writes, as a whole.

FAULTS: list[dict[str, Json]] = [
    {"kind": "error", "error": "invalid_api_key"},
    {"kind": "error", "error": "must_be_verified"},
    {"kind": "error", "error": "model_not_found"},
    {"kind": "error", "error": "moderation_blocked"},
    {"kind": "error", "error": "billing_hard_limit_reached"},
    {"kind": "error", "error": "insufficient_quota"},
    {"kind": "error", "error": "rate_limit_exceeded", "times": 3, "headers": {"retry-after-ms": "1"}},
    {"kind": "error", "error": "server_error", "times": 3, "headers": {"retry-after-ms": "1"}},
    {"kind": "error", "error": "no_such_route"},
    {"kind": "html", "status": 502},
    {"kind": "html", "status": 401},
    {"kind": "drop"},
    {"kind": "cut", "after": 100},
    {"kind": "not_an_image"},
    {"kind": "bad_base64"},
    {"kind": "empty_data"},
    {"kind": "url"},
]


LOUD = {"GPT_IMAGE_2_MCP_DEBUG": "1", "OPENAI_LOG": "debug", "PYTHONWARNINGS": "default", "PYTHONASYNCIODEBUG": "1"}
QUIET = {"GPT_IMAGE_2_MCP_DEBUG": "", "OPENAI_LOG": "debug"}


@promise("Secrets", "The key is in no log, error, file or database.")
@pytest.mark.parametrize("environ", [LOUD, QUIET], ids=["loud", "quiet"])
async def test_the_key_is_nowhere_whatever_goes_wrong(box: Box, environ: dict[str, str], tmp_path: Path) -> None:
    """One run through every failure of the backend, and everything that came out of the program or lies on the disk."""
    variables = {
        **environ,
        "OPENAI_API_KEY": KEY,
        "OPENAI_BASE_URL": box.url,
        "XDG_DATA_HOME": str(tmp_path),
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p"),
        "GPT_IMAGE_2_BUDGET_PER_DAY_USD": "5",
    }
    async with running(variables) as program:
        await program.greet()
        await program.answer(await program.call("generate_image", **DRAFT))
        (photo,) = await anyio.to_thread.run_sync(lambda: list(tmp_path.rglob("*.png")))
        for fault in FAULTS:
            await box.turn(faults=[fault])
            number = (
                await program.call("edit_image", **DRAFT, images=[str(photo)])
                if fault["kind"] == "drop"
                else await program.call("generate_image", **DRAFT)
            )
            answer = await program.answer(number)
            assert answer["isError"] or fault["kind"] == "url"
        for number in (
            await program.call("generate_image", prompt=PROMPT, size="1x1"),
            await program.call("edit_image", prompt=PROMPT, images=["no-such.png"]),
            await program.call("continue_edit_session", prompt=PROMPT, session_id="x"),
        ):
            assert (await program.answer(number))["isError"]
        await program.close_stdin()
        assert await program.ended() == 0
    assert hidden(b"\n".join(program.lines))
    assert hidden(program.stderr), program.stderr.decode()
    assert b"Traceback" not in program.stderr
    assert hidden(await anyio.to_thread.run_sync(everything_below, tmp_path))
    if environ is QUIET:
        for word in (b"heliotrope", b"Valparaiso"):
            assert word not in program.stderr
        assert b"iVBORw0KGgo" not in program.stderr
        assert b"HTTP" not in program.stderr, "OPENAI_LOG is the SDK's, and says more with other versions of it"


async def test_a_message_that_cannot_be_read_is_not_logged_with_its_prompt(tmp_path: Path) -> None:
    """What a client sent was meant for the program, and stderr is kept in a file by most clients."""
    variables = {"XDG_DATA_HOME": str(tmp_path), "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p")}
    async with running(variables, "--sandbox") as program:
        await program.greet()
        assert program.process.stdin is not None
        for line in (
            f'{{"jsonrpc": "2.0", "id": 900, "method": "tools/call", "params": "{PROMPT}"}}',
            f'{{"jsonrpc": "2.0", "id": 901, "method": "tools/call", "params": {{"name": 7, "x": "{PROMPT}"}}}}',
            f'{{"jsonrpc": "2.0", "id": 902, "method": "tools/call", "params": {{"arguments": {{"prompt": "{PROMPT}',
            f'{{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": "{PROMPT}"}}',
            f'{{"jsonrpc": "2.0", "method": "notifications/cancelled", "params": {{"requestId": ["{PROMPT}"]}}}}',
        ):
            await program.process.stdin.send(line.encode() + b"\n")
        await program.answer(await program.call("generate_image", **DRAFT))
        await program.close_stdin()
        assert await program.ended() == 0
    assert b"heliotrope" not in program.stderr


async def test_with_debugging_what_happens_is_said(tmp_path: Path) -> None:
    variables = {
        "XDG_DATA_HOME": str(tmp_path),
        "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path / "p"),
        "GPT_IMAGE_2_MCP_DEBUG": "1",
    }
    async with running(variables, "--sandbox") as program:
        await program.greet()
        prompt = f"{PROMPT} {'and so on ' * 500}"
        await program.answer(await program.call("generate_image", **{**DRAFT, "prompt": prompt}))
        await program.close_stdin()
        assert await program.ended() == 0
    assert b"ended: done" in program.stderr
    assert max(map(len, program.stderr.splitlines())) < 500, "a prompt that is logged is shortened"


# A backend that repeats what it was sent.


def echoes(key: str) -> dict[str, Callable[[httpx2.Request], httpx2.Response]]:
    """Answers of proxies and gateways that hold the request's own header."""
    header = f"Bearer {key}"
    picture = base64.b64encode(encoded()).decode()

    def error(status: int, **fields: Any) -> httpx2.Response:
        body = {"message": "No.", "type": "invalid_request_error", "param": None, "code": None} | fields
        return httpx2.Response(status, json={"error": body})

    def fine(**fields: Any) -> httpx2.Response:
        return httpx2.Response(200, json={"created": 0, "data": [{"b64_json": picture}], **fields})

    return {
        "in the message": lambda _: error(401, message=f"Incorrect API key provided: {key}."),
        "where a message is cut": lambda _: error(400, message=f"{'y' * (MAX_SANITIZED - 22)}: {key}"),
        "where a value is cut": lambda _: error(400, param=f"{'y' * (MAX_VALUE_SHOWN - 22)}: {key}"),
        "without its end": lambda _: error(401, message=f"Incorrect API key provided: {key[:20]}***."),
        "as a header in the message": lambda _: error(400, message=f"bad header Authorization: {header}"),
        "in the parameter": lambda _: error(400, param=key),
        "in the code": lambda _: error(400, code=key),
        "in the request id": lambda _: httpx2.Response(
            400, json={"error": {"message": "No."}}, headers={"x-request-id": key}
        ),
        "in a page": lambda _: httpx2.Response(
            200, text=f"Authorization: {header}", headers={"content-type": "text/x"}
        ),
        "in the kind of the content": lambda _: httpx2.Response(502, text="x", headers={"content-type": key}),
        "in the names of the fields": lambda _: httpx2.Response(200, json={"data": [{key: 1}]}),
        "in broken base64": lambda _: httpx2.Response(200, json={"data": [{"b64_json": f"{key}!"}]}),
        "in an address": lambda _: httpx2.Response(200, json={"data": [{"url": f"http://10.0.0.1/{key}?k={key}"}]}),
        "in the size": lambda _: fine(size=key),
        "in the quality": lambda _: fine(quality=key),
        "in the background": lambda _: fine(background=key),
        "in the moderation": lambda _: error(400, code="moderation_blocked", moderation_details={"categories": [key]}),
    }


async def told(root: Path, backend: httpx2.AsyncBaseTransport, key: str) -> str:
    """Everything that a call makes visible: the error with its causes, or the report; and the disk."""
    settings = Settings.read({"OPENAI_API_KEY": key, "GPT_IMAGE_2_OUTPUT_DIR": str(root / "p")})
    visible: list[str] = [repr(settings), str(settings)]
    with anyio.fail_after(PATIENCE_S):
        async with open_service(
            settings, transport=backend, working_dir=root, home=root, data_dir=root / "data"
        ) as service:
            job = service.start(GenerateRequest(prompt=PROMPT, size=SMALL, quality="low"))
            try:
                report = await service.wait(job)
            except GptImageError as error:
                visible += [str(error), repr(error), "".join(traceback.format_exception_only(error))]
            else:
                assert report is not None
                visible += [report.text(), repr(report), str(report.as_dict())]
            visible += [repr(job), repr(service)]
    kept = await anyio.to_thread.run_sync(everything_below, root)
    return "\n".join(visible) + kept.decode("latin-1")


LOOKED_THROUGH = {"in the message", "as a header in the message", "in the moderation"}
"""Where the API's own sentences are told, from which what looks like OpenAI's keys is taken out."""


@promise("Secrets", "No eight consecutive characters of it are in what is quoted from a backend.")
@pytest.mark.parametrize(
    ("whose", "where"),
    [
        *(("OpenAI's", where) for where in echoes("")),
        *(("Azure's", where) for where in echoes("")),
        *(("with dots", where) for where in sorted(LOOKED_THROUGH)),
    ],
)
async def test_a_key_that_a_backend_repeats_is_not_repeated(whose: str, where: str, tmp_path: Path) -> None:
    key = KEYS[whose]
    text = await told(tmp_path, Canned(echoes(key)[where]), key)
    assert hidden(text, key)


@pytest.mark.parametrize("tool", TOOLS)
async def test_a_key_that_a_call_was_given_is_in_no_error(bench: Bench, tool: str) -> None:
    """A person pastes it into the wrong place, and the error quotes what it refuses."""
    (schema,) = (each.parameters for each in all_tools() if each.name == tool)
    tried: list[dict[str, Any]] = [{workbench.KEY: "x"}, {"other": workbench.KEY}]
    tried += [{name: workbench.KEY} for name in schema["properties"]]
    answers = [await bench.call(tool, **{**plain_arguments(tool), **given}) for given in tried]
    texts = [said(answer) for answer in answers if answer.is_error]
    assert [text for text in texts if not hidden(text, workbench.KEY)] == []
    assert "[the key]" in texts[0]


# What a program's own author might print.


async def test_no_object_shows_the_key(benches: Benches, tmp_path: Path) -> None:
    settings = Settings.read({"OPENAI_API_KEY": KEY})
    connection = LazyBackend(settings, None, RateLimiter(1, PicturePace(1000)))
    async with connection:
        backend = await connection.get()
        assert isinstance(backend, Backend)
        for thing in (settings, connection, backend, settings.model_dump(), settings.api_key, vars(backend)):
            assert hidden(repr(thing))
            assert hidden(str(thing))
        assert hidden(settings.model_dump_json())
    del benches, tmp_path


@pytest.mark.parametrize("variable", ["OPENAI_API_KEY", "OPENAI_BASE_URL"])
async def test_a_secret_in_a_wrong_value_is_not_repeated(benches: Benches, variable: str) -> None:
    value = f"{KEY}\u2019" if variable == "OPENAI_API_KEY" else f"ftp://kim:{KEY}@example.com/v1"
    bench = await benches.open({variable: value})
    assert hidden(await bench.refused("generate_image", **DRAFT))


async def test_a_password_in_the_address_of_the_backend_is_not_told(tmp_path: Path) -> None:
    """Nobody answers there, and the address is part of the error."""
    settings = Settings.read(
        {
            "OPENAI_API_KEY": "sk-x",
            "OPENAI_BASE_URL": f"http://kim:{KEY}@127.0.0.1:9/v1?token={KEY}",
            "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path),
        }
    )
    async with open_service(settings, working_dir=tmp_path, home=tmp_path) as service:
        with pytest.raises(GptImageError) as caught:
            await service.wait(service.start(GenerateRequest(prompt=PROMPT, size=SMALL)))
    assert "127.0.0.1:9" in str(caught.value)
    assert hidden(str(caught.value))


async def test_a_bug_of_ours_is_logged_without_the_key(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A traceback goes to stderr with whatever the exception holds, and to the model goes nothing of it."""

    class Broken(httpx2.AsyncBaseTransport):
        async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
            raise RuntimeError(f"a bug with {request!r} and {request.headers!r}")

    caplog.set_level(logging.DEBUG)
    settings = Settings.read({"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(tmp_path)})
    from mcp import Client

    from gpt_image_2_mcp.server.factory import build_server

    service = open_service(settings, transport=Broken(), working_dir=tmp_path, home=tmp_path)
    async with Client(build_server(lambda: service)) as client:
        text = said(await client.call_tool("generate_image", DRAFT))
    assert hidden(text)
    assert hidden(caplog.text)
    assert "heliotrope" not in caplog.text


@promise("Secrets", "Prompts are in no log without `GPT_IMAGE_2_MCP_DEBUG=1`.")
async def test_a_prompt_is_in_no_log_without_debugging(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    async with paying(tmp_path) as bench:
        await _some_failures(bench)
    assert "heliotrope" not in caplog.text
    assert hidden(caplog.text)


async def _some_failures(bench: Bench) -> None:
    await bench.made("generate_image", **DRAFT)
    for fault in (Fault("drop"), Fault(error="moderation_blocked"), Fault("html", status=502)):
        bench.knobs.faults = [fault]
        await bench.refused("generate_image", **DRAFT)


def test_the_count_of_pieces_that_are_looked_for() -> None:
    """Or else `hidden` would be true of anything."""
    assert not hidden(f"x{KEY}")
    assert not hidden(f"x{KEY[4:18]}x")
    assert hidden("sk-…")


# What SECURITY.md says.


def promised(title: str) -> list[str]:
    """The list under a heading of SECURITY.md."""
    text = (Path(__file__).parents[1] / "SECURITY.md").read_text(encoding="utf-8")
    assert f"\n### {title}\n" in text
    section = text.partition(f"\n### {title}\n")[2].partition("\n### ")[0]
    return [line for line in section.splitlines() if line.startswith("- ")]


def test_the_document_and_the_code_have_the_same_folders_off_limits() -> None:
    """A list in a document that nobody compares is wrong within a year."""
    assert promised("Never read") == [f"- `{folder}`: {reason}" for folder, reason in denylist.NEVER_READ]
    assert promised("Secrets: never read, and not written") == [
        *(f"- `{folder}`: {holds}" for folder, holds in denylist.SECRET_FOLDERS),
        *(f"- `{name}`" for name in denylist.SECRET_FILES),
    ]
    assert promised("Where programs keep pictures: read with your yes") == [
        f"- `{folder}`: {what}" for folder, what in denylist.CACHES
    ]
    system = [
        f"- `{folder.path}`: {folder.reason}"
        + (f"; but not {', '.join(f'`{other}`' for other in folder.exceptions)}" if folder.exceptions else "")
        + ("; *projects*" if folder.holds_projects else "")
        for folder in denylist.SYSTEM_FOLDERS
    ]
    assert promised("System folders: not written") == system
    assert promised("Folders that programs fill: not written") == [f"- `{name}`" for name in denylist.FILLED_FOLDERS]
    assert promised("Hidden folders: not written") == [
        f"- `{folder}`" + (f"; but not {', '.join(f'`{other}`' for other in but)}" if but else "")
        for folder, but in denylist.HIDDEN_HOME_FOLDERS
    ]


def test_the_tests_and_variables_that_the_document_names_exist() -> None:
    root = Path(__file__).parents[1]
    text = (root / "SECURITY.md").read_text(encoding="utf-8")
    for name in re.findall(r"`(tests/[^`]*)`", text):
        assert (root / name).exists(), name
    assert set(re.findall(r"GPT_IMAGE_2_[A-Z_]+", text)) <= set(Settings.variables())
