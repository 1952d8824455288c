"""The proxies and certificates that a user sets in the environment: what is wrong with them, and which is meant.

httpx2 reads these variables by itself (`HTTPS_PROXY`, `SSL_CERT_FILE` and the like), and fails on a wrong one with an
exception that names neither the variable nor a way out.
"""

import os
import re
import ssl
from collections.abc import Mapping
from urllib.request import getproxies

import httpx2

from ..errors import NotConfigured, shown
from .sanitize import reason

_PROXIES = ("HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY")
_CERTIFICATES = ("SSL_CERT_FILE", "SSL_CERT_DIR")
"""Of both, httpx2 uses the first that is set."""
_CORRECT = "Correct or remove it in the client's configuration or in the shell."


def explain(error: Exception) -> NotConfigured | None:
    """The error for the variable because of which the HTTP client could not be made; None if it is none of them."""
    for name, value in _proxies().items():
        try:
            httpx2.Proxy(_with_scheme(value))
        except (ValueError, httpx2.InvalidURL):
            return NotConfigured(
                f"{name} must be the address of a proxy: http://host:port, https://host:port or socks5://host:port; it"
                f" is {shown(_without_password(value))}. {_CORRECT}"
            )
    name = next((name for name in _CERTIFICATES if os.environ.get(name)), None)
    if name is not None and isinstance(error, OSError):
        what = "a PEM file" if name == "SSL_CERT_FILE" else "a folder of PEM files"
        return NotConfigured(
            f"{name} must be the absolute path of {what} with certificates; it is {shown(os.environ[name])}"
            f" ({_reason(error)}). {_CORRECT}"
        )
    return None


def names_in_use() -> list[str]:
    """The variables of the network that are set, in capitals."""
    return [name for name in (*_PROXIES, *_CERTIFICATES) if os.environ.get(name) or os.environ.get(name.lower())]


def proxy_text(address: tuple[str, int] | None) -> str:
    """How a message names a proxy: its address, and the variable that it comes from if that is known."""
    if address is None:
        return "The proxy"
    host, port = address
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    variable = next((variable for variable, value in _proxies().items() if _address(value) == address), None)
    return f"The proxy {name}" + (f" of {variable}" if variable else "")


def _proxies() -> Mapping[str, str]:
    """The proxies that httpx2 uses, by their variables; on Windows and macOS they may be the system's own settings."""
    found: dict[str, str] = {}
    for scheme in ("https", "http", "all"):
        if value := getproxies().get(scheme):
            names = (f"{scheme}_proxy", f"{scheme}_proxy".upper())
            variable = next((name for name in names if os.environ.get(name)), None)
            found[variable or f"the system's proxy for {scheme}"] = value
    return found


def _with_scheme(value: str) -> str:
    return value if "://" in value else f"http://{value}"


def _address(value: str) -> tuple[str, int] | None:
    try:
        url = httpx2.URL(_with_scheme(value))
    except httpx2.InvalidURL:
        return None
    return url.host, url.port or {"https": 443, "socks5": 1080, "socks5h": 1080}.get(url.scheme, 80)


def _without_password(value: str) -> str:
    """The value without what stands before its last `@`, which may hold a password."""
    return re.sub(r"^(\w+://)?.*@", r"\1…@", value, flags=re.DOTALL)


def _reason(error: OSError) -> str:
    # The text of these exceptions repeats the path, or names a line of OpenSSL's source.
    return "it holds no certificate" if isinstance(error, ssl.SSLError) else error.strerror or reason(error)
