"""The demo: a real MCP client starts the real server over stdio, on the sandbox, and calls most of the tools once."""

import base64
import os
import signal
import sys
from datetime import datetime
from pathlib import Path
from typing import Any

import anyio
import click
from mcp import Client, StdioServerParameters, stdio_client
from mcp_types import CallToolResult, ImageContent, TextContent

from .. import __version__
from ..errors import GptImageError
from ..install.clients import CLIENTS
from ..server.stdio.signals import ending_signals

FOX = (
    "Scene: a snowy forest clearing at dawn. Subject: a red fox, looking at the camera."
    ' Details: a wooden sign that reads "OPEN". No other text.'
)
POND = "ellipse 10%,62% 80%x34%"
"""The mask of the edit: the lower third of the picture."""
TURNS = (
    ("Make the sky a warm sunset; keep the fox and the sign as they are.", None),
    ("Add a small lantern beside the sign; keep everything else.", None),
    ("Let it snow lightly; keep everything else.", None),
    ("Put the sign on the other side instead; keep everything else.", 1),
)
"""The prompt of each turn of the session, and the earlier turn that it starts from (None: the turn before)."""

LOGO = 'Subject: a flat logo of a fox over the word "FOXGLOVE". Details: two colours, wide margins. No other text.'
DRAFTS, CHOSEN = 4, 3
TARGETS = ("foxglove.webp 640x640 60kB", "story.jpg story", "header.png 1500x500", "favicon")
"""What the final is exported as."""

SHEET, TREE, DRAFTS_SHEET = "contact-sheet.jpg", "session-tree.txt", "drafts.jpg"
"""Files in the output folder; `make docs` copies them into the documents."""


def run_demo(output: Path) -> None:
    """Save pictures in the folder `output`, print the answer of each call, and how to set up a client.

    Raises:
        GptImageError: a call failed.
        KeyboardInterrupt: Ctrl-C, SIGTERM or a closed terminal came. The server has finished its picture then.

    """
    output.mkdir(parents=True, exist_ok=True)
    # A shell starts what is to run in the background with SIGINT ignored; all three signals would be.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    anyio.run(_demo, output)
    _heading("Use it with your own client and key")
    click.echo(
        f"gpt-image-2-mcp {__version__} writes itself into the configuration of your clients, and shows it first:"
    )
    click.secho("\ngpt-image-2-mcp install\n", bold=True)
    click.echo(f"It knows {', '.join(client.name for client in CLIENTS.values())}. For others: install --print cursor.")


async def _demo(output: Path) -> None:
    # As Ctrl-C does, they cancel the demo, which closes the client; without it the server would be left behind.
    for number in ending_signals():
        signal.signal(number, signal.getsignal(signal.SIGINT))
    # The catalogue is kept in memory, so that a demo lists only its own pictures and leaves the user's list alone.
    environment = {**os.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(output), "GPT_IMAGE_2_DATABASE_URL": "sqlite://"}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gpt_image_2_mcp", "--sandbox"], env=environment, cwd=output
    )
    async with Client(stdio_client(server)) as client:
        tools = await client.list_tools()
        click.echo(f"A client started the server; it offers: {', '.join(tool.name for tool in tools.tools)}.")
        fox = await _call(client, "1 generate", "generate_image", prompt=FOX, size="1536x1024", quality="medium")
        masked = await _call(
            client,
            "2 edit with a mask",
            "edit_image",
            prompt="Turn the masked part into a frozen pond; keep the rest.",
            images=[fox],
            mask=POND,
        )
        pictures = [("generate", fox), ("edit with a mask", masked)]
        arguments: dict[str, Any] = {"images": ["last"]}
        tool = "start_edit_session"
        report: dict[str, Any] = {}
        for number, (prompt, from_turn) in enumerate(TURNS, start=1):
            branch = {} if from_turn is None else {"from_turn": from_turn}
            report = await _report(client, f"3 session, turn {number}", tool, prompt=prompt, **arguments, **branch)
            tool, arguments = "continue_edit_session", {"session_id": report["session_id"]}
            pictures.append((f"session, turn {number}", report["images"][0]["file_path"]))
        await anyio.Path(output / TREE).write_text(report["tree"] + "\n", encoding="utf-8")
        await _report(client, "4 the sessions", "list_edit_sessions")
        found = await _answer(client, "5 what was made", "list_images", contact_sheet=True)
        (contact_sheet,) = [block for block in found.content if isinstance(block, ImageContent)]
        await anyio.Path(output / SHEET).write_bytes(base64.b64decode(contact_sheet.data))
        await _report(client, "6 a closer look", "show_image", image="1", region="0,0,512,256")
        await _report(client, "7 the end of it", "end_edit_session", **arguments)
        cells = await _draft_choose_export(client)
    await anyio.Path(output / DRAFTS_SHEET).write_bytes(await anyio.to_thread.run_sync(_numbered_sheet, cells))
    _heading("Where the pictures are")
    for title, path in pictures:
        click.echo(f"{title}: {path}")
    click.echo(f"all of them on one sheet: {output / SHEET}")
    click.echo(f"drafts, final and exports on another: {output / DRAFTS_SHEET}")


async def _draft_choose_export(client: Client) -> list[tuple[str, str]]:
    """Make drafts, have one of them finished, and export it; gives the captions and paths of all that was made."""
    drafts = await _report(client, "8 drafts", "generate_image", prompt=LOGO, size="1024x1024", quality="low", n=DRAFTS)
    final = await _call(
        client,
        f"9 number {CHOSEN}, final",
        "edit_image",
        images=[str(CHOSEN)],
        like=str(CHOSEN),
        quality="high",
    )
    # A new one each time: nothing that is there is replaced.
    folder = f"exports-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
    exported = await _report(
        client, "10 its files", "export_image", image=["last"], to=list(TARGETS), output_dir=folder
    )
    cells = [
        (f"draft {number}{', chosen' if number == CHOSEN else ''}", image["file_path"])
        for number, image in enumerate(drafts["images"], start=1)
    ]
    cells.append((f"number {CHOSEN}, final", final))
    shown = [file for file in exported["files"] if file["mime_type"] in {"image/png", "image/jpeg", "image/webp"}]
    return cells + [
        (f"{Path(file['file_path']).name} {file['width']}x{file['height']}", file["file_path"]) for file in shown
    ]


def _numbered_sheet(pictures: list[tuple[str, str]]) -> bytes:
    """One sheet of pictures, by their captions and paths. Blocks."""
    from ..images.thumbnail import make_thumbnail
    from ..library.contact_sheet import Cell, draw_sheet

    return draw_sheet(
        [
            Cell(number, caption, make_thumbnail(Path(path).read_bytes()))
            for number, (caption, path) in enumerate(pictures, start=1)
        ]
    )


async def _call(client: Client, title: str, tool: str, **arguments: Any) -> str:
    """Call a tool that makes a picture; gives the path of its file."""
    report = await _report(client, title, tool, **arguments)
    return report["images"][0]["file_path"]


async def _report(client: Client, title: str, tool: str, **arguments: Any) -> dict[str, Any]:
    """Call a tool; gives the machine-readable report of its answer, empty where it has none."""
    return ((await _answer(client, title, tool, **arguments)).meta or {}).get("gpt-image-2/result", {})


async def _answer(client: Client, title: str, tool: str, **arguments: Any) -> CallToolResult:
    """Call a tool and print its answer under a heading."""
    _heading(f"{title}: {tool}")
    result = await client.call_tool(tool, arguments)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise GptImageError(f"The demo's call of {tool} failed: {text}")
    click.echo(text)
    pictures = sum(block.type == "image" for block in result.content)
    if pictures:
        click.echo(f"(and {pictures} picture inline, for the client to show)")
    return result


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True, fg="cyan")
