"""The console script `gpt-image-2-mcp`; it imports only the standard library until it has read its arguments.

An MCP client starts the server without arguments and waits for its first answer, so `main` then calls `serve` directly:
importing click, which the commands need, would take longer than the whole answer.
"""

import sys

SERVE: tuple[list[str], ...] = ([], ["--sandbox"])
"""The lists of arguments that mean: serve MCP on stdio."""


def main() -> None:
    """Serve MCP on stdio, or run a command."""
    arguments = sys.argv[1:]
    if arguments in SERVE:
        from ..server.stdio.serve import serve

        serve(sandbox="--sandbox" in arguments)
    else:
        from .commands import commands
        from .output import forget_full_stderr

        try:
            commands()
        finally:
            forget_full_stderr()
