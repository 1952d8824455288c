"""An MCP server that makes and edits pictures with OpenAI's gpt-image-2."""

__version__ = "0.1.0"
