"""What a client can do and is called, by what it declared."""

from typing import Any

from mcp.server.mcpserver import Context

from ..jobs.job import client_name


def can_ask(call: Context[Any, Any]) -> bool:
    """Whether the client can show its user a question in a form."""
    elicitation = call.client_capabilities.elicitation if call.client_capabilities else None
    # Older clients declare `elicitation` without naming a mode; they support forms.
    return elicitation is not None and (elicitation.form is not None or elicitation.url is None)


def client_of(call: Context[Any, Any]) -> str | None:
    """The client's name and version, as it gave them in the handshake; None if it gave none."""
    params = call.session.client_params
    return None if params is None else client_name(params.client_info.name, params.client_info.version)
