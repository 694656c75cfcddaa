"""Programs and sums as answers, computed by our own evaluator: FinQA's `subtract(5829, 5735), divide(#0, 5735)` and
plain arithmetic, `(1,494 - 903) / 903`. Exact fractions, bounded sizes, no names, no Python.
"""

import re
from collections.abc import Callable
from fractions import Fraction

from rayrl.verify.finance.reading.amounts import only_amount

MAX_CHARACTERS = 400
MAX_STEPS = 24
MAX_DEPTH = 16
MAX_BITS = 4096
MAX_POWER = 64

_STEP = re.compile(
    r"\s*([a-z_]+)\(\s*([^(),]*?(?:,\d{3}[^(),]*?)*)\s*,\s+([^()]*?)\s*\)\s*(?:,|$)"
    r"|\s*([a-z_]+)\(([^(),]*),([^(),]*)\)\s*(?:,|$)"
)
_LOOKS = re.compile(r"^\s*(?:add|subtract|multiply|divide|exp|greater|table_\w+)\s*\(")
_CONSTANT = re.compile(r"const_(m?)(\d{1,9})")
_TOKEN = re.compile(r"\s*(?:(\d[\d,]*(?:\.\d+)?|\.\d+)\s*(%)?|(\*\*|[-+*/^()]))")
_EXPRESSION = re.compile(r"^[\d\s.,%$+*/^()x-]+$")


class Incomputable(ValueError):
    """No program, one that needs its table, or a number that is too large; the message says which."""


def _bounded(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise Incomputable("too large to compute")
    return value


def _divide(first: Fraction, second: Fraction) -> Fraction:
    if second == 0:
        raise Incomputable("division by zero")
    return first / second


def _power(base: Fraction, exponent: Fraction) -> Fraction:
    if exponent.denominator != 1 or abs(exponent) > MAX_POWER:
        raise Incomputable(f"a power that is no whole number up to {MAX_POWER}")
    if base == 0 and exponent < 0:
        raise Incomputable("division by zero")
    if (base.numerator.bit_length() + base.denominator.bit_length()) * abs(exponent) > MAX_BITS:
        raise Incomputable("too large to compute")
    return Fraction(base ** int(exponent))


_OPERATIONS: dict[str, Callable[[Fraction, Fraction], Fraction]] = {
    "add": lambda a, b: a + b,
    "subtract": lambda a, b: a - b,
    "multiply": lambda a, b: a * b,
    "divide": _divide,
    "exp": _power,
}


def is_program(text: str) -> bool:
    """Whether `text` begins as a FinQA program."""
    return bool(_LOOKS.match(text))


def is_sum(text: str) -> bool:
    """Whether `text` is plain arithmetic with an operator that no range or date has."""
    return bool(_EXPRESSION.match(text)) and bool(
        re.search(r"\d\s*[*+]\s*[\d($]|\)\s*[-/*+]|\d\s*/\s*[\d($]|\d\s+-\s+\d", text)
    )


def _argument(text: str, results: list[Fraction]) -> Fraction:
    text = text.strip()
    if text.startswith("#"):
        index = text[1:]
        if not index.isdecimal() or len(index) > 3 or int(index) >= len(results):
            raise Incomputable(f"{text[:20]!r} names no earlier step")
        return results[int(index)]
    constant = _CONSTANT.fullmatch(text)
    if constant:
        return Fraction(-int(constant[2]) if constant[1] else int(constant[2]))
    amount = only_amount(text)
    if amount is None:
        raise Incomputable(f"{text[:40]!r} is no number")
    return amount.value


def run_program(text: str) -> Fraction | bool:
    """The result of a FinQA program; a truth value for one that ends in `greater`.

    Raises:
        Incomputable: Not a program, `table_…` (needs the table), a division by zero, too large or too long.
    """
    if len(text) > MAX_CHARACTERS:
        raise Incomputable(f"a program of more than {MAX_CHARACTERS} characters")
    results: list[Fraction] = []
    answer: Fraction | bool | None = None
    position, text = 0, text.strip().rstrip(".")
    while position < len(text):
        match = _STEP.match(text, position)
        if match is None or len(results) >= MAX_STEPS:
            raise Incomputable(f"cannot read the program from {text[position : position + 30]!r}")
        name, first, second = (match[index] or match[index + 3] for index in (1, 2, 3))
        if name.startswith("table_"):
            raise Incomputable(f"{name} needs the table")
        left, right = _argument(first, results), _argument(second, results)
        if name == "greater":
            answer = left > right
            results.append(Fraction(int(answer)))
        elif name in _OPERATIONS:
            answer = _bounded(_OPERATIONS[name](left, right))
            results.append(answer)
        else:
            raise Incomputable(f"no operation {name!r}")
        position = match.end()
    if answer is None:
        raise Incomputable("an empty program")
    return answer


def run_sum(text: str) -> Fraction:
    """The result of plain arithmetic: + - * / ^ and brackets over numbers, `$`, thousands separators and `%`.

    Raises:
        Incomputable: Anything else, or too large.
    """
    if len(text) > MAX_CHARACTERS:
        raise Incomputable(f"arithmetic of more than {MAX_CHARACTERS} characters")
    tokens = _tokens(text.replace("$", "").replace(" x ", " * "))
    value, end = _terms(tokens, 0, 0)
    if end != len(tokens):
        raise Incomputable(f"cannot read {text[:40]!r}")
    return value


def _tokens(text: str) -> list[Fraction | str]:
    tokens: list[Fraction | str] = []
    position, text = 0, text.strip()
    while position < len(text):
        match = _TOKEN.match(text, position)
        if match is None:
            raise Incomputable(f"cannot read {text[position : position + 20]!r}")
        if match[1]:
            digits = match[1].replace(",", "")
            tokens.append(Fraction(digits) / (100 if match[2] else 1))
        else:
            tokens.append({"**": "^"}.get(match[3], match[3]))
        position = match.end()
    return tokens


def _terms(tokens: list[Fraction | str], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _factors(tokens, at, depth)
    while at < len(tokens) and tokens[at] in ("+", "-"):
        right, end = _factors(tokens, at + 1, depth)
        value = _bounded(value + right if tokens[at] == "+" else value - right)
        at = end
    return value, at


def _factors(tokens: list[Fraction | str], at: int, depth: int) -> tuple[Fraction, int]:
    value, at = _atom(tokens, at, depth)
    while at < len(tokens) and tokens[at] in ("*", "/"):
        right, end = _atom(tokens, at + 1, depth)
        value = _bounded(value * right if tokens[at] == "*" else _divide(value, right))
        at = end
    return value, at


def _atom(tokens: list[Fraction | str], at: int, depth: int) -> tuple[Fraction, int]:
    if depth > MAX_DEPTH or at >= len(tokens):
        raise Incomputable("nested too deep, or an operator without a number")
    token = tokens[at]
    if token == "-":
        value, at = _atom(tokens, at + 1, depth + 1)
        return -value, at
    if token == "(":
        value, at = _terms(tokens, at + 1, depth + 1)
        if at >= len(tokens) or tokens[at] != ")":
            raise Incomputable("a bracket is not closed")
        at += 1
    elif isinstance(token, Fraction):
        value, at = token, at + 1
    else:
        raise Incomputable(f"{token!r} where a number should stand")
    if at < len(tokens) and tokens[at] == "^":
        exponent, at = _atom(tokens, at + 1, depth + 1)
        value = _power(value, exponent)
    return value, at
