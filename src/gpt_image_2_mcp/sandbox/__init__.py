"""An independent implementation of OpenAI's image API, to try and to test the program without a key and without cost.

It states OpenAI's rules a second time and imports nothing of the client side (a test checks that), so that agreement
between the two is evidence. There are three ways to run it: in the same process (`SandboxTransport(build_sandbox())`),
as a server (`serve_sandbox`), and as the backend of a test, which uses `Knobs` to cause faults and to read the requests
that came in.
"""

from .app import build_sandbox
from .faults import Fault
from .knobs import Knobs, RecordedFile, RecordedRequest
from .serve import serve_sandbox
from .transport import SandboxTransport

__all__ = ["Fault", "Knobs", "RecordedFile", "RecordedRequest", "SandboxTransport", "build_sandbox", "serve_sandbox"]
