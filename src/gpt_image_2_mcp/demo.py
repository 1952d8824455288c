"""The demo: the main job done once, on the sandbox, by a real MCP client that starts the real server over stdio."""

import os
import sys
from pathlib import Path
from typing import Any

import anyio
import click
from mcp import Client, StdioServerParameters
from mcp.client.stdio import stdio_client
from mcp_types import TextContent

from .clients import setups
from .errors import GptImageError
from .library import SIDE_FOLDER
from .sheets import Cell, sheet
from .thumbnails import shrunk

FOX = (
    "Scene: a snowy forest clearing at dawn. Subject: a red fox, looking at the camera."
    ' Details: a wooden sign that reads "OPEN". No other text.'
)
TURNS = (
    "Make the sky a warm sunset; keep the fox and the sign as they are.",
    "Add a small lantern beside the sign; keep everything else.",
    "Let it snow lightly; keep everything else.",
)


def run_demo(output: Path) -> None:
    """Make pictures into `output` and print what each call answered, and how to set a client up."""
    output.mkdir(parents=True, exist_ok=True)
    anyio.run(_demo, output)
    _heading("Use it with your own client and key")
    for setup in setups():
        click.secho(f"\n{setup.name} ({setup.where}):", bold=True)
        click.echo(setup.text)


async def _demo(output: Path) -> None:
    # Its catalogue is its own: a person's list of pictures shows none of the demo.
    database = f"sqlite:///{output / SIDE_FOLDER / 'demo.db'}"
    environment = {**os.environ, "GPT_IMAGE_2_OUTPUT_DIR": str(output), "GPT_IMAGE_2_DATABASE_URL": database}
    server = StdioServerParameters(
        command=sys.executable, args=["-m", "gpt_image_2_mcp", "--sandbox"], env=environment, cwd=output
    )
    async with Client(stdio_client(server)) as client:
        tools = await client.list_tools()
        click.echo(f"A client started the server; it offers: {', '.join(tool.name for tool in tools.tools)}.")
        fox = await _call(client, "1 generate", "generate_image", prompt=FOX, size="1536x1024", quality="medium")
        mask = await anyio.to_thread.run_sync(_draw_mask, Path(fox), output)
        masked = await _call(
            client,
            "2 edit with a mask",
            "edit_image",
            prompt="Turn the masked part into a frozen pond; keep the rest.",
            images=[fox],
            mask=str(mask),
        )
        pictures = [("generate", fox), ("edit with a mask", masked)]
        session = ""
        picture = fox
        for number, prompt in enumerate(TURNS, start=1):
            if session:
                arguments: dict[str, Any] = {"session_id": session, "prompt": prompt}
                tool = "continue_edit_session"
            else:
                arguments = {"images": [picture], "prompt": prompt}
                tool = "start_edit_session"
            report = await _report(client, f"3 session, turn {number}", tool, **arguments)
            session = report["session_id"]
            pictures.append((f"session, turn {number}", report["images"][0]["file_path"]))
        await _report(client, "4 the sessions", "list_edit_sessions")
        await _report(client, "5 the end of it", "end_edit_session", session_id=session)
        contact_sheet = await anyio.to_thread.run_sync(_contact_sheet, pictures, output)
    _heading("Where the pictures are")
    for title, path in pictures:
        click.echo(f"{title}: {path}")
    click.echo(f"all of them on one sheet: {contact_sheet}")


async def _call(client: Client, title: str, tool: str, **arguments: Any) -> str:
    report = await _report(client, title, tool, **arguments)
    return report["images"][0]["file_path"]


async def _report(client: Client, title: str, tool: str, **arguments: Any) -> dict[str, Any]:
    _heading(f"{title}: {tool}")
    result = await client.call_tool(tool, arguments)
    text = "\n".join(block.text for block in result.content if isinstance(block, TextContent))
    if result.is_error:
        raise GptImageError(f"The demo's call of {tool} failed: {text}")
    click.echo(text)
    pictures = sum(block.type == "image" for block in result.content)
    if pictures:
        click.echo(f"(and {pictures} picture inline, for the client to show)")
    return (result.meta or {}).get("gpt-image-2/result", {})


def _draw_mask(picture: Path, output: Path) -> Path:
    """A mask that leaves the lower third open: transparent is where the picture may change."""
    from PIL import Image, ImageDraw

    with Image.open(picture) as image:
        mask = Image.new("RGBA", image.size, (0, 0, 0, 255))
    width, height = mask.size
    ImageDraw.Draw(mask).ellipse((width * 0.1, height * 0.62, width * 0.9, height * 0.96), fill=(0, 0, 0, 0))
    path = output / "mask.png"
    mask.save(path)
    return path


def _contact_sheet(pictures: list[tuple[str, str]], output: Path) -> Path:
    """All pictures on one page, each with its title."""
    tile = (720, 480)
    cells = [
        Cell(number, title, shrunk(Path(path).read_bytes(), box=tile))
        for number, (title, path) in enumerate(pictures, start=1)
    ]
    path = output / "contact-sheet.jpg"
    path.write_bytes(sheet(cells, columns=2, tile=tile))
    return path


def _heading(text: str) -> None:
    click.secho(f"\n{text}", bold=True, fg="cyan")
