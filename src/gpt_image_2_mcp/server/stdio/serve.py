"""Serving from the first byte: `front` answers the opening, and the server proper is loaded when it is needed."""

YOUNG = 10_000
"""New objects between two looks for garbage: at Python's 700, looking takes up to a twentieth of a call's time."""


def serve(*, sandbox: bool) -> None:
    """Serve MCP on stdin and stdout until the client is gone."""
    from .handshake import serve_opening
    from .pipes import take_over_stdio

    wire = take_over_stdio()
    opening = serve_opening(wire)
    if opening is None:
        return
    import gc

    # Nothing that is imported is garbage: looking for some takes a tenth of the time.
    gc.disable()
    from .session import run

    gc.enable()
    gc.freeze()
    gc.set_threshold(YOUNG)
    run(wire, opening, sandbox=sandbox)
