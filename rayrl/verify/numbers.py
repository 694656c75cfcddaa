"""Numbers as people write them, read exactly: `1,234.50`, `$18`, `45 %`, `3/4`, `1\\frac{1}{2}`, `2.5e3`, `3 million`.

Read by one regular expression and `Fraction`: nothing is evaluated, and a number of more than `MAX_DIGITS` digits is
not read at all. Units are compared where both numbers name one that `rayrl.verify.measures` knows, else left out.
"""

import re
from dataclasses import dataclass
from fractions import Fraction

from rayrl.verify.bounds import MAX_DIGITS
from rayrl.verify.measures import Measure, read_measure
from rayrl.verify.text import plain

MAX_EXPONENT = 300

_UNSIGNED = r"(?:\d{1,3}(?:,\d{2,3})*,\d{3}(?!\d)|\d{1,3}(?:[ ]\d{3})+(?!\d)|\d+)(?:\.\d*)?|\.\d+"
_CURRENCY = r"(?:US|A|C)?\$|€|£|¥|₹|USD|EUR|GBP|Rs\.?"
_AND = r"[ ]|-|[ ]and[ ]"  # between a whole number and its fraction
_FRACTION = (  # \frac{3}{4}, \frac34
    rf"(?:\\frac\s*(?:\{{\s*(?P<over>-?(?:{_UNSIGNED}))\s*\}}\s*\{{\s*(?P<under>{_UNSIGNED})\s*\}}"
    r"|(?P<over1>\d)\s*(?P<under1>\d)))"
)
_MIXED = rf"(?P<whole2>\d{{1,30}})(?:{_AND})(?P<over2>\d{{1,30}})\s*/\s*(?P<under2>\d{{1,30}})"  # 1 3/4
_POWER = (  # of ten: e3, \times 10^{3}, * 10**3
    r"(?:[eE](?P<e>[+-]?\d{1,4})|\s*(?:\\times|\\cdot|[x*])\s*10\s*(?:\^|\*\*)\s*"
    r"(?:\{\s*(?P<power>[+-]?\d{1,4})\s*\}|(?P<power1>[+-]?\d{1,4})))"
)
_OVER = rf"(?:\s*/\s*(?P<under3>{_UNSIGNED}))"  # 3/4
_NUMBER = re.compile(
    rf"""
    (?:\(?[A-J][).:]\s+)?(?:\\approx|\\sim|approximately|about|around|roughly|exactly)?\s*
    (?P<sign>[+-]?)\s*(?P<currency>{_CURRENCY})?\s*(?P<sign2>-?)\s*
    (?:(?:(?P<whole>\d{{1,30}})(?:{_AND})?)?{_FRACTION}|{_MIXED}|(?P<value>{_UNSIGNED}){_POWER}?{_OVER}?)
    (?![\d.,]\d)
    (?P<unit>.*)
    """,
    re.VERBOSE | re.ASCII | re.DOTALL,
)
_INTEGER = re.compile(r"-?\d{1,30}", re.ASCII)  # what most answers are: no grammar is needed
_UNIT = re.compile(r"(?:\^?\{?\\circ\}?)?\s*(?:(?:[A-Za-z]++\.?(?:\^?\{?-?\d\}?)?)(?:[ /-]|$)*)*", re.ASCII)
_TERM = re.compile(
    r"[-+*/^]|\\(?:frac|sqrt|times|cdot|pm)|(?<![\w{])\d+\s*[A-Za-z\\(]", re.ASCII
)  # of an equation, not a name
_NAMED = re.compile(r"\s*[A-Za-z](?:_\{?\w+\}?)?\s*")
_BRACKETED = re.compile(r"\s+\(([A-Za-z]{2}[A-Za-z .-]{0,60})\)\s*", re.ASCII)
_MONEY = read_measure(" dollars")
_PERCENT = re.compile(r"\s*(?:%|percent(?:age)?(?: points?)?\b|pct\b)\s*")
_SCALES = {"hundred": 10**2, "thousand": 10**3, "million": 10**6, "billion": 10**9, "trillion": 10**12}
_SHORT_UNITS = frozenset(
    re.findall(
        r"\w+",
        """
    m g s h L l K N J W V C F cm mm km kg mg ml mL in ft yd mi hr oz lb sq cc ha dm kJ MJ kW MW Hz Pa ms
    of to an a is as it at on by he if no so us we my Rs
""",
    )
)
_GLUED_UNITS = frozenset({"cm", "mm", "km", "kg", "mg", "ml", "mL", "ft", "yd", "oz", "lb", "lbs", "mph", "kmh"})
_GLUED_POWER = re.compile(r"(?:[cmkd]?m|ft|in|yd)\^\{?[23]\}?")  # 12m^2: an area or a volume
_NOT_UNITS = frozenset(
    re.findall(
        r"\w+",
        """
    and or pi sqrt sin cos tan cot sec csc log exp inf infinity infty theta alpha beta gamma delta lambda sigma omega
    phi psi mod over times plus minus divided than cup cap where when
""",
    )
)


@dataclass(frozen=True, slots=True)
class Number:
    """An exact number. `written` is what stands there; `percent` says that a per cent sign follows it."""

    written: Fraction
    percent: bool = False
    decimal: bool = False
    measure: Measure | None = None

    @property
    def value(self) -> Fraction:
        return self.written / 100 if self.percent else self.written


def _exact(text: str) -> Fraction:
    return Fraction(text.replace(",", "").replace(" ", ""))


def _is_unit(unit: str) -> bool:
    if not unit.strip():
        return True
    if len(unit) > 60 or not _UNIT.fullmatch(unit):
        return False
    names = re.findall(r"[A-Za-z]+", unit.replace("\\circ", ""))
    if names and unit[0].isalpha():
        return len(names) == 1 and (names[0] in _GLUED_UNITS or bool(_GLUED_POWER.fullmatch(unit)))
    return all(name in _SHORT_UNITS or (len(name) > 2 and name.lower() not in _NOT_UNITS) for name in names)


def _last_side(text: str) -> str:
    """The number's side of `x = 5`, `5 = x`, `f(2) = 5` or `2 + 3 = 5`; the text itself where it is an equation,
    `2x + y = 5`, or where several things are set equal.
    """
    *before, last = text.split("=")
    if not before or re.search(r"[,;<>]|\\(?:leq?|geq?|neq?)\b|\band\b|\bor\b", text):
        return text
    if any(re.search(r"[A-Za-z]", side) and _TERM.search(side) for side in before):
        return text
    return before[0].strip() if len(before) == 1 and _NAMED.fullmatch(last) else last.strip()


def parse_number(answer: str) -> Number | None:
    """The number that `answer` states, or None where it states none, or more than one, or an expression.

    `x = 5`, `(B) 5` and `5 (five)` state 5. `0.5`, `1/2` and `50%` have the same value; `50%` can also be matched as 50
    (`same_number`).
    """
    if _INTEGER.fullmatch(answer):
        return Number(Fraction(int(answer)))
    if len(answer) > 2 * MAX_DIGITS:
        return None
    match = _NUMBER.fullmatch(_last_side(plain(answer)))
    if match is None:
        return None
    part = match.groupdict()
    whole = part["whole"] or part["whole2"]
    over = part["over"] or part["over1"] or part["over2"] or part["value"]
    under = part["under"] or part["under1"] or part["under2"] or part["under3"]
    exponent = int(part["e"] or part["power"] or part["power1"] or 0)
    written = part["unit"].replace("\\cdot", " ")
    bracketed = _BRACKETED.fullmatch(written)
    unit: str = f" {bracketed[1]}" if bracketed else written
    percent = _PERCENT.match(unit)
    if percent:
        unit = " " + unit[percent.end() :]
    scale_name, _, rest = unit.strip().partition(" ")
    scale = 1
    if unit[:1].isspace() and scale_name.lower() in _SCALES:
        scale, unit = _SCALES[scale_name.lower()], f" {rest}"
    too_big = len(over) + len(under or "") > MAX_DIGITS or abs(exponent) > MAX_EXPONENT
    if too_big or not _is_unit(unit):
        return None
    value = _exact(over) * Fraction(10) ** exponent
    if under is not None:
        denominator = _exact(under)
        if denominator == 0:
            return None
        value /= denominator
    value = (value + (_exact(whole) if whole else 0)) * scale
    negative = (part["sign"] == "-") != (part["sign2"] == "-")
    decimal = "." in over or "." in (under or "") or exponent != 0
    measure = read_measure(unit) or (_MONEY if part["currency"] else None)
    return Number(-value if negative else value, percent is not None, decimal, measure)


def _close(first: Fraction, second: Fraction, rounded: bool) -> bool:
    if first == second:
        return True
    return rounded and abs(first - second) < min(Fraction(1, 10**6), abs(second) / 1000)


def same_number(answer: Number, gold: Number) -> bool:
    """Whether two numbers agree: exactly, or to less than 1e-6 (and less than 0.1 %) where one is a decimal.

    Where both name a unit, they agree after conversion: 5 m and 500 cm, but not 5 m and 5 km, nor 5 m and 5 s.
    A per cent sign on one side only may be read either way: 50% agrees with 0.5 and with 50.
    """
    if answer.measure and gold.measure and answer.measure != gold.measure:
        if answer.measure.kind != gold.measure.kind:
            return False
        return _close(answer.written * answer.measure.factor, gold.written * gold.measure.factor, True)
    rounded = answer.decimal or gold.decimal or answer.percent or gold.percent
    if _close(answer.value, gold.value, rounded):
        return True
    return answer.percent != gold.percent and _close(answer.written, gold.written, rounded)
