"""Writes the parts of the documents that the code knows: `make docs`.

A part stands between `<!-- name -->` and `<!-- /name -->`; `PAGES` says which document has which. The version in
commands that install the program is written everywhere. `tests/test_docs.py` fails when a document is not what this
script would write.
"""

import ast
import inspect
import json
import re
import sys
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import click

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.doctor.troubles import TROUBLES
from gpt_image_2_mcp.environment import Environment
from gpt_image_2_mcp.hosted_settings import HostedSettings
from gpt_image_2_mcp.install.changes import Wanted, snippet
from gpt_image_2_mcp.install.clients import CLIENTS, Client
from gpt_image_2_mcp.install.key_choice import KeySources
from gpt_image_2_mcp.install.launch import Launch, uvx_arguments
from gpt_image_2_mcp.install.links import install_links
from gpt_image_2_mcp.install.systems import System
from gpt_image_2_mcp.parameters.size_names import NAMED_SIZES
from gpt_image_2_mcp.sandbox.triggers import TRIGGERS
from gpt_image_2_mcp.server.prompts.templates import all_prompts
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

HERE: Final = Path(__file__).parent
ROOT: Final = HERE.parent
TREE: Final = ROOT / "docs" / "session-tree.txt"
"""The session tree that the demo wrote, as `steady` leaves it."""
BENCH: Final = ROOT / "docs" / "bench.json"
"""What `make bench BENCH=--publish` measured."""

EXACT: Final = ROOT / "docs" / "exact-edits.json"
"""What it measured of exact edits."""

PICTURE_STAMP: Final = "20261126-220707-bf01be"
"""Time and random digits of the picture in the tree: always the same, so that a new demo changes no document."""

SUBJECTS: Final = (
    "Reading",
    "Refusals",
    "Fetching",
    "Writing",
    "Money",
    "Repetitions",
    "Consent",
    "The studio in the browser",
    "Backend",
    "Words of others",
    "Claims",
    "Secrets",
    "Records",
    "Inputs",
    "What leaves",
    "Set-up",
    "Quantity",
    "Database",
    "Other users",
    "Several people",
    "Several replicas",
    "Odd pictures",
    "Junk",
    "Crashes",
    "Clients",
    "Upgrades",
    "Supply",
)
"""What SECURITY.md promises something about, in its order."""

MAX_ROWS: Final = 5
"""A section of the benchmark with more figures than this gets one row: the figure that is nearest to its goal."""


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


def settings_table(settings: type[Environment] = Settings) -> str:
    """Each environment variable with its default and what it does."""
    rows = ["| variable | default | what it does |", "|---|---|---|"]
    described = setting_docstrings(settings)
    for variable, name in settings.variables().items():
        default = settings.model_fields[name].default
        shown = "" if default is None else f"`{int(default) if isinstance(default, bool) else default}`"
        rows.append(f"| `{variable}` | {shown} | {' '.join(described[name].split())} |")
    return "\n".join(rows)


def sizes_table() -> str:
    """Each name of a size, what it is, and the other words for it."""
    rows = ["| name | is | also |", "|---|---|---|"]
    for name, size in NAMED_SIZES.items():
        unit = " mm" if size.is_paper else ""
        rows.append(f"| `{name}` | {size.width:g}x{size.height:g}{unit} | {', '.join(size.others)} |")
    return "\n".join(rows)


def triggers_table() -> str:
    """Each word that makes a request of the sandbox fail, and how."""
    rows = ["| word | what happens |", "|---|---|"]
    return "\n".join([*rows, *(f"| `{word}` | {trigger.meaning} |" for word, trigger in TRIGGERS.items())])


def setting_docstrings(settings: type[Environment] = Settings) -> Mapping[str, str]:
    """The docstring under each field of `Settings` or `HostedSettings`, by the field's name."""
    (body,) = (node.body for node in ast.parse(inspect.getsource(settings)).body if isinstance(node, ast.ClassDef))
    found: dict[str, str] = {}
    for field, text in pairwise(body):
        match field, text:
            case (
                ast.AnnAssign(target=ast.Name(id=name)),
                ast.Expr(value=ast.Constant(value=str(docstring))),
            ):
                found[name] = docstring
            case _:
                pass
    return found


def clients_section() -> str:
    """Each client's files, and what `install` writes into them; clients that take the same text share one block."""
    keys = KeySources({}, ask=lambda _: "")
    wanted = Wanted("gpt-image-2", Launch("uvx", uvx_arguments(__version__)), keys)
    clients: dict[tuple[str, str], list[Client]] = {}
    for client in CLIENTS.values():
        clients.setdefault((client.format, snippet(client, wanted)), []).append(client)
    return "\n\n".join(
        "\n\n".join(_files(client) for client in those) + f"\n\n```{language}\n{text}\n```"
        for (language, text), those in clients.items()
    )


def badges() -> str:
    """The links that add the server by one click, and the server's name in the MCP registry, which looks for it."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    owner = project["urls"]["Repository"].split("/")[3]
    links = [f"[Add to {link.client}]({link.address})" for link in install_links(__version__)]
    return "\n".join([" ·\n".join(links), "", f"<!-- mcp-name: io.github.{owner}/{project['name']} -->"])


def _files(client: Client) -> str:
    """The name of a client, its id, and where its files are on each system."""
    homes = {"macOS": "darwin", "Linux": "linux", "Windows": "win32"}
    files: dict[str, list[str]] = {}
    for name, platform in homes.items():
        system = System(platform, Path("~"), {"APPDATA": "%APPDATA%"} if platform == "win32" else {})
        file = client.user_file(system).as_posix()
        files.setdefault(file.replace("/", "\\") if platform == "win32" and "%" in file else file, []).append(name)
    where = "; ".join(
        f"`{file}`" + (f" ({', '.join(systems)})" if len(files) > 1 else "") for file, systems in files.items()
    )
    project = f"; for a project `<project>/{client.project_file}`" if client.project_file else ""
    return f"**{client.name}** (`{client.id}`): {where}{project}. {client.then}"


def troubles_table() -> str:
    """What people see, what to do, and the line of `doctor` that tells about it."""
    rows = [f"| {row.seen} | {row.way_out} | {row.check} |" for row in TROUBLES]
    return "\n".join(["| what you see | what to do | line of `doctor` |", "|---|---|---|", *rows])


def make_targets() -> str:
    """Each target of the Makefile with the comment behind it, as `make help` prints them."""
    targets = re.findall(r"^([a-z-]+):.*## (.*)$", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    rows = [f"| `make {target}` | {does} |" for target, does in targets]
    return "\n".join(["| command | does |", "|---|---|", *rows])


def command_line() -> str:
    """`--help` of the program and of each command."""
    return "\n\n".join(f"```text\n{page}\n```" for page in _pages(commands, "gpt-image-2-mcp"))


def benchmark() -> str:
    """Each figure that has a goal, and the machine it was measured on."""
    measured = json.loads(BENCH.read_text(encoding="utf-8"))
    header = measured["header"]
    sections: dict[str, list[Mapping[str, Any]]] = {}
    for row in measured["rows"]:
        if "goal" in row:
            sections.setdefault(row["section"], []).append(row)
    rows = ["| | measured | goal, at most |", "|---|---|---|"]
    for section, found in sections.items():
        rows += _figures(section, found)
    return "\n".join(
        [f"{header['date']}, {header['machine']}, {header['python']}; load before {header['load before']}:", "", *rows]
    )


def exact_edits() -> str:
    """Each figure of exact edits with its bound."""
    measured = json.loads(EXACT.read_text(encoding="utf-8"))
    rows = ["| | measured | bound |", "|---|---|---|"]
    for row in measured["rows"]:
        if "goal" not in row:
            continue
        goal, what = row["goal"], row["section"].removeprefix("Exact edits: ")
        bound = f"at least {goal['at_least']:g}" if "at_least" in goal else f"at most {goal['at_most']:g}"
        rows.append(f"| {what}: {row['name']} | {row['median']:.4g} {row['unit']} | {bound} |")
    header = measured["header"]
    return "\n".join([f"{header['date']}, {header['machine']}, {header['python']}:", "", *rows])


def _figures(section: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    lines: list[str] = []
    for row in sorted(rows, key=_share)[-1:] if len(rows) > MAX_ROWS else rows:
        goal = row["goal"]
        unit = "times" if goal["of"] == "ratio" else row["unit"]
        which = f"{row['name']}, the slowest of {len(rows)}" if len(rows) > MAX_ROWS else row["name"]
        what = f"{section}: {which}".replace("gpt-image-2-mcp: ", "").removesuffix(": gpt-image-2-mcp")
        lines.append(f"| {what} | {_figure(row):.3g} {unit} | {goal['at_most']:g} |")
    return lines


def _figure(row: Mapping[str, Any]) -> float:
    return row["ratio"] if row["goal"]["of"] == "ratio" else row["median"]


def _share(row: Mapping[str, Any]) -> float:
    return _figure(row) / row["goal"]["at_most"]


def steady(tree: str) -> str:
    """A session tree with `PICTURE_STAMP` in its pictures' ids."""
    return re.sub(r"\d{8}-\d{6}-[0-9a-f]{6}", PICTURE_STAMP, tree)


def hosting_file(name: str, language: str) -> str:
    """A file of docs/hosting, which a test runs, under its name."""
    path = HERE / "hosting" / name
    return f"`{path.relative_to(ROOT)}`:\n\n```{language}\n{path.read_text(encoding='utf-8').rstrip()}\n```"


def session_tree() -> str:
    """The tree of the demo's session."""
    return f"```text\n{TREE.read_text(encoding='utf-8').rstrip()}\n```"


def promises() -> str:
    """Each sentence that a test marked with `promise` holds, and the test, by subject."""
    found: dict[str, list[str]] = {subject: [] for subject in SUBJECTS}
    for path in sorted((ROOT / "tests").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for subject, sentence in _promises_of(node):
                    found[subject].append(
                        f"| **{subject}.** {sentence} | `{path.relative_to(ROOT).as_posix()}`: `{node.name}` |"
                    )
    if empty := [subject for subject, rows in found.items() if not rows]:
        sys.exit(f"no test holds a promise of {', '.join(empty)}")
    return "\n".join(["| Promise | Test |", "|---|---|", *(row for rows in found.values() for row in rows)])


def _promises_of(test: ast.FunctionDef | ast.AsyncFunctionDef) -> Iterator[tuple[str, str]]:
    """The subject and the sentence of each promise that a test is marked with; one that may fail holds none."""
    if any("xfail" in ast.unparse(mark) for mark in test.decorator_list):
        return
    for mark in test.decorator_list:
        if isinstance(mark, ast.Call) and isinstance(mark.func, ast.Name) and mark.func.id == "promise":
            subject, sentence = map(ast.literal_eval, mark.args)
            yield subject, sentence


PAGES: Final[Mapping[str, Mapping[str, Callable[[], str]]]] = {
    "CONTRIBUTING.md": {"make-targets": make_targets},
    "README.md": {"badges": badges},
    "SECURITY.md": {"promises": promises},
    "docs/command-line.md": {"command-line": command_line},
    "docs/exact-edits.md": {"exact-edits": exact_edits},
    "docs/hosting.md": {
        "compose": lambda: hosting_file("compose.yaml", "yaml"),
        "haproxy": lambda: hosting_file("haproxy.cfg", "text"),
        "nginx": lambda: hosting_file("nginx.conf", "nginx"),
    },
    "docs/install.md": {"clients": clients_section},
    "docs/performance.md": {"bench": benchmark},
    "docs/sandbox.md": {"triggers": triggers_table},
    "docs/settings.md": {"settings": settings_table, "hosted-settings": lambda: settings_table(HostedSettings)},
    "docs/troubleshooting.md": {"troubles": troubles_table},
    "docs/tools.md": {
        "tools": tools_table,
        "sizes": sizes_table,
        "session-tree": session_tree,
        "prompts": prompts_table,
    },
}
"""The generated parts of each document, and the function that writes each."""


def documents() -> list[str]:
    """Every document, by its path in the checkout."""
    return [
        "README.md",
        "CONTRIBUTING.md",
        "SECURITY.md",
        "CHANGELOG.md",
        *(f"docs/{p.name}" for p in HERE.glob("*.md")),
    ]


def pinned(text: str) -> str:
    """A text in which every command that installs the program names the version of this checkout."""
    return re.sub(r"(gpt-image-2-mcp(?:\[[\w,]+\])?(?:@|==))\d[\w.]*", rf"\g<1>{__version__}", text)


def written(page: str, text: str) -> str:
    """The text of a document with the version and its generated parts as they should be now."""
    text = pinned(text)
    for name, part in PAGES.get(page, {}).items():
        pattern = re.compile(rf"(<!-- {name} -->).*?(<!-- /{name} -->)", re.DOTALL)
        text, count = pattern.subn(lambda match, part=part: f"{match[1]}\n{part()}\n{match[2]}", text)
        if count != 1:
            sys.exit(f"{page} must have the part <!-- {name} --> once; it has it {count} times")
    return text


def _pages(command: click.Command, name: str) -> list[str]:
    """The help of a command, followed by that of its subcommands."""
    pages = [_help(command, name)]
    if isinstance(command, click.Group):
        for word, one in command.commands.items():
            pages += _pages(one, f"{name} {word}")
    return pages


def _help(command: click.Command, name: str) -> str:
    # click builds a command's help option once and keeps it, so it is built here with the names that the program uses.
    names = ["-h", "--help"]
    with click.Context(
        command, info_name=name, terminal_width=100, max_content_width=100, help_option_names=names
    ) as context:
        return command.get_help(context).rstrip()


if __name__ == "__main__":
    TREE.write_text(steady(TREE.read_text(encoding="utf-8")), encoding="utf-8")
    for name in documents():
        document = ROOT / name
        document.write_text(written(name, document.read_text(encoding="utf-8")), encoding="utf-8")
