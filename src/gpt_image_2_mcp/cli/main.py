"""The console script. It imports the standard library alone until it knows what it is asked for.

Clients start one process each and wait for its first answer, so serving goes the short way, past the command line's
own library.
"""

import sys

SERVE: tuple[list[str], ...] = ([], ["--sandbox"])
"""The arguments that ask for an MCP server on stdio."""


def main() -> None:
    """Serve MCP on stdio, or run a command."""
    arguments = sys.argv[1:]
    if arguments in SERVE:
        from ..server.stdio.serve import serve

        serve(sandbox="--sandbox" in arguments)
    else:
        from .commands import commands

        commands()
