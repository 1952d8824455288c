"""Runs the converters of agent frameworks on the tools: `make converters`, in an environment of its own.

The frameworks are heavy and release weekly, so the tests do not install them: they hold what is recorded here against
today's tools. Reads the tools from stdin as `tools/list` gives them, and writes what each converter makes of them.
"""

import json
import sys
from collections.abc import Callable
from importlib.metadata import version
from typing import Any

from agents.mcp import MCPServerStdio
from agents.mcp.util import MCPUtil
from anthropic.lib.tools.mcp import async_mcp_tool
from google.genai._mcp_utils import mcp_to_gemini_tool
from langchain_core.utils.function_calling import convert_to_openai_tool
from langchain_mcp_adapters.tools import convert_mcp_tool_to_langchain_tool
from mcp.types import Tool
from pydantic_ai.profiles.google import GoogleJsonSchemaTransformer
from pydantic_ai.profiles.openai import OpenAIJsonSchemaTransformer

NOBODY: Any = None
"""The converters keep the server or the session for later calls of the tool."""


def openai_agents(tool: Tool) -> Any:
    server = MCPServerStdio({"command": "never started"})
    converted = MCPUtil.to_function_tool(tool, server, convert_schemas_to_strict=True)
    # What has no parameters has no strict form there, and is offered as it is.
    assert converted.strict_json_schema or not tool.inputSchema["properties"], f"{tool.name} has no strict form"
    return converted.description, converted.params_json_schema


def langchain(tool: Tool) -> Any:
    connection: Any = {"transport": "stdio", "command": "never started", "args": []}
    converted = convert_mcp_tool_to_langchain_tool(None, tool, connection=connection)
    function = convert_to_openai_tool(converted, strict=True)["function"]
    return function["description"], function["parameters"]


def google_genai(tool: Tool) -> Any:
    (converted,) = mcp_to_gemini_tool(tool).function_declarations
    schema = converted.parameters_json_schema or converted.parameters.model_dump(mode="json", exclude_none=True)
    return converted.description, schema


def anthropic(tool: Tool) -> Any:
    converted = async_mcp_tool(tool, NOBODY).to_dict()
    return converted["description"], converted["input_schema"]


def pydantic_ai_openai(tool: Tool) -> Any:
    return tool.description, OpenAIJsonSchemaTransformer(tool.inputSchema, strict=True).walk()


def pydantic_ai_google(tool: Tool) -> Any:
    return tool.description, GoogleJsonSchemaTransformer(tool.inputSchema).walk()


CONVERTERS: dict[str, tuple[str, Callable[[Tool], Any]]] = {
    "openai-agents, strict": ("openai-agents", openai_agents),
    "LangChain, strict": ("langchain-mcp-adapters", langchain),
    "google-genai": ("google-genai", google_genai),
    "Anthropic": ("anthropic", anthropic),
    "pydantic-ai for OpenAI, strict": ("pydantic-ai-slim", pydantic_ai_openai),
    "pydantic-ai for Gemini": ("pydantic-ai-slim", pydantic_ai_google),
}


def main() -> None:
    given = json.load(sys.stdin)["tools"]
    tools = [Tool.model_validate(tool) for tool in given]
    converted_by: dict[str, Any] = {}
    for name, (package, convert) in CONVERTERS.items():
        converted = {tool.name: convert(tool.model_copy(deep=True)) for tool in tools}
        converted_by[name] = {
            "version": f"{package} {version(package)}",
            "tools": {
                tool: {"description": description, "parameters": parameters}
                for tool, (description, parameters) in converted.items()
            },
        }
    json.dump({"tools": given, "converted": converted_by}, sys.stdout, indent=1, ensure_ascii=False)
    sys.stdout.write("\n")


if __name__ == "__main__":
    main()
