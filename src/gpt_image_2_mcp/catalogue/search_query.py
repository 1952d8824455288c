"""`SearchQuery` and `SearchResult`: what to search for among the pictures, and a page of what was found.

They are not in `queries`, since that imports SQLAlchemy, which takes half a second: the server answers its first
messages without a database, and the modules of the library and the resources import these values at the start.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Final, Self

from ..parameters.times import parse_time
from .picture_record import Picture

PAGE_SIZE = 20
"""Pictures on a page: as many as fit on a contact sheet."""


@dataclass(frozen=True, slots=True)
class SearchQuery:
    """What to search for; a filter that is None is not applied."""

    text: str | None = None
    """Words of the prompt or of the file's name, or a part of the prompt."""
    since: datetime | None = None
    """Pictures made at this time or later."""
    until: datetime | None = None
    """Pictures made before this time; the time itself is not included."""
    project: str | None = None
    session_id: str | None = None
    model: str | None = None
    page: int = 1
    page_size: int = PAGE_SIZE

    @classmethod
    def parse(
        cls,
        *,
        query: str | None = None,
        since: str | None = None,
        until: str | None = None,
        project: str | None = None,
        session_id: str | None = None,
        model: str | None = None,
        page: int = 1,
        page_size: int = PAGE_SIZE,
    ) -> Self:
        """Make a query from filters as a user or a model writes them, with times such as `yesterday` and `3d`.

        Raises:
            BadRequest: `since` or `until` is no valid time.

        """
        now = datetime.now().astimezone()
        return cls(
            text=query,
            since=None if since is None else parse_time(since, now=now),
            until=None if until is None else parse_time(until, end=True, now=now),
            project=project,
            session_id=session_id,
            model=model,
            page=page,
            page_size=page_size,
        )


ALL_PICTURES: Final = SearchQuery(page_size=500)
"""All pictures, 500 in one transaction, so that other users of the database do not wait for long."""


@dataclass(frozen=True, slots=True)
class SearchResult:
    """A page of pictures, the newest first; `has_more` says whether there is another page."""

    pictures: tuple[Picture, ...]
    page: int
    page_size: int
    has_more: bool

    @property
    def first_number(self) -> int:
        """The number, from 1, of the page's first picture among all that were found."""
        return (self.page - 1) * self.page_size + 1


@dataclass(frozen=True, slots=True)
class Overview:
    """What there is to find, for a search that found nothing."""

    projects: Sequence[str]
    """The projects, those with the most pictures first."""
    days: Sequence[date]
    """The last days on which pictures were made, by the local calendar, the newest first."""
