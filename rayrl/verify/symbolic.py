"""Comparison of two LaTeX answers by math-verify, kept within bounds.

math-verify's own time-outs are off, because they use SIGALRM, which works in a main thread only: the deadline is that
of the worker process (`rayrl.verify.workers`). Only its LaTeX grammar is used, never its `parse_expr` route, which
ends in Python's `eval`. What would be huge once computed is turned away before anything computes it.
"""

import logging
import re
from functools import cache, lru_cache
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
_POWER_CHAIN = re.compile(r"(?:\^[\s{(]*\w\s*){6}")
_BUILDERS = re.compile(r"\\operatorname\s*\{\s*(?:zeros|ones|diag|[hv]stack|orth\w*|eye|rref|hermite\w*)")
_SET_BUILDER = re.compile(r"(?:\\left)?\\\{\s*\w\s*(?:\\left|\\right)?(?:\||\\mid\b|:)\s*(.+?)\s*(?:\\right)?\\\}")


class Unreadable(ValueError):
    """The text is no LaTeX answer, or too large to compute; the message says which."""


@cache
def _library() -> Any:
    library = import_module("math_verify")
    logging.getLogger("math_verify").setLevel(logging.ERROR)
    logging.getLogger("latex2sympy2_extended").setLevel(logging.ERROR)
    return library


@cache
def _sympy() -> Any:
    return import_module("sympy")


@cache
def _targets() -> list[Any]:
    return [_library().LatexExtractionConfig(boxed_match_priority=-1)]


def check_size(text: str) -> None:
    """Turns away text that no parser should see.

    Raises:
        Unreadable: Too long, too many digits in a row, nested too deep, or a function of a huge number.
    """
    if len(text) > MAX_CHARACTERS:
        raise Unreadable(f"longer than {MAX_CHARACTERS} characters")
    if re.search(rf"\d{{{MAX_DIGITS + 1}}}", text, re.ASCII):
        raise Unreadable(f"a number of more than {MAX_DIGITS} digits")
    depth = deepest = 0
    for character in text:
        depth += (character in "{([") - (character in "})]")
        deepest = max(deepest, depth)
    if deepest > MAX_DEPTH or _POWER_CHAIN.search(text):
        raise Unreadable(f"nested deeper than {MAX_DEPTH}, or a long chain of powers")
    if text.count("^") > MAX_POWERS or text.count("\\int") > MAX_INTEGRALS:
        raise Unreadable(f"more than {MAX_POWERS} powers or {MAX_INTEGRALS} integrals")
    if _HUGE_ARGUMENT.search(text) or _BUILDERS.search(text) or "!!!" in text:
        raise Unreadable("a function of a huge number")


def _bits(expression: Any) -> float:
    """A rough upper bound, in bits, of the numbers that computing `expression` would make.

    Raises:
        Unreadable: More than `MAX_BITS`.
    """
    sympy = _sympy()
    if isinstance(expression, sympy.MatrixBase):
        bits = sum(_bits(entry) for entry in expression.flat())
    elif isinstance(expression, sympy.Rational):
        bits = float(expression.p.bit_length() + expression.q.bit_length())
    elif isinstance(expression, sympy.Float):
        bits = float(abs(expression._mpf_[2]) + 64)
    elif isinstance(expression, sympy.Pow | sympy.exp):
        base, power = expression.as_base_exp()
        power_bits = _bits(power)
        if isinstance(power, sympy.Rational):
            bits = (_bits(base) + 1) * max(1.0, float(min(abs(power.p), 1 << 64)) / min(power.q, 1 << 64))
        else:
            bits = (_bits(base) + 1) * (power_bits if power.free_symbols else 2.0 ** min(power_bits, 64))
    elif isinstance(expression, sympy.factorial | sympy.binomial | sympy.gamma):
        bits = 2.0 ** min(2 * sum(_bits(argument) for argument in expression.args), 64)
    else:
        bits = 1.0 + sum(_bits(argument) for argument in getattr(expression, "args", ()))
    if bits > MAX_BITS:
        raise Unreadable("too large to compute")
    return bits


@lru_cache(maxsize=512)
def parse_latex(text: str) -> Any:
    """The SymPy object of one LaTeX answer, not computed.

    Raises:
        Unreadable: No LaTeX that math-verify knows, or too large.
    """
    check_size(text)
    body = re.sub(r"\s+", " ", text.replace("\\$", "").replace("$", " ")).strip()
    set_builder = _SET_BUILDER.fullmatch(body)
    body = set_builder.group(1) if set_builder else body
    try:
        found = _library().parse(f"${body}$", _targets(), fallback_mode="no_fallback", parsing_timeout=None)
        if not found:
            raise Unreadable("not a LaTeX expression")
        _bits(found[0])
    except RecursionError as error:
        raise Unreadable("nested too deep") from error
    return found[0]


def same_expression(answer: str, gold: str) -> bool:
    """Whether math-verify holds two LaTeX answers for the same. Can take long: run it where it can be killed.

    Raises:
        Unreadable: `answer` or `gold` cannot be read.
    """
    try:
        pair = parse_latex(gold), parse_latex(answer)
        return bool(_library().verify(*pair, allow_set_relation_comp=True, timeout_seconds=None))
    except RecursionError as error:
        raise Unreadable("nested too deep") from error


def warm_up() -> None:
    """Imports math-verify and SymPy and fills their caches, so that the first verdict is as fast as the next."""
    for answer in ("\\frac{1}{2}", "x^2+1", "(1,2)", "\\sqrt{2}\\pi"):
        same_expression(answer, "\\frac{x}{3}")
