"""Every kind of answer that the backend gives, by name."""

from collections.abc import Mapping

from .kind import Kind
from .kinds_of_bodies import BODIES
from .kinds_of_connections import CONNECTIONS
from .kinds_of_refusals import REFUSALS
from .kinds_of_streams import STREAMS

KINDS: Mapping[str, Kind] = {**CONNECTIONS, **BODIES, **STREAMS, **REFUSALS}
