"""The console script. It imports the standard library alone until it knows what it is asked for.

Clients start one process each and wait for its first answer, so serving goes the short way, past the command line's
own library.
"""

import sys

SERVE: tuple[list[str], ...] = ([], ["--sandbox"])
"""The arguments that ask for an MCP server on stdio."""


def serve(*, sandbox: bool) -> None:
    """Answer a client's opening, load the server when it is needed, and serve until the client is gone."""
    from .front import serve_opening
    from .wire import claim

    wire = claim()
    opening = serve_opening(wire)
    if opening is None:
        return
    import gc

    # Nothing that is imported is garbage: looking for some takes a tenth of the time.
    gc.disable()
    from .stdio import run

    gc.enable()
    gc.freeze()
    run(wire, opening, sandbox=sandbox)


def main() -> None:
    """Serve MCP on stdio, or run a command."""
    arguments = sys.argv[1:]
    if arguments in SERVE:
        serve(sandbox="--sandbox" in arguments)
    else:
        from .commands import commands

        commands()
