"""Which URLs a picture may be fetched from; nothing here opens a socket.

`check_url` parses a URL and checks it, `is_public` checks an IP address. One parser (httpx2's) serves the check and the
connection, so that both see the same host. An address is public only if it is in a range known to be public: of IPv6,
all but 2000::/3 is refused, rather than a list of ranges that are known to be private.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..errors import UnreadableSource, shown

if TYPE_CHECKING:
    import httpx2

WEB_PORTS = {"http": 80, "https": 443}
"""The schemes that are fetched, with their ports; any other port only if the user allowed it."""

NOT_PUBLIC_V4 = tuple(
    ipaddress.IPv4Network(network)
    for network in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade address translation
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; clouds serve credentials at 169.254.169.254
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # automatic multicast tunnels
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, and broadcast
    )
)
"""What is not the public internet (IANA's IPv4 Special-Purpose Address Registry, and multicast; read 2026-11-22)."""

PUBLIC_V6 = ipaddress.IPv6Network("2000::/3")
"""All IPv6 addresses that are assigned to the public internet; those that embed IPv4 (mapped, NAT64) are outside."""

NOT_PUBLIC_V6 = tuple(
    ipaddress.IPv6Network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4, which embeds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
"""What is not public within `PUBLIC_V6` (IANA's IPv6 Special-Purpose Address Registry; read 2026-11-22)."""

MAX_URL = 16_384
"""Characters of a URL; signed URLs of cloud storage have about two thousand."""

_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
# The last label of a host name is never a number (WHATWG's URL standard, "ends in a number"). A host that ends in one
# is a spelling of an IPv4 address: resolvers accept octal and hexadecimal numbers, and fewer than four parts.
_NUMERIC = re.compile(r"(.*\.)?([0-9]+|0x[0-9a-f]*)")
_ALLOWED_HOST = re.compile(r"\[?(?P<host>[^\[\]]*?)\]?(?::(?P<port>[0-9]{1,5}))?")
_MAX_SHOWN = 200


@dataclass(frozen=True, slots=True)
class Target:
    """A URL that passed the check, in the parts that a request needs; `host` is without brackets."""

    scheme: str
    host: str
    port: int
    path: bytes
    """Path and query, percent-encoded."""

    @property
    def authority(self) -> str:
        """The `Host` header: an IPv6 address in brackets, and the port unless it is the default of the scheme."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == WEB_PORTS[self.scheme] else f"{host}:{self.port}"


def is_public(address: str) -> bool:
    """Whether an IP address belongs to the public internet; False for any text that is no IP address."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(ip, ipaddress.IPv4Address):
        return not any(ip in network for network in NOT_PUBLIC_V4)
    # A zone ("%eth0") has a meaning on a local link only.
    return ip.scope_id is None and ip in PUBLIC_V6 and not any(ip in network for network in NOT_PUBLIC_V6)


def is_allowed_host(host: str, port: int, allowed: Iterable[str]) -> bool:
    """Whether the user allowed this host, with an entry `host` (for ports 80 and 443) or `host:port`."""
    for entry in allowed:
        bare = entry.strip()
        found = None if bare.count(":") > 1 and not bare.startswith("[") else _ALLOWED_HOST.fullmatch(bare)
        name, number = (found["host"], found["port"]) if found else (bare, None)
        ports = {int(number)} if number else set(WEB_PORTS.values())
        if port in ports and name and _normalize_host(name) == _normalize_host(host):
            return True
    return False


def check_url(text: str, *, allowed: Iterable[str] = ()) -> Target:
    """Parse an `http` or `https` URL, and check everything that can be checked before its host is resolved.

    Raises:
        UnreadableSource: another scheme or port, a user name or password, or a host that is invalid or not public.
    """
    where = display_url(text)
    url = _parse(text)
    if url is None:
        raise UnreadableSource(f"{where} is no valid URL: it should look like https://host/picture.png.")
    if url.scheme not in WEB_PORTS:
        raise UnreadableSource(f"{where} cannot be fetched: only http and https URLs are.")
    # An empty user name ("https://@host") is not in the parsed URL, so the text is checked as well.
    if url.userinfo or "@" in text.split("://", 1)[-1].split("/", 1)[0].split("?", 1)[0]:
        raise UnreadableSource(f"{where} was given with a user name or password (not shown): leave them out.")
    host = url.raw_host.decode("ascii")
    port = WEB_PORTS[url.scheme] if url.port is None else url.port
    exception = is_allowed_host(host, port, allowed)
    if ":" in host or _NUMERIC.fullmatch(host.rstrip(".")):
        if not exception and not is_public(host):
            raise UnreadableSource(f"{where} is not fetched: {not_public_message(host)}")
    elif not _HOST.fullmatch(host):
        raise UnreadableSource(f"{where} names no valid host: give it in plain letters, without a dot at its end.")
    if port not in WEB_PORTS.values() and not exception:
        raise UnreadableSource(
            f"{where} is not fetched: only ports 80 and 443 are. A person can allow "
            f"{shown(f'{host}:{port}')} in GPT_IMAGE_2_ALLOWED_URL_HOSTS."
        )
    return Target(scheme=url.scheme, host=host, port=port, path=url.raw_path)


def not_public_message(host: str) -> str:
    """The error message, with what to do instead, for a host that is not on the public internet."""
    return (
        f"{shown(host)} is not a public internet address, and private networks are off limits. Give the path of a "
        f"file instead; a person can allow the host in GPT_IMAGE_2_ALLOWED_URL_HOSTS."
    )


def resolve_redirect(base: str, location: str) -> str:
    """The URL that a redirect leads to; an unparsable `location` is returned as it is, and `check_url` refuses it."""
    import httpx2

    try:
        return str(httpx2.URL(base).join(location))
    except (httpx2.InvalidURL, ValueError):
        return location


def display_url(text: str) -> str:
    """A URL for error messages and records: without password, query and fragment, which may contain keys."""
    scheme, separator, rest = text.partition("://")
    kept = re.split(r"[?#]", rest, maxsplit=1)
    authority, slash, path = kept[0].partition("/")
    short = scheme + separator + authority.rsplit("@", 1)[-1] + slash + path + ("?…" if len(kept) > 1 else "")
    return repr(short if len(short) <= _MAX_SHOWN else short[:_MAX_SHOWN] + "…")


def _parse(text: str) -> "httpx2.URL | None":
    import httpx2

    try:
        url = httpx2.URL(text) if len(text) <= MAX_URL else None
    except (httpx2.InvalidURL, ValueError):
        return None
    return url if url is not None and url.raw_host else None


def _normalize_host(host: str) -> str:
    """The normal form of a host: lower case, IDNA, no dot at the end; an IP address in its short form."""
    import httpx2

    try:
        return ipaddress.ip_address(host).compressed
    except ValueError:
        pass
    try:
        return httpx2.URL(scheme="http", host=host).raw_host.decode("ascii").rstrip(".")
    except (httpx2.InvalidURL, ValueError):
        return host
