"""Opens the store that `GPT_IMAGE_2_STORE_URL` names.

`file:///FOLDER`, `s3://BUCKET/PREFIX?endpoint=…&region=…`, `az://CONTAINER/PREFIX?account=…&endpoint=…`,
`gs://BUCKET/PREFIX`.
Credentials are never part of the address: they come from the environment, as those of each store's own tools.
"""

from pathlib import Path
from typing import Any, Final
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

from ..errors import NotConfigured, shown
from .folder_store import FolderStore
from .store import PictureStore

SERVER_EXTRA: Final = "uvx --from 'gpt-image-2-mcp[server]' gpt-image-2-mcp serve"
SANDBOX: Final = "sandbox"
_NAMES: Final = {"s3": {"endpoint", "region"}, "az": {"endpoint", "account"}, "gs": set[str]()}
"""What the query of each kind of address may say."""
_LOOPBACK: Final = {"localhost", "127.0.0.1", "::1"}


def open_store(url: str | None, *, unset: Path, secret: bytes, base_url: str, sandbox: bool = False) -> PictureStore:
    """Open the store of an address; None stands for the folder `unset`.

    The links of a folder begin with `base_url`, the address under which clients reach this server, and are signed with
    `secret`. The pictures of the sandbox are below `SANDBOX` there.

    Raises:
        NotConfigured: the address is wrong, or what it needs is not installed.

    """
    if url is None:
        return FolderStore(unset / SANDBOX if sandbox else unset, secret=secret, base_url=base_url)
    parts = urlsplit(url)
    if parts.username is not None or parts.password is not None:
        raise _wrong("no user and no password: credentials come from the environment, such as AWS_ACCESS_KEY_ID")
    if parts.scheme == "file":
        path = Path(unquote(parts.path))
        if parts.netloc not in {"", "localhost"} or not path.is_absolute() or parts.query:
            raise _wrong("file:// with the absolute path of a folder, such as file:///srv/pictures")
        return FolderStore(path / SANDBOX if sandbox else path, secret=secret, base_url=base_url)
    return _object_store(parts._replace(path=f"{parts.path.rstrip('/')}/{SANDBOX}") if sandbox else parts)


def _object_store(parts: SplitResult) -> PictureStore:
    if parts.scheme not in _NAMES or not parts.netloc:
        raise _wrong("file:///FOLDER, s3://BUCKET/PREFIX, az://CONTAINER/PREFIX or gs://BUCKET/PREFIX")
    given = {name: values[-1] for name, values in parse_qs(parts.query).items()}
    if unknown := sorted(given.keys() - _NAMES[parts.scheme]):
        may = ", ".join(sorted(_NAMES[parts.scheme])) or "nothing"
        raise _wrong(f"an address whose query says {may}; it says {shown(unknown[0])}")
    endpoint = urlsplit(given.get("endpoint", ""))
    is_plain = endpoint.scheme == "http"
    if given.get("endpoint") and not (endpoint.scheme == "https" or (is_plain and endpoint.hostname in _LOOPBACK)):
        raise _wrong("an address whose endpoint is https://, or http:// on this machine alone")
    if parts.scheme == "az" and "endpoint" in given and not _names_account(endpoint, given.get("account", "")):
        raise _wrong(
            "an address with its account and an endpoint that names it, as its links have to, such as"
            " https://ACCOUNT.blob.core.windows.net"
        )
    try:
        from obstore.store import AzureStore, GCSStore, S3Store

        from .object_store import CLIENT, RETRY, ObjectStore
    except ImportError as error:
        raise NotConfigured(f"GPT_IMAGE_2_STORE_URL needs what is not installed: {SERVER_EXTRA}") from error
    common: dict[str, Any] = {
        "prefix": unquote(parts.path).strip("/") or None,
        "client_options": {**CLIENT, "allow_http": is_plain},
        "retry_config": RETRY,
    }
    try:
        match parts.scheme:
            case "s3":
                options = {name: given[name] for name in ("endpoint", "region") if name in given}
                return ObjectStore(S3Store(parts.netloc, **options, **common))
            case "az":
                options = {"account_name": given["account"]} if "account" in given else {}
                options |= {"endpoint": given["endpoint"]} if "endpoint" in given else {}
                return ObjectStore(AzureStore(parts.netloc, **options, **common))
            case _:
                return ObjectStore(GCSStore(parts.netloc, **common))
    except Exception as error:
        # obstore names what it misses; its classes of errors are many.
        raise _wrong(f"the address of a store that can be opened ({type(error).__name__})") from error


def _names_account(endpoint: SplitResult, account: str) -> bool:
    """Whether Azure takes the links that obstore signs for an endpoint: the account is in its host, or is its path."""
    host = endpoint.hostname or ""
    return account != "" and endpoint.path.strip("/") == ("" if account in host else account)


def _wrong(rule: str) -> NotConfigured:
    return NotConfigured(f"GPT_IMAGE_2_STORE_URL must be {rule}. Correct it in the environment of the server.")
