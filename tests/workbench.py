"""`Bench`: a real MCP client and a real server in one process, with the sandbox in place of OpenAI.

None of our own code is replaced. A test sets the sandbox's `Knobs`, calls a tool, and checks the answer and the
requests that the sandbox recorded.
"""

import base64
import hashlib
import io
import json
import re
import textwrap
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass
from functools import lru_cache, partial
from pathlib import Path
from typing import Any

import anyio
import httpx2
from mcp import Client
from mcp_types import CallToolResult, ImageContent, TextContent
from patience import LONG_WAIT, PATIENCE_S
from PIL import Image, ImageDraw

from gpt_image_2_mcp.app import open_service
from gpt_image_2_mcp.images import facts
from gpt_image_2_mcp.images.metadata import without_metadata
from gpt_image_2_mcp.sandbox import Knobs, RecordedRequest, SandboxTransport, build_sandbox
from gpt_image_2_mcp.server.factory import build_server
from gpt_image_2_mcp.server.resources import PictureServer
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

SMALL = "1024x640"
"""The smallest size that the model accepts: it is painted fastest."""

KEY = "sk-proj-Kx81secretQv7-not-to-be-shown"
"""The API key of the tests, which no answer, log or file may contain."""

META = "gpt-image-2/result"

JOB = "gpt-image-2/job"
"""Where a job's id and state stand in `_meta` while there is no picture."""

TOOLS = tuple(tool.name for tool in all_tools())
"""Every tool, in the order of the list."""

PLAIN: dict[str, Any] = {
    "prompt": "a fox",
    "images": ["photo.png"],
    "image": "last",
    "to": ["512x512"],
    "session_id": "session-1",
    "job_id": "job-1",
    "items": ["a fox"],
}
"""What a tool is called with where nothing depends on it; a new required parameter needs a value here."""

GENERATIONS, EDITS, RESPONSES = "/v1/images/generations", "/v1/images/edits", "/v1/responses"


SHOWN = {"image/png", "image/jpeg", "image/webp"}
"""The types of files that answers show."""


@dataclass(frozen=True)
class Answer:
    """The answer of a call that made pictures: its text, its previews, and its report (from `_meta`)."""

    text: str
    pictures: list[ImageContent]
    report: dict[str, Any]
    sheet: ImageContent | None = None
    """The numbered sheet of several pictures."""

    @property
    def paths(self) -> list[Path]:
        """The files that were asked for: those that composites were made from are not among them."""
        return [Path(image["file_path"]) for image in wanted(self.report)]

    @property
    def path(self) -> Path:
        (path,) = self.paths
        return path

    @property
    def session_id(self) -> str:
        return self.report["session_id"]


def wanted(report: dict[str, Any]) -> list[dict[str, Any]]:
    """The images of a report that were asked for."""
    used = {image.get(name) for image in report["images"] for name in ("made_from", "also_from")}
    return [image for image in report["images"] if image["id"] not in used]


@dataclass
class Bench:
    """One server with its client and the knobs of its sandbox; `folder` is its GPT_IMAGE_2_OUTPUT_DIR."""

    client: Client
    knobs: Knobs
    folder: Path
    working_dir: Path
    home: Path
    server: PictureServer

    async def call(self, tool: str, **arguments: Any) -> CallToolResult:
        with anyio.fail_after(PATIENCE_S):
            result = await self.client.call_tool(tool, arguments)
        # A `resource_link` becomes an image address in some frameworks, and breaks the model's next request.
        assert {block.type for block in result.content} <= {"text", "image"}
        return result

    async def final(self, tool: str, **arguments: Any) -> CallToolResult:
        """Call a tool, and fetch its answer where the machine was too slow for the wait that the test has set."""
        result = await self.call(tool, **arguments)
        with anyio.fail_after(PATIENCE_S):
            while JOB in (result.meta or {}):
                result = await self.call("get_image_job", job_id=(result.meta or {})[JOB]["job_id"])
        return result

    async def made(self, tool: str, **arguments: Any) -> Answer:
        """Call a tool that makes pictures, and check that its answer has the form that clients need."""
        result = await self.final(tool, **arguments)
        text = said(result)
        assert not result.is_error, text
        assert result.structured_content is None
        assert [block.type for block in result.content].count("text") == 1
        assert isinstance(result.content[0], TextContent)
        report: dict[str, Any] = (result.meta or {})[META]
        pictures = [block for block in result.content if isinstance(block, ImageContent)]
        shown = [image for image in wanted(report) if image["mime_type"] in SHOWN]
        sheet = pictures.pop(0) if pictures and len(wanted(report)) > 1 else None
        assert len(pictures) == len(shown)
        return Answer(text, pictures, report, sheet)

    async def refused(self, tool: str, **arguments: Any) -> str:
        """Call a tool that answers with an error, and return its text."""
        result = await self.final(tool, **arguments)
        text = said(result)
        assert result.is_error, text
        assert [block.type for block in result.content] == ["text"]
        return text

    def seen(self, path: str | None = None) -> list[RecordedRequest]:
        """Return the requests that the sandbox recorded, the oldest first; with `path` only those to this path."""
        return [seen for seen in self.knobs.requests if path in (None, seen.path)]

    def last(self) -> RecordedRequest:
        return self.knobs.requests[-1]

    def files(self) -> list[str]:
        """Return the files below the output folder, relative to it, hidden ones included."""
        return sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())

    def photo(self, name: str = "photo.png", size: tuple[int, int] = (1024, 640), **options: Any) -> Path:
        """Write a picture into the working directory; the extension of its name decides the format."""
        path = self.working_dir / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if options:
            picture(size).save(path, **options)
        else:
            path.write_bytes(encoded(Image.registered_extensions()[path.suffix.lower()], size))
        return path

    def mask(self, name: str = "mask.png", size: tuple[int, int] = (1024, 640)) -> Path:
        """Write a mask into the working directory; its upper left quarter is transparent."""
        image = Image.new("RGBA", size, (0, 0, 0, 255))
        image.paste((0, 0, 0, 0), (0, 0, size[0] // 2, size[1] // 2))
        path = self.working_dir / name
        image.save(path)
        return path

    def plain(self, text: str) -> str:
        """Replace the parts of a text that differ from run to run, for snapshots."""
        text = text.replace(str(self.folder), "FOLDER").replace(str(self.working_dir), "WORK")
        return without_ids(text.replace(str(self.home), "HOME"))


Wrap = Callable[[httpx2.AsyncBaseTransport], httpx2.AsyncBaseTransport]
"""Takes the sandbox's transport and returns one that puts a misbehaving network in front of it."""


class Benches:
    """Opens benches; they are closed when the test is over."""

    def __init__(self, stack: AsyncExitStack, root: Path) -> None:
        self._stack = stack
        self._root = root

    async def open(
        self,
        variables: Mapping[str, str] | None = None,
        /,
        *,
        legacy: bool = False,
        wrap: Wrap | None = None,
        sandbox: bool = False,
        data_dir: Path | None = None,
        **environ: str,
    ) -> Bench:
        """Start a server with these environment variables; `sandbox` is the program's `--sandbox`.

        Without `data_dir` the catalogue is in memory, unless a variable says otherwise.
        """
        folder, working_dir, home = (self._root / name for name in ("pictures", "work", "home"))
        for directory in (working_dir, home):
            directory.mkdir(exist_ok=True)
        given = {"OPENAI_API_KEY": KEY, "GPT_IMAGE_2_OUTPUT_DIR": str(folder), **LONG_WAIT}
        given |= {**(variables or {}), **environ}
        settings = Settings.read(given, sandbox=sandbox)
        knobs = Knobs()
        transport = SandboxTransport(build_sandbox(knobs=knobs))
        service = open_service(
            settings,
            transport=wrap(transport) if wrap else transport,
            working_dir=working_dir,
            home=home,
            data_dir=data_dir,
        )
        server = build_server(lambda: service)
        client = await self._stack.enter_async_context(Client(server, mode="legacy" if legacy else "auto"))
        # The stack closes in reverse order: requests that a failed test holds are released before the service waits for
        # them.
        self._stack.callback(knobs.release)
        return Bench(client, knobs, folder, working_dir, home, server)


class Canned(httpx2.AsyncBaseTransport):
    """A backend in place of the sandbox: `answer` makes every response, and `bodies` keeps the JSON of the requests."""

    def __init__(self, answer: Callable[[httpx2.Request], httpx2.Response]) -> None:
        self.answer = answer
        self.bodies: list[dict[str, Any]] = []

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        body = await request.aread()
        json_body = request.headers.get("content-type", "").startswith("application/json")
        self.bodies.append(json.loads(body) if json_body else {})
        return self.answer(request)

    def wrap(self, _: httpx2.AsyncBaseTransport) -> httpx2.AsyncBaseTransport:
        return self


def canned(*pictures: bytes, **fields: Any) -> Canned:
    """Make a backend that answers every request with these pictures in base64, and with these fields beside them."""
    data = [{"b64_json": base64.b64encode(data).decode()} for data in pictures]
    body = {"created": 0, "data": data, **fields}
    return Canned(lambda _: httpx2.Response(200, json=body, headers={"x-request-id": "req_canned"}))


def picture(size: tuple[int, int] = (1024, 640)) -> Image.Image:
    """Draw a gradient with a disc."""
    image = Image.new("RGB", size)
    for x in range(0, size[0], 4):
        image.paste((x // 4 % 256, 90, 160), (x, 0, x + 4, size[1]))
    ImageDraw.Draw(image).ellipse((8, 8, size[0] // 2, size[1] // 2), fill=(200, 40, 60))
    return image


@lru_cache
def encoded(kind: str = "PNG", size: tuple[int, int] = (1024, 640)) -> bytes:
    """Return `picture(size)` as a file; `kind` is Pillow's name of the format."""
    out = io.BytesIO()
    picture(size).save(out, kind)
    return out.getvalue()


def sent_sha256(path: Path) -> str:
    """The hash of what is sent of a picture whose pixels need no change: the file without its metadata."""
    data = path.read_bytes()
    return hashlib.sha256(without_metadata(data, facts(data).format)).hexdigest()


def plain_arguments(tool: str) -> dict[str, Any]:
    """The arguments that a tool needs, and no others."""
    (schema,) = (each.parameters for each in all_tools() if each.name == tool)
    # A prompt may be taken from an earlier picture, so it is not among the required ones everywhere.
    needed = {*schema.get("required", []), "prompt", "items"} & set(schema["properties"])
    return {name: PLAIN[name] for name in needed}


def said(result: CallToolResult) -> str:
    """Return the text of an answer."""
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


def without_ids(text: str) -> str:
    """Replace ids and times in a text, which differ from run to run."""
    text = re.sub(r"req_[0-9a-f]{32}", "req_ID", text)
    text = re.sub(r"session-[0-9a-f]{24}", "session-ID", text)
    text = re.sub(r"[0-9]{8}-[0-9]{6}-[0-9a-f]{6}", "TIME-HEX", text)
    text = re.sub(r", [0-9,]+ bytes( together)?\.", r", N bytes\1.", text)
    return re.sub(r"[0-9]{4}-[0-9]{2}-[0-9]{2} [0-9]{2}:[0-9]{2}:[0-9]{2}", "DATE", text)


def dumped(value: Any) -> dict[str, Any]:
    """Return an MCP object as the JSON that is sent."""
    return value.model_dump(mode="json", by_alias=True, exclude_none=True)


def folded(text: str) -> str:
    """Fold a text into lines of 100 characters, for snapshots."""
    fold = partial(textwrap.fill, width=100, break_long_words=False, break_on_hyphens=False)
    return "\n".join(map(fold, text.splitlines()))
