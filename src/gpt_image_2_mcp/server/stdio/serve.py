"""Serves MCP on stdio: `handshake` answers first, and the full server is loaded when a message needs it.

`serve` imports everything inside itself, in the order in which it is needed: a client waits for the first answer.
"""


def serve(*, sandbox: bool) -> None:
    """Serve MCP on stdin and stdout until the client closes stdin or a signal comes."""
    from .engine.fork import is_wanted
    from .handshake import answer_handshake
    from .installation import Installation, refuse_all
    from .pipes import take_over_stdio

    pipes = take_over_stdio()
    installation = Installation()
    replay = answer_handshake(pipes)
    if replay is None:
        return
    if not installation.is_unchanged():
        refuse_all(pipes, replay.line)
        return
    engine = None
    if is_wanted():
        from .engine.front import run_front

        # The front never returns from this; what goes on from here is the engine, or a process without one.
        if engine := run_front(pipes, replay, installation):
            pipes, replay = engine.pipes, engine.replay
    installation.guard_imports()
    import gc

    # What is imported is no garbage, and the collector would walk through all of it again and again, during the imports
    # and during the first call. So it is off during the imports, and `freeze` makes it leave out what they made.
    # `session` freezes and turns it on again when everything is loaded. That saves 12 % of the processor time up to the
    # end of the first call (docs/performance.md). To turn it off, delete the three lines with `gc.`;
    # `bench/server_without.py gc.freeze` is a server without them.
    gc.disable()
    from .session import run

    run(pipes, replay, sandbox=sandbox, engine=engine)
