"""`LazyStore`: the one database of a process, opened at its first use, which all people of the process share."""

from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING

from ..errors import GptImageError
from .people import LOCAL
from .retry import next_try
from .url import Address

if TYPE_CHECKING:
    from .store import Store


class LazyStore:
    """Opens the `Store` at an address when it is first needed. Safe to use from several threads."""

    def __init__(
        self, at: Address, *, connections: int = 1, lease_s: float | None = None, owner: str | None = None
    ) -> None:
        """Open nothing yet.

        `connections` is how many transactions can be open at once on a PostgreSQL server, `lease_s` the length of this
        process's lease there in seconds, if it is another than the usual one, and `owner` the name of this process, if
        it has one already.
        """
        self.at = at
        self._connections = connections
        self._lease_s = lease_s
        self._owner = owner
        self._lock = Lock()
        self._store: Store | None = None
        self._error: GptImageError | None = None
        self._retry_at = 0.0

    def of(self, person: str = LOCAL) -> "Store":
        """The store as a person sees it; `Store.close` is not for the caller.

        Raises:
            DatabaseUnusable: it cannot be opened; for a while after a failure, it is not tried again.

        """
        with self._lock:
            return self._opened().of(person)

    def close(self) -> None:
        """Close it, if it was opened."""
        with self._lock:
            if self._store is not None:
                self._store.close()
                self._store = None

    def _opened(self) -> "Store":
        if self._store is not None:
            return self._store
        from .store import open_store

        if self._error is not None and monotonic() < self._retry_at:
            raise self._error
        began = monotonic()
        try:
            self._store = open_store(self.at, connections=self._connections, lease_s=self._lease_s, owner=self._owner)
        except GptImageError as error:
            self._error, self._retry_at = error, next_try(began)
            raise
        return self._store
