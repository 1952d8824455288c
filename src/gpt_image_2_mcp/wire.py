"""Takes stdin and stdout for the protocol alone, before anything is loaded that might print.

Afterwards stdin reads nothing, and what a library or a child process writes to stdout lands on stderr.
"""

import os
from dataclasses import dataclass
from typing import BinaryIO


@dataclass(frozen=True, slots=True)
class Wire:
    """The client's two ends: a stream to read lines from, a descriptor to write to."""

    incoming: BinaryIO
    outgoing: int


def claim() -> Wire:
    """Move the wire to descriptors of our own."""
    wire = Wire(os.fdopen(os.dup(0), "rb"), os.dup(1))
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return wire
