"""Amounts as financial prose writes them: `$(1,234.5) million`, `USD 3bn`, `12.5 %`, `50 bps`, `1.2x`, `1.234,56 €`,
`12,5 %`, `5 1/4 %`, `45 cents`, `2.3:1`.

One regular expression and exact fractions; nothing is evaluated. A number of more than `MAX_DIGITS` digits is no
amount.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from fractions import Fraction

from rayrl.verify.finance.reading import currencies
from rayrl.verify.finance.reading.periods import mask_periods
from rayrl.verify.finance.reading.scales import SCALE, worth

MAX_DIGITS = 40
MAX_AMOUNTS = 2000

_PER = r"(?<!19\d\d)(?<!20\d\d)(?::|\ :\ )(?P<per>[1-9]\d{0,2}(?:\.\d+)?)"
_RATIO = rf"(?:{_PER}|[ -]to[ -]1(?:\.0+)?)(?![\w%:]|[.,]\d)"  # 2.3:1, 2.3 to 1
PERCENT = r"%|(?:percent(?:age)?|per[ ]cent|pct|pp)\b(?:[ ]points?\b)?|basis[ ]points?\b|bps?\b"
_UNIT = rf"{PERCENT}|x(?!\w)|(?:d'|of[ ]|de[ ])?(?:{currencies.UNIT})"
_MIXED = r"\d{1,3}(?:[ ]?\\frac\{[1-9]\}\{[1-9]\}|[ -][1-9]\d?/[1-9]\d?)"
_NUMBER = (
    rf"(?:\d{{1,3}},\d{{1,2}}|{_MIXED})(?=[\s-]?(?:{SCALE}|{_UNIT}))|"  # 12,5 and 5 1/4, before a unit
    r"\d{1,3}(?:\.\d{3}){2,}(?:,\d{1,2})?(?![\d.])|\d{1,3}(?:\.\d{3})+,\d{1,2}(?![\d.,])"  # 1.234.567,89
    r"|\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)(?:\.\d+)?|\d{1,3}(?:['’]\d{3})+(?!\d)(?:\.\d+)?"
    r"|\d{1,3}(?:[ ]\d{3})+(?![\d,])(?:\.\d+)?|\d+(?:\.\d+)?|\.\d+"
)
_LEFT = r"(?<![\w.])(?<![A-Za-z]-)(?<!\d[,/])"  # no part of a word, a code or a larger number
_MINUS = r"(?P<minus>(?<![\w)%])(?<![\d)%]\s)-(?=[\d$.(€£¥₹A-Z])|\bminus\s+|\bnegative\s+)?"
_OPEN = (  # USD (-5, $-5, ($5
    rf"(?P<before>{currencies.SIGN})?\s?(?P<open>\()?\s?(?P<minus2>(?(before)-|(?(open)-|(?!))))?\s?"
    rf"(?P<inner>(?(open)(?:{currencies.SIGN})|[$€£¥₹]))?\s?(?P<minus3>(?(inner)-|(?!)))?"
)
_FIGURE = rf"(?P<from>(?<=from\ ))?(?P<number>{_NUMBER})(?:[eE](?P<exponent>[+-]?\d{{1,2}})(?!\w))?"
_SCALED = (  # 5), 5-, 5 million, 45 cents
    r"(?P<close>\s?\))?(?P<trailing>-(?![\w$(]))?"
    rf"(?:[ -]?(?P<scale>{SCALE} | (?(before)(?!))(?(inner)(?!))(?:cents?\b|¢)))?"
)
_IN_UNIT = rf"(?P<close2>\s?\))?(?:\s?(?P<unit>{_UNIT})|(?(from)(?!)|{_RATIO}))?(?P<close3>\s?\))?"  # 5) %, 2.3:1
_AMOUNT = re.compile(rf"{_LEFT}{_MINUS}{_OPEN}{_FIGURE}{_SCALED}{_IN_UNIT}(?![\d])(?!/\d)", re.VERBOSE)
_YEAR = re.compile(r"(?:19|20)\d\d")
_AFTER_AMOUNT = re.compile(r"(?:[\d%x]|illion|thousand|\b[KMB]n?)\s*$")


@dataclass(frozen=True, slots=True)
class Amount:
    """One amount.

    written: the signed number as it stands there. factor: what scale word, per cent or basis points make of it.
    step: worth of the last written digit, before `factor`. points: percentage or basis points. currency: ISO code, or
    None. start, end: its place.
    """

    written: Fraction
    factor: Fraction
    step: Fraction
    percent: bool = False
    points: bool = False
    scaled: bool = False
    currency: str | None = None
    parenthesised: bool = False
    year_like: bool = False
    start: int = 0
    end: int = 0

    @property
    def value(self) -> Fraction:
        """In units of one."""
        return self.written * self.factor

    @property
    def bare(self) -> bool:
        """Whether nothing says in which unit it is: no scale word, no per cent."""
        return not self.scaled and not self.percent

    @property
    def digits(self) -> int:
        """Significant digits written, without the zeros at the end of a whole number."""
        if self.written == 0:
            return 1
        steps = abs(self.written) / self.step
        shown = str(int(steps))
        return len(shown.rstrip("0") if self.step >= 1 else shown)

    def times(self, factor: int | Fraction) -> "Amount":
        """The same number in another unit."""
        return replace(self, factor=Fraction(factor))


def _plain_number(text: str) -> str:
    if re.fullmatch(_MIXED, text):
        whole, over, under = map(int, re.findall(r"\d+", text))
        return str(whole + over / under)
    european = re.fullmatch(r"\d{1,3}(?:\.\d{3}){2,}(?:,\d{1,2})?|\d{1,3}(?:\.\d{3})*,\d{1,2}", text)
    if european:
        return text.replace(".", "").replace(",", ".")
    return re.sub(r"[, '’]", "", text)


def _amount(match: re.Match[str]) -> Amount | None:
    part = match.groupdict()
    digits = _plain_number(part["number"])
    exponent = int(part["exponent"] or 0)
    if len(digits) > MAX_DIGITS or abs(exponent) > MAX_DIGITS:
        return None
    unit_of = Fraction(10) ** exponent / Fraction(part["per"] or 1)
    written = Fraction(digits) * unit_of
    step = unit_of / 10 ** len(digits.partition(".")[2])
    unit = (part["unit"] or "").strip()
    lowered = unit.lower()
    basis = lowered.startswith(("basis", "bp"))
    percent = basis or lowered.startswith(("%", "per", "pct", "pp"))
    scale = worth(part["scale"])
    closed = bool(part["close"] or part["close2"] or part["close3"])
    aside = bool(_AFTER_AMOUNT.search(match.string[max(0, match.start() - 20) : match.start()]))
    parenthesised = bool(part["open"]) and closed and not aside
    minus = bool(part["minus"] or part["minus2"] or part["minus3"] or part["trailing"])
    year_like = bool(
        _YEAR.fullmatch(part["number"]) and not (part["before"] or unit or scale or part["minus"] or part["minus2"])
    )
    return Amount(
        written=-written if minus or (parenthesised and not year_like) else written,
        factor=Fraction(scale or 1) * (Fraction(1, 10_000) if basis else Fraction(1, 100) if percent else 1),
        step=step,
        percent=percent,
        points=basis or lowered == "pp" or lowered.endswith(("point", "points")),
        scaled=scale is not None,
        currency=currencies.currency(part["before"] or part["inner"], "" if percent or unit == "x" else unit),
        parenthesised=parenthesised,
        year_like=year_like,
        start=match.start(),
        end=match.end(),
    )


def amounts_in(text: str, question: str = "") -> list[Amount]:
    """Every amount of `text` (tidied by `rayrl.verify.text.to_ascii`), in order; periods and dates are none."""
    return list(_amounts(mask_periods(text, question)))


def _amounts(masked: str) -> Iterator[Amount]:
    for count, match in enumerate(_AMOUNT.finditer(masked)):
        if count >= MAX_AMOUNTS:
            return
        amount = _amount(match)
        if amount is not None:
            yield amount


def only_amount(text: str) -> Amount | None:
    """The amount that `text` consists of, or None where it says anything else besides."""
    match = _AMOUNT.fullmatch(_LEAD.sub("", text.strip()))
    return _amount(match) if match else None


_LEAD = re.compile(r"^(?:approximately|about|around|roughly|circa|c\.|nearly|~|≈|\\approx|\\sim)\s*", re.IGNORECASE)


def is_approximate(text: str) -> bool:
    """Whether the amount at the start of `text` calls itself approximate."""
    return bool(_LEAD.match(text.strip()))


_COUNT = re.compile(
    r"(?<!not )(?<!non-)\b(zero|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve)\b", re.IGNORECASE
)
_COUNTS = re.findall(r"\w+", "zero one two three four five six seven eight nine ten eleven twelve")


def counts_in(text: str) -> list[Amount]:
    """Whole numbers from 2 to 12, and 0, that are written as words."""
    return [
        Amount(
            Fraction(_COUNTS.index(match[1].lower())), Fraction(1), Fraction(1), start=match.start(), end=match.end()
        )
        for match in _COUNT.finditer(text)
    ]
