"""What is turned away before anything parses or computes it: model output that would be huge."""

import re
from functools import cache
from importlib import import_module
from typing import Any

MAX_CHARACTERS = 1000
MAX_DIGITS = 300
MAX_DEPTH = 16
MAX_POWERS = 40
MAX_INTEGRALS = 4
MAX_BITS = 1 << 16

_HUGE_ARGUMENT = re.compile(
    r"\\(?:binom|choose|sum|prod|int)(?![A-Za-z]).*\d{5}|\d{5}.*\\(?:binom|choose)(?![A-Za-z])", re.DOTALL
)
_DIGITS = re.compile(rf"\d{{{MAX_DIGITS + 1}}}", re.ASCII)
_POWER_CHAIN = re.compile(r"(?:\^[\s{(]*\w\s*){6}")
_BUILDERS = re.compile(r"\\operatorname\s*\{\s*(?:zeros|ones|diag|[hv]stack|orth\w*|eye|rref|hermite\w*)")


class UnreadableError(ValueError):
    """The text cannot be read as an answer; the message says why."""


class NotLatexError(UnreadableError):
    """math-verify's grammar does not know it."""


class TooLargeError(UnreadableError):
    """It would be too large to parse or to compute."""


@cache
def sympy() -> Any:
    return import_module("sympy")


def check_digits(text: str) -> None:
    """Turns away numbers that no pattern should see: math-verify's take quadratic time over them.

    Raises:
        TooLargeError: More than `MAX_DIGITS` digits in a row.
    """
    if _DIGITS.search(text):
        raise TooLargeError(f"a number of more than {MAX_DIGITS} digits")


def check_size(text: str) -> None:
    """Turns away text that no parser should see.

    Raises:
        TooLargeError: Too long, too many digits in a row, nested too deep, or a function of a huge number.
    """
    if len(text) > MAX_CHARACTERS:
        raise TooLargeError(f"longer than {MAX_CHARACTERS} characters")
    check_digits(text)
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or _POWER_CHAIN.search(text):
        raise TooLargeError(f"nested deeper than {MAX_DEPTH}, or a long chain of powers")
    if text.count("^") > MAX_POWERS or text.count("\\int") > MAX_INTEGRALS:
        raise TooLargeError(f"more than {MAX_POWERS} powers or {MAX_INTEGRALS} integrals")
    if _HUGE_ARGUMENT.search(text) or _BUILDERS.search(text) or "!!!" in text:
        raise TooLargeError("a function of a huge number")


def _power_bits(base: float, power: Any) -> Any:
    """Bits of a number of `base` bits to the power of `power`, whose own bits are known to be few."""
    sp = sympy()
    if isinstance(power, sp.Rational):
        return (base + 1) * max(1.0, float(min(abs(power.p), 1 << 64)) / min(power.q, 1 << 64))
    bits = _bits(power)
    if power.free_symbols:
        return (base + 1) * bits
    if not power.has(sp.Integral, sp.Sum, sp.Product, sp.Limit, sp.Derivative, sp.factorial, sp.binomial):
        size = sp.Abs(power.evalf(6))
        if size.is_Float and size < MAX_BITS:
            return (base + 1) * max(1.0, float(size))
    return (base + 1) * 2.0 ** min(bits, 64)


def _bits(expression: Any) -> Any:
    """A rough upper bound, in bits, of the numbers that computing `expression` would make.

    Raises:
        TooLargeError: More than `MAX_BITS`.
    """
    sp = sympy()
    if isinstance(expression, sp.MatrixBase):
        bits = sum(_bits(entry) for entry in expression.flat())
    elif isinstance(expression, sp.Rational):
        bits = float(expression.p.bit_length() + expression.q.bit_length())
    elif isinstance(expression, sp.Float):
        bits = float(abs(expression._mpf_[2]) + 64)
    elif isinstance(expression, sp.Pow | sp.exp):
        base, power = expression.as_base_exp()
        bits = _power_bits(_bits(base), power)
    elif isinstance(expression, sp.factorial | sp.binomial | sp.gamma):
        argument = expression.args[0]
        if isinstance(argument, sp.Integer) and argument < MAX_BITS:
            bits = float(argument) * argument.p.bit_length() + sum(_bits(other) for other in expression.args[1:])
        else:
            bits = 2.0 ** min(2 * sum(_bits(other) for other in expression.args), 64)
    else:
        bits = 1.0 + sum(_bits(argument) for argument in getattr(expression, "args", ()))
    if bits > MAX_BITS:
        raise TooLargeError("too large to compute")
    return bits


def check_cost(expression: Any) -> Any:
    """`expression`, where computing it would make no huge number.

    Raises:
        TooLargeError: It would.
    """
    try:
        _bits(expression)
    except RecursionError as error:
        raise TooLargeError("nested too deep") from error
    return expression
