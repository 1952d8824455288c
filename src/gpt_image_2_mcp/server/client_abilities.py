"""What a client can do, by what it declared."""

from typing import Any

from mcp.server.mcpserver import Context


def can_ask(call: Context[Any, Any]) -> bool:
    """Whether the client can show its user a question in a form."""
    elicitation = call.client_capabilities.elicitation if call.client_capabilities else None
    # Older clients declare `elicitation` without naming a mode; they support forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)
