"""How users add this server to their MCP clients."""
