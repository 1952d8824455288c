"""The MCP server: tools, resources and prompts, which call the `ImageService`."""
