"""`AppHost`: a host of MCP Apps for the tests: the studio's page in a frame of its own, in a real browser.

The frame has what the specification gives it and no more: scripts, an opaque origin, no forms, no storage, and one of
two policies. Its calls go to the server by the MCP SDK's client. Whatever the browser complains about is kept in
`troubles`, and a test that leaves one there has failed.
"""

import base64
import os
import shutil
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
from app_messages import wrong, wrong_answer
from mcp import Client
from mcp.shared.exceptions import MCPError
from mcp_types import CallToolResult, TextResourceContents
from patience import PATIENCE_S
from playwright.async_api import Browser, Frame, FrameLocator, Locator, Page, Playwright, Route, async_playwright
from workbench import dumped

BRING = "there is no Chromium: .venv/bin/playwright install --with-deps chromium"
"""Why a test with a browser is skipped, with the command that brings one."""

SPECIFIED = (
    "default-src 'none'; script-src 'self' 'unsafe-inline'; style-src 'self' 'unsafe-inline'; img-src 'self' data:;"
    " media-src 'self' data:; connect-src 'none'"
)
"""The policy that the specification asks of hosts."""
STRICTEST = "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src 'none'"
"""The strictest policy that a host was seen to set."""

ABILITIES: Mapping[str, Any] = {"serverTools": {}, "updateModelContext": {"text": {}}, "downloadFile": {}}
"""What a host that can all that the page uses says of itself."""

OUTER = """<!doctype html><html lang="en"><head><title>Host</title>
<meta name="viewport" content="width=device-width"></head><body style="margin:0;background:BACKGROUND">
<iframe id="app" title="Studio" sandbox="allow-scripts" style="display:block;border:0;width:100%;height:300px"></iframe>
<script>
const frame = document.getElementById('app');
const send = (message) => frame.contentWindow.postMessage({ jsonrpc: '2.0', ...message }, '*');
addEventListener('message', async ({ data, source }) => {
  if (source !== frame.contentWindow || data?.jsonrpc !== '2.0') return;
  if (data.method === 'ui/notifications/size-changed') frame.style.height = data.params.height + 'px';
  if (data.method === undefined || data.id === undefined) return void window.hostHears(data);
  const answer = await window.hostAnswers(data);
  if (answer.result?.mode) frame.style.height = answer.result.mode === 'fullscreen' ? '100vh' : '300px';
  send({ id: data.id, ...answer });
});
</script></body></html>"""


def chromium(playwright: Playwright) -> str | None:
    """The path of a Chromium: the system's, or the one that playwright has brought."""
    named = os.environ.get("GPT_IMAGE_2_TEST_CHROMIUM")
    found = named or shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    own = playwright.chromium.executable_path
    return found or (own if Path(own).exists() else None)


@asynccontextmanager
async def running_browser() -> AsyncGenerator[Browser | None]:
    """A browser without a window; None where there is none."""
    async with async_playwright() as playwright:
        path = chromium(playwright)
        if path is None:
            yield None
            return
        browser = await playwright.chromium.launch(executable_path=path, args=["--no-sandbox"])
        try:
            yield browser
        finally:
            await browser.close()


@dataclass(frozen=True)
class HostKind:
    """What a host allows, can do, and says of itself."""

    policy: str = SPECIFIED
    abilities: Mapping[str, Any] = field(default_factory=lambda: ABILITIES)
    context: Mapping[str, Any] = field(default_factory=dict[str, Any])
    modes: tuple[str, ...] = ("inline", "fullscreen")
    width: int = 720
    height: int = 900
    scale: float = 1
    theme: str = "light"
    has_touch: bool = False
    calls_tools: bool = True
    """Whether the host passes the page's calls on to the server."""


@dataclass
class AppHost:
    """One page in a host."""

    page: Page
    frame: FrameLocator
    client: Client
    kind: HostKind
    heard: list[dict[str, Any]] = field(default_factory=list[dict[str, Any]])
    """All messages of the page, the oldest first."""
    troubles: list[str] = field(default_factory=list[str])
    """Errors and warnings of the browser: of the page's code, of the policy, of anything."""
    saved: dict[str, bytes] = field(default_factory=dict[str, bytes])
    """The files that the page had the host save, by their names."""
    model_context: str = ""
    """What the page told the model last."""
    held: dict[str, anyio.Event] = field(default_factory=dict[str, anyio.Event])
    """Operations of the page that are answered once their event is set."""

    async def show(self, arguments: Mapping[str, Any], result: CallToolResult) -> None:
        """Hand a call and its answer to the page, as a host does after the page has said that it is ready."""
        await self.notify("ui/notifications/tool-input", {"arguments": dict(arguments)})
        await self.notify("ui/notifications/tool-result", dumped(result))

    async def notify(self, method: str, params: Mapping[str, Any]) -> None:
        """Send the page a notification."""
        await self._send({"method": method, "params": dict(params)})

    async def ask(self, method: str, params: Mapping[str, Any]) -> Mapping[str, Any]:
        """Send the page a request, and return its answer."""
        number = f"host-{len(self.heard)}"
        await self._send({"method": method, "params": dict(params), "id": number})
        while not (found := [each for each in self.heard if each.get("id") == number]):
            await self.page.wait_for_timeout(10)
        self.troubles += wrong_answer(method, found[0])
        return found[0]

    async def _send(self, message: dict[str, Any]) -> None:
        self.troubles += wrong(message)
        await self.page.evaluate("message => send(message)", message)

    def hear(self, message: dict[str, Any]) -> None:
        """Take in what the page says without expecting an answer."""
        self.heard.append(message)
        self.troubles += wrong(message) if "method" in message else []

    @property
    def inner(self) -> Frame:
        """The page's own frame."""
        return self.page.frames[-1]

    async def run(self, script: str) -> Any:
        """Run JavaScript within the page."""
        return await self.inner.evaluate(script)

    async def comes_to(self, script: str, value: Any) -> None:
        """Run JavaScript within the page until it gives the value: what the host has sent may still be under way."""
        while await self.run(script) != value:
            await self.page.wait_for_timeout(10)

    async def see(self, view: str) -> None:
        """Go to a view."""
        await self.button(view).click()

    async def write(self, prompt: str) -> None:
        """Write into the line at the bottom, and press Enter."""
        await self.frame.locator("textarea").fill(prompt)
        await self.frame.locator("textarea").press("Enter")

    async def drag(self, canvas: Locator, *points: tuple[float, float]) -> None:
        """Draw with the mouse over a canvas, from point to point, each a share of its width and of its height."""
        area = await canvas.bounding_box()
        assert area is not None
        places = [(area["x"] + x * area["width"], area["y"] + y * area["height"]) for x, y in points]
        await self.page.mouse.move(*places[0])
        await self.page.mouse.down()
        for place in places[1:]:
            await self.page.mouse.move(*place, steps=6)
        await self.page.mouse.up()

    def asked(self, op: str) -> list[dict[str, Any]]:
        """The arguments of the page's calls of one operation, the oldest first."""
        calls = [each["params"] for each in self.heard if each.get("method") == "tools/call"]
        return [call["arguments"] for call in calls if call["arguments"]["op"] == op]

    def button(self, name: str, *, exact: bool = True) -> Locator:
        """A button of the page by its accessible name."""
        return self.frame.get_by_role("button", name=name, exact=exact)

    async def drawn(self, picture_id: str, inside: str = ".stage") -> Locator:
        """Wait until a picture is drawn, and return its canvas."""
        canvas = self.frame.locator(f'{inside} canvas[data-picture="{picture_id}"]').first
        await canvas.wait_for()
        return canvas

    async def answer(self, message: dict[str, Any]) -> dict[str, Any]:
        """Answer a request of the page."""
        self.hear(message)
        answer = await self._answer(message)
        self.troubles += wrong_answer(message["method"], answer)
        return answer

    async def _answer(self, message: dict[str, Any]) -> dict[str, Any]:
        method, params = message["method"], message["params"]
        match method:
            case "ui/initialize":
                return {"result": self._about()}
            case "tools/call" if self.kind.calls_tools:
                return await self._call(params)
            case "ui/update-model-context" if "updateModelContext" in self.kind.abilities:
                self.model_context = params["content"][0]["text"]
                return {"result": {}}
            case "ui/download-file" if "downloadFile" in self.kind.abilities:
                for each in params["contents"]:
                    resource = each["resource"]
                    self.saved[resource["uri"].removeprefix("file:///")] = base64.b64decode(resource["blob"])
                return {"result": {}}
            case "ui/request-display-mode":
                return {"result": {"mode": params["mode"] if params["mode"] in self.kind.modes else "inline"}}
            case _:
                return {"error": {"code": -32601, "message": f"Method not found: {method}"}}

    async def _call(self, params: dict[str, Any]) -> dict[str, Any]:
        if (released := self.held.get(params["arguments"]["op"])) is not None:
            await released.wait()
        try:
            return {"result": dumped(await self.client.call_tool(params["name"], params["arguments"]))}
        except MCPError as error:
            return {"error": {"code": error.error.code, "message": str(error)}}

    def _about(self) -> dict[str, Any]:
        context = {"theme": self.kind.theme, "displayMode": "inline", "availableDisplayModes": [*self.kind.modes]}
        return {
            "protocolVersion": "2026-01-26",
            "hostInfo": {"name": "test host", "version": "1"},
            "hostCapabilities": dict(self.kind.abilities),
            "hostContext": {**context, **self.kind.context},
        }


@asynccontextmanager
async def app_host(browser: Browser, client: Client, uri: str, kind: HostKind | None = None) -> AsyncGenerator[AppHost]:
    """The page that the server has under `uri`, in a frame of a host of this kind."""
    kind = kind or HostKind()
    (contents,) = (await client.read_resource(uri)).contents
    assert isinstance(contents, TextResourceContents)
    page = await browser.new_page(
        viewport={"width": kind.width, "height": kind.height},
        device_scale_factor=kind.scale,
        has_touch=kind.has_touch,
        is_mobile=kind.has_touch,
        locale="en-GB",
    )
    page.set_default_timeout(PATIENCE_S * 1000)
    host = AppHost(page, page.frame_locator("#app"), client, kind)
    page.on("console", lambda said: host.troubles.append(said.text) if said.type in {"error", "warning"} else None)
    page.on("pageerror", lambda error: host.troubles.append(str(error)))
    ready = False

    def hear(message: dict[str, Any]) -> None:
        nonlocal ready
        host.hear(message)
        ready = ready or message.get("method") == "ui/notifications/initialized"

    # Its type says too little of the callback.
    await page.expose_function("hostAnswers", host.answer)  # pyright: ignore[reportUnknownMemberType]
    await page.expose_function("hostHears", hear)  # pyright: ignore[reportUnknownMemberType]
    background = "#fff" if kind.theme == "light" else "#111"

    async def serve(route: Route) -> None:
        await route.fulfill(content_type="text/html", body=OUTER.replace("BACKGROUND", background))

    await page.route("http://host.test/", serve)
    await page.goto("http://host.test/")
    policy = f'<head><meta http-equiv="Content-Security-Policy" content="{kind.policy}">'
    await page.evaluate("html => { frame.srcdoc = html }", contents.text.replace("<head>", policy))
    await host.frame.locator("nav").wait_for()
    while not ready:
        await page.wait_for_timeout(10)
    try:
        yield host
    finally:
        await page.close()
