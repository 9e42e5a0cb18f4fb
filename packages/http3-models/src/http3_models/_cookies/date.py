"""The dates of cookies, read as RFC 6265bis section 5.6.1 says; pure functions of their text.

The tokens of a date may come in any order: the first that has the form of a time, a day, a month or a year is
that. The module is loaded for the first Expires attribute.
"""

from __future__ import annotations

import re
from typing import Final

_DELIMITERS: Final = re.compile(r"[\x09\x20-\x2f\x3b-\x40\x5b-\x60\x7b-\x7e]+")
_TIME: Final = re.compile(r"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY: Final = re.compile(r"([0-9]{1,2})(?![0-9])")
_YEAR: Final = re.compile(r"([0-9]{2,4})(?![0-9])")
_MONTHS: Final = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def parse_cookie_date(text: str) -> float | None:
    """The unix time (seconds) that an Expires attribute names, or None if it names none."""
    time: tuple[int, int, int] | None = None
    day = month = year = None
    for token in _DELIMITERS.split(text):
        if time is None and (match := _TIME.match(token)):
            time = (int(match[1]), int(match[2]), int(match[3]))
        elif day is None and (match := _DAY.match(token)):
            day = int(match[1])
        elif month is None and token[:3].lower() in _MONTHS:
            month = _MONTHS.index(token[:3].lower()) + 1
        elif year is None and (match := _YEAR.match(token)):
            year = _full_year(int(match[1]))
    if time is None or day is None or month is None or year is None:
        return None
    hour, minute, second = time
    if hour > 23 or minute > 59 or second > 59 or year < 1601 or not 1 <= day <= _month_length(year, month):
        return None
    return float(_days_from_epoch(year, month, day) * 86400 + hour * 3600 + minute * 60 + second)


def _full_year(year: int) -> int:
    if 70 <= year <= 99:
        return year + 1900
    return year + 2000 if year <= 69 else year


def _month_length(year: int, month: int) -> int:
    if month == 2:
        return 29 if year % 4 == 0 and (year % 100 != 0 or year % 400 == 0) else 28
    return 30 if month in (4, 6, 9, 11) else 31


def _days_from_epoch(year: int, month: int, day: int) -> int:
    """Days from 1970-01-01 in the Gregorian calendar; `calendar` and `datetime` would cost 5 ms to import.

    The year begins in March, so that the leap day is its last.
    """
    if month <= 2:
        year, month = year - 1, month + 12
    days_before_month = (153 * (month - 3) + 2) // 5
    return 365 * year + year // 4 - year // 100 + year // 400 + days_before_month + day - 719469
