"""Parses times as people write them: dates, spans such as `2h`, and words such as "yesterday 9:00" or "last week".

The short forms are read here at once; for everything else dateparser is loaded, which takes a quarter of a second.
"""

import re
from datetime import date, datetime, time, timedelta

from ..errors import BadRequest, shown

_UNITS = {"h": timedelta(hours=1), "d": timedelta(days=1), "w": timedelta(weeks=1)}
_DAYS_AGO = {"today": timedelta(0), "yesterday": timedelta(days=1)}
# dateparser reads an unknown text in every language that it has; with all 200, that takes more than a second.
_LANGUAGES = (
    "en",
    "de",
    "fr",
    "es",
    "it",
    "pt",
    "nl",
    "pl",
    "ru",
    "uk",
    "tr",
    "ja",
    "zh",
    "ko",
    "ar",
    "hi",
    "cs",
    "sv",
)
_BEGINNING = re.compile(r"(?:since|from|after|before|until|till|within|earlier|in the|the (?=last|past|first))\s+")
_PLAINER = (
    (re.compile(r"\b(?:last|past)\s+(?=\d|few|couple)"), ""),
    (re.compile(r"\bhalf an hour\b"), "30 minutes"),
    (re.compile(r"\b(?:a )?few\b"), "3"),
    (re.compile(r"\b(?:a )?couple(?: of)?\b"), "2"),
)
_NUMBERED = re.compile(r"\d|\b(?:an?|one|two|three|four|five|six|seven|eight|nine|ten)\b")
# One number says nothing, and of two that may both be the month it is not known which is.
_UNCLEAR = re.compile(r"\d{1,3}|(0?[1-9]|1[0-2])[/-](?!\1[/-])(?:0?[1-9]|1[0-2])[/-]\d{2,4}")


def parse_time(text: str, *, end: bool = False, now: datetime) -> datetime:
    """Parse a point in time; a text without a time zone is taken to be in that of `now`.

    A day, a week, a part of a day and the like stand for their start, and with `end` for their end. May block for a
    quarter of a second.

    Raises:
        BadRequest: the text is no such time, or the time is not clear.

    """
    try:
        return _parse_short_form(text.strip(), end=end, now=now)
    except (ValueError, OverflowError):
        found = _parse_words(text.strip(), end=end, now=now)
    if found is None:
        raise BadRequest(
            f"{shown(text)} cannot be read as a time: give a date such as 2026-11-22, a date and time such as"
            " 2026-11-22T14:30, or words such as today, yesterday 9:00, last week, 2h or 3 days ago."
        )
    return found


def _parse_short_form(text: str, *, end: bool, now: datetime) -> datetime:
    word = text.lower()
    if span := re.fullmatch(r"([0-9]{1,4})([hdw])(?: ago)?", word):
        return now - int(span[1]) * _UNITS[span[2]]
    if word in _DAYS_AGO:
        day = now.date() - _DAYS_AGO[word]
    elif re.match(r"\d{4}-\d{2}-\d{2}[t ]", word):
        moment = datetime.fromisoformat(text)
        return moment if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
    else:
        day = date.fromisoformat(text)
    return datetime.combine(day + timedelta(days=1) if end else day, time.min, now.tzinfo)


def _parse_words(text: str, *, end: bool, now: datetime) -> datetime | None:
    from dateparser.date import DateDataParser

    words = _BEGINNING.sub("", " ".join(text.lower().split()))
    for pattern, plainer in _PLAINER:
        words = pattern.sub(plainer, words)
    if _UNCLEAR.fullmatch(words):
        return None
    reader = DateDataParser(
        languages=list(_LANGUAGES),
        settings={
            "RELATIVE_BASE": now.replace(tzinfo=None),
            "PREFER_DATES_FROM": "past",
            "PREFER_DAY_OF_MONTH": "first",
            "RETURN_TIME_AS_PERIOD": True,
            "DATE_ORDER": "DMY" if "." in words else "MDY",
        },
    )
    try:
        read = reader.get_date_data(words)
        moment: datetime | None = read.date_obj
        if moment is None:
            return None
        moment = moment.astimezone(now.tzinfo) if moment.tzinfo else moment.replace(tzinfo=now.tzinfo)
        period = read.period or "day"
        first, last = _bounds(moment, "day" if period == "week" and _NUMBERED.search(words) else period)
    except (ValueError, OverflowError):
        return None
    return None if first > now else last if end else first


def _bounds(moment: datetime, period: str) -> tuple[datetime, datetime]:
    """The start and the end of the period, such as a "week", in which a moment lies; the moment twice for a "time"."""
    day = moment.replace(hour=0, minute=0, second=0, microsecond=0)
    hour = timedelta(hours=1)
    match period:
        case "time":
            return moment, moment
        case "part_of_day":
            # Morning, noon and afternoon, evening and night.
            start, length = (0, 12) if moment.hour < 12 else (12, 6) if moment.hour < 17 else (17, 13)  # noqa: PLR2004
            return day + start * hour, day + (start + length) * hour
        case "week":
            monday = day - timedelta(days=day.weekday())
            return monday, monday + timedelta(weeks=1)
        case "month":
            return _months(day, 1)
        case "quarter":
            return _months(day.replace(month=(day.month - 1) // 3 * 3 + 1), 3)
        case "year":
            return _months(day.replace(month=1), 12)
        case _:
            return day, day + timedelta(days=1)


def _months(day: datetime, count: int) -> tuple[datetime, datetime]:
    first = day.replace(day=1)
    month = first.month - 1 + count
    return first, first.replace(year=first.year + month // 12, month=month % 12 + 1)
