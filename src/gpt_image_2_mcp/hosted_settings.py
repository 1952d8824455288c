"""`HostedSettings`: the environment variables of `gpt-image-2-mcp serve` alone, beside those of `Settings`.

The operator of a server reads what it writes at its start. So a wrong value does not become the default, as it does on
stdio: the server does not start.
"""

import ipaddress
import re
from collections.abc import Mapping
from typing import Annotated, ClassVar, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

from .environment import Environment
from .setting_types import Dollars, KeyFile, check_http_url, split_commas

MIN_SECRET_LENGTH = 32
"""Characters of the shared secret; the SDK takes no shorter keys."""

A_WEEK_S = 604_800
"""The longest time for which an object store signs a link."""


def is_loopback(host: str) -> bool:
    """Whether a host's name or address is this machine, so that no other one reaches it."""
    name = host.lower().strip("[]").rstrip(".")
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return name == "localhost" or name.endswith(".localhost")


def _check_secure_url(url: str) -> str:
    try:
        check_http_url(url)
    except ValueError:
        raise ValueError("an https:// URL, such as https://login.example.com") from None
    parts = urlsplit(url)
    if parts.username is not None or parts.fragment:
        raise ValueError("an https:// URL without a user, a password and a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("an https:// URL; http:// is for this machine alone, such as http://127.0.0.1:8000/mcp")
    return url


def _check_public_url(url: str) -> str:
    if urlsplit(url).query:
        raise ValueError("a URL without a query, such as https://images.example.com/mcp")
    return url.rstrip("/")


def _check_store_url(url: SecretStr) -> SecretStr:
    if not re.fullmatch(r"(file|s3|gs|az)://[\x21-\x7e]+", url.get_secret_value()):
        raise ValueError("file:///FOLDER, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or az://CONTAINER/PREFIX")
    return url


def _check_secret(secret: SecretStr) -> SecretStr:
    if len(secret.get_secret_value()) < MIN_SECRET_LENGTH:
        raise ValueError(f"at least {MIN_SECRET_LENGTH} random characters, such as those of `openssl rand -hex 32`")
    return secret


def _check_word(text: str) -> str:
    if not re.fullmatch(r"[\x21-\x7e]{1,500}", text):
        raise ValueError("at most 500 printable ASCII characters without spaces")
    return text


def _check_header(text: str) -> str:
    if not re.fullmatch(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}", text):
        raise ValueError("the name of an HTTP header, such as X-Forwarded-User")
    if text.lower() in {"authorization", "cookie", "host", "origin"}:
        raise ValueError("the name of a header that the gateway sets, such as X-Forwarded-User")
    return text.lower()


def _split_spaces(text: object) -> object:
    return tuple(text.replace(",", " ").split()) if isinstance(text, str) else text


SecureUrl = Annotated[str, AfterValidator(_check_secure_url)]
PublicUrl = Annotated[SecureUrl, AfterValidator(_check_public_url)]
StoreUrl = Annotated[SecretStr, AfterValidator(_check_store_url)]
SharedSecret = Annotated[SecretStr, AfterValidator(_check_secret)]
Word = Annotated[str, AfterValidator(_check_word)]
HeaderName = Annotated[str, AfterValidator(_check_header)]
Scopes = Annotated[tuple[Word, ...], BeforeValidator(_split_spaces)]
Names = Annotated[tuple[str, ...], BeforeValidator(split_commas)]


class HostedSettings(Environment):
    """What the operator of a server can set."""

    WHERE: ClassVar[str] = "in the environment of the server"

    public_url: PublicUrl | None = Field(None, alias="GPT_IMAGE_2_PUBLIC_URL")
    """The address that clients are given, such as `https://images.example.com/mcp`. Its host is the only one that is
    answered, and it is the audience of the tokens. Required with an issuer."""
    oauth_issuer: SecureUrl | None = Field(None, alias="GPT_IMAGE_2_OAUTH_ISSUER")
    """The authorization server whose access tokens are accepted, exactly as its metadata names it."""
    oauth_audience: Word | None = Field(None, alias="GPT_IMAGE_2_OAUTH_AUDIENCE")
    """The audience that a token must be for. Unset: `GPT_IMAGE_2_PUBLIC_URL`."""
    oauth_scopes: Scopes = Field((), alias="GPT_IMAGE_2_OAUTH_SCOPES")
    """The scopes that a token must have, separated by spaces. Unset: none is needed."""
    oauth_introspection_url: SecureUrl | None = Field(None, alias="GPT_IMAGE_2_OAUTH_INTROSPECTION_URL")
    """Where the issuer says whether a token is valid (RFC 7662), for tokens that are not JWTs."""
    oauth_client_id: Word | None = Field(None, alias="GPT_IMAGE_2_OAUTH_CLIENT_ID")
    """As which client this server asks there."""
    oauth_client_secret: SecretStr | None = Field(None, alias="GPT_IMAGE_2_OAUTH_CLIENT_SECRET")
    """The secret of that client."""
    person_claim: Word = Field("sub", alias="GPT_IMAGE_2_PERSON_CLAIM")
    """The claim of a token that says who the person is. It must never change and never be given to another person, as
    a mail address may."""
    groups_claim: Word = Field("groups", alias="GPT_IMAGE_2_GROUPS_CLAIM")
    """The claim that lists the person's groups."""
    admins: Names = Field((), alias="GPT_IMAGE_2_ADMINS")
    """Groups, separated by commas, whose members may see what the whole team spends."""
    tokens_file: KeyFile | None = Field(None, alias="GPT_IMAGE_2_TOKENS_FILE")
    """A file with a line `NAME SHA256-OF-THE-TOKEN` for each person, for a small team without an issuer, or beside one.
    Refused if other users can read it (`chmod 600`); read again when it has changed."""
    trusted_person_header: HeaderName | None = Field(None, alias="GPT_IMAGE_2_TRUSTED_PERSON_HEADER")
    """The header in which a gateway says who the person is, such as `X-Forwarded-User`. Believed only with the token of
    `GPT_IMAGE_2_GATEWAY`."""
    gateway: Word | None = Field(None, alias="GPT_IMAGE_2_GATEWAY")
    """The name of the gateway's token in `GPT_IMAGE_2_TOKENS_FILE`."""
    secret: SharedSecret | None = Field(None, alias="GPT_IMAGE_2_SECRET")
    """At least 32 random characters (`openssl rand -hex 32`), the same for all replicas: seals what clients carry from
    one request to the next. Required with PostgreSQL."""
    store_url: StoreUrl | None = Field(None, alias="GPT_IMAGE_2_STORE_URL")
    """Where the pictures are kept: `s3://BUCKET/PREFIX?endpoint=…`, `gs://…`, `az://…`, or `file:///FOLDER`. Unset: in
    the data folder, which only one replica can use."""
    link_ttl_s: int = Field(3600, ge=60, le=A_WEEK_S, alias="GPT_IMAGE_2_LINK_TTL_S")
    """Seconds for which the link to a picture is valid."""
    budget_per_person_day_usd: Dollars | None = Field(None, alias="GPT_IMAGE_2_BUDGET_PER_PERSON_DAY_USD")
    """The most dollars a day for each person. `GPT_IMAGE_2_BUDGET_PER_DAY_USD` is that of all together."""
    lease_s: float = Field(30, ge=3, le=3600, alias="GPT_IMAGE_2_LEASE_S")
    """Seconds after which the jobs of a replica that is gone count as lost; the same for all replicas."""
    metrics_port: int | None = Field(None, ge=1, le=65_535, alias="GPT_IMAGE_2_METRICS_PORT")
    """The port of `/metrics`, which this computer alone can reach. Unset: none."""
    audit_prompts: bool = Field(default=False, alias="GPT_IMAGE_2_AUDIT_PROMPTS")
    """1: the audit table also keeps the prompts."""

    @classmethod
    def read(cls, environ: Mapping[str, str]) -> Self:
        """Read the variables from an environment; a wrong value becomes a sentence in `problems`."""
        return cls.read_with(environ)

    @property
    def audience(self) -> str | None:
        """The audience that a token must be for."""
        return self.oauth_audience or self.public_url

    @property
    def base_url(self) -> str | None:
        """The address of the server itself, below which are the protocol and the links of a folder of pictures."""
        return self.public_url and self.public_url.removesuffix("/mcp")

    @property
    def has_people(self) -> bool:
        """Whether the server knows several people, by tokens."""
        return self.oauth_issuer is not None or self.tokens_file is not None

    @classmethod
    def holds_secret(cls, variable: str, value: str) -> bool:
        """Whether the value is a secret, or an address that may hold one."""
        secrets = {"GPT_IMAGE_2_SECRET", "GPT_IMAGE_2_OAUTH_CLIENT_SECRET", "GPT_IMAGE_2_STORE_URL"}
        # Some put a token itself where the file of their hashes is to be named.
        return variable in {*secrets, "GPT_IMAGE_2_TOKENS_FILE"} or "@" in value
