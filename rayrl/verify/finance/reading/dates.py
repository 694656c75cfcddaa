"""Dates and fiscal periods, read: `March 15, 2027`, `2027-03-15`, `March 2027`, `Q3 2022`, `3Q22`, `FY2019`, `2019`."""

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from rayrl.verify.finance.reading.amounts import Amount
from rayrl.verify.finance.reading.periods import MONTH

_MONTHS = re.findall(r"\w+", "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec")
_ORDINALS = re.findall(r"\w+", "first second third fourth")
_DAY = r"\d{1,2}(?!\d|\.\d)"
_YEAR = r"(?:19|20)\d\d(?![\w%]|[.,/]\d|-\d|\s*(?:million|billion|thousand|%))"
_SHORT = r"'?\d\d(?![\w%]|[.,]\d)"
_FISCAL = r"(?:FY|CY|[Ff]iscal(?:\s+[Yy]ears?)?|[Yy]ears?(?:\s+end(?:ed|ing))?)"
_MONTH_FIRST = rf"(?P<month>{MONTH})\s*(?:(?P<day>{_DAY})(?:st|nd|rd|th)?,?\s*)?(?P<year>{_YEAR})?"  # March 15, 2027
_DAY_FIRST = rf"(?P<day2>{_DAY})(?:st|nd|rd|th)?\s+(?:of\s+)?(?P<month2>{MONTH}),?\s*(?P<year2>{_YEAR})?"  # 15 March
_ISO = r"(?P<year3>(?:19|20)\d\d)-(?P<month3>\d\d)-(?P<day3>\d\d)(?!\w)"  # 2027-03-15
_SLASHES = r"(?P<month4>\d{1,2})/(?P<day4>\d{1,2})/(?P<year4>(?:19|20)\d\d)(?!\w)"  # 3/15/2027
_QUARTER = (  # Q3 2022, 3Q22, third quarter of fiscal 2022
    rf"(?:Q(?P<quarter>[1-4])|(?P<quarter2>[1-4])Q|(?P<quarter3>(?i:{'|'.join(_ORDINALS)}))\s+(?:fiscal\s+)?[Qq]uarter)"
    rf"(?:\s*[-/,]?\s*(?:of\s+)?(?:the\s+)?{_FISCAL}?\s*(?P<year5>{_YEAR}|{_SHORT}))?(?!\w)"
)
_WHOLE_YEAR = rf"(?:FY|CY)\s*(?P<year6>{_YEAR}|{_SHORT})|(?:{_FISCAL}\s*)?(?P<year7>{_YEAR})"  # FY19, 2019
_DATE = re.compile(rf"(?<![\w$€£¥.,/-])(?:{_MONTH_FIRST}|{_DAY_FIRST}|{_ISO}|{_SLASHES}|{_QUARTER}|{_WHOLE_YEAR})")
_BEHIND = re.compile(r"\s+(?:in|for|during|at|as|of|on)\b(?:(?!\b(?:and|but|while|from|than)\b)[^,;:]){0,60}@|\s*\(@\)")
_RESPECTIVELY = re.compile(r"\brespectively\b", re.IGNORECASE)
_BY_ANOTHER = re.compile(
    r"\b(?:before|prior|previous|preceding|after|following|since|next|than|compared|versus|vs)\b", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Date:
    """A date or a period, as far as it is named. start, end: its place."""

    year: int | None = None
    quarter: int | None = None
    month: int | None = None
    day: int | None = None
    start: int = 0
    end: int = 0


def _date(match: re.Match[str]) -> Date | None:
    part = {name.rstrip("234567"): text for name, text in match.groupdict().items() if text}
    year, month, quarter, day = (part.get(name, "") for name in ("year", "month", "quarter", "day"))
    if month and not (year or day):
        return None
    return Date(
        int(year[-4:]) if len(year) == 4 else 2000 + int(year[-2:]) if year else None,
        (int(quarter) if quarter.isdigit() else _ORDINALS.index(quarter.lower()) + 1) if quarter else None,
        (int(month) if month.isdigit() else _MONTHS.index(month[:3]) + 1) if month else None,
        int(day) if day else None,
        match.start(),
        match.end(),
    )


def dates_in(text: str) -> list[Date]:
    """Every date and period of `text`, in order."""
    return [date for match in _DATE.finditer(text) if (date := _date(match))]


def only_date(text: str) -> Date | None:
    """The date or period that `text` consists of."""
    match = _DATE.fullmatch(text)
    return _date(match) if match else None


def _is_behind(text: str, amount: Amount, date: Date) -> bool:
    return bool(_BEHIND.match(f"{text[amount.end : date.start]}@{text[date.end : date.end + 1]}"))


def years_of(text: str, amounts: Sequence[Amount]) -> tuple[list[int | None], dict[int, int]]:
    """The year that each of a sentence's amounts is for, and where the date right behind it ends, by index.

    That date is its year's, as in `$5 million in 2021`; else the last one before it, if no other amount takes that.
    """
    dates = [date for date in dates_in(text) if date.year]
    starts = [date.start for date in dates]
    if len(dates) == len(amounts) and _RESPECTIVELY.search(text):
        return [date.year for date in dates], {}
    years: list[int | None] = []
    ends: dict[int, int] = {}
    taken = 0
    for index, amount in enumerate(amounts):
        at = bisect_left(starts, amount.start)
        following = amounts[index + 1].start if index + 1 < len(amounts) else len(text)
        if at < len(dates) and dates[at].start < following and _is_behind(text, amount, dates[at]):
            years.append(dates[at].year)
            ends[index] = dates[at].end
            taken = at + 1
        else:
            years.append(dates[at - 1].year if at > taken else None)
            taken = at
    return years, ends


def only_year(question: str) -> int | None:
    """The year that a question asks about, where it names one and no other by it."""
    years = {date.year for date in dates_in(question) if date.year}
    return years.pop() if len(years) == 1 and not _BY_ANOTHER.search(question) else None
