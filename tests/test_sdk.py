"""What the package uses of the `mcp` SDK: its documented names, and in `server/sdk.py` a few others."""

import ast
import inspect
from importlib import import_module
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from mcp.server import _streamable_http_modern as modern
from mcp.server.lowlevel import Server
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.tools import Tool

import gpt_image_2_mcp
from gpt_image_2_mcp.server import sdk

TRIED = ("2.3.0",)
"""Releases of `mcp` with which every test of this suite passed."""

SOURCE = Path(gpt_image_2_mcp.__file__).parent
DOOR = SOURCE / "server" / "sdk.py"

DOCUMENTED = {
    "mcp",
    "mcp.server",
    "mcp.server.context",
    "mcp.server.mcpserver",
    "mcp.server.mcpserver.exceptions",
    "mcp.server.mcpserver.prompts",
    "mcp.server.mcpserver.tools",
    "mcp.server.request_state",
    "mcp.server.subscriptions",
    "mcp.shared.message",
    "mcp_types",
    "mcp_types.version",
}
"""Modules that the SDK's documentation imports from, or that list what they export in `__all__`."""

PRIVATE = {
    name
    for owner in (MCPServer("any"), Tool, Prompt)
    for name in dir(owner)
    if name.startswith("_") and not name.startswith("__")
}
"""Private attributes of the classes that we make or derive from, `_lowlevel_server` among them."""


def of_sdk(module: str) -> bool:
    return module.partition(".")[0] in ("mcp", "mcp_types")


def is_documented(module: str, name: str) -> bool:
    """Whether the documentation shows `from module import name`; the name may be that of a module too."""
    if isinstance(getattr(import_module(module), name), ModuleType):
        return f"{module}.{name}" in DOCUMENTED
    return module in DOCUMENTED and not name.startswith("_")


def undocumented(tree: ast.AST) -> list[str]:
    """What a module imports or reads of the SDK that its documentation does not show."""
    found: list[str] = []
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                found += [name.name for name in names if of_sdk(name.name)]
            case ast.ImportFrom(module=str(module), level=0, names=names) if of_sdk(module):
                found += [f"{module}.{name.name}" for name in names if not is_documented(module, name.name)]
            case ast.Attribute(attr=attr) if attr in PRIVATE:
                found.append(attr)
            case _:
                pass
    return found


def test_this_release_of_the_sdk_was_tried() -> None:
    installed = version("mcp")
    assert installed in TRIED, (
        f"mcp {installed} is new here. `server/sdk.py` uses parts of the SDK that may change in any release: check what"
        " its docstrings say against the new release, run all tests, then add it to TRIED."
    )
    assert version("mcp-types") == installed


@pytest.mark.thorough
def test_one_module_alone_reaches_into_the_sdk() -> None:
    modules = {path: ast.parse(path.read_text(encoding="utf-8")) for path in SOURCE.rglob("*.py")}
    found = {str(path.relative_to(SOURCE)): undocumented(tree) for path, tree in modules.items() if path != DOOR}
    assert {name: names for name, names in found.items() if names} == {}
    # And it does: otherwise the search finds nothing.
    assert set(undocumented(modules[DOOR])) == {
        "_lowlevel_server",
        "mcp.server._streamable_http_modern",
        "mcp.server.extension",
        "mcp.server.lowlevel.helper_types",
        "mcp.server.mcpserver.prompts.base",
        "mcp.server.streamable_http_manager.StreamableHTTPSessionManager",
    }


@pytest.mark.parametrize(
    "line",
    [
        "from mcp.server.mcpserver.resolve import resolve_arguments",
        "from mcp.server.mcpserver.utilities.func_metadata import ArgModelBase",
        "from mcp.server.lowlevel.server import Server",
        "from mcp.client._input_required import InputRequiredRoundsExceededError",
        "from mcp_types import _types",
        "from mcp.server.lowlevel import helper_types",
        "import mcp.server.runner",
        "self._lowlevel_server.run()",
        "server._tool_manager.get_tool(name)",
    ],
)
def test_a_way_into_the_sdk_is_found(line: str) -> None:
    assert undocumented(ast.parse(line))


def parameters(function: object) -> list[str]:
    assert callable(function)
    return list(inspect.signature(function).parameters)


@pytest.mark.anyio
async def test_an_answer_over_http_begins_soon() -> None:
    assert isinstance(modern._SSE_PING_INTERVAL, float)  # pyright: ignore[reportPrivateUsage]
    async with sdk.open_http(MCPServer("any"), max_body=1000):
        assert modern._SSE_PING_INTERVAL == sdk.BEGIN_ANSWER_S  # pyright: ignore[reportPrivateUsage]


def test_the_internals_have_the_form_in_which_they_are_used() -> None:
    server = MCPServer("any")
    lowlevel = server._lowlevel_server  # pyright: ignore[reportPrivateUsage]
    assert type(lowlevel) is Server
    assert parameters(lowlevel.run)[:3] == ["read_stream", "write_stream", "initialization_options"]
    assert parameters(lowlevel.add_request_handler) == ["method", "params_type", "handler"]
    assert lowlevel.create_initialization_options().server_name == "any"
    assert set(sdk.PromptArgument.model_fields) == {"name", "description", "required"}
    assert parameters(sdk.ReadResourceContents)[:2] == ["content", "mime_type"]
