"""An OpenAI API of our own, for trying and testing without a key or a cent.

It states OpenAI's rules by itself and imports nothing of the client side, so that agreement between the two is
evidence. Three ways to run it: in the process (`SandboxTransport(build_sandbox())`), as a server (`serve_sandbox`), and
as the tests' backend, with `Knobs` to make it misbehave and to read what it saw.
"""

from .app import build_sandbox
from .faults import Fault
from .knobs import Knobs, RecordedFile, RecordedRequest
from .serve import serve_sandbox
from .transport import SandboxTransport

__all__ = ["Fault", "Knobs", "RecordedFile", "RecordedRequest", "SandboxTransport", "build_sandbox", "serve_sandbox"]
