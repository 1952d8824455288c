"""`ObjectStore`: Amazon S3 and what speaks its API, Azure Blob Storage and Google Cloud Storage, by obstore.

Every request is bounded in time and repeated at most twice. Whoever has a presigned link reaches one object until its
end, without a word of this server.
"""

import math
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import IO, Final, Literal

import obstore
from obstore.exceptions import BaseError
from obstore.store import AzureStore, GCSStore, S3Store

from ..storage.link import Link
from .store import NoSuchObject, StoreUnusable, TooLarge, disposition_of, media_type_of

CLIENT: Final = {"connect_timeout": "2s", "timeout": "20s"}
RETRY: Final = {"max_retries": 2, "retry_timeout": timedelta(seconds=6)}
PIECE: Final = 1 << 20

_AZURE_UPLOAD: Final = {"x-ms-blob-type": "BlockBlob"}
"""Without it Azure refuses a file that is sent to a presigned link."""

_NO_BUCKET: Final = "has no such bucket: make it, or correct GPT_IMAGE_2_STORE_URL"
_NO_BUCKET_CODES: Final = ("<code>nosuchbucket</code>", "<code>containernotfound</code>")
"""Those of S3 and Azure, in obstore's words."""


_INSTANCE_METADATA: Final = "169.254.169.254"
"""Where obstore looks for the credentials of a computer in Amazon's cloud, if none are set."""
_NO_CONNECTION: Final = {
    "notvalidforname": "its certificate is for another name than the endpoint in GPT_IMAGE_2_STORE_URL has",
    "invalidcertificate(": (
        "its certificate is not trusted here; that of an authority of your own is, with its file in SSL_CERT_FILE"
    ),
    "dns error": "the name of the endpoint in GPT_IMAGE_2_STORE_URL is not known here",
    "kind: connectionrefused": "nothing answers at the endpoint in GPT_IMAGE_2_STORE_URL",
}
"""Why there is no connection, by words of obstore; the first that is found counts."""


class ObjectStore:
    """The objects of all people below one prefix of a bucket."""

    def __init__(self, store: S3Store | AzureStore | GCSStore) -> None:
        """Use a store of obstore; `open_store` makes it."""
        self._store = store

    def put(self, key: str, data: bytes) -> None:
        """Store bytes under a key, in one request."""
        attributes = {"Content-Type": media_type_of(key), "Content-Disposition": disposition_of(key)}
        try:
            with _readable_errors(key):
                obstore.put(self._store, key, data, attributes=attributes, use_multipart=False)
        except NoSuchObject:
            # A new object is missing nowhere: what answers so is not the store that was meant.
            raise StoreUnusable(f"The picture store {_NO_BUCKET}.") from None

    def get(self, key: str, into: IO[bytes], *, most: int) -> None:
        """Write what is stored under a key into a file."""
        with _readable_errors(key):
            found = obstore.get(self._store, key)
            if found.meta["size"] > most:
                raise TooLarge(f"The object {key} of the picture store has over {most:,} bytes.")
            for piece in found.stream(min_chunk_size=PIECE):
                into.write(piece)

    def delete(self, key: str) -> None:
        """Delete what is stored under a key."""
        try:
            with _readable_errors(key):
                obstore.delete(self._store, key)
        except NoSuchObject:
            return

    def older(self, prefix: str, than: datetime, *, or_larger: float = math.inf) -> Iterator[str]:
        """The keys of the objects below a prefix that were stored before a time, or have more bytes."""
        with _readable_errors(prefix):
            for page in obstore.list(self._store, prefix=prefix.rstrip("/")):  # pyright: ignore[reportUnknownMemberType]
                yield from (
                    found["path"] for found in page if found["last_modified"] < than or found["size"] > or_larger
                )

    def link(self, key: str, seconds: int) -> Link:
        """A presigned link of the object store."""
        return self._signed("GET", key, seconds)

    def upload_link(self, key: str, seconds: int, *, size: int, media_type: str) -> Link:
        """A presigned link of the object store. It bounds neither size nor type: both are checked when it is read.

        obstore signs no length. What is too large is deleted when it is read, or by `upkeep`.
        """
        del size, media_type
        link = self._signed("PUT", key, seconds)
        return replace(link, headers=_AZURE_UPLOAD) if isinstance(self._store, AzureStore) else link

    def _signed(self, method: Literal["GET", "PUT"], key: str, seconds: int) -> Link:
        ends = datetime.now(UTC).replace(microsecond=0) + timedelta(seconds=seconds)
        with _readable_errors(key):
            return Link(obstore.sign(self._store, method, key, timedelta(seconds=seconds)), ends)


@contextmanager
def _readable_errors(key: str) -> Generator[None]:
    try:
        yield
    except FileNotFoundError as error:
        if (why := _why(error)) == _NO_BUCKET:
            raise StoreUnusable(f"The picture store {why}.") from error
        raise NoSuchObject(f"The picture store has no {key}.") from None
    except (BaseError, OSError) as error:
        raise StoreUnusable(f"The picture store {_why(error)}.") from error


def _why(error: Exception) -> str:
    """The kind of a failure, without the addresses in obstore's words."""
    match type(error).__name__:
        case "PermissionDeniedError" | "UnauthenticatedError":
            return "refuses this server: look at its credentials, and what they may do in the bucket"
        case _:
            text = str(error).lower()
            if "507" in text or "insufficient storage" in text or "quota" in text:
                return "is full"
            if any(code in text for code in _NO_BUCKET_CODES):
                return _NO_BUCKET
            if _INSTANCE_METADATA in text:
                return "has no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or a role of this computer"
            if why := next((why for sign, why in _NO_CONNECTION.items() if sign in text), None):
                return f"cannot be reached: {why}"
            return "cannot be reached or has failed"
