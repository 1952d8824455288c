"""Why `serve` does not start: where it would be unsafe or could not work, a sentence each with the way out."""

from collections.abc import Iterator
from importlib.util import find_spec

from ..database.url import PostgresUrl
from ..errors import NotConfigured
from ..hosted_settings import HostedSettings, is_loopback
from ..settings import Settings
from .static_tokens import StaticTokens

EXTRA = "uvx --from 'gpt-image-2-mcp[server]' gpt-image-2-mcp serve"
_OF_EXTRA = ("jwt", "psycopg", "obstore", "opentelemetry.sdk")


def check_start(settings: Settings, hosted: HostedSettings, host: str) -> None:
    """Check that a server with these settings may listen on `host`; raises NotConfigured with all that is wrong."""
    wrong = [*settings.problems, *hosted.problems]
    wrong = wrong or list(_reasons(settings, hosted, host))
    if wrong:
        raise NotConfigured("The server does not start:\n" + "\n".join(f"- {reason}" for reason in wrong))


def ignored(settings: Settings) -> list[str]:
    """A sentence for each setting that is set and means nothing here."""
    meant = {
        "GPT_IMAGE_2_OUTPUT_DIR": settings.output_dir,
        "GPT_IMAGE_2_ALLOWED_DIRS": settings.allowed_dirs,
        "GPT_IMAGE_2_ALLOW_UNSAFE_OUTPUT_DIR": settings.allow_unsafe_output_dir,
    }
    return [
        f"{name} is ignored: people at other computers name no folders of this one, and GPT_IMAGE_2_STORE_URL says"
        " where the pictures are kept."
        for name, value in meant.items()
        if value
    ]


def _reasons(settings: Settings, hosted: HostedSettings, host: str) -> Iterator[str]:
    missing = [module for module in _OF_EXTRA if not _is_installed(module)]
    if missing:
        yield f"The extra `server` is not installed ({', '.join(missing)} is missing): {EXTRA}"
    try:
        if settings.load_key() is None and not settings.sandbox:
            yield (
                "OPENAI_API_KEY is not set, so no picture can be made: set it, or OPENAI_API_KEY_FILE, in the"
                " environment of the server. To try without a key, add --sandbox."
            )
    except NotConfigured as error:
        yield str(error)
    has_database = isinstance(settings.database_address(), PostgresUrl)
    if not is_loopback(host):
        if not hosted.has_people:
            yield (
                f"{host} can be reached from other computers, so the server must know who asks: set"
                " GPT_IMAGE_2_OAUTH_ISSUER or GPT_IMAGE_2_TOKENS_FILE, or listen on 127.0.0.1."
            )
        if hosted.public_url is None:
            yield (
                f"{host} can be reached from other computers, so the server must know its name: set"
                " GPT_IMAGE_2_PUBLIC_URL to the address that clients are given, such as https://images.example.com/mcp."
            )
    if hosted.oauth_issuer and not hosted.public_url:
        yield (
            "GPT_IMAGE_2_OAUTH_ISSUER is set without GPT_IMAGE_2_PUBLIC_URL: a token must be for this server, and that"
            " is its name."
        )
    if hosted.has_people and not has_database:
        yield (
            "Tokens are for several people, and SQLite keeps the pictures of one: set GPT_IMAGE_2_DATABASE_URL to"
            " postgresql://user:password@host/database."
        )
    if has_database and hosted.secret is None:
        yield (
            "With PostgreSQL there can be several replicas, which must share a secret: set GPT_IMAGE_2_SECRET to what"
            " `openssl rand -hex 32` gives, the same for all of them."
        )
    yield from _of_tokens(hosted)


def _of_tokens(hosted: HostedSettings) -> Iterator[str]:
    names: set[str] = set()
    if hosted.tokens_file:
        try:
            names = StaticTokens(hosted.tokens_file).names
        except NotConfigured as error:
            yield str(error)
            return
    if (hosted.trusted_person_header is None) != (hosted.gateway is None):
        yield (
            "GPT_IMAGE_2_TRUSTED_PERSON_HEADER and GPT_IMAGE_2_GATEWAY belong together: the header is believed only"
            " with the gateway's own token."
        )
    elif hosted.gateway is not None and hosted.gateway not in names:
        yield "GPT_IMAGE_2_GATEWAY names no token of GPT_IMAGE_2_TOKENS_FILE: add a line for the gateway there."
    asks = (hosted.oauth_introspection_url, hosted.oauth_client_id, hosted.oauth_client_secret)
    if any(asks) and not (all(asks) and hosted.oauth_issuer):
        yield (
            "GPT_IMAGE_2_OAUTH_INTROSPECTION_URL needs GPT_IMAGE_2_OAUTH_CLIENT_ID, GPT_IMAGE_2_OAUTH_CLIENT_SECRET and"
            " GPT_IMAGE_2_OAUTH_ISSUER beside it."
        )


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
