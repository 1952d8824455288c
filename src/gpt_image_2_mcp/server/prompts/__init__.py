"""The MCP prompts: templates that a person picks in the client."""
