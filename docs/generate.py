"""Writes the parts of README.md that the code knows: `make docs`. A test compares them."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.install.clients import setups
from gpt_image_2_mcp.server.prompts.templates import all_prompts
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

README = Path(__file__).parent.parent / "README.md"
TREE = Path(__file__).parent / "session-tree.txt"
"""As the demo's session looked."""
BENCH = Path(__file__).parent / "bench.json"
"""What `make bench BENCH=--publish` has measured."""
MANY = 5
"""So many figures of one section are each a row; of more, the one that is nearest to what is asked."""


def tools_table() -> str:
    """Each tool with its parameters, required ones bold, and the first sentence of what the model reads."""
    rows = ["| tool | parameters | does |", "|---|---|---|"]
    for tool in all_tools():
        schema = tool.parameters
        required = schema.get("required", [])
        names = [f"**`{name}`**" if name in required else f"`{name}`" for name in schema["properties"]]
        rows.append(f"| `{tool.name}` | {', '.join(names) or 'none'} | {tool.description.split('. ')[0].rstrip('.')} |")
    return "\n".join(rows)


def prompts_table() -> str:
    """Each prompt with its arguments, required ones bold, and what a person reads."""
    rows = ["| prompt | arguments | makes |", "|---|---|---|"]
    for prompt in all_prompts():
        arguments = prompt.arguments or []
        names = [f"**`{one.name}`**" if one.required else f"`{one.name}`" for one in arguments]
        rows.append(f"| `{prompt.name}` | {', '.join(names)} | {(prompt.description or '').rstrip('.')} |")
    return "\n".join(rows)


def settings_table() -> str:
    """Each environment variable with its default and what it does."""
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    for variable, name in Settings.variables().items():
        field = Settings.model_fields[name]
        default = field.default
        shown = "" if default is None else f"`{int(default) if isinstance(default, bool) else default}`"
        rows.append(f"| `{variable}` | {shown} | {' '.join((field.description or '').split())} |")
    return "\n".join(rows)


def client_setups() -> str:
    """What goes into each client's configuration."""
    return "\n\n".join(f"**{s.name}** – {s.where}\n\n```{s.language}\n{s.text}\n```" for s in setups())


def command_line() -> str:
    """`--help` of the program and of each command."""
    return "\n\n".join(f"```text\n{page}\n```" for page in _pages(commands, "gpt-image-2-mcp"))


def benchmark() -> str:
    """Each figure that something is asked of, and what it was measured on."""
    measured = json.loads(BENCH.read_text(encoding="utf-8"))
    header = measured["header"]
    sections: dict[str, list[Mapping[str, Any]]] = {}
    for row in measured["rows"]:
        if "goal" in row:
            sections.setdefault(row["section"], []).append(row)
    rows = ["| | measured | asked |", "|---|---|---|"]
    for section, found in sections.items():
        rows += _figures(section, found)
    return "\n".join(
        [f"{header['date']}, {header['machine']}, {header['python']}; load before {header['load before']}:", "", *rows]
    )


def _figures(section: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for row in sorted(rows, key=_share)[-1:] if len(rows) > MANY else rows:
        goal = row["goal"]
        unit = "times" if goal["of"] == "ratio" else row["unit"]
        which = f"{row['name']}, the slowest of {len(rows)}" if len(rows) > MANY else row["name"]
        what = f"{section}: {which}".replace("gpt-image-2-mcp: ", "").removesuffix(": gpt-image-2-mcp")
        lines.append(f"| {what} | {_figure(row):.3g} {unit} | {goal['at_most']:g} |")
    return lines


def _figure(row: Mapping[str, Any]) -> float:
    return row["ratio"] if row["goal"]["of"] == "ratio" else row["median"]


def _share(row: Mapping[str, Any]) -> float:
    return _figure(row) / row["goal"]["at_most"]


def written(text: str) -> str:
    """README.md with its generated parts as they are now."""
    parts = {
        "tools": tools_table(),
        "prompts": prompts_table(),
        "settings": settings_table(),
        "clients": client_setups(),
        "command-line": command_line(),
        "session-tree": f"```text\n{TREE.read_text(encoding='utf-8').rstrip()}\n```",
        "bench": benchmark(),
    }
    for name, part in parts.items():
        pattern = re.compile(rf"(<!-- {name} -->).*?(<!-- /{name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda match, part=part: f"{match[1]}\n{part}\n{match[2]}", text)
        if count != 1:
            sys.exit(f"README.md has no part <!-- {name} -->")
    return text


def _pages(command: click.Command, name: str) -> list[str]:
    """Its help, and that of the commands in it."""
    pages = [_help(command, name)]
    if isinstance(command, click.Group):
        for word, one in command.commands.items():
            pages += _pages(one, f"{name} {word}")
    return pages


def _help(command: click.Command, name: str) -> str:
    # A command keeps the help option that it was first asked for, so it is asked as the program asks.
    names = ["-h", "--help"]
    with click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=names
    ) as context:
        return command.get_help(context).rstrip()


if __name__ == "__main__":
    README.write_text(written(README.read_text(encoding="utf-8")), encoding="utf-8")
