"""Translates failed connections into `ApiError`s that say whether the picture may have been billed.

A proxy of the user and a certificate that is not known here are named, since neither is the backend's fault.
"""

import re

import httpx2
import openai

from ..errors import ApiError, OutcomeUnknown, Unavailable
from .connection_trace import trace_of
from .network_variables import proxy_text
from .sanitize import reason
from .unbilled import was_never_sent


def translate_connection(error: openai.APIConnectionError) -> ApiError:
    """The `ApiError` for a request whose connection failed, before or after it was sent."""
    where = f"{error.request.url.scheme}://{error.request.url.netloc.decode('ascii', 'replace').rpartition('@')[2]}"
    cause = error.__cause__
    if was_never_sent(error):
        return Unavailable(_unsent_text(error, where))
    if isinstance(error, openai.APITimeoutError):
        what = "did not answer in time"
    elif _is_garbled(cause):
        what = "sent an answer that cannot be read as HTTP"
    else:
        what = "dropped the connection before the answer was complete"
    return OutcomeUnknown(f"{where} {what}.")


def _unsent_text(error: openai.APIConnectionError, where: str) -> str:
    trace, cause = trace_of(error.request), error.__cause__
    why = reason(cause) if isinstance(cause, Exception) else "no reason given"
    if "CERTIFICATE_VERIFY_FAILED" in why:
        return (
            f"The certificate of {where} is not known here ({why}); nothing was sent or billed. Where a company or a"
            " virus scanner inspects connections, set SSL_CERT_FILE to the absolute path of its certificates (a PEM"
            " file) in the client's configuration; REQUESTS_CA_BUNDLE and NODE_EXTRA_CA_CERTS are not read."
        )
    if trace.proxy is not None and not trace.is_connected:
        return (
            f"{proxy_text(trace.proxy)} on the way to {where} cannot be reached ({why}); nothing was sent or billed."
            " Check the proxy's address and whether the proxy runs, then ask again."
        )
    if trace.stopped_at_proxy or isinstance(cause, httpx2.ProxyError):
        return (
            f"{proxy_text(trace.proxy)} did not connect to {where} ({why}); nothing was sent or billed. Check the"
            " proxy's address, and its credentials where it wants some (http://user:password@host:port); then ask"
            " again."
        )
    return (
        f"Could not connect to {where} ({why}); nothing was sent or billed."
        " Check the network and a proxy if there is one, and OPENAI_BASE_URL if it is set; then ask again."
    )


def _is_garbled(cause: BaseException | None) -> bool:
    """Whether the answer was not HTTP. httpx2 has one exception for that and for an answer that ends too early."""
    if isinstance(cause, httpx2.RemoteProtocolError):
        return not re.search("disconnected|closed connection", str(cause))
    return isinstance(cause, httpx2.DecodingError)
