"""The documents say what the code says, and everything that they name is there."""

import importlib.util
import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import click
import pytest
from PIL import Image
from promises import promise

from gpt_image_2_mcp import __version__
from gpt_image_2_mcp.cli.commands import commands
from gpt_image_2_mcp.hosted_settings import HostedSettings
from gpt_image_2_mcp.install.clients import CLIENTS
from gpt_image_2_mcp.server.prompts.templates import all_prompts
from gpt_image_2_mcp.server.tools import all_tools
from gpt_image_2_mcp.settings import Settings

ROOT = Path(__file__).parent.parent
PACKAGE = ROOT / "src" / "gpt_image_2_mcp"

README, CONTRIBUTING, ARCHITECTURE = "README.md", "CONTRIBUTING.md", "docs/architecture.md"
DOCUMENTS = [README, CONTRIBUTING, "SECURITY.md", "CHANGELOG.md", *(f"docs/{p.name}" for p in ROOT.glob("docs/*.md"))]

GLOSSARY = "| term | meaning | in the code |"

MAX_README_BYTES = 12_000
FIRST_SCREEN_LINES = 60


def read(document: str) -> str:
    return (ROOT / document).read_text(encoding="utf-8")


def fences(text: str, language: str) -> list[str]:
    """What the code blocks of a language hold."""
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.DOTALL | re.MULTILINE)


def prose(text: str) -> str:
    """A document without its code blocks."""
    return re.sub(r"^```.*?^```$", "", text, flags=re.DOTALL | re.MULTILINE)


def code_spans(text: str) -> list[str]:
    return re.findall(r"`([^`\n]+)`", prose(text))


def table(text: str, header: str) -> list[list[str]]:
    """The rows of the table that begins with these column names."""
    _, found, rest = text.partition(f"{header}\n")
    assert found, header
    rows = rest.partition("\n\n")[0].splitlines()[1:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


# Parts that are generated.


@pytest.fixture
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("generate", ROOT / "docs" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_generated_parts_are_what_the_code_says(generate: ModuleType) -> None:
    """After a change to a tool, a prompt, a setting, a command or a make target: `make docs`."""
    for document in generate.documents():
        assert generate.written(document, read(document)) == read(document), document


@promise("Supply", "The documents' commands that install the program name its version.")
def test_every_command_that_installs_the_program_names_its_version(generate: ModuleType) -> None:
    """Without one, people would run what was released a minute ago."""
    assert generate.documents() == DOCUMENTS
    assert generate.pinned("uvx gpt-image-2-mcp@9.9rc1 x") == f"uvx gpt-image-2-mcp@{__version__} x"
    for document in DOCUMENTS:
        blocks = "\n".join(re.findall(r"^```.*?^```$", read(document), re.DOTALL | re.MULTILINE))
        for command in re.findall(
            r"(?:uvx|--from|\"args\": \[|args = \[)[\s'\",]*(gpt-image-2-mcp[^\s'\",\]]*(?:\][^\s'\"]*)?)", blocks
        ):
            assert command.endswith((f"@{__version__}", f"=={__version__}")), (document, command)


def test_no_document_has_a_generated_part_that_is_not_written(generate: ModuleType) -> None:
    for document in DOCUMENTS:
        assert re.findall(r"<!-- ([a-z-]+) -->", read(document)) == list(generate.PAGES.get(document, ())), document


def test_every_tool_prompt_setting_and_client_is_documented() -> None:
    tools, settings = read("docs/tools.md"), read("docs/settings.md")
    assert all(f"| `{tool.name}` |" in tools for tool in all_tools())
    assert all(f"| `{prompt.name}` |" in tools for prompt in all_prompts())
    assert all(f"| `{variable}` |" in settings for variable in {**Settings.variables(), **HostedSettings.variables()})
    assert all(f"**{client.name}** (`{client.id}`)" in read("docs/install.md") for client in CLIENTS.values())
    assert all(client.name in read(README) for client in CLIENTS.values())


def test_every_setting_says_what_it_does(generate: ModuleType) -> None:
    for settings in (Settings, HostedSettings):
        described = generate.setting_docstrings(settings)
        assert all(described.get(name) for name in settings.variables().values())


def test_the_session_tree_has_the_same_id_after_every_demo(generate: ModuleType) -> None:
    """Or else `make docs` would change a document each time."""
    tree = read("docs/session-tree.txt")
    assert generate.PICTURE_STAMP in tree
    assert generate.steady(tree.replace(generate.PICTURE_STAMP, "20270101-000000-ffffff")) == tree


def test_the_benchmark_has_a_figure_of_every_section_that_has_a_goal(generate: ModuleType) -> None:
    """After a run: `make bench docs BENCH=--publish`."""
    measured = json.loads(read("docs/bench.json"))
    page = read("docs/performance.md")
    assert measured["header"]["date"] in page
    with_goal = {row["section"] for row in measured["rows"] if "goal" in row}
    assert any("100,000 pictures" in section for section in with_goal)
    assert all(f"| {section}" in generate.benchmark() for section in with_goal)
    with Image.open(ROOT / "docs" / "bench.png") as plot:
        plot.load()
        assert (plot.format, plot.width > 500, plot.height > 500) == ("PNG", True, True)


# What is written by hand.


def test_the_readme_is_short_and_its_first_screen_has_the_essentials() -> None:
    assert len(read(README).encode()) <= MAX_README_BYTES
    screen = "\n".join(read(README).splitlines()[:FIRST_SCREEN_LINES])
    assert "](docs/contact-sheet.jpg)" in screen
    (commands_, installing, *_) = fences(screen, "sh")
    assert re.findall(r"^make \S+", commands_, re.MULTILINE) == ["make demo", "make test"]
    assert installing == f"uvx gpt-image-2-mcp@{__version__} install\n"


def test_every_page_is_reached_from_the_readme() -> None:
    linked = {target.partition("#")[0] for target in targets(README)}
    assert set(DOCUMENTS) - {README} <= linked


def targets(document: str) -> list[str]:
    """Where the links and pictures of a document lead."""
    return re.findall(r"\]\(([^)\s]+)\)", re.sub(r"`[^`\n]+`", "", prose(read(document))))


def anchors(document: str) -> set[str]:
    """A heading's address, as GitHub makes it."""
    headings = re.findall(r"^#+ (.+)$", prose(read(document)), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_leads_somewhere() -> None:
    count = 0
    for document in DOCUMENTS:
        for target in targets(document):
            if target.startswith(("https://", "goose://")):
                continue
            path, _, anchor = target.partition("#")
            file = (ROOT / document).parent / path if path else ROOT / document
            assert file.is_file(), f"{document}: {target}"
            if anchor:
                assert anchor in anchors(str(file.resolve().relative_to(ROOT))), f"{document}: {target}"
            count += 1
    assert count > len(DOCUMENTS)


def paths_in(text: str) -> set[str]:
    """The paths that a text names: code spans that end like a file or a folder, and all below a folder of the root."""
    files = r"[\w.-]+(?:/[\w.-]+)*\.(?:py|md|json|toml|txt)"
    folders = r"(?:[\w.-]+/)+"
    named = {span for span in code_spans(text) if re.fullmatch(f"{files}|{folders}", span)}
    return named | set(re.findall(r"(?<![\w/.-])(?:src|tests|docs|bench|\.ci)/[\w./-]*\w/?", text))


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_path_that_a_document_names_exists(document: str) -> None:
    """Each is a path in the checkout or in the package."""
    for path in paths_in(read(document)):
        assert (ROOT / path).exists() or (PACKAGE / path).exists(), path


def test_paths_are_found_in_code_spans_commands_and_links() -> None:
    """Or else the test above would be true of anything."""
    text = "See `server/tools.py`, `jobs/` and [this](docs/a.md).\n\n```sh\npytest tests/test_b.py::test_c\n```\n"
    assert paths_in(text) == {"server/tools.py", "jobs/", "docs/a.md", "tests/test_b.py"}
    assert paths_in("`OPENAI_API_KEY`, `1:3`, `~/.ssh`, `/images/edits`, `tools/list`, `Job.stop`") == set()


def test_the_architecture_names_every_folder_and_module_of_the_root_once() -> None:
    folders = {
        f"`{path.parent.relative_to(PACKAGE)}/`"
        for path in [*PACKAGE.glob("*/__init__.py"), *PACKAGE.glob("*/*/__init__.py")]
    }
    modules = {f"`{path.name}`" for path in PACKAGE.glob("[!_]*.py")}
    text = read(ARCHITECTURE)
    listed = text.partition("## The folders")[2].partition("\n## ")[0]
    assert {name: listed.count(name) for name in folders | modules} == dict.fromkeys(folders | modules, 1)
    rows = [row[0] for row in table(text, "| folder or module | what is in it |")]
    nested = {name for name in folders if "/" in name.strip("`/")}
    assert set(rows) == (folders | modules) - nested - {"`sandbox/`"}


NOT_OURS = {"openai", "sqlalchemy", "PIL", "TYPE_CHECKING", "OPENAI_BASE_URL"}
"""Names in the architecture that this package does not define."""


def test_every_name_of_the_code_that_the_architecture_and_the_glossary_use_is_in_the_code() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in PACKAGE.rglob("*.py"))
    defined = set(re.findall(r"^ *(?:class|def|async def) (\w+)", code, re.MULTILINE))
    defined |= set(re.findall(r"^(\w+)(?:: [^=\n]+)? = ", code, re.MULTILINE))
    spans = [span for row in table(read(CONTRIBUTING), GLOSSARY) for span in code_spans(row[2])]
    spans += code_spans(read(ARCHITECTURE))
    is_name = re.compile(r"[A-Za-z]\w*(\.(?!(?:py|html)$)\w+)?")
    names = {name for span in spans if is_name.fullmatch(span) for name in span.split(".")}
    assert names - defined == NOT_OURS


def test_the_glossary_is_in_alphabetical_order_and_explains_each_term_once() -> None:
    terms = [row[0] for row in table(read(CONTRIBUTING), GLOSSARY)]
    assert terms == sorted(set(terms), key=str.casefold)
    assert len(terms) >= 25
    assert all(len(row) == 3 and all(row) for row in table(read(CONTRIBUTING), GLOSSARY))


def test_every_make_target_that_a_document_names_exists() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    existing = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set[str]()
    for document in DOCUMENTS:
        lines = [*code_spans(read(document)), *"\n".join(fences(read(document), "sh")).splitlines()]
        for line in lines:
            if line.startswith("make "):
                named |= {word for word in shlex.split(line, comments=True)[1:] if "=" not in word}
    assert {"demo", "test", "docs", "snapshots", "check"} <= named <= existing


def test_every_variable_that_a_document_names_exists() -> None:
    of_tests = {"GPT_IMAGE_2_TEST_PATIENCE", "GPT_IMAGE_2_FAULT_SEED", "GPT_IMAGE_2_SOAK_CALLS"}
    of_tests |= {"GPT_IMAGE_2_FUZZ_S", "GPT_IMAGE_2_FUZZ_SEED", "GPT_IMAGE_2_BATCH_KILLS"}
    existing = {*Settings.variables(), *HostedSettings.variables(), *of_tests}
    assert '"GPT_IMAGE_2_TEST_PATIENCE"' in read("tests/patience.py")
    for document in DOCUMENTS:
        named = set(re.findall(r"\b(?:GPT_IMAGE_2|OPENAI)_[A-Z0-9_]*[A-Z0-9]\b", read(document)))
        assert named <= existing, document


def examples() -> Iterator[list[str]]:
    """The arguments of each command that a document shows, without the name of the program."""
    for document in DOCUMENTS:
        for line in "\n".join(fences(read(document), "sh")).splitlines():
            words = shlex.split(line, comments=True)
            if words[:2] == ["uvx", f"gpt-image-2-mcp@{__version__}"]:
                yield words[2:]


def test_every_command_that_a_document_shows_is_one() -> None:
    shown = list(examples())
    assert len(shown) > 10
    for arguments in shown:
        command: click.Command = commands
        while isinstance(command, click.Group):
            command = command.commands[arguments.pop(0)]
        command.make_context(command.name, arguments)


def test_every_json_that_a_document_shows_is_valid() -> None:
    blocks = [block for document in DOCUMENTS for block in fences(read(document), "json")]
    assert len(blocks) >= 4
    for block in blocks:
        json.loads(block)
